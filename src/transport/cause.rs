//! What sort of failure an error of `ureq` is.

use std::io;
use std::io::ErrorKind::{
    AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset,
    HostUnreachable, InvalidData, NetworkDown, NetworkUnreachable, NotConnected, TimedOut,
    UnexpectedEof, WouldBlock,
};

use crate::error::CauseKind::{
    self, Closed, Connect, Other, Protocol, Proxy, Timeout, Tls, TooLarge,
};

/// Tells the sort of failure.
pub(super) fn kind_of(error: &ureq::Error) -> CauseKind {
    match error {
        ureq::Error::Io(e) => kind_of_io(e),
        ureq::Error::Timeout(_) => Timeout,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => Connect,
        ureq::Error::InvalidProxyUrl => Proxy,
        ureq::Error::ConnectProxyFailed(_) if is_refused_by_proxy(error) => Proxy,
        // The proxy has no way to the service, which may pass.
        ureq::Error::ConnectProxyFailed(_) => Connect,
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

fn kind_of_io(error: &io::Error) -> CauseKind {
    match error.kind() {
        ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown
        | AddrNotAvailable | NotConnected => Connect,
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => Closed,
        TimedOut | WouldBlock => Timeout,
        // `rustls`, or a SOCKS proxy that answers nonsense.
        InvalidData => Tls,
        _ if is_name_lookup(error) => Connect,
        _ => Other,
    }
}

/// Whether the lookup of a name failed. The standard library has no kind for it: on Unix it has
/// words, on Windows the codes from `WSAHOST_NOT_FOUND` to `WSANO_DATA`.
fn is_name_lookup(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(code) => (11001..=11004).contains(&code),
        None => error.to_string().contains("lookup address"),
    }
}

/// Says in words what went wrong, not redacted.
pub(super) fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::BodyExceedsLimit(limit) => {
            format!("the answer is larger than the limit of {limit} bytes")
        }
        ureq::Error::LargeResponseHeader(_, limit) => {
            format!("the head of the answer is larger than the limit of {limit} bytes")
        }
        // Its own text holds the URL.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => {
            "the HTTP client refused the URL".to_owned()
        }
        // It has the status twice: "403/403".
        ureq::Error::ConnectProxyFailed(why) => {
            let why = why.split('/').next().unwrap_or_default();
            format!("CONNECT proxy failed: {why}")
        }
        other => other.to_string(),
    }
}

/// Whether a proxy refused for good: it wants a password (407), or forbids the host (403). `ureq`
/// tells the status only in the text of its error.
pub(super) fn is_refused_by_proxy(error: &ureq::Error) -> bool {
    let ureq::Error::ConnectProxyFailed(why) = error else {
        return false;
    };
    why.contains("responded 403") || why.contains("responded 407")
}

/// Whether a certificate was refused, ours or the server's. The TLS libraries have no common type
/// for it, and all of them name it in the text.
pub(super) fn is_certificate(error: &ureq::Error) -> bool {
    kind_of(error) == Tls && words(error).to_ascii_lowercase().contains("certificate")
}

/// Whether `ureq` had no connection that it could have sent anything on: it returns these errors
/// before it has one, and never later.
pub(super) fn is_before_connecting(error: &ureq::Error) -> bool {
    use ureq::Timeout::{Connect, Resolve};
    matches!(
        error,
        ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::ConnectProxyFailed(_)
            | ureq::Error::InvalidProxyUrl
            | ureq::Error::TlsRequired
            | ureq::Error::BadUri(_)
            | ureq::Error::RequireHttpsOnly(_)
            | ureq::Error::Timeout(Resolve | Connect)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_found_is_a_failure_to_connect_on_every_system() {
        let unix = io::Error::other("failed to lookup address information: Name unknown");
        assert_eq!(kind_of(&ureq::Error::Io(unix)), Connect);
        for code in [11001, 11004] {
            let windows = io::Error::from_raw_os_error(code);
            assert_eq!(kind_of(&ureq::Error::Io(windows)), Connect, "{code}");
        }
        let other = io::Error::from_raw_os_error(11005);
        assert_eq!(kind_of(&ureq::Error::Io(other)), Other);
    }

    #[test]
    fn a_network_that_is_down_is_a_failure_to_connect() {
        let error = ureq::Error::Io(NetworkDown.into());
        assert_eq!(kind_of(&error), Connect);
    }

    #[test]
    fn no_error_of_a_socket_proves_that_nothing_was_sent() {
        for kind in [
            ConnectionRefused,
            HostUnreachable,
            NetworkUnreachable,
            AddrNotAvailable,
            NotConnected,
        ] {
            let error = ureq::Error::Io(kind.into());
            assert!(!is_before_connecting(&error), "{kind}");
        }
        assert!(is_before_connecting(&ureq::Error::HostNotFound));
    }
}
