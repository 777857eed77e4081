//! Makes the simulator slow. mockito answers one request at a time, so that waiting inside it would hold up
//! everybody; this stands in front of it and holds back each edit on its own connection's thread. So an edit that is
//! underway is not in the history yet.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Listens on `port` (0: any) and passes all connections on to `server`, each `POST` after `latency`.
/// Runs until the process ends.
pub(super) fn start(port: u16, server: SocketAddr, latency: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that breaks is the client's affair; it sees the same as from any server.
            thread::spawn(move || pass_on(client, server, latency));
        }
    });
    Ok(address)
}

/// Carries one connection, which is one request: mockito closes after each answer.
fn pass_on(mut client: TcpStream, server: SocketAddr, latency: Duration) -> io::Result<()> {
    let mut method = [0; 5];
    client.read_exact(&mut method)?;
    if method == *b"POST " {
        thread::sleep(latency);
    }
    let mut server = TcpStream::connect(server)?;
    io::Write::write_all(&mut server, &method)?;

    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from_client, &mut to_server));

    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}
