//! The edit and the export of a whole project.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::project::Project;
use crate::transport::Call;
use crate::types::{ProjectKind, ProjectStatus, lenient, words};

/// Where to look when it is not known whether a call was carried out.
const EDIT_ADVICE: &str = "the edit may have begun: look at Project::edit_status() before calling again (a Smart Editing \
                           project needs its images first, five at least)";
const EXPORT_ADVICE: &str =
    "the export may have begun: look at Project::export_status() before calling again";

/// The options that a Smart Editing project does not take.
const PROFILE_BASED: &str = "profile_key photography_type crop portrait_crop headshot_crop crop_aspect_ratio straighten \
                             hdr_output_compression smooth_skin subject_mask window_pull";

/// Which options go together.
const RULES: [(&str, &str, &str); 6] = [
    ("portrait_crop", "excludes", "crop"),
    ("headshot_crop", "excludes", "crop"),
    ("headshot_crop", "excludes", "portrait_crop"),
    ("perspective_correction", "excludes", "straighten"),
    ("sky_replacement_template_id", "needs", "sky_replacement"),
    ("hdr_output_compression", "needs", "hdr_merge"),
];

words! {
    /// What sort of photos a project has.
    PhotographyType {
        /// No sort in particular.
        NoType = "NO_TYPE",
        /// None of the others. (The word is `OTHER`.)
        AnyOther = "OTHER",
        /// Portraits.
        Portraits = "PORTRAITS",
        /// Weddings.
        Wedding = "WEDDING",
        /// Houses.
        RealEstate = "REAL_ESTATE",
        /// Landscapes.
        LandscapeNature = "LANDSCAPE_NATURE",
        /// Events.
        Events = "EVENTS",
        /// Families and newborns.
        FamilyNewborn = "FAMILY_NEWBORN",
        /// Boudoir.
        Boudoir = "BOUDOIR",
        /// Sports.
        Sports = "SPORTS",
        /// Schools.
        School = "SCHOOL",
    }
}

words! {
    /// The shape that photos are cropped to.
    CropAspectRatio {
        /// 2 to 3.
        TwoByThree = "2X3",
        /// 4 to 5.
        FourByFive = "4X5",
        /// 5 to 7.
        FiveBySeven = "5X7",
    }
}

words! {
    /// How merged HDR photos are compressed.
    HdrOutputCompression {
        /// Smaller files.
        Lossy = "LOSSY",
        /// Larger files, with nothing lost.
        Lossless = "LOSSLESS",
    }
}

/// Defines the options, and a method for each that sets it.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident($from:ty): $type:ty,)+) => {
        /// How [`Project::edit`] edits. What is not set is left out of the request.
        ///
        /// ```
        /// use imagen_ai::{EditOptions, PhotographyType};
        ///
        /// let wedding = EditOptions::profile(5700).photography_type(PhotographyType::Wedding).crop(true);
        /// assert_eq!(
        ///     serde_json::to_string(&wedding)?,
        ///     r#"{"profile_key":5700,"photography_type":"WEDDING","crop":true}"#,
        /// );
        /// let house = EditOptions::smart().hdr_merge(true).perspective_correction(true);
        /// # Ok::<(), serde_json::Error>(())
        /// ```
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct EditOptions {
            $($(#[$doc])* #[serde(skip_serializing_if = "is_unset")] pub $name: $type,)+
        }

        impl EditOptions {
            $($(#[$doc])* #[must_use] pub fn $name(mut self, value: $from) -> Self {
                self.$name = value.into();
                self
            })+
        }
    };
}

