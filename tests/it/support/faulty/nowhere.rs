//! Addresses where nobody answers, each for a reason of its own.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// An address that refuses connections.
///
/// No other server uses it, not even after this one was closed. Nor can a client reach itself
/// there, which happens when the system chooses the port that it connects to as the one that it
/// connects from: that is a port of another address.
pub struct Refused(SocketAddr);

impl Refused {
    pub fn new() -> Self {
        Self(address(&super::listen_on(Some(super::own_address()))))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// An address where connecting neither succeeds nor fails, because the kernel's queue is full and
/// it drops what more comes.
pub struct BacklogFull(
    TcpListener,
    #[allow(dead_code, reason = "kept open")] Vec<TcpStream>,
);

impl BacklogFull {
    /// `None` where the system has no such limit, or one too high to reach.
    pub fn new() -> Option<Self> {
        let (listener, mut queue) = (super::listen_on(None), Vec::new());
        while queue.len() < 1_000 {
            match TcpStream::connect_timeout(&address(&listener), Duration::from_millis(100)) {
                Ok(stream) => queue.push(stream),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Some(Self(listener, queue));
                }
                Err(_) => return None,
            }
        }
        None
    }

    pub fn url(&self) -> String {
        format!("http://{}", address(&self.0))
    }
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound socket's address")
}
