//! The call that the service makes when an edit is done.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long each step of the call can take. The receiver is on this machine.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A call to make: a URL on this machine, over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Callback {
    /// Host and port.
    address: String,
    /// Path and query.
    target: String,
}

impl Callback {
    /// Reads a `callback_url`. `None` is one that is not on this machine, or not plain HTTP.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?;
        let at = rest.find('/').unwrap_or(rest.len());
        let (address, target) = rest.split_at(at);
        let (host, port) = address.rsplit_once(':')?;
        if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") || port.parse::<u16>().is_err() {
            return None;
        }
        Some(Self {
            address: address.to_owned(),
            target: if target.is_empty() { "/" } else { target }.to_owned(),
        })
    }

    /// Makes the call, and waits for its answer, which does not matter.
    pub(crate) fn send(&self, body: &str) -> io::Result<()> {
        let address = self.address.to_socket_addrs()?.next();
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(
            stream,
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.target,
            self.address,
            body.len(),
        )?;
        // A receiver may take a connection that is closed at once for one that failed.
        let mut status_line = [0; 12];
        stream.read_exact(&mut status_line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_on_this_machine_are_called() {
        let callback = Callback::parse("http://127.0.0.1:80/done?token=x").unwrap();
        assert_eq!(callback.address, "127.0.0.1:80");
        assert_eq!(callback.target, "/done?token=x");
        assert_eq!(Callback::parse("http://[::1]:8080").unwrap().target, "/");
        for url in [
            "https://127.0.0.1:80/",
            "http://127.0.0.1/",
            "http://example.com:80/",
            "http://127.0.0.1:80@example.com:80/",
            "http://127.0.0.1:x/",
            "",
        ] {
            assert_eq!(Callback::parse(url), None, "{url}");
        }
    }
}