options! {
    /// The profile to edit with, by its [`profile_key`](crate::Profile::profile_key). Profile-based projects need one.
    profile_key(u64): Option<u64>,
    /// What sort of photos they are. Profile-based projects only.
    photography_type(PhotographyType): Option<PhotographyType>,
    /// Crops. Profile-based projects only; not with another kind of crop.
    crop(bool): bool,
    /// Crops portraits. Profile-based projects only; not with another kind of crop.
    portrait_crop(bool): bool,
    /// Crops headshots. Profile-based projects only; not with another kind of crop.
    headshot_crop(bool): bool,
    /// The shape to crop to. Profile-based projects only.
    crop_aspect_ratio(CropAspectRatio): Option<CropAspectRatio>,
    /// Straightens. Profile-based projects only; not with `perspective_correction`.
    straighten(bool): bool,
    /// Corrects the perspective. Not with `straighten`.
    perspective_correction(bool): bool,
    /// Merges bracketed photos to HDR.
    hdr_merge(bool): bool,
    /// How merged photos are compressed: of RAW files, with `hdr_merge`. Profile-based projects only.
    hdr_output_compression(HdrOutputCompression): Option<HdrOutputCompression>,
    /// Smooths skin. Profile-based projects only.
    smooth_skin(bool): bool,
    /// Masks the subject. Profile-based projects only.
    subject_mask(bool): bool,
    /// Shows what is behind the windows of a room. Profile-based projects only.
    window_pull(bool): bool,
    /// Replaces the sky.
    sky_replacement(bool): bool,
    /// The sky to put in, by the [`id`](crate::SkyTemplate::id) of a template; with `sky_replacement`.
    sky_replacement_template_id(u64): Option<u64>,
    /// Where the service posts an [`EditCallback`] when the edit is done: an https URL. The post is not signed; the vendor
    /// advises a token in the path.
    callback_url(String): Option<String>,
}

/// Whether an option has the value that it has before it is set.
fn is_unset<T: Default + PartialEq>(option: &T) -> bool {
    *option == T::default()
}

impl EditOptions {
    /// Makes options for a profile-based project, by the
    /// [`profile_key`](crate::Profile::profile_key) of a profile.
    pub fn profile(profile_key: u64) -> Self {
        Self::default().profile_key(profile_key)
    }

    /// Makes options for a Smart Editing project.
    pub fn smart() -> Self {
        Self::default()
    }

    /// Returns the body of the call, unless the options do not go together.
    fn body(&self, kind: ProjectKind) -> Result<Value> {
        let body =
            serde_json::to_value(self).map_err(|e| Error::invalid("options", e.to_string()))?;
        let is_set = |option: &str| body.get(option).is_some();
        let refuse = |option, why: &str| Err(Error::invalid(option, why));
        let is_smart = kind == ProjectKind::Smart;
        let alien = PROFILE_BASED
            .split(' ')
            .find(|option| is_smart && is_set(option));
        let mut rules = RULES.into_iter();
        let rule = rules
            .find(|(option, verb, other)| is_set(option) && is_set(other) == (*verb == "excludes"));
        match (alien, rule, &self.callback_url) {
            _ if !is_smart && self.profile_key.is_none() => {
                refuse("profile_key", "a profile-based project needs one")
            }
            (Some(option), ..) => refuse(option, "only a profile-based project takes it"),
            (_, Some((option, verb, other)), _) => refuse(option, &format!("it {verb} {other}")),
            (.., Some(url)) if !url.starts_with("https://") => {
                refuse("callback_url", "it is no https URL")
            }
            _ => Ok(body),
        }
    }
}

/// How far an edit or an export is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepStatus {
    /// How far it is.
    pub status: ProjectStatus,
    /// The same as a number from 0 to 100, if the service gives one.
    #[serde(default, deserialize_with = "lenient")]
    pub progress: Option<f64>,
    /// What else the service says. Its shape is not published.
    pub details: Option<Value>,
}

