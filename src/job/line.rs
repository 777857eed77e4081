//! What the lines of a job's file say.

use serde::{Deserialize, Serialize};

use crate::chain::Change;
use crate::edit::{EditOptions, StepStatus};
use crate::types::ProjectStatus;

/// A line after the header: what was done, or is about to be.
///
/// What costs credits is announced by a line before it is sent, and that line is followed by one
/// that says what became of it. Where a kill has left none, the service is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The project is about to be made. Its name was free just before.
    Create,
    /// The service said no, and this job asked only once.
    CreateRefused,
    /// The project has this id.
    Created { project: String },
    /// A photo has arrived.
    Uploaded { file_name: String, bytes: u64 },
    /// The edit of the project.
    Edit(Event),
    /// The export of the project.
    Export(Event),
    /// The Copilot edits of an image.
    Copilot { image: String, change: Change },
    /// The project is about to be finalized: nothing that costs is sent after it.
    Finalize,
    /// The service said no, or a person said that it was not done.
    FinalizeRefused,
    /// The edits are locked in.
    Finalized,
    /// Finished files of these names are about to be written to a folder that has none of them.
    Files { folder: String, files: Vec<String> },
}

/// What happens to the edit or to the export of a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// It is about to be sent.
    Sending {
        /// The options of an edit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<EditOptions>,
        /// What the service said of it just before. `None` if it knew of none.
        before: Option<ProjectStatus>,
    },
    /// The answer was lost.
    Lost,
    /// The service has begun it, or is going to.
    Accepted,
    /// The service said no, or nothing was sent.
    Refused,
    /// It is done. This was the service's last word.
    Done(StepStatus),
    /// The service said that it failed.
    Failed,
    /// A person said that the service has begun it.
    AssumedDone,
    /// A person said that the service has not begun it.
    AssumedNotDone,
}

impl Line {
    /// Whether it announces what costs credits.
    pub(super) fn costs(&self) -> bool {
        match self {
            Self::Edit(event) | Self::Export(event) => matches!(event, Event::Sending { .. }),
            Self::Copilot { change, .. } => matches!(change, Change::Sending { .. }),
            _ => false,
        }
    }
}
