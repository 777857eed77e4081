//! The edit and the export of a whole project.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::project::Project;
use crate::transport::Call;
use crate::types::{ProjectKind, ProjectStatus, lenient, words};

/// Where to look when it is not known whether a call was carried out.
const EDIT_ADVICE: &str = "the edit may have begun: look at Project::edit_status() before calling \
                           again (a Smart Editing project needs its photos first, five at least)";
const EXPORT_ADVICE: &str =
    "the export may have begun: look at Project::export_status() before calling again";

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

/// How [`Project::edit`] edits. Options that are not set are left out of the request.
///
/// ```
/// use imagen_ai::{EditOptions, PhotographyType};
///
/// let wedding = EditOptions {
///     photography_type: Some(PhotographyType::Wedding),
///     crop: true,
///     ..EditOptions::profile(5700)
/// };
/// assert_eq!(
///     serde_json::to_string(&wedding)?,
///     r#"{"profile_key":5700,"photography_type":"WEDDING","crop":true}"#,
/// );
/// let house = EditOptions {
///     hdr_merge: true,
///     perspective_correction: true,
///     ..EditOptions::default()
/// };
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditOptions {
    /// The profile to edit with, by its [`profile_key`](crate::Profile::profile_key). A
    /// profile-based project needs one, a Smart Editing project takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_key: Option<u64>,
    /// What sort of photos they are. Profile-based projects only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photography_type: Option<PhotographyType>,
    /// Crops. Profile-based projects only; not with another kind of crop.
    #[serde(skip_serializing_if = "is_false")]
    pub crop: bool,
    /// Crops portraits. Profile-based projects only; not with another kind of crop.
    #[serde(skip_serializing_if = "is_false")]
    pub portrait_crop: bool,
    /// Crops headshots. Profile-based projects only; not with another kind of crop.
    #[serde(skip_serializing_if = "is_false")]
    pub headshot_crop: bool,
    /// The shape to crop to. Profile-based projects only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_aspect_ratio: Option<CropAspectRatio>,
    /// Straightens. Profile-based projects only; not with `perspective_correction`.
    #[serde(skip_serializing_if = "is_false")]
    pub straighten: bool,
    /// Corrects the perspective. Not with `straighten`.
    #[serde(skip_serializing_if = "is_false")]
    pub perspective_correction: bool,
    /// Merges bracketed photos to HDR.
    #[serde(skip_serializing_if = "is_false")]
    pub hdr_merge: bool,
    /// How merged photos are compressed: of RAW photos, with `hdr_merge`. Profile-based projects
    /// only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hdr_output_compression: Option<HdrOutputCompression>,
    /// Smooths skin. Profile-based projects only.
    #[serde(skip_serializing_if = "is_false")]
    pub smooth_skin: bool,
    /// Masks the subject. Profile-based projects only.
    #[serde(skip_serializing_if = "is_false")]
    pub subject_mask: bool,
    /// Shows what is behind the windows of a room. Profile-based projects only.
    #[serde(skip_serializing_if = "is_false")]
    pub window_pull: bool,
    /// Replaces the sky.
    #[serde(skip_serializing_if = "is_false")]
    pub sky_replacement: bool,
    /// The sky to put in, by the [`id`](crate::SkyTemplate::id) of a template. Needs
    /// `sky_replacement`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sky_replacement_template_id: Option<u64>,
    /// Where the service posts an [`EditCallback`] when the edit is done: an https URL. The post
    /// is not signed; the vendor advises a token in the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Has the service export the project by itself when the edit is done, so that
    /// [`Project::export`] is not called. Profile-based projects only.
    ///
    /// The vendor's page about callbacks names this option, and none of the vendor's clients
    /// sends it.
    #[serde(skip_serializing_if = "is_false")]
    pub export: bool,
}

/// Whether an option is left out of the request.
fn is_false(option: &bool) -> bool {
    !option
}

impl EditOptions {
    /// Makes options for a profile-based project, by the
    /// [`profile_key`](crate::Profile::profile_key) of a profile. A Smart Editing project takes
    /// `EditOptions::default()`.
    pub fn profile(profile_key: u64) -> Self {
        Self {
            profile_key: Some(profile_key),
            ..Self::default()
        }
    }

