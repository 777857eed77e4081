//! Addresses where nobody listens, and those where somebody can.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// An address that refuses connections.
///
/// No other server uses it, not even after this one was closed. Nor can a client reach itself
/// there, which happens when the system chooses the port that it connects to as the one that it
/// connects from: that is a port of another address.
///
/// Where the system has one loopback address only, as macOS does, neither is certain: the port is
/// free again, and only one of thousands that the next server or client may get.
pub struct Refused(SocketAddr);

impl Refused {
    pub fn new() -> Self {
        Self(listen(own_address()).local_addr().expect("a bound address"))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// A loopback address that no other server uses, of this process or of another, if the system has
/// it.
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
