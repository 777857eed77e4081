//! Profiles and sky templates: what an edit can be made with.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Result;
use crate::transport::Call;
use crate::types::{lenient, words};

/// The extensions of the RAW files that the service takes.
pub(crate) const RAW_EXTENSIONS: [&str; 19] = [
    "dng", "nef", "cr2", "arw", "nrw", "crw", "srf", "sr2", "orf", "raw", "rw2", "raf", "ptx",
    "pef", "rwl", "srw", "cr3", "3fr", "fff",
];

/// The extensions of the JPEG files that the service takes.
pub(crate) const JPEG_EXTENSIONS: [&str; 2] = ["jpg", "jpeg"];

words! {
    /// RAW or JPEG: what a photo is, and which photos a profile is made for.
    ImageType {
        /// RAW files.
        Raw = "RAW",
        /// JPEG files.
        Jpeg = "JPG" | "JPEG",
    }
}

impl ImageType {
    /// Tells by the extension what a photo is. `None` if the service does not take such files.
    ///
    /// ```
    /// use imagen_ai::ImageType;
    ///
    /// assert_eq!(ImageType::of("card/DSC_0001.NEF"), Some(ImageType::Raw));
    /// assert_eq!(ImageType::of("DSC_0002.jpeg"), Some(ImageType::Jpeg));
    /// assert_eq!(ImageType::of("notes.txt"), None);
    /// ```
    pub fn of(path: impl AsRef<Path>) -> Option<Self> {
        Self::of_extension(path.as_ref().extension()?.to_str()?)
    }

    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        let extension = extension.to_ascii_lowercase();
        let extension = extension.as_str();
        if RAW_EXTENSIONS.contains(&extension) {
            return Some(Self::Raw);
        }
        if JPEG_EXTENSIONS.contains(&extension) {
            return Some(Self::Jpeg);
        }
        None
    }
}

/// A profile, from [`Client::profiles`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Profile {
    /// The key for [`EditOptions::profile`](crate::EditOptions::profile).
    pub profile_key: u64,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub profile_name: Option<String>,
    /// `Personal`, `Talent`, `Shared`; other words are possible.
    #[serde(default, deserialize_with = "lenient")]
    pub profile_type: Option<String>,
    /// Which photos it is made for. `None` takes all that the service takes.
    #[serde(default, deserialize_with = "lenient")]
    pub image_type: Option<ImageType>,
}

/// A sky that can replace that of a photo, from [`Client::sky_templates`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SkyTemplate {
    /// The id, for [`EditOptions`](crate::EditOptions) as `sky_replacement_template_id`.
    pub id: u64,
    /// Whether the service takes this one when an edit names none.
    #[serde(default, deserialize_with = "lenient")]
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
        let call = Call::get(["profiles"]);
        let profiles = self.transport.send(&call)?.list("profiles")?;
        Ok(profiles.into_iter().flatten().collect())
    }

    /// Lists the sky templates: `GET /projects/sky_replacement/templates`. Those that cannot be
    /// read are left out.
    ///
    /// # Errors
    /// As [`Client::profiles`].
    pub fn sky_templates(&self) -> Result<Vec<SkyTemplate>> {
        let call = Call::get(["projects", "sky_replacement", "templates"]);
        let templates = self.transport.send(&call)?.list("templates")?;
        Ok(templates.into_iter().flatten().collect())
    }
}
