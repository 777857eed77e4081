//! What a chain tells its caller: the edit that is pending, what an edit gave, and what became of
//! one whose answer was lost.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::history::Version;
use crate::types::{CopilotEdit, DownloadLink, Enhancement, SignedUrl, VersionId};

/// A Copilot edit whose outcome is not known: whether it was made, or as which version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// What was asked for.
    pub edit: CopilotEdit,
    /// The version that it was to build on. `None` is the unedited image.
    pub parent: Option<VersionId>,
    /// Whether the service answered with a success: it named no version, or the answer could not
    /// be read.
    pub made: bool,
    /// Whether that answer could not be read. It may say that the edit failed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) is_unread: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Pending {
    /// Whether the service said that it made the edit, and only its version is not known.
    pub(crate) fn is_answered(&self) -> bool {
        self.made && !self.is_unread
    }
}

/// What a Copilot edit of a chain gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The version that the edit made. `None` when the service named none; [`Step::version`] is
    /// the safe way to go on.
    pub version_id: Option<VersionId>,
    /// Where the image of this version can be fetched for a while, if that is known.
    pub url: Option<SignedUrl>,
}

impl Step {
    /// Makes the step of a version that the history lists.
    pub(super) fn of_version(version: &Version) -> Self {
        Self {
            version_id: Some(version.id.clone()),
            url: version.url.clone(),
        }
    }

    /// Makes the step of a version that is known by its id alone.
    pub(crate) fn of_id(version: &VersionId) -> Self {
        Self {
            version_id: Some(version.clone()),
            url: None,
        }
    }

    /// Makes the step of an edit that was made, of which no more is known.
    pub(crate) fn unnamed() -> Self {
        Self {
            version_id: None,
            url: None,
        }
    }

    /// Makes the step of an edit that was answered.
    pub(super) fn of_enhancement(made: Enhancement) -> Self {
        Self {
            version_id: made.version_id,
            url: Some(made.enhanced_image_url),
        }
    }

    /// Returns the version that the edit made.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the service named none;
    /// [`Chain::recover`](crate::Chain::recover) looks for it.
    pub fn version(&self) -> Result<&VersionId> {
        match &self.version_id {
            Some(id) => Ok(id),
            None => Err(Error::invalid(
                "version_id",
                "the service named no version for this edit; \
                 Chain::recover() looks for it in the history",
            )),
        }
    }
}

impl From<Step> for DownloadLink {
    fn from(step: Step) -> Self {
        Self {
            file_name: None,
            download_link: step.url,
        }
    }
}

impl From<&Step> for DownloadLink {
    fn from(step: &Step) -> Self {
        Self {
            file_name: None,
            download_link: step.url.clone(),
        }
    }
}

/// What became of a Copilot edit, from [`Chain::recover`](crate::Chain::recover).
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// It was made, and the chain has moved to it.
    Applied(Step),
    /// It was not made by the end of the wait, and the chain stands where it stood: send it again.
    NotApplied,
    /// The history does not tell, and the edit stays [pending](crate::Chain::pending). Ask again
    /// later, or decide by [`Chain::branch_from`](crate::Chain::branch_from) or
    /// [`Chain::assume_not_applied`](crate::Chain::assume_not_applied).
    CannotTell {
        /// The versions that may be the edit; maybe none.
        candidates: Vec<Version>,
    },
}