/// What the service posts to [`EditOptions::callback_url`] when an edit is done. The post is not
/// signed: ask [`Project::edit_status`] before relying on it.
///
/// ```
/// use imagen_ai::{EditCallback, ProjectStatus};
///
/// let body = r#"{"project_uuid":"65f3a1c2d4e5f6a7b8c9d0e1","status":"Completed","action":"edit"}"#;
/// let callback: EditCallback = serde_json::from_str(body)?;
/// assert_eq!(callback.status, ProjectStatus::Completed);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EditCallback {
    /// The project's id.
    pub project_uuid: String,
    /// `Completed` or `Failed`.
    pub status: ProjectStatus,
    /// What is done: `edit`.
    pub action: Option<String>,
}

impl Project {
    /// Starts the edit of all photos: `POST /projects/{uuid}/edit` or `POST
    /// /i2i/projects/{uuid}/edit`. It returns at once; [`Project::wait_until_edited`] waits for
    /// the end. It costs credits, so it is sent a second time only when the first surely had no
    /// effect.
    ///
    /// A Smart Editing project needs its images first, five at least. Without them the service
    /// answers 500.
    ///
    /// The vendor's clients send the edit of a profile-based project with an empty `Content-Type`,
    /// and so does this one. If the service refuses that with 415, it is sent once more as
    /// `application/json`.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`], naming the option: options that exclude each other, that need
    ///   another one, or that do not go with the project's kind; no profile for a profile-based
    ///   project; a `callback_url` that is not https. Nothing was sent.
    /// - [`Error::Api`]: the service said no.
    /// - [`Error::OutcomeUnknown`]: the edit may have begun; look at [`Project::edit_status`].
    /// - [`Error::Network`]: nothing reached the service.
    pub fn edit(&self, options: &EditOptions) -> Result<()> {
        let body = options.body(self.kind())?;
        let mut call = Call::post(self.path(&["edit"])?)
            .json(&body)?
            .once(EDIT_ADVICE);
        if self.kind() == ProjectKind::Smart {
            return self.send(&call)?.empty();
        }
        call.content_type = "";
        match self.send(&call).and_then(|answer| answer.empty()) {
            Err(Error::Api(e)) if e.status == 415 => call.content_type = "application/json",
            result => return result,
        }
        self.send(&call)?.empty()
    }

    /// Asks how far the edit is: `GET /projects/{uuid}/edit/status`. A Smart Editing project has no
    /// such call, so this is the status of the project, without progress and details.
    ///
    /// # Errors
    /// As [`Project::info`].
    pub fn edit_status(&self) -> Result<StepStatus> {
        if self.kind() == ProjectKind::Smart {
            return self.info().map(|info| StepStatus {
                status: info.status,
                progress: None,
                details: None,
            });
        }
        self.send(&Call::get(self.path(&["edit", "status"])?))?
            .read()
    }

    /// Starts the export of the finished photos of a profile-based project, after its edit: `POST
    /// /projects/{uuid}/export`. It returns at once; [`Project::wait_until_exported`] waits for
    /// the end.
    ///
    /// # Errors
    /// Those of [`Project::edit`], with [`Project::export_status`] to look at;
    /// [`Error::InvalidInput`] for a Smart Editing project, which has no export.
    pub fn export(&self) -> Result<()> {
        self.send(&Call::post(self.export_path(&["export"])?).once(EXPORT_ADVICE))?
            .empty()
    }

    /// Asks how far the export is: `GET /projects/{uuid}/export/status`.
    ///
    /// # Errors
    /// As [`Project::info`]; [`Error::InvalidInput`] for a Smart Editing project, which has no
    /// export.
    pub fn export_status(&self) -> Result<StepStatus> {
        self.send(&Call::get(self.export_path(&["export", "status"])?))?
            .read()
    }

    fn export_path<'a>(&'a self, rest: &[&'a str]) -> Result<Vec<&'a str>> {
        match self.kind() {
            ProjectKind::ProfileBased => self.path(rest),
            ProjectKind::Smart => Err(Error::invalid(
                "project_source",
                "Smart Editing has no export",
            )),
        }
    }
}
