//! Addresses where nobody answers, each for a reason of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// An address that refuses connections.
///
/// No other server uses it, not even after this one was closed. Nor can a client reach itself
/// there, which happens when the system chooses the port that it connects to as the one that it
/// connects from: that is a port of another address.
pub struct Refused(SocketAddr);

impl Refused {
    pub fn new() -> Self {
        Self(address(&listen(own_address())))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// An address where connecting neither succeeds nor fails, because the kernel's queue is full and
/// it drops what more comes. Windows refuses it.
#[cfg(not(windows))]
pub struct BacklogFull(
    TcpListener,
    #[allow(dead_code, reason = "kept open")] Vec<TcpStream>,
);

#[cfg(not(windows))]
impl BacklogFull {
    /// `None` where the system has no such limit, or one too high to reach.
    pub fn new() -> Option<Self> {
        let listener = listen(Ipv4Addr::LOCALHOST);
        let mut queue = Vec::new();
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

/// A loopback address that no other server uses, of this process or of another.
pub(super) fn own_address() -> Ipv4Addr {
    static USED: AtomicU16 = AtomicU16::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [used_high, used_low] = USED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // 127.0 has the address that everybody uses.
    Ipv4Addr::new(127, 1 + (high ^ used_high) % 250, low, used_low)
}

/// Listens there, or at the usual address where the system has no such address.
pub(super) fn listen(address: Ipv4Addr) -> TcpListener {
    TcpListener::bind((address, 0))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .expect("a free port")
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound socket's address")
}
