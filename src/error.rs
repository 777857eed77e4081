//! The error type. Its variants answer "what do I do now?", not "which layer failed?".

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::types::{EnhancementStatus, ProjectInfo, VersionId};

/// The result of every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by what to do about it.
///
/// Messages say what was tried (method and path, never a query), what came back, and the request id if there is one.
/// None holds the API key, the instruction or the query of a presigned URL.
///
/// ```
/// use imagen_ai::Error;
///
/// fn advice(error: &Error) -> String {
///     match error {
///         Error::InvalidInput { field, message } => format!("mend {field}: {message}"),
///         Error::Api(e) => format!("the service said no, {:?}: {}", e.kind, e.message),
///         Error::EnhancementFailed(e) => format!("no picture came, and the status is {}", e.status),
///         Error::NotSent(_) | Error::Transport(_) => "call again".to_owned(),
///         Error::OutcomeUnknown(_) => "look at the history before sending the edit again".to_owned(),
///         Error::Decode(e) => format!("report this answer: {}", e.body),
///         Error::NotReady(e) => format!("project {}: {:?}", e.project_uuid, e.reason),
///         Error::Download(e) => format!("the file is not whole, {:?}: {}", e.reason, e.message),
///         Error::Io { path, source } => format!("look at {}: {source}", path.display()),
///         other => other.to_string(),
///     }
/// }
/// ```
///
/// Some questions have an answer whatever the variant is:
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// use std::time::Duration;
///
/// if let Err(e) = photo.reset() {
///     eprintln!("{e}; status {:?}, request {:?}", e.status(), e.request_id());
///     if !e.is_safe_to_retry() {
///         return Err(e);
///     }
///     std::thread::sleep(e.retry_after().unwrap_or(Duration::from_secs(60)));
///     photo.reset()?;
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused by this crate, and not by the service: nothing was sent that costs anything. Mend the call, or what it
    /// is based on: a photo that the history does not name, a result that has no version to build on.
    #[error("{field}: {message}")]
    InvalidInput {
        /// What was wrong: an argument (`instruction`), a setting (`base_url`) or an environment variable.
        field: &'static str,
        /// Why, and what is allowed.
        message: String,
    },

    /// The service said no. [`ApiError::kind`] says what to do.
    #[error(transparent)]
    Api(Box<ApiError>),

    /// The service answered 2xx, but the edit failed; or it succeeded and brought no picture, after which a version may
    /// exist all the same. [`EnhancementFailed::status`] tells the two apart.
    #[error(transparent)]
    EnhancementFailed(Box<EnhancementFailed>),

    /// Nothing of the request reached the service (no name, no connection, no TLS): call again, safely.
    #[error("{0}: not sent: {cause}{after}", cause = .0.cause, after = Tries(.0))]
    NotSent(Box<CallError>),

    /// An edit may have been made, and no answer that can be read came back: look at the history before sending it
    /// again. Returned only by `copilot` and `enhance`, which the service does not make idempotent.
    #[error(
        "{0}: outcome unknown: {cause}{after}; the edit may have been made, so look at the history before sending it \
         again{request}",
        cause = .0.cause, after = Tries(.0), request = RequestId(&.0.request_id)
    )]
    OutcomeUnknown(Box<CallError>),

    /// A call that may be repeated failed on the network, after its retries: call again, safely.
    #[error("{0}: {cause}{after}{request}", cause = .0.cause, after = Tries(.0), request = RequestId(&.0.request_id))]
    Transport(Box<CallError>),

    /// An answer that is not what the API promises: report it.
    #[error("{0}: {status}{cause}{body}{request}", status = Status(.0.status), cause = .0.cause,
        body = Excerpt(&.0.body), request = RequestId(&.0.request_id))]
    Decode(Box<CallError>),

    /// A project that was waited for cannot be worked on. [`NotReady::reason`] says what to do.
    #[error(transparent)]
    NotReady(Box<NotReady>),

    /// A file did not arrive whole. [`DownloadError::reason`] says what to do.
    #[error(transparent)]
    Download(Box<DownloadError>),

    /// The local disk, or the writer that was given.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder; `(writer)` for a writer.
        path: PathBuf,
        /// What the operating system said.
        source: Box<std::io::Error>,
    },
}

