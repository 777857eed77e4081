//! The error type. Its variants answer "what do I do now?", not "which layer failed?".

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::types::{EnhancementStatus, ProjectStatus, VersionId};

/// The result of every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by what to do about it.
///
/// `{}` and `{:?}` print the same sentence, so that `fn main() -> Result<(), imagen_ai::Error>` and
/// `unwrap()` tell a person what to do. `{:#?}` prints the structure. The sentence says what was
/// tried (method and path, never a query), what came back, and the request id if there is one. It
/// never holds the API key or the query of a presigned URL. [`summary`](Self::summary) is a short
/// form for lists.
///
/// ```
/// use imagen_ai::{ApiErrorKind, Error};
///
/// fn advice(error: &Error) -> String {
///     match error {
///         Error::InvalidInput { field, message } => {
///             format!("mend {field}: {message}")
///         }
///         Error::Api(e) if e.kind == ApiErrorKind::NotReady => {
///             "wait, or export the project".to_owned()
///         }
///         Error::Api(e) => format!("the service said no: {}", e.message),
///         Error::EnhancementFailed(e) => {
///             format!("the edit failed: {}", e.message)
///         }
///         Error::OutcomeUnknown(e) => e.advice.to_owned(),
///         Error::Network(e) => format!("call again: {}", e.cause.message),
///         Error::Decode(e) => {
///             format!("report this answer: {}", e.context.body)
///         }
///         Error::WaitFailed(e) => {
///             format!("project {}: {:?}", e.project_uuid, e.reason)
///         }
///         Error::Transfer(e) => format!("{}: {:?}", e.name, e.reason),
///         Error::Io { path, source } => {
///             format!("look at {}: {source}", path.display())
///         }
///         other => other.to_string(),
///     }
/// }
/// ```
#[non_exhaustive]
pub enum Error {
    /// Refused before anything was sent. Mend the call.
    InvalidInput {
        /// What was wrong: an argument (`instruction`), a setting (`base_url`) or an environment
        /// variable.
        field: &'static str,
        /// Why, and what is allowed.
        message: String,
    },
    /// The service said no. [`ApiError::kind`] says what to do.
    Api(Box<ApiError>),
    /// The service answered 2xx, and the answer says that the edit failed.
    EnhancementFailed(Box<EnhancementFailed>),
    /// A call that must not be repeated may have been carried out, and no answer that can be read
    /// came back. [`CallError::advice`] says where to look before calling again. Only the calls
    /// that cost, or that are not idempotent, return it: `copilot`, `enhance`,
    /// `create_project`, `edit`, `export`.
    OutcomeUnknown(Box<CallError>),
    /// Nothing was done, or doing it again is safe, and all attempts failed: call again.
    Network(Box<CallError>),
    /// An answer that is not what the API promises: report it.
    Decode(Box<CallError>),
    /// Waiting for a project failed. [`WaitFailed::reason`] says what to do.
    WaitFailed(Box<WaitFailed>),
    /// A file did not arrive whole, in either direction. [`TransferError::reason`] says what to do.
    Transfer(Box<TransferError>),
    /// The local disk, or the reader or writer that was given.
    Io {
        /// The path that the caller gave; `(writer)` for a writer.
        path: PathBuf,
        /// What the operating system said. `Display` prints it, so it is not a
        /// [`source`](std::error::Error::source).
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

    /// Makes the error of a path of the caller's own, for programs that return this type.
    ///
    /// ```
    /// use imagen_ai::Error;
    ///
    /// fn read_prompt(path: &str) -> Result<String, Error> {
    ///     std::fs::read_to_string(path).map_err(|e| Error::io(path, e))
    /// }
    /// ```
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source: Box::new(source),
        }
    }

    /// Returns what happened without method and path, for a list in which the image is named
    /// already. The structs in the variants print the same.
    ///
    /// ```no_run
    /// # let images = imagen_ai::Client::from_env()?.project("65f3a1c2").images()?;
    /// for image in &images {
    ///     if let Err(e) = image.copilot("make the sky more blue") {
    ///         eprintln!("{}: {}", image.file_name(), e.summary());
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn summary(&self) -> String {
        match self {
            Self::InvalidInput { field, message } => format!("{field}: {message}"),
            Self::Api(e) => e.to_string(),
            Self::EnhancementFailed(e) => e.to_string(),
            Self::OutcomeUnknown(e) => format!("outcome unknown: {e}"),
            Self::Network(e) | Self::Decode(e) => e.to_string(),
            Self::WaitFailed(e) => e.to_string(),
            Self::Transfer(e) => e.to_string(),
            Self::Io { path, source } => format!("{}: {source}", path.display()),
        }
    }

    /// Returns what is known of the call, if one was made.
    pub fn context(&self) -> Option<&Context> {
        match self {
            Self::Api(e) => Some(&e.context),
            Self::EnhancementFailed(e) => Some(&e.context),
            Self::OutcomeUnknown(e) | Self::Network(e) | Self::Decode(e) => Some(&e.context),
            Self::Transfer(e) => Some(&e.context),
            Self::InvalidInput { .. } | Self::WaitFailed(_) | Self::Io { .. } => None,
        }
    }

    /// Returns what kind of refusal an [`Error::Api`] is.
    ///
    /// ```no_run
    /// # let image = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// use imagen_ai::ApiErrorKind;
    ///
    /// if let Err(e) = image.copilot("make the sky more blue") {
    ///     match e.api_kind() {
    ///         Some(ApiErrorKind::NotReady) => println!("export the project first"),
    ///         Some(ApiErrorKind::RealisticOnly) => println!("ask for something realistic"),
    ///         _ => return Err(e),
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn api_kind(&self) -> Option<ApiErrorKind> {
        match self {
            Self::Api(e) => Some(e.kind),
            _ => None,
        }
    }

    /// Returns the HTTP status, if an answer came.
    pub fn status(&self) -> Option<u16> {
        self.context()?.status
    }

    /// Returns the id that the service, or the gateway in front of it, gave the request, for a
    /// report to the vendor.
    pub fn request_id(&self) -> Option<&str> {
        self.context()?.request_id.as_deref()
    }

    /// Returns how long the service asked to wait before the next call, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.context()?.retry_after
    }

    /// Whether the same call can be made again without a risk of doing anything twice, and with a
    /// chance of success. It is false for what fails again in the same way, and for
    /// [`Error::OutcomeUnknown`].
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Self::Network(e) => !matches!(e.cause.kind, CauseKind::Tls | CauseKind::Proxy),
            Self::Api(e) => matches!(e.kind, ApiErrorKind::RateLimited | ApiErrorKind::Server),
            Self::Transfer(e) => {
                matches!(e.reason, TransferReason::Broken | TransferReason::Stalled)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(context) = self.context() else {
            return f.write_str(&self.summary());
        };
        write!(f, "{} {}: {}", context.method, context.path, self.summary())?;
        if matches!(self, Self::Decode(_)) && !context.body.is_empty() {
            write!(f, ": {}", context.body)?;
        }
        if let Some(wait) = context.retry_after {
            write!(f, " (retry after {} s)", wait.as_secs())?;
        }
        if context.attempts > 1 {
            let seconds = context.elapsed.as_secs_f64();
            write!(f, " ({} attempts, {seconds:.1} s)", context.attempts)?;
        }
        if let Some(id) = &context.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        match self {
            Self::InvalidInput { field, message } => f
                .debug_struct("InvalidInput")
                .field("field", field)
                .field("message", message)
                .finish(),
            Self::Api(e) => f.debug_tuple("Api").field(e).finish(),
            Self::EnhancementFailed(e) => f.debug_tuple("EnhancementFailed").field(e).finish(),
            Self::OutcomeUnknown(e) => f.debug_tuple("OutcomeUnknown").field(e).finish(),
            Self::Network(e) => f.debug_tuple("Network").field(e).finish(),
            Self::Decode(e) => f.debug_tuple("Decode").field(e).finish(),
            Self::WaitFailed(e) => f.debug_tuple("WaitFailed").field(e).finish(),
            Self::Transfer(e) => f.debug_tuple("Transfer").field(e).finish(),
            Self::Io { path, source } => f
                .debug_struct("Io")
                .field("path", path)
                .field("source", source)
                .finish(),
        }
    }
}

