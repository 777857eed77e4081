//! What sort of failure an error of `ureq` is.

use std::io::ErrorKind;

use super::Sent;
use crate::error::{Cause, CauseKind};

/// Says what went wrong with a call, and which host or proxy was not reached.
pub(super) fn of(error: &ureq::Error, sent: &Sent<'_>) -> Cause {
    let kind = kind_of(error);
    let text = sent.redact(&words(error));
    let message = match kind {
        CauseKind::Connect | CauseKind::Tls | CauseKind::Proxy | CauseKind::Timeout | CauseKind::Closed => {
            format!("{}: {text}", sent.peer())
        }
        _ => text,
    };
    Cause::new(kind, message)
}

/// Tells the sort of failure.
pub(crate) fn kind_of(error: &ureq::Error) -> CauseKind {
    match error {
        ureq::Error::Io(e) => match e.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable
            | ErrorKind::NotConnected => CauseKind::Connect,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => CauseKind::Closed,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => CauseKind::Timeout,
            #[cfg(feature = "rustls")]
            ErrorKind::InvalidData if e.get_ref().is_some_and(|e| is_made_of(e, ureq::Error::Rustls)) => CauseKind::Tls,
            // The standard library has no kind for a name that is not found.
            _ if e.to_string().contains("lookup address") => CauseKind::Connect,
            _ => CauseKind::Other,
        },
        ureq::Error::Timeout(_) => CauseKind::Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => CauseKind::Connect,
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => CauseKind::Proxy,
        ureq::Error::TlsRequired | ureq::Error::Tls(_) => CauseKind::Tls,
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(_) => CauseKind::Tls,
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(_) => CauseKind::Tls,
        ureq::Error::LargeResponseHeader(..) => CauseKind::TooLarge,
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyStalled => CauseKind::Protocol,
        #[cfg(feature = "gzip")]
        ureq::Error::Decompress(..) => CauseKind::Protocol,
        _ => CauseKind::Other,
    }
}

/// Says in words what went wrong, not redacted.
pub(crate) fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::Timeout(which) => format!("timed out ({which} limit)"),
        ureq::Error::TlsRequired => "https needs the feature rustls or native-tls of imagen-ai".to_owned(),
        // Its own text holds the URL.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => "the HTTP client refused the URL".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a proxy asks for a name and a password. `ureq` tells it only in the text of its error.
pub(crate) fn is_proxy_authentication(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::ConnectProxyFailed(why) if why.contains("407"))
}

/// Whether nothing can have been sent.
pub(super) fn is_before_sending(error: &ureq::Error) -> bool {
    use ureq::Timeout::{Connect, Resolve};
    matches!(error, ureq::Error::Timeout(Resolve | Connect))
        || matches!(kind_of(error), CauseKind::Connect | CauseKind::Tls | CauseKind::Proxy)
}

/// Whether an error has the type that a variant of `ureq`'s error holds: that of `rustls`, which is no dependency of
/// this crate by name.
#[cfg(feature = "rustls")]
fn is_made_of<T: std::error::Error + 'static>(
    error: &(dyn std::error::Error + Send + Sync + 'static),
    _variant: fn(T) -> ureq::Error,
) -> bool {
    error.is::<T>()
}