impl Error {
    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidInput {
            field,
            message: message.into(),
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source: Box::new(source),
        }
    }

    /// The HTTP status, if an answer came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(e) => Some(e.status),
            Self::EnhancementFailed(e) => Some(e.http_status),
            Self::NotSent(e) | Self::OutcomeUnknown(e) | Self::Transport(e) | Self::Decode(e) => e.status,
            Self::Download(e) => e.status,
            Self::InvalidInput { .. } | Self::NotReady(_) | Self::Io { .. } => None,
        }
    }

    /// The id that the service (or the gateway in front of it) gave the request, for a report to the vendor.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Api(e) => e.request_id.as_deref(),
            Self::EnhancementFailed(e) => e.request_id.as_deref(),
            Self::NotSent(e) | Self::OutcomeUnknown(e) | Self::Transport(e) | Self::Decode(e) => {
                e.request_id.as_deref()
            }
            Self::Download(e) => e.request_id.as_deref(),
            Self::InvalidInput { .. } | Self::NotReady(_) | Self::Io { .. } => None,
        }
    }

    /// How long the service asked to wait before the next call, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(e) => e.retry_after,
            Self::Download(e) => e.retry_after,
            _ => None,
        }
    }

    /// Whether the same call can be made again without a risk of doing anything twice, and with a chance of success.
    ///
    /// False for everything that a repetition does not mend, and for [`Error::OutcomeUnknown`].
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Self::NotSent(_) | Self::Transport(_) => true,
            Self::Api(e) => matches!(e.kind, ApiErrorKind::RateLimited | ApiErrorKind::Server),
            Self::Download(e) => matches!(e.reason, DownloadReason::Broken | DownloadReason::Stalled),
            _ => false,
        }
    }
}

/// An answer with a status that is no success: what the service said.
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// use imagen_ai::{ApiErrorKind, Error};
///
/// if let Err(Error::Api(e)) = photo.copilot("make the sky more blue") {
///     let advice = match e.kind {
///         ApiErrorKind::Unauthorized => "look at the key",
///         ApiErrorKind::Forbidden => "ask whose project it is",
///         ApiErrorKind::NotFound => "look at the project's id and the file name",
///         ApiErrorKind::NotReady => "wait until the project is completed, and have it exported",
///         ApiErrorKind::RealisticOnly => "ask for something realistic",
///         ApiErrorKind::InvalidRequest => "read the message",
///         ApiErrorKind::RateLimited => "make fewer calls",
///         ApiErrorKind::Server => "try again later",
///         ApiErrorKind::Other => "report it",
///         _ => "see whether this program is old",
///     };
///     eprintln!("{} {}: {} {}; {advice}", e.method, e.path, e.status, e.message);
///     eprintln!("{} attempts, wait {:?}, request {:?}: {}", e.attempts, e.retry_after, e.request_id, e.body);
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiError {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The path below the base URL, percent-encoded, without the query.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// What to do about it.
    pub kind: ApiErrorKind,
    /// The service's message, or the start of what came instead of one.
    pub message: String,
    /// The request's id, if one came.
    pub request_id: Option<String>,
    /// How long the service asked to wait, if it did.
    pub retry_after: Option<Duration>,
    /// The start of the body, printable, for a report.
    pub body: String,
    /// How often the request was sent.
    pub attempts: u32,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.path, self.status)?;
        if !self.message.is_empty() {
            write!(f, " {}", self.message)?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, " (retry after {} s)", wait.as_secs())?;
        }
        RequestId(&self.request_id).fmt(f)
    }
}

impl std::error::Error for ApiError {}

