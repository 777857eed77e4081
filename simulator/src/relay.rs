//! Makes edits slow. mockito answers one request at a time, so waiting inside it would hold up everybody. This relay
//! stands in front of it and holds back each edit on the thread of its connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Listens on `port` (0: any) and passes all connections on to `server`. Runs until the process ends.
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

/// Carries one connection, which is one request: mockito closes after each answer.
///
/// An edit is read to its end, held back, and then made, even if the client has gone meanwhile. An edit that did not
/// arrive whole is not made.
fn pass_on(mut client: TcpStream, server: SocketAddr, latency: Duration) -> io::Result<()> {
    let mut request = Vec::new();
    let mut head_end = None;
    while head_end.is_none() {
        read_more(&mut client, &mut request)?;
        head_end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    }
    let head = String::from_utf8_lossy(&request[..head_end.unwrap_or_default()]).to_ascii_lowercase();
    let path = head.split([' ', '?']).nth(1).unwrap_or_default();
    let is_edit = head.starts_with("post ")
        && ["/copilot", "/enhance", "/finalize"]
            .iter()
            .any(|end| path.ends_with(end));
    if is_edit {
        let length: usize = header(&head, "content-length").parse().unwrap_or_default();
        if header(&head, "expect") == "100-continue" {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while request.len() < head_end.unwrap_or_default() + 4 + length {
            read_more(&mut client, &mut request)?;
        }
        thread::sleep(latency);
    }
    let mut server = TcpStream::connect(server)?;
    server.write_all(&request)?;
    if !is_edit {
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            to_server.shutdown(Shutdown::Write)
        });
    }
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

fn read_more(client: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 8192];
    match client.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            request.extend_from_slice(&buffer[..count]);
            Ok(())
        }
    }
}

/// Returns a header's value, of a head in lower case.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .find(|(sent, _)| *sent == name)
        .map_or("", |(_, value)| value.trim())
}
