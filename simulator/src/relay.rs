//! Makes edits slow. mockito answers one request at a time, so waiting inside it would hold up
//! everybody. This relay stands in front of it and holds back each edit on the thread of its
//! connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Listens on `port` (0: any) and passes all connections on to `server`. Runs until the process
/// ends.
pub(crate) fn start(port: u16, server: SocketAddr, latency: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A broken connection is the client's affair.
            thread::spawn(move || pass_on(client, server, latency));
        }
    });
    Ok(address)
}

/// Carries one connection, which is one request: mockito closes after each answer. An edit is read
/// to its end, held back, and then made, even if the client has gone meanwhile. An edit that did
/// not arrive whole is not made.
fn pass_on(mut client: TcpStream, server: SocketAddr, latency: Duration) -> io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if from_client.read_until(b'\n', &mut request)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let path = head.split([' ', '?']).nth(1).unwrap_or_default();
    let is_slow = ["/copilot", "/enhance", "/finalize"]
        .iter()
        .any(|end| path.ends_with(end));
    let is_edit = is_slow && head.starts_with("post ");
    if is_edit {
        let header = |name| {
            head.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        if header("expect:") == Some("100-continue") {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length: usize = header("content-length:")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let head_length = request.len();
        request.resize(head_length + length, 0);
        from_client.read_exact(&mut request[head_length..])?;
        thread::sleep(latency);
    }
    let mut server = TcpStream::connect(server)?;
    server.write_all(&request)?;
    if !is_edit {
        let mut to_server = server.try_clone()?;
        thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            to_server.shutdown(Shutdown::Write)
        });
    }
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}