/// What an [`ApiError`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// 401: the key is missing or wrong.
    Unauthorized,
    /// 403: the key may not do this.
    Forbidden,
    /// 404: no such project, image or version.
    NotFound,
    /// 400 `Project has not been exported yet.`: a profile-based project must have been exported, a Smart Editing one
    /// must be `Completed`, before any call of this API.
    NotReady,
    /// 400 `Only realistic editing requests are supported.`: the service's judgement of this instruction for this
    /// account; another wording may pass.
    RealisticOnly,
    /// Any other 400, 405, 409, 413, 415 or 422: the service refuses the request as it stands.
    InvalidRequest,
    /// 429: slow down.
    RateLimited,
    /// 408 and 5xx: the service or its gateway failed. For `copilot` and `enhance` only when the edit was surely not
    /// made; otherwise it is [`Error::OutcomeUnknown`].
    Server,
    /// Anything else, redirects among them, which are never followed.
    Other,
}

impl ApiErrorKind {
    pub(crate) fn of(status: u16, message: &str) -> Self {
        let says = |words: &str| message.to_ascii_lowercase().contains(words);
        match status {
            400 if says("has not been exported") => Self::NotReady,
            400 if says("only realistic editing") => Self::RealisticOnly,
            400 | 405 | 409 | 413 | 415 | 422 => Self::InvalidRequest,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::RateLimited,
            408 | 500..=599 => Self::Server,
            _ => Self::Other,
        }
    }
}

/// A 2xx answer to an edit that brings no picture. There are two cases:
/// - The status is [`Failed`](EnhancementStatus::Failed): the edit failed.
/// - It is any other: the service counts the edit as a success, or does not say, and only the picture is missing. A
///   version may exist all the same, so a [`Chain`](crate::Chain) treats the edit as
///   [pending](crate::ChainState::pending).
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// use imagen_ai::{EnhancementStatus, Error};
///
/// match photo.copilot("make the sky more blue") {
///     Err(Error::EnhancementFailed(e)) if e.status == EnhancementStatus::Failed => {
///         println!("{} {} failed: {} (request {:?})", e.method, e.path, e.message, e.request_id);
///     }
///     Err(Error::EnhancementFailed(e)) => {
///         println!("{}, but no picture: {}", e.http_status, e.body);
///         println!("look at the history for version {:?}", e.version_id);
///     }
///     other => println!("{}", other?.enhanced_image_url),
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnhancementFailed {
    /// `POST`.
    pub method: &'static str,
    /// The path below the base URL, percent-encoded.
    pub path: String,
    /// The HTTP status.
    pub http_status: u16,
    /// What the answer said of the edit.
    pub status: EnhancementStatus,
    /// The version it named all the same, if it did.
    pub version_id: Option<VersionId>,
    /// The service's message; empty when it gave none.
    pub message: String,
    /// The request's id, if one came.
    pub request_id: Option<String>,
    /// The start of the body, printable, for a report.
    pub body: String,
}

impl fmt::Display for EnhancementFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}, but ", self.method, self.path, self.http_status)?;
        match &self.status {
            EnhancementStatus::Failed => write!(f, "the edit failed (status {})", self.status)?,
            EnhancementStatus::Other(word) if word.is_empty() => write!(f, "no enhanced_image_url came")?,
            status => write!(f, "no enhanced_image_url came (status {status})")?,
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        RequestId(&self.request_id).fmt(f)
    }
}

impl std::error::Error for EnhancementFailed {}

/// How a call ended that brought no answer to go by.
///
/// ```no_run
/// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
/// use imagen_ai::{CauseKind, Error};
///
/// match project.info() {
///     Err(Error::NotSent(e)) if e.cause.kind == CauseKind::Tls => {
///         eprintln!("is there a proxy with a certificate of its own? {}", e.cause.message);
///     }
///     Err(Error::NotSent(e) | Error::Transport(e)) => {
///         eprintln!("{} {}: {}; {} attempts in {:?}", e.method, e.path, e.cause, e.attempts, e.elapsed);
///     }
///     Err(Error::Decode(e)) => {
///         eprintln!("status {:?}, request {:?}, and this: {}", e.status, e.request_id, e.body);
///     }
///     other => println!("{}", other?.status),
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallError {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The path below the base URL, percent-encoded, without the query.
    pub path: String,
    /// What went wrong.
    pub cause: Cause,
    /// The HTTP status, if one came.
    pub status: Option<u16>,
    /// The request's id, if one came.
    pub request_id: Option<String>,
    /// How often the request was tried.
    pub attempts: u32,
    /// How long the whole call took, with its attempts and waits.
    pub elapsed: Duration,
    /// The start of the body, printable; empty when none came.
    pub body: String,
}