impl std::error::Error for Error {}

/// What is known of a call that failed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Context {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The path below the base URL, percent-encoded, without the query. For a file, the URL
    /// without its query.
    pub path: String,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// The request's id, if one came.
    pub request_id: Option<String>,
    /// How long the service asked to wait, if it did.
    pub retry_after: Option<Duration>,
    /// How often the request was tried.
    pub attempts: u32,
    /// How long the whole call took, with its attempts and waits.
    pub elapsed: Duration,
    /// The start of the body, printable, at most 300 characters; empty when none came.
    pub body: String,
}

/// The service said no: an answer with a status that is no success, or a 2xx that says that it
/// failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// What to do about it.
    pub kind: ApiErrorKind,
    /// The service's message, or the start of what came instead of one.
    pub message: String,
    /// What to look at, where that is known; else empty.
    pub advice: &'static str,
    /// The call.
    pub context: Context,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.kind == ApiErrorKind::Failed {
            f.write_str(", but the call failed:")?;
        }
        if !self.message.is_empty() {
            write!(f, " {}", self.message)?;
        }
        if !self.advice.is_empty() {
            write!(f, " ({})", self.advice)?;
        }
        Ok(())
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
    /// 404: no such project, image, version or profile.
    NotFound,
    /// 400 `Project has not been exported yet.`: a profile-based project must have been exported, a
    /// Smart Editing one must be `Completed`, before any Copilot call.
    NotReady,
    /// 400 `Only realistic editing requests are supported.`: the service's judgement of this
    /// instruction. Another wording may pass.
    RealisticOnly,
    /// Any other 400, 405, 409, 413, 415 or 422: the service refuses the request as it stands.
    InvalidRequest,
    /// 429: the service's limit, after waiting for it
    /// ([`RetryPolicy::max_throttled`](crate::RetryPolicy::max_throttled)). Nothing was done.
    RateLimited,
    /// 408, 425 and 5xx: the service or its gateway failed. Calls that must not be repeated return
    /// [`Error::OutcomeUnknown`] instead, except after 425.
    Server,
    /// A 2xx whose body says that the call failed.
    Failed,
    /// Anything else, such as a redirect. Only one to the same path with or without a slash at its
    /// end is followed, once.
    Other,
}

