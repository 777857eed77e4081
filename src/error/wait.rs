//! Why a wait failed.

use std::fmt;

use crate::types::ProjectStatus;

/// Waiting for a project failed.
///
/// [`ApiErrorKind::NotReady`](crate::ApiErrorKind::NotReady) is another thing: with it, the service
/// refuses a call that came too early.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitFailed {
    /// The project's id.
    pub project_uuid: String,
    /// What was waited for: `project`, `edit`, `export`, or `Copilot edit` (a lost one).
    pub waited_for: &'static str,
    /// What to do about it.
    pub reason: WaitReason,
    /// The last status that the service told, if any.
    pub status: Option<ProjectStatus>,
    /// The service's details; empty when it gave none.
    pub message: String,
}

impl fmt::Display for WaitFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            project_uuid,
            waited_for,
            reason,
            ..
        } = self;
        write!(
            f,
            "project {project_uuid:?}: waited for the {waited_for}, and {reason}"
        )?;
        if let Some(status) = &self.status {
            write!(f, " (status {status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for WaitFailed {}

/// Why a wait failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WaitReason {
    /// The service gave up: waiting longer does not help.
    #[error("the service says that it failed")]
    Failed,
    /// A profile-based project is completed and was not exported. The Copilot API refuses it until
    /// [`Project::export`](crate::Project::export) is done.
    #[error("it is completed but was not exported; Project::export() does that")]
    NotExported,
    /// Nothing but `Pending` came for as long as [`Wait::not_begun`](crate::Wait::not_begun): what
    /// is waited for was probably never started.
    #[error(
        "nothing but Pending came for too long; look whether it was started (Project::edit(), \
         Project::export()) and whether the photos arrived (Project::info())"
    )]
    NotBegun,
    /// [`Wait::total`](crate::Wait::total) is over: wait again, or ask the vendor.
    #[error("it was not done within the time to wait")]
    TimedOut,
    /// The callback ended the wait.
    #[error("the callback ended the wait")]
    Stopped,
}