/// Only what was tried; the [`Error`] around it says the rest.
impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl std::error::Error for CallError {}

/// What went wrong below the API, in a form that is safe to print.
///
/// The HTTP client's own errors are not passed on: they can quote a URL with its query or whatever a caller's
/// [`ureq::Agent`](crate::ureq::Agent) put in them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// What sort of failure.
    pub kind: CauseKind,
    /// In words.
    pub message: String,
}

impl Cause {
    pub(crate) fn new(kind: CauseKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Cause {}

/// What sort of failure a [`Cause`] is.
///
/// ```
/// use imagen_ai::{Cause, CauseKind};
///
/// fn where_to_look(cause: &Cause) -> &'static str {
///     match cause.kind {
///         CauseKind::Connect => "the base URL, and the network",
///         CauseKind::Tls => "the certificates, and the features of this crate",
///         CauseKind::Proxy => "HTTPS_PROXY",
///         CauseKind::Timeout | CauseKind::TooLarge => "the limits of the client",
///         CauseKind::Closed | CauseKind::Status => "the gateways on the way; it may pass",
///         CauseKind::Protocol | CauseKind::Json => "the base URL: something else answers there",
///         CauseKind::Other => "the message",
///         _ => "the message, and the version of this crate",
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CauseKind {
    /// The host's name could not be looked up, or nobody answered at its address.
    Connect,
    /// TLS could not be agreed on: an unknown, wrong or expired certificate, or no TLS in this build.
    Tls,
    /// The proxy refused.
    Proxy,
    /// A time limit ended it.
    Timeout,
    /// The connection broke: closed, reset, or ended before the answer was whole.
    Closed,
    /// What came is not HTTP.
    Protocol,
    /// The answer has a status that leaves the outcome open, such as a gateway's 504.
    Status,
    /// The answer is not the JSON that the API promises.
    Json,
    /// The answer is larger than the client's limit.
    TooLarge,
    /// Anything else.
    Other,
}

/// A project that [`Project::wait_until_completed`](crate::Project::wait_until_completed) waited for in vain.
///
/// Not to be confused with [`ApiErrorKind::NotReady`], by which the service refuses a call that came too early.
///
/// ```no_run
/// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
/// use imagen_ai::{Error, NotReadyReason, Wait};
///
/// match project.wait_until_completed(&Wait::default()) {
///     Err(Error::NotReady(e)) => match e.reason {
///         NotReadyReason::Failed => println!("the service gave up: {} {:?}", e.message, e.info),
///         NotReadyReason::NotExported => println!("export project {} first", e.project_uuid),
///         NotReadyReason::TimedOut | NotReadyReason::Stopped => println!("ask again another day"),
///         _ => println!("{e}"),
///     },
///     other => println!("{:?} photos", other?.number_of_images),
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotReady {
    /// The project's id.
    pub project_uuid: String,
    /// What to do about it.
    pub reason: NotReadyReason,
    /// What the service said in its last answer.
    pub info: Option<ProjectInfo>,
    /// The service's own words for what went wrong, where it had any; nobody has published where they stand.
    pub message: String,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason {
            NotReadyReason::Failed => "the service says that it failed",
            NotReadyReason::NotExported => "it is completed, but has not been exported",
            NotReadyReason::TimedOut => "it was not completed within the time to wait",
            NotReadyReason::Stopped => "the wait was ended by the caller",
        };
        write!(f, "project {:?}: {why}", self.project_uuid)?;
        if let Some(info) = &self.info {
            write!(f, " (status {}", info.status)?;
            if let Some(export) = &info.export_status {
                write!(f, ", export {export}")?;
            }
            write!(f, ")")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for NotReady {}

/// Why a project is [`NotReady`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotReadyReason {
    /// The service gave up on it, or on its export: waiting longer does not help.
    Failed,
    /// A profile-based project that is completed and has not been exported: have it exported, and wait again. The
    /// Copilot API refuses it until then.
    NotExported,
    /// [`Wait::total`](crate::Wait::total) is over: wait again, or ask the vendor.
    TimedOut,
    /// The callback ended the wait.
    Stopped,
}

/// A file that did not arrive whole.
///
/// ```no_run
/// # let client = imagen_ai::Client::from_env()?;
/// # let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("make the sky more blue")?;
/// use imagen_ai::{DownloadReason, Error};
///
/// match client.download(&edit).to_writer(&mut std::io::stdout()) {
///     Err(Error::Download(e)) => {
///         eprintln!("{}: {}; {} bytes, {} attempts", e.url, e.message, e.received, e.attempts);
///         match e.reason {
///             DownloadReason::LinkExpired => eprintln!("ask for a fresh link"),
///             DownloadReason::Refused => eprintln!("status {:?}, request {:?}", e.status, e.request_id),
///             DownloadReason::Broken | DownloadReason::Stalled => eprintln!("try again after {:?}", e.retry_after),
///             DownloadReason::Changed => eprintln!("begin again, with another writer"),
///             DownloadReason::TooLarge => eprintln!("allow to_vec more bytes"),
///             DownloadReason::Cancelled => eprintln!("as you like"),
///             _ => {}
///         }
///     }
///     other => eprintln!("{} bytes", other?),
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DownloadError {
    /// The URL without its query.
    pub url: String,
    /// What to do about it.
    pub reason: DownloadReason,
    /// In words; for a refused link the storage's own.
    pub message: String,
    /// The HTTP status, if one came.
    pub status: Option<u16>,
    /// The storage's request id, if one came.
    pub request_id: Option<String>,
    /// How long the storage asked to wait, if it did.
    pub retry_after: Option<Duration>,
    /// How many bytes of the file had arrived.
    pub received: u64,
    /// How often it was tried.
    pub attempts: u32,
}

impl fmt::Display for DownloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}: {}", self.url, self.message)?;
        if self.received > 0 {
            write!(f, " after {} bytes", self.received)?;
        }
        RequestId(&self.request_id).fmt(f)
    }
}

