//! The blocking client for Imagen's API.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod client;
mod download;
mod error;
mod image;
mod parallel;
mod project;
mod transport;
mod types;
mod wait;

pub use crate::client::{Client, ClientBuilder};
pub use crate::download::{Download, DownloadOptions, Downloaded, Overwrite, Progress, ProgressCallback};
pub use crate::error::{
    ApiError, ApiErrorKind, CallError, Cause, CauseKind, Context, EnhancementFailed, Error, Result, TransferError,
    TransferReason, WaitFailed, WaitReason,
};
pub use crate::image::Image;
pub use crate::parallel::parallel;
pub use crate::project::{Output, Project, ProjectFilter};
pub use crate::transport::RetryPolicy;
pub use crate::types::{
    AiTool, AiTools, CopilotRequest, DownloadLink, EnhanceRequest, Enhancement, EnhancementStatus, Finalized,
    ProjectInfo, ProjectSource, ProjectStatus, SignedUrl, VersionId,
};
pub use crate::wait::Wait;

/// The HTTP client below this one, for [`ClientBuilder::agent`].
pub use ureq;