    /// Refuses options that the service would refuse.
    pub(crate) fn check(&self, kind: ProjectKind) -> Result<()> {
        at_most_one(&[
            ("crop", self.crop),
            ("portrait_crop", self.portrait_crop),
            ("headshot_crop", self.headshot_crop),
        ])?;
        at_most_one(&[
            ("straighten", self.straighten),
            ("perspective_correction", self.perspective_correction),
        ])?;
        if self.sky_replacement_template_id.is_some() && !self.sky_replacement {
            return Err(Error::invalid(
                "sky_replacement_template_id",
                "needs sky_replacement",
            ));
        }
        if self.hdr_output_compression.is_some() && !self.hdr_merge {
            return Err(Error::invalid("hdr_output_compression", "needs hdr_merge"));
        }
        if let Some(url) = &self.callback_url
            && !is_https_with_a_host(url)
        {
            return Err(Error::invalid(
                "callback_url",
                "must begin with https:// and a host",
            ));
        }
        match kind {
            ProjectKind::ProfileBased => self.check_profile_based(),
            ProjectKind::Smart => self.check_smart(),
        }
    }

    fn check_profile_based(&self) -> Result<()> {
        if self.profile_key.is_none() {
            return Err(Error::invalid(
                "profile_key",
                "a profile-based project needs one",
            ));
        }
        Ok(())
    }

    fn check_smart(&self) -> Result<()> {
        let of_profile_based_projects = [
            ("profile_key", self.profile_key.is_some()),
            ("photography_type", self.photography_type.is_some()),
            ("crop", self.crop),
            ("portrait_crop", self.portrait_crop),
            ("headshot_crop", self.headshot_crop),
            ("crop_aspect_ratio", self.crop_aspect_ratio.is_some()),
            ("straighten", self.straighten),
            (
                "hdr_output_compression",
                self.hdr_output_compression.is_some(),
            ),
            ("smooth_skin", self.smooth_skin),
            ("subject_mask", self.subject_mask),
            ("window_pull", self.window_pull),
            ("export", self.export),
        ];
        for (option, is_set) in of_profile_based_projects {
            if is_set {
                return Err(Error::invalid(
                    option,
                    "only a profile-based project takes it",
                ));
            }
        }
        Ok(())
    }
}

fn is_https_with_a_host(url: &str) -> bool {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    !rest.is_empty() && !rest.starts_with('/')
}

/// Refuses the second of several options that exclude each other.
fn at_most_one(options: &[(&'static str, bool)]) -> Result<()> {
    let mut first = None;
    for (option, is_set) in options {
        if !is_set {
            continue;
        }
        if let Some(first) = first {
            return Err(Error::invalid(option, format!("not together with {first}")));
        }
        first = Some(option);
    }
    Ok(())
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
/// let body =
///     r#"{"project_uuid":"65f3a1c2","status":"Completed","action":"edit"}"#;
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
    /// /i2i/projects/{uuid}/edit`. Costs credits.
    ///
    /// It returns at once; [`Project::wait_until_edited`] waits for the end. Calling it again
    /// edits, and costs, again: a program that can be killed between two calls asks
    /// [`Project::edit_status`] first. The client itself sends it a second time only when the
    /// first surely had no effect.
    ///
    /// A Smart Editing project needs its photos first, five at least. Without them the service
    /// answers 500.
    ///
    /// The vendor's clients send the edit of a profile-based project with an empty `Content-Type`,
    /// and so does this one. If the service refuses that with 415, the edit is sent once more as
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
        options.check(self.kind())?;
        let mut call = Call::post(self.path(&["edit"])?)
            .json(options)?
            .once(EDIT_ADVICE);
        if self.kind() == ProjectKind::Smart {
            return self.send(&call)?.empty();
        }
        call.content_type = "";
        let result = self.send(&call).and_then(|answer| answer.empty());
        if !matches!(&result, Err(Error::Api(e)) if e.status == 415) {
            return result;
        }
        call.content_type = "application/json";
        self.send(&call)?.empty()
    }

    /// Asks how far the edit is: `GET /projects/{uuid}/edit/status`. A Smart Editing project has no
    /// such call, so this is the status of the project, without progress and details.
    ///
    /// # Errors
    /// As [`Project::info`].
    pub fn edit_status(&self) -> Result<StepStatus> {
        if self.kind() == ProjectKind::Smart {
            return Ok(StepStatus {
                status: self.info()?.status,
                progress: None,
                details: None,
            });
        }
        self.send(&Call::get(self.path(&["edit", "status"])?))?
            .status_object()
    }

    /// Starts the export of the finished images of a profile-based project, after its edit: `POST
    /// /projects/{uuid}/export`. Costs credits.
    ///
    /// It returns at once; [`Project::wait_until_exported`] waits for the end.
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
            .status_object()
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
