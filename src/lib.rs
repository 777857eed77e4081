//! A blocking client for Imagen's API: prompt-based AI edits of single images in a finished project
//! (Copilot), and the way from a folder of photos to that finished project.
//!
//! ```no_run
//! # fn main() -> Result<(), imagen_ai::Error> {
//! let client = imagen_ai::Client::from_env()?; // the key is in IMAGEN_API_KEY
//! let project = client.project("65f3a1c2d4e5f6a7b8c9d0e1");
//! let image = project.image("DSC_0001.JPEG");
//!
//! let edit = image.copilot("make the sky more blue")?;
//! client.download(&edit).to_file("sky.jpg")?;
//! # Ok(())
//! # }
//! ```
//!
//! The crate needs no async runtime and keeps no background thread. The service is described in
//! [Imagen's API docs](https://api-docs.imagen-ai.com/docs/reference/copilot).
//!
//! # Keys and projects
//!
//! Imagen's [support](https://support.imagen-ai.com/hc) gives an API key to whoever has an account.
//! [`Client::from_env`] reads it from `IMAGEN_API_KEY`.
//!
//! There are two kinds of projects. A **profile-based** project is edited with a profile and
//! exported; a **Smart Editing** project needs neither. The answer that creates a project holds its
//! id ([`Project::uuid`]), and [`Client::projects`] lists the ids of all projects.
//!
//! A **photo** is a file that is uploaded, RAW or JPEG. An **image** is its finished JPEG, which
//! Copilot works on. The photo `DSC_0001.NEF` becomes the image `DSC_0001.JPEG`;
//! [`Project::images`] lists the images.
//!
//! # Prompts and presets
//!
//! [`Image::copilot`] applies a prompt, and [`Image::enhance`] a preset. Both return when the
//! edit is done, which can take minutes. They start from the unedited image unless the request
//! names a version to build on:
//!
//! ```no_run
//! # let image = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
//! use imagen_ai::CopilotRequest;
//!
//! let sky = image.copilot("make the sky more blue")?;
//! let lit = CopilotRequest::new("brighten the interior").parent(sky.version()?);
//! let lit = image.copilot(lit)?;
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! A [`Chain`] keeps the versions for you. Each edit builds on the last:
//!
//! ```no_run
//! # let image = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
//! let mut edits = image.chain();
//! edits.copilot("make the sky more blue")?;
//! edits.copilot("warm evening light")?;
//! edits.undo()?;
//! println!("{}", image.history()?); // the tree of versions
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! # Many images
//!
//! [`parallel`] does the same for many items on a few threads:
//!
//! ```no_run
//! # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
//! let images = project.images()?;
//! let edits =
//!     imagen_ai::parallel(&images, 4, |image| image.copilot("more contrast"));
//! for (image, edit) in images.iter().zip(edits) {
//!     match edit {
//!         Ok(edit) => {
//!             println!("{}: version {}", image.file_name(), edit.version()?)
//!         }
//!         Err(e) => println!("{}: {}", image.file_name(), e.summary()),
//!     }
//! }
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! # From photos to pictures, and resuming
//!
//! A [`Job`] is a project and what was done to it, kept in a file. A program that uses one can be
//! killed at any moment and started again from the top: what is done is not done again, and nothing
//! is paid for twice.
//!
//! ```no_run
//! use imagen_ai::{Client, DownloadOptions, EditOptions, UploadOptions, Wait};
//!
//! # fn main() -> Result<(), imagen_ai::Error> {
//! let photos = ["card/DSC_0001.NEF", "card/DSC_0002.NEF"];
//! let mut job =
//!     Client::from_env()?.open_job("wedding.job", "Smith wedding")?;
//!
//! job.upload(photos, &UploadOptions::default())?.all()?;
//! let options = EditOptions {
//!     crop: true,
//!     ..EditOptions::profile(5700)
//! };
//! job.edit(&options, &Wait::default())?;
//! job.export(&Wait::default())?;
//! job.finalize_to("finished", &DownloadOptions::default())?
//!     .all()?;
//! # Ok(())
//! # }
//! ```
//!
//! Each step of a job is also a call of [`Project`], for programs that need not survive a kill.
//!
//! | task | call | surviving a kill |
//! | --- | --- | --- |
//! | one prompt on one image | [`Image::copilot`] | [`Job::chain`], then [`Chain::copilot`] |
//! | the same on many images | [`parallel`] | [`Job::copilot_each`] |
//! | a series on one image | [`Image::chain`] | [`Job::chain`] |
//! | from photos to pictures | the calls of [`Project`] | the same calls of [`Job`] |
//!
//! # Costs
//!
//! These calls cost credits: [`Image::copilot`], [`Image::enhance`], [`Project::edit`],
//! [`Project::export`], and what is built on them ([`Chain`], [`Job`]). The docs of each say so. No
//! other call costs anything.
//!
//! A call that costs, or that makes a project, is sent a second time only if the first surely had
//! no effect. All others are repeated after a failure that may pass.
//!
//! # Errors
//!
//! Every call returns one [`Error`], whose variants say what to do next. A call that costs credits
//! and whose answer was lost is [`Error::OutcomeUnknown`]: it may have been carried out and paid
//! for.
//!
//! ```no_run
//! # let image = imagen_ai::Client::new("key")?.project("p").image("a.jpg");
//! use imagen_ai::{ApiErrorKind, Error};
//!
//! match image.copilot("make the sky more blue") {
//!     Ok(edit) => println!("version {}", edit.version()?),
//!     Err(Error::OutcomeUnknown(e)) => println!("{}", e.advice),
//!     Err(e) if e.api_kind() == Some(ApiErrorKind::NotReady) => println!("export first"),
//!     Err(e) if e.is_safe_to_retry() => println!("later: {e}"),
//!     Err(e) => return Err(e),
//! }
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! Calls for many things return [`Outcomes`]: a result for each, where one failure stops no other.
//!
//! # Time limits
//!
//! | what | setting | default |
//! | --- | --- | --- |
//! | connecting, with TLS | [`ClientBuilder::connect_timeout`] | 10 s |
//! | each of the four phases of a call | [`ClientBuilder::timeout`] | 300 s |
//! | attempts of a call | [`RetryPolicy::max_attempts`] | 4 |
//! | a pause between two attempts | [`RetryPolicy::max_delay`] | at most 20 s |
//! | the same, if the service asks for it | [`RetryPolicy::max_retry_after`] | up to 60 s |
//! | the service's rate limit | [`RetryPolicy::max_throttled`] | 10 min without an accepted call |
//! | a file without progress | `stall_timeout` of [`UploadOptions`], [`DownloadOptions`] | 60 s |
//! | a file in all | none: it goes on as long as it moves | |
//! | an edit or export | [`Wait::total`] | 20 h |
//! | one that never begins | [`Wait::not_begun`] | 1 h |
//! | finding out what became of a lost Copilot edit | [`Wait::for_an_edit`] | 10 min |
//!
//! # Threads and cancelling
//!
//! [`Client`], [`Project`] and [`Image`] are cheap clones, and can be used from any number of
//! threads at once. One client serves a whole program. Transfers, batches and waits have a progress
//! callback that can end them; a single call ends at its time limit.
//!
//! # Testing your program
//!
//! [`imagen-ai-simulator`](https://docs.rs/imagen-ai-simulator) is a stand-in for the service, as
//! strict as what is published about it. As a dev-dependency it starts inside a test:
//!
//! ```
//! let simulator = imagen_ai_simulator::Simulator::start();
//! let client = imagen_ai::Client::builder(simulator.key())
//!     .base_url(simulator.base_url())
//!     .build()?;
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! For answers of your own, [`mockito`](https://docs.rs/mockito) or any other server on this machine
//! can be the [`base_url`](ClientBuilder::base_url). All types of the wire can be made from JSON.
//!
//! # The key and the logs
//!
//! The API key is sent to the API's host and nowhere else. No error, `Debug` or log record of this
//! crate shows it, or the query of a presigned URL. Log records have the target `imagen_ai`: one at
//! `debug` for each call and each request for a file, one at `warn` for each retry and for each
//! unknown outcome. `ureq` logs every byte that it sends at `trace`, with the key: leave the target
//! `ureq_proto` out of your logs ([`ClientBuilder::build`] warns).
//!
//! # Features
//!
//! - `rustls` (default): TLS with built-in root certificates.
//! - `platform-verifier`: the operating system's certificates in their place.
//! - `native-tls`: the operating system's TLS, if `rustls` is off.
//! - `gzip`: compressed answers.
//! - `socks-proxy`: SOCKS proxies.
//!
//! Without a TLS feature the client speaks plain HTTP to this machine. The proxies of the
//! environment (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) are used as `ureq` does.
//! `ureq` does not read `NO_PROXY` entries with spaces in them, or address ranges. A variable that
//! cannot be used is an error of [`ClientBuilder::build`].
//!
//! Rust 1.89 or later is needed.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

// In the order of explaining: rustdoc lists the methods of a handle in this order.
mod client;
mod profile;
mod project;
mod photo;
mod upload;
mod edit;
mod wait;
mod image;
mod chain;
mod history;
mod download;
mod progress;
mod parallel;
mod outcomes;
mod clock;
mod lookup;
mod job;
mod error;
mod types;
mod transport;

pub use crate::chain::{Chain, Pending, Recovery, Step};
pub use crate::client::{Client, ClientBuilder};
pub use crate::download::{Download, DownloadOptions, Downloaded, Overwrite};
pub use crate::edit::{
    CropAspectRatio, EditCallback, EditOptions, HdrOutputCompression, PhotographyType, StepStatus,
};
pub use crate::error::{
    ApiError, ApiErrorKind, CallError, Cause, CauseKind, Context, EnhancementFailed, Error, Result,
    TransferError, TransferReason, WaitFailed, WaitReason,
};
pub use crate::history::{History, ImageHistory, Version};
pub use crate::image::Image;
pub use crate::job::{BatchOptions, Edited, Job, JobStep, Report, StepReport, StepState};
pub use crate::outcomes::Outcomes;
pub use crate::parallel::parallel;
pub use crate::photo::Photo;
pub use crate::profile::{ImageType, Profile, SkyTemplate};
pub use crate::progress::{Progress, ProgressCallback};
pub use crate::project::{Output, Project, ProjectFilter};
pub use crate::transport::RetryPolicy;
pub use crate::types::{
    CopilotEdit, CopilotRequest, DownloadLink, EnhanceRequest, Enhancement, EnhancementStatus,
    Preset, ProjectInfo, ProjectKind, ProjectStatus, SignedUrl, VersionId,
};
pub use crate::upload::{UploadOptions, Uploaded};
pub use crate::wait::Wait;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The HTTP client below this one, for [`ClientBuilder::agent`].
pub use ureq;
