//! stub front page
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod chain;
mod client;
mod download;
mod error;
mod history;
mod image;
mod project;
mod transport;
mod types;
mod wait;

pub use crate::chain::{Chain, ChainState, Edit, Pending, Recovery, Step};
pub use crate::client::{Client, ClientBuilder};
pub use crate::download::{Download, DownloadOptions, Downloaded, Overwrite, Progress, ProgressCallback};
pub use crate::error::{
    ApiError, ApiErrorKind, CallError, Cause, CauseKind, DownloadError, DownloadReason, EnhancementFailed, Error,
    NotReady, NotReadyReason, Result,
};
pub use crate::history::{History, HistoryProblem, ImageHistory, Version};
pub use crate::image::Image;
pub use crate::project::{Output, Project};
pub use crate::transport::RetryPolicy;
pub use crate::types::{
    AiTool, AiTools, CopilotRequest, DownloadLink, EnhanceRequest, Enhancement, EnhancementStatus, Finalized,
    ProjectInfo, ProjectSource, ProjectStatus, VersionId,
};
pub use crate::wait::Wait;

/// The HTTP client below this one, for [`ClientBuilder::agent`].
pub use ureq;
