//! The blocking client for Imagen's Copilot API: prompt-based AI edits of single photos in a finished project.
//!
//! It needs no async runtime, keeps no background thread, and adds three small crates to
//! [`ureq`](https://docs.rs/ureq), `serde` and `serde_json`.
//!
//! # The whole workflow
//!
//! ```no_run
//! use imagen_ai::{Client, CopilotRequest, DownloadOptions, Wait};
//!
//! fn main() -> imagen_ai::Result<()> {
//!     // The key is in IMAGEN_API_KEY. One client serves a whole program, from any number of threads.
//!     let client = Client::from_env()?;
//!
//!     // A project, by its id: i2i_project(..) for Smart Editing. It must be completed, and exported if it is
//!     // profile-based, before its photos can be edited.
//!     let project = client.project("65f3a1c2d4e5f6a7b8c9d0e1");
//!     project.wait_until_completed(&Wait::default())?;
//!
//!     // A photo, by the name of its finished JPEG. A call returns when the picture is done, which can take minutes.
//!     let photo = project.image("DSC_0001.JPEG");
//!     let sky = photo.copilot("make the sky more blue")?;
//!     println!("version {}", sky.version()?);
//!
//!     // The next edit builds on that version. Without a parent an edit starts from the unedited photo.
//!     let lit = photo.copilot(CopilotRequest::new("brighten the interior").parent(sky.version()?))?;
//!     client.download(&lit).to_file("lit.jpg")?;
//!
//!     // A chain does that bookkeeping, and knows what to do when the network loses an answer.
//!     let mut edits = photo.chain_from(lit.version()?).recovering(Wait::for_an_edit());
//!     edits.copilot("warm evening light")?;
//!     edits.enhance("virtual_staging")?;
//!
//!     // The tree of versions, drawn for a terminal. `reset` discards all edits of a photo.
//!     println!("{}", photo.history()?);
//!     project.image("DSC_0002.JPEG").reset()?;
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
//! `cargo run --example quickstart` in the repository tells the same story without a key, on a simulator of the
//! service.
//!
//! # Where to find what
//!
//! | to | there is |
//! | --- | --- |
//! | connect | [`Client`], [`ClientBuilder`], [`RetryPolicy`] |
//! | wait for a project | [`Project::wait_until_completed`], [`Wait`] |
//! | edit a photo | [`Image::copilot`], [`Image::enhance`], [`Project::ai_tools`], [`Image::reset`] |
//! | build edits on each other | [`Chain`], [`Image::resume`] |
//! | see what was done | [`Project::history`], [`History`], [`ImageHistory`] |
//! | finish | [`Project::finalize`], [`Project::finalize_to`] |
//! | have files | [`Client::download`], [`Client::download_all`], [`Project::download_links`] |
//!
//! # What happens when it goes wrong
//!
//! Every call returns one [`Error`], whose variants say what to do. What is safe to send again is sent again, as
//! [`RetryPolicy`] says, within a bound that can be computed. What is not safe, an edit whose answer was lost, is
//! [`Error::OutcomeUnknown`]: it may have been made and paid for. Look at the [history](Image::history) before sending
//! it again, or let a [`Chain`] do so ([`Chain::recover`], [`Chain::recovering`]).
//!
//! ```no_run
//! # let photo = imagen_ai::Client::new("key")?.project("p").image("a.jpg");
//! use imagen_ai::{ApiErrorKind, Error};
//!
//! match photo.copilot("make the sky more blue") {
//!     Ok(edit) => println!("{}", edit.enhanced_image_url),
//!     Err(Error::Api(e)) if e.kind == ApiErrorKind::NotReady => println!("export the project first"),
//!     Err(Error::Api(e)) if e.kind == ApiErrorKind::RealisticOnly => println!("ask for something realistic"),
//!     Err(Error::OutcomeUnknown(e)) => println!("look at the history: {}", e.cause),
//!     Err(e) if e.is_safe_to_retry() => println!("later: {e}"),
//!     Err(e) => return Err(e),
//! }
//! # Ok::<(), imagen_ai::Error>(())
//! ```
//!
//! # The key and the logs
//!
//! The API key is sent to the API's host and to nobody else. No error, `Debug` or log record of this crate shows it, or
//! the query of a presigned URL. Log records have the target `imagen_ai`: one at `debug` for each call and each request
//! for a file, `warn` for a retry and for an unknown outcome.
//!
//! # Features
//!
//! - `rustls` (default): TLS with built-in root certificates
//! - `platform-verifier`: the operating system's certificates instead of those
//! - `native-tls`: the operating system's TLS, if `rustls` is off
//! - `gzip`: compressed answers
//! - `socks-proxy`: SOCKS proxies; without it one of the environment is passed over
//!
//! With none of them, plain HTTP to this machine works. The proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`) are
//! used as `ureq` does. What is rarer goes through an agent of your own: [`ClientBuilder::agent`].

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

// What a program may do without, the modules chain, download, history, project and wait with the types and the transport
// that only they need, is `#[inline]` function by function: it is compiled in the programs that use it, and by nobody
// else. That halves the time that this crate itself takes to compile, and `benches/run --counts` fails when a function is
// forgotten.

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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The HTTP client below this one, for [`ClientBuilder::agent`].
pub use ureq;
