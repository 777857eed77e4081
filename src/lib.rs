//! The blocking client for Imagen's API: prompt-based AI edits of photos in a finished project
//! (Copilot), and the road from a folder of photos to that finished project.
//!
//! It needs no async runtime and keeps no background thread. The service is described at
//! [Imagen's API docs](https://api-docs.imagen-ai.com/docs/reference/copilot).
//!
//! # From photos to pictures
//!
//! ```no_run
//! use imagen_ai::{Client, DownloadOptions, EditOptions, PhotographyType, UploadOptions, Wait};
//!
//! fn main() -> Result<(), imagen_ai::Error> {
//!     // The key is in IMAGEN_API_KEY, and another address of the service in IMAGEN_BASE_URL, if that is set.
//!     // One client serves a whole program, from any number of threads.
//!     let client = Client::from_env()?;
//!
//!     // A project from a folder of photos. One that is finished already is client.project("65f3…"),
//!     // and Smart Editing projects have create_smart_project(..) and smart_project(..).
//!     let project = client.create_project("Smith wedding")?;
//!     for uploaded in project.upload(["DSC_0001.NEF", "DSC_0002.NEF"], &UploadOptions::default())? {
//!         println!("{}", uploaded?.file_name);
//!     }
//!     project.edit(&EditOptions {
//!         photography_type: Some(PhotographyType::Wedding),
//!         crop: true,
//!         ..EditOptions::profile(5700)
//!     })?;
//!     project.wait_until_edited(&Wait::default())?;
//!     project.export()?;
//!     project.wait_until_exported(&Wait::default())?;
//!
//!     // Copilot, on the finished JPEG of one photo. A call returns when the picture is done, which can take minutes.
//!     let photo = project.image("DSC_0001.JPEG");
//!     let sky = photo.copilot("make the sky more blue")?;
//!     client.download(&sky).to_file("sky.jpg")?;
//!
//!     // A chain builds each edit on the last, finds out what became of an edit whose answer was lost, and survives being
//!     // killed.
//!     let mut edits = project.open_job("edits.job")?.chain(&photo)?.recovering(Wait::for_an_edit());
//!     if edits.pending().is_some() {
//!         edits.recover(&Wait::for_an_edit())?;
//!     }
//!     edits.copilot("warm evening light")?;
//!     edits.undo()?;
//!     println!("{}", photo.history()?); // the tree of versions
//!
//!     // The same edit on many photos, a few at a time.
//!     let results = imagen_ai::parallel(project.images()?, 4, |photo| photo.copilot("make the sky more blue"));
//!     println!("{} failed", results.iter().filter(|result| result.is_err()).count());
//!
//!     // All edits are locked in, and the finished files written to a folder.
//!     for file in project.finalize_to("finished", &DownloadOptions::default())? {
//!         match file {
//!             Ok(file) => println!("{}", file.path.display()),
//!             Err(e) => eprintln!("{e}"), // the other files arrive all the same
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Where to find what
//!
//! | to | there is |
//! | --- | --- |
//! | connect | [`Client`], [`ClientBuilder`], [`RetryPolicy`] |
//! | make, find and list projects | [`Client::create_project`], [`Client::find_project`], [`Client::projects`], [`Client::profiles`] |
//! | get photos edited | [`Project::upload`], [`Project::edit`], [`Project::wait_until_edited`], [`Project::export`] |
//! | edit one photo by words | [`Image::copilot`], [`Image::enhance`], [`Image::reset`] |
//! | build edits on each other | [`Chain`], [`Image::chain`], [`Job::chain`] |
//! | see what was done | [`Project::history`], [`History`], [`ImageHistory`] |
//! | have files | [`Project::finalize_to`], [`Client::download`], [`Client::download_all`] |
//! | do many things at a time | [`parallel`] |
//!
//! # When something fails
//!
//! Every call returns one [`Error`], whose variants say what to do. What is safe to send again is
//! sent again ([`RetryPolicy`] has the table). What is not, an edit whose answer was lost, is
//! [`Error::OutcomeUnknown`]: it may have been made and paid for. Look at the
//! [history](Image::history) before sending it again, or let a [`Chain`] do so.
//!
//! ```no_run
//! # let photo = imagen_ai::Client::new("key")?.project("p").image("a.jpg");
//! use imagen_ai::{ApiErrorKind, Error};
//!
//! match photo.copilot("make the sky more blue") {
//!     Ok(edit) => println!("version {}", edit.version()?),
//!     Err(Error::Api(e)) if e.kind == ApiErrorKind::NotReady => println!("export the project first"),
//!     Err(Error::Api(e)) if e.kind == ApiErrorKind::RealisticOnly => println!("ask for something realistic"),
//!     Err(Error::OutcomeUnknown(e)) => println!("{}", e.advice),
//!     Err(e) if e.is_safe_to_retry() => println!("later: {e}"),
//!     Err(e) => return Err(e),
//! }
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! # Testing your program
//!
//! [`imagen-ai-simulator`](https://docs.rs/imagen-ai-simulator) is a stand-in for the service, as strict as what is published
//! of it. As a dev-dependency it starts inside a test:
//!
//! ```
//! let simulator = imagen_ai_simulator::Simulator::start();
//! let client = imagen_ai::Client::builder(simulator.key())
//!     .base_url(simulator.base_url())
//!     .build()?;
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! As a program (`imagen-ai-simulator --port 8080`) it serves clients in any language, and prints
//! the environment variables to set. Answers of your own come from [`mockito`](https://docs.rs/mockito) or any other server on this machine, with its
//! address as the [`base_url`](ClientBuilder::base_url). All wire types can be made from JSON (they
//! are `Deserialize`).
//!
//! # The key and the logs
//!
//! The API key is sent to the API's host and to nobody else. No error, `Debug` or log record of
//! this crate shows it, or the query of a presigned URL. Log records have the target `imagen_ai`:
//! one at `debug` for each call and each request for a file, `warn` for a retry and for an unknown
//! outcome. `ureq` logs every byte it sends at `trace`, with the key: leave the target `ureq_proto`
//! out of your logs ([`ClientBuilder::build`] warns).
//!
//! # Features
//!
//! - `rustls` (default): TLS with built-in root certificates
//! - `platform-verifier`: the operating system's certificates instead of those
//! - `native-tls`: the operating system's TLS, if `rustls` is off
//! - `gzip`: compressed answers
//! - `socks-proxy`: SOCKS proxies
//!
//! With none of them, plain HTTP to this machine works. The proxies of the environment
//! (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) are used as `ureq` does, which decides
//! which of them wins. It does not honour `NO_PROXY` entries with spaces in them, or by address
//! range. A variable that cannot be used is an error of [`ClientBuilder::build`].

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
