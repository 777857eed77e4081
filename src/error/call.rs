//! The errors of calls.

use std::fmt;

use super::Context;
use crate::types::{EnhancementStatus, VersionId};

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
    /// [`Error::OutcomeUnknown`](crate::Error::OutcomeUnknown) instead, except after 425.
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

/// A 2xx answer to `copilot` or `enhance` that says that the Copilot edit failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnhancementFailed {
    /// What the answer said of the Copilot edit.
    pub status: EnhancementStatus,
    /// The version that the answer named, if it named one that can be shown.
    pub version_id: Option<VersionId>,
    /// The service's message, or the start of what came instead of one.
    pub message: String,
    /// The call.
    pub context: Context,
}

impl fmt::Display for EnhancementFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Copilot edit failed:")?;
        for word in [self.status.as_str(), &self.message] {
            if !word.is_empty() {
                write!(f, " {word}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for EnhancementFailed {}

/// A call without a usable answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallError {
    /// What went wrong.
    pub cause: Cause,
    /// What to do about it, where that is known: for
    /// [`Error::OutcomeUnknown`](crate::Error::OutcomeUnknown), where to look before calling
    /// again.
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
    /// The host's name could not be looked up, nobody answered at its address, or the proxy has no
    /// way to it: the base URL, the network.
    Connect,
    /// TLS could not be agreed on: an unknown, wrong or expired certificate, or no TLS in this
    /// build.
    Tls,
    /// The proxy forbids the host (403) or wants a password (407), or its URL cannot be used: look
    /// at `HTTPS_PROXY` and the like, or at the agent's proxy.
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
