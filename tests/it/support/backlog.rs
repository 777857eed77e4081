//! An address where nobody answers. Windows refuses connections there.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::nowhere::listen;

/// An address where connecting neither succeeds nor fails, because the kernel's queue is full and
/// it drops what more comes.
pub struct BacklogFull {
    addr: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl BacklogFull {
    pub fn new() -> Self {
        let listener = listen(Ipv4Addr::LOCALHOST);
        let addr = listener.local_addr().expect("a bound address");
        let mut queue = Vec::new();
        loop {
            match TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
                Ok(stream) => queue.push(stream),
                Err(e) if e.kind() == ErrorKind::TimedOut => break,
                Err(e) => panic!("{} connections, and then {e}", queue.len()),
            }
        }
        Self {
            addr,
            _listener: listener,
            _queue: queue,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}
