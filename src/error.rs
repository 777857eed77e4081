//! The error type. Its variants answer "what do I do now?", not "which layer failed?".

mod call;
mod transfer;
mod wait;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use self::call::{ApiError, ApiErrorKind, CallError, Cause, CauseKind, EnhancementFailed};
pub use self::transfer::{TransferError, TransferReason};
pub use self::wait::{WaitFailed, WaitReason};

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
    /// The service answered 2xx, and the answer says that the Copilot edit failed.
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

    /// Copies an error that is the outcome of several things. Of an error of the disk, its kind and
    /// its words are kept.
    pub(crate) fn copy(&self) -> Self {
        match self {
            Self::InvalidInput { field, message } => Self::invalid(field, message),
            Self::Api(e) => Self::Api(e.clone()),
            Self::EnhancementFailed(e) => Self::EnhancementFailed(e.clone()),
            Self::OutcomeUnknown(e) => Self::OutcomeUnknown(e.clone()),
            Self::Network(e) => Self::Network(e.clone()),
            Self::Decode(e) => Self::Decode(e.clone()),
            Self::WaitFailed(e) => Self::WaitFailed(e.clone()),
            Self::Transfer(e) => Self::Transfer(e.clone()),
            Self::Io { path, source } => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                Self::io(path, source)
            }
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

    /// Whether any other call would end like this one.
    pub(crate) fn is_of_all_calls(&self) -> bool {
        let kind = self.api_kind();
        let is_refused = matches!(
            kind,
            Some(ApiErrorKind::RateLimited | ApiErrorKind::Unauthorized)
        );
        is_refused || matches!(self, Self::Network(_))
    }

    /// Whether nothing was done for sure: it was refused before it was sent, or the service said no
    /// to the only attempt. (An earlier attempt whose answer was lost may have been carried out.)
    pub(crate) fn is_definite_no(&self) -> bool {
        match self {
            Self::InvalidInput { .. } => true,
            Self::Api(e) => {
                let is_no = matches!(e.status, 400..=499) && e.kind != ApiErrorKind::Server;
                is_no && e.context.attempts <= 1
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
            // Rounded up, since it would be too early before.
            let rest = u64::from(wait.subsec_nanos() > 0);
            let seconds = wait.as_secs().saturating_add(rest);
            write!(f, " (retry after {seconds} s)")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    }

    #[test]
    fn the_wait_that_was_asked_for_is_rounded_up() {
        for (wait, shown) in [
            (Duration::from_millis(700), "(retry after 1 s)"),
            (Duration::from_secs(2), "(retry after 2 s)"),
            (Duration::MAX, "(retry after 18446744073709551615 s)"),
        ] {
            let error = Error::Api(Box::new(ApiError {
                status: 429,
                kind: ApiErrorKind::RateLimited,
                message: String::new(),
                advice: "",
                context: Context {
                    retry_after: Some(wait),
                    ..Context::default()
                },
            }));
            assert!(error.to_string().ends_with(shown), "{error}");
        }
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
