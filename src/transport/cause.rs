//! What sort of failure an error of `ureq` is.

use std::io::ErrorKind::{
    AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidData,
    NetworkUnreachable, NotConnected, TimedOut, UnexpectedEof, WouldBlock,
};

use crate::error::CauseKind;

/// Tells the sort of failure.
pub(super) fn kind_of(error: &ureq::Error) -> CauseKind {
    match error {
        ureq::Error::Io(e) => match e.kind() {
            ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable | NotConnected => {
                CauseKind::Connect
            }
            ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => CauseKind::Closed,
            TimedOut | WouldBlock => CauseKind::Timeout,
            // `rustls`, or a SOCKS proxy that answers nonsense.
            InvalidData => CauseKind::Tls,
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
        ureq::Error::LargeResponseHeader(..) | ureq::Error::BodyExceedsLimit(_) => CauseKind::TooLarge,
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyStalled => CauseKind::Protocol,
        #[cfg(feature = "gzip")]
        ureq::Error::Decompress(..) => CauseKind::Protocol,
        _ => CauseKind::Other,
    }
}

/// Says in words what went wrong, not redacted.
pub(super) fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::BodyExceedsLimit(limit) => format!("the answer is larger than the limit of {limit} bytes"),
        // Its own text holds the URL.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => "the HTTP client refused the URL".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a proxy asks for a name and a password. `ureq` tells it only in the text of its error.
pub(super) fn is_proxy_authentication(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::ConnectProxyFailed(why) if why.contains("407"))
}

/// Whether nothing can have been sent.
pub(super) fn is_before_sending(error: &ureq::Error) -> bool {
    use ureq::Timeout::{Connect, Resolve};
    matches!(error, ureq::Error::Timeout(Resolve | Connect))
        || matches!(kind_of(error), CauseKind::Connect | CauseKind::Tls | CauseKind::Proxy)
}
