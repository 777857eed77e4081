//! The blocking client for Imagen's API.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod chain;
mod client;
mod edit;
mod error;
mod history;
mod image;
mod parallel;
mod profile;
mod project;
mod transport;
mod types;
mod upload;
mod wait;

pub use crate::chain::{Chain, Edit, Pending, Recovery, Step};
pub use crate::client::{Client, ClientBuilder};
pub use crate::edit::{CropAspectRatio, EditCallback, EditOptions, HdrOutputCompression, JobStatus, PhotographyType};
pub use crate::error::{
    ApiError, ApiErrorKind, CallError, Cause, CauseKind, Context, EnhancementFailed, Error, Result, TransferError,
    TransferReason, WaitFailed, WaitReason,
};
pub use crate::history::{History, ImageHistory, Version};
pub use crate::image::Image;
pub use crate::parallel::parallel;
pub use crate::profile::{ImageType, Profile, SkyTemplate};
pub use crate::project::{Output, Project, ProjectFilter};
pub use crate::transport::RetryPolicy;
pub use crate::types::{
    AiTool, AiTools, CopilotRequest, DownloadLink, EnhanceRequest, Enhancement, EnhancementStatus, Finalized,
    ProjectInfo, ProjectSource, ProjectStatus, SignedUrl, VersionId,
};
pub use crate::upload::{Progress, ProgressCallback, UploadOptions, Uploaded};
pub use crate::wait::Wait;

/// The HTTP client below this one, for [`ClientBuilder::agent`].
pub use ureq;
