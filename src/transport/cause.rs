//! What sort of failure an error of `ureq` is.

use std::io::ErrorKind::{
    AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset,
    HostUnreachable, InvalidData, NetworkUnreachable, NotConnected, TimedOut, UnexpectedEof,
    WouldBlock,
};

use crate::error::CauseKind::{
    self, Closed, Connect, Other, Protocol, Proxy, Timeout, Tls, TooLarge,
};

/// Tells the sort of failure.
pub(super) fn kind_of(error: &ureq::Error) -> CauseKind {
    match error {
        ureq::Error::Io(e) => match e.kind() {
            ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable
            | NotConnected => Connect,
            ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => Closed,
            TimedOut | WouldBlock => Timeout,
            // `rustls`, or a SOCKS proxy that answers nonsense.
            InvalidData => Tls,
            // The standard library has no kind for a name that is not found.
            _ if e.to_string().contains("lookup address") => Connect,
            _ => Other,
        },
        ureq::Error::Timeout(_) => Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => Connect,
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => Proxy,
        ureq::Error::TlsRequired | ureq::Error::Tls(_) => Tls,
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(_) => Tls,
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(_) => Tls,
        ureq::Error::LargeResponseHeader(..) | ureq::Error::BodyExceedsLimit(_) => TooLarge,
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyStalled => Protocol,
        #[cfg(feature = "gzip")]
        ureq::Error::Decompress(..) => Protocol,
        _ => Other,
    }
}

/// Says in words what went wrong, not redacted.
pub(super) fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::BodyExceedsLimit(limit) => {
            format!("the answer is larger than the limit of {limit} bytes")
        }
        // Its own text holds the URL.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => {
            "the HTTP client refused the URL".to_owned()
        }
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
        || matches!(kind_of(error), CauseKind::Connect | Proxy)
}