impl std::error::Error for DownloadError {}

/// Why a [`DownloadError`] happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownloadReason {
    /// The link has expired or is not valid: the storage said 403 in its own XML. Ask for fresh links
    /// ([`Project::download_links`](crate::Project::download_links)).
    LinkExpired,
    /// The storage, or something before it, said no for another reason, or redirects to where this client does not
    /// follow. The same link will do no better.
    Refused,
    /// The network or the storage failed, again and again, and the file is not whole: try again.
    Broken,
    /// No byte came for as long as the stall limit, again and again: try again.
    Stalled,
    /// The transfer to a writer broke and cannot go on, since the file has changed, or cannot be shown to be still the
    /// same, and what was written cannot be taken back: begin again with another writer.
    Changed,
    /// A callback ended it.
    Cancelled,
    /// The file is larger than the caller allows.
    TooLarge,
}

struct Tries<'a>(&'a CallError);

impl fmt::Display for Tries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.attempts == 1 { "" } else { "s" };
        write!(
            f,
            " ({} attempt{plural}, {:.1} s)",
            self.0.attempts,
            self.0.elapsed.as_secs_f64()
        )
    }
}

struct Status(Option<u16>);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => write!(f, "{status}, but "),
            None => Ok(()),
        }
    }
}

struct Excerpt<'a>(&'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}

struct RequestId<'a>(&'a Option<String>);

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    }
}
