//! Profiles and sky templates: what an edit can be made with.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Result;
use crate::transport::Call;
use crate::types::words;

words! {
    /// Which files a profile is made for.
    ImageType {
        /// RAW files.
        Raw = "RAW",
        /// JPEG files.
        Jpg = "JPG" | "JPEG",
    }
}

/// A profile, from [`Client::profiles`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Profile {
    /// The key for [`EditOptions::profile`](crate::EditOptions::profile).
    pub profile_key: u64,
    /// Its name.
    pub profile_name: Option<String>,
    /// `Personal`, `Talent`, `Shared`; other words are possible.
    pub profile_type: Option<String>,
    /// Which files it is made for. `None` takes all that the service knows.
    pub image_type: Option<ImageType>,
}

/// A sky that can replace the photo's, from [`Client::sky_templates`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SkyTemplate {
    /// The id for
    /// [`EditOptions::sky_replacement_template_id`](crate::EditOptions::sky_replacement_template_id).
    pub id: u64,
    /// Whether it is the one that is taken when none is named.
    #[serde(default)]
    pub is_default: bool,
}

impl Client {
    /// Lists the profiles of the account: `GET /profiles`. Those that cannot be read are left out.
    ///
    /// ```no_run
    /// let client = imagen_ai::Client::from_env()?;
    /// for profile in client.profiles()? {
    ///     println!(
    ///         "{}: {:?} {:?}",
    ///         profile.profile_key, profile.profile_name, profile.image_type
    ///     );
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::Api`](crate::Error::Api): the service said no.
    /// - [`Error::Network`](crate::Error::Network): the network or the service failed, in all
    ///   attempts.
    /// - [`Error::Decode`](crate::Error::Decode): the answer holds no list.
    pub fn profiles(&self) -> Result<Vec<Profile>> {
        Ok(self
            .transport
            .send(&Call::get(["profiles"]))?
            .list("profiles")?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Lists the sky templates: `GET /projects/sky_replacement/templates`. Those that cannot be
    /// read are left out.
    ///
    /// # Errors
    /// Those of [`Client::profiles`].
    pub fn sky_templates(&self) -> Result<Vec<SkyTemplate>> {
        let call = Call::get(["projects", "sky_replacement", "templates"]);
        Ok(self
            .transport
            .send(&call)?
            .list("templates")?
            .into_iter()
            .flatten()
            .collect())
    }
}
