//! Proxies that tunnel, and remember what they were asked and what went through.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::lock;
use super::script::PATIENCE;

/// A proxy. Wherever it is asked to connect to, it connects to the one server it knows, so that
/// tests can use names that do not exist.
pub struct Proxy {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    asked: Vec<String>,
    carried: Vec<u8>,
}

/// Reads what a client asks for, agrees, and returns it.
type Greeting = fn(&mut TcpStream) -> io::Result<String>;

impl Proxy {
    /// One for HTTP's `CONNECT`.
    pub fn connect(target: SocketAddr) -> Self {
        Self::start(target, connect)
    }

    /// One for SOCKS 5, which wants no user name.
    #[cfg(feature = "socks-proxy")]
    pub fn socks5(target: SocketAddr) -> Self {
        Self::start(target, socks5)
    }

    fn start(target: SocketAddr, greeting: Greeting) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("a bound address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                // Either end may leave when it likes.
                thread::spawn(move || tunnel(stream, target, greeting, &shared));
            }
        });
        Self { addr, seen }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it was asked for: the whole head of each `CONNECT`, or `host:port` for SOCKS.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.seen).asked.clone()
    }

    /// Whether this went through, from a client to the server, in the clear.
    pub fn carried(&self, text: &str) -> bool {
        let seen = lock(&self.seen);
        seen.carried
            .windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    }
}

fn tunnel(
    mut client: TcpStream,
    target: SocketAddr,
    greeting: Greeting,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let asked = greeting(&mut client)?;
    lock(seen).asked.push(asked);
    let mut server = TcpStream::connect(target)?;
    let mut from = server.try_clone()?;
    let mut to = client.try_clone()?;
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut bytes = [0; 4096];
    loop {
        let length = client.read(&mut bytes)?;
        if length == 0 {
            return server.shutdown(Shutdown::Both);
        }
        lock(seen).carried.extend(&bytes[..length]);
        server.write_all(&bytes[..length])?;
    }
}

fn connect(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read::<1>(client)?);
    }
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn read<const LENGTH: usize>(from: &mut TcpStream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// RFC 1928.
#[cfg(feature = "socks-proxy")]
fn socks5(client: &mut TcpStream) -> io::Result<String> {
    let [_version] = read(client)?;
    let _methods = read_text(client)?;
    client.write_all(&[5, 0])?;
    let [_version, _command, _reserved, kind] = read(client)?;
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(client)?).to_string(),
        _ => read_text(client)?,
    };
    let port = u16::from_be_bytes(read(client)?);
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok(format!("{host}:{port}"))
}

/// Its length in a byte, and then the text.
#[cfg(feature = "socks-proxy")]
fn read_text(from: &mut TcpStream) -> io::Result<String> {
    let [length] = read(from)?;
    let mut bytes = vec![0; length.into()];
    from.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