impl ApiErrorKind {
    /// Tells the kind by the status and the service's message, which must not have been redacted.
    pub(crate) fn of(status: u16, message: &str) -> Self {
        match status {
            200..=299 => Self::Failed,
            400 if message.contains("has not been exported") => Self::NotReady,
            400 if message.contains("Only realistic editing") => Self::RealisticOnly,
            400 | 405 | 409 | 413 | 415 | 422 => Self::InvalidRequest,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::RateLimited,
            408 | 425 | 500..=599 => Self::Server,
            _ => Self::Other,
        }
    }
}

/// A 2xx answer to `copilot` or `enhance` that says that the edit failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnhancementFailed {
    /// What the answer said of the edit.
    pub status: EnhancementStatus,
    /// The version that it named all the same, if it did.
    pub version_id: Option<VersionId>,
    /// The service's message, or the start of what came instead of one.
    pub message: String,
    /// The call.
    pub context: Context,
}

impl fmt::Display for EnhancementFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the edit failed:")?;
        for word in [self.status.as_str(), &self.message] {
            if !word.is_empty() {
                write!(f, " {word}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for EnhancementFailed {}

/// A call that brought no answer to go by.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallError {
    /// What went wrong.
    pub cause: Cause,
    /// What to do about it, where that is known: for [`Error::OutcomeUnknown`], where to look
    /// before calling again.
    pub advice: &'static str,
    /// The call.
    pub context: Context,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause.message)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

/// What went wrong below the API. The texts are free of the key and of the queries of URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// What sort of failure.
    pub kind: CauseKind,
    /// In words. It names the host or the proxy that was not reached.
    pub message: String,
}

/// What sort of failure a [`Cause`] is, and so where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CauseKind {
    /// The host's name could not be looked up, or nobody answered at its address: the base URL, the
    /// network.
    Connect,
    /// TLS could not be agreed on: an unknown, wrong or expired certificate, or no TLS in this
    /// build.
    Tls,
    /// The proxy refused: `HTTPS_PROXY` and the like, or the agent's proxy.
    Proxy,
    /// A time limit ended it.
    Timeout,
    /// The connection broke: closed, reset, or ended before the answer was whole.
    Closed,
    /// What came is not HTTP: something else answers at the base URL.
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

/// Waiting for a project failed.
///
/// It is not [`ApiErrorKind::NotReady`], by which the service refuses a call that came too early.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitFailed {
    /// The project's id.
    pub project_uuid: String,
    /// What was waited for: `project`, `edit` or `export`.
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

/// A file that did not arrive whole, in either direction.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransferError {
    /// The file's name, as far as it is known.
    pub name: String,
    /// What to do about it.
    pub reason: TransferReason,
    /// In words; for a refused link the storage's own.
    pub message: String,
    /// How many bytes of the file had been transferred.
    pub bytes: u64,
    /// The last request.
    pub context: Context,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.bytes > 0 {
            write!(f, " after {} bytes", self.bytes)?;
        }
        Ok(())
    }
}

impl std::error::Error for TransferError {}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferReason {
    /// The service gave no link for the file.
    NoLink,
    /// The link has expired or is not valid: the storage said 403 in its own XML. Ask for fresh
    /// links.
    LinkExpired,
    /// The storage, or something before it, said no for another reason. The same link will do no
    /// better.
    Refused,
    /// The network or the storage failed again and again: try again.
    Broken,
    /// Nothing moved for as long as the stall limit, again and again: try again.
    Stalled,
    /// The file changed meanwhile: the one that is downloaded to a writer, which cannot take back
    /// what was written, or the local one that is uploaded. Begin again.
    Changed,
    /// A callback ended it.
    Cancelled,
    /// The file is larger than is allowed.
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    }

    #[test]
    fn debug_is_the_sentence_and_alternate_debug_the_structure() {
        let error = Error::io(
            "a.jpg",
            std::io::Error::from(std::io::ErrorKind::PermissionDenied),
        );
        assert_eq!(format!("{error:?}"), "a.jpg: permission denied");
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(format!("{error:#?}").starts_with("Io {\n"));
        assert!(std::error::Error::source(&error).is_none());
    }
}
