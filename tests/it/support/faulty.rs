//! A server that misbehaves on purpose.
//!
//! It speaks raw TCP, because a proper HTTP library cannot be made to close, reset, stall, drip, truncate, lie, split
//! or repeat at a chosen byte. A script says what happens to each request in turn, and a row of a test reads as what
//! goes wrong:
//!
//! ```text
//! let broken = Reply::json(OK).cut_body(7, Close);
//! let server = Faulty::start([Reset.after_request(), broken, Reply::json(OK)]);
//! // ... calls to server.url() ...
//! assert_eq!(server.requests(), 3);
//! ```
//!
//! [`Reply`] and [`End`] are what happens to one request, [`File`] is a file for downloads, [`Fate`] and [`Faulty::proxy`]
//! the same faults in front of another server; [`Refused`], [`Unserved`] and [`BacklogFull`] are addresses where nobody
//! answers.
//!
//! Nothing here outlives its [`Faulty`]: dropping it shuts every socket, ends every wait and joins every thread. A wait
//! also ends after [`PATIENCE`], and whatever is endless after [`CAP`] bytes.

// `pub` is what tests use, `pub(crate)` what these files use of each other.
#![allow(dead_code)]

mod file;
mod nowhere;
mod proxy;
mod reply;
mod wire;

pub use file::File;
pub use nowhere::{BacklogFull, Refused, Unserved};
pub use proxy::Fate;
pub use reply::{End, Reply};
pub use wire::Request;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::lock;
use reply::Point;
use reply::send::Flow;
use wire::Wire;

/// The longest that any single wait lasts, so that a test which forgets to drop its server still ends.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where endless things end, so that a client without limits fails its test and not the machine.
pub const CAP: u64 = 512 << 20;

/// A server that does to each request what its script says.
pub struct Faulty {
    shared: Arc<Shared>,
}

/// Where the next [`Reply`] comes from.
enum Script {
    /// One a request, in order of arrival; the last one repeats, or is followed by refused connections.
    List { replies: VecDeque<Reply>, then_refuse: bool },
    /// Decided by looking at the request, once all of it has arrived.
    Each(Box<dyn FnMut(&Request) -> Reply + Send>),
}

impl Faulty {
    /// One reply a request, in order of arrival, over however many connections; the last one repeats.
    pub fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::listen(Script::List { replies: script.into_iter().collect(), then_refuse: false })
    }

    /// Like [`Faulty::start`], but nobody listens any more once the last reply is taken, and nobody else takes the
    /// port: the address is this server's alone.
    pub fn start_then_refuse(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::listen(Script::List { replies: script.into_iter().collect(), then_refuse: true })
    }

    /// The reply is decided by looking at the whole request: for routes, or for a state of the test's own.
    pub fn each(decide: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::listen(Script::Each(Box::new(decide)))
    }

    /// Stands in front of another HTTP server and decides for each request what the network does to it.
    pub fn proxy(target: SocketAddr, mut plan: impl FnMut(&Request) -> Fate + Send + 'static) -> Self {
        Self::each(move |request| plan(request).reply(target))
    }

    fn listen(script: Script) -> Self {
        if let Script::List { replies, .. } = &script {
            assert!(!replies.is_empty(), "a script needs at least one reply");
        }
        let refuses = matches!(script, Script::List { then_refuse: true, .. });
        let listener = listen_on(refuses.then(own_address));
        let shared = Arc::new(Shared {
            addr: listener.local_addr().expect("a bound address"),
            script: Mutex::new(script),
            state: Mutex::new(State { listening: true, port_open: true, ..State::default() }),
            changed: Condvar::new(),
        });
        shared.spawn(|shared| shared.accept(listener));
        Self { shared }
    }

    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.state().heard.len()
    }

    /// How many requests arrived at least as far as the end of their head. What a client sends into a connection that
    /// was already closed or reset is not looked at as a request; [`Faulty::bytes_received`] has it.
    pub fn requests(&self) -> usize {
        self.shared.state().requests.len()
    }

    /// Those requests in order of arrival. A body that was not read to its end is empty here.
    pub fn received(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Every byte that arrived, connection after connection: where to look for what must not have been sent.
    pub fn bytes_received(&self) -> Vec<u8> {
        self.shared.state().heard.concat()
    }

    /// Waits until every request that was to be forwarded late ([`Fate::Late`]) has been answered by the target.
    pub fn settle(&self) {
        let state = self.shared.state();
        let changed = &self.shared.changed;
        let waited = changed.wait_timeout_while(state, PATIENCE, |s| s.late > 0);
        let waited = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.1.timed_out(), "still forwarding");
    }
}

/// A loopback address that no other server uses, of this process or of another.
fn own_address() -> Ipv4Addr {
    static USED: AtomicU16 = AtomicU16::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [used_high, used_low] = USED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // 127.0 has the address that everybody uses.
    Ipv4Addr::new(127, 1 + (high ^ used_high) % 250, low, used_low)
}

/// Where the system has no such address, the usual one has to do.
fn listen_on(address: Option<Ipv4Addr>) -> TcpListener {
    let own = address.and_then(|address| TcpListener::bind((address, 0)).ok());
    own.unwrap_or_else(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.stop();
        let mut panicked = false;
        // One at a time and not holding the lock: the others need it to end.
        loop {
            let Some(thread) = self.shared.state().threads.pop() else {
                break;
            };
            panicked |= thread.join().is_err();
        }
        panicked |= self.shared.state().panicked;
        // A failed assertion in a test's own closure must fail the test, although it ran in another thread.
        if panicked && !thread::panicking() {
            panic!("a thread of the fault server panicked");
        }
    }
}

/// What the threads of one server share.
pub(crate) struct Shared {
    addr: SocketAddr,
    /// Apart from the state, so that a test's closure may take its time.
    script: Mutex<Script>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// Whether connections are wanted, and whether the port still takes them.
    listening: bool,
    port_open: bool,
    panicked: bool,
    /// Requests still to be forwarded after their client was sent away.
    late: usize,
    /// The sockets to shut when the server stops, by a number of their own.
    open: HashMap<usize, Arc<TcpStream>>,
    opened: usize,
    threads: Vec<JoinHandle<()>>,
    /// What arrived, by connection.
    heard: Vec<Vec<u8>>,
    requests: Vec<Request>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    /// A thread that is joined when the server is dropped; none is started after that.
    fn spawn(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let mut state = self.state();
        if state.stopped {
            return;
        }
        // A proxy in a long test sees thousands of connections: those that are over are let go.
        let (done, running): (Vec<_>, _) = state.threads.drain(..).partition(JoinHandle::is_finished);
        state.threads = running;
        for thread in done {
            state.panicked |= thread.join().is_err();
        }
        let shared = Arc::clone(self);
        state.threads.push(thread::spawn(move || work(&shared)));
    }

    /// Takes charge of a socket, so that it is shut when the server stops.
    fn open(self: &Arc<Self>, stream: TcpStream) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = Arc::new(stream);
        let mut state = self.state();
        if state.stopped {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let key = state.opened;
        state.opened += 1;
        state.open.insert(key, Arc::clone(&stream));
        Ok(Socket { stream, key, shared: Arc::clone(self) })
    }

    /// Sleeps, unless the server is dropped first: then it is an error, which ends the connection.
    fn pause(&self, time: Duration) -> io::Result<()> {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, time, |s| !s.stopped);
        match waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        for stream in state.open.values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
        self.stop_listening();
    }

    /// Returns once the port refuses connections, so that what a client sees afterwards is certain.
    fn stop_listening(&self) {
        self.state().listening = false;
        // Wakes `accept`, which finds that it is over.
        let _ = TcpStream::connect_timeout(&self.addr, PATIENCE);
        let state = self.state();
        let _ = self.changed.wait_timeout_while(state, PATIENCE, |s| s.port_open);
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        for stream in listener.incoming() {
            let mut state = self.state();
            if !state.listening {
                break;
            }
            let Ok(stream) = stream else { continue };
            let id = state.heard.len();
            state.heard.push(Vec::new());
            drop(state);
            self.spawn(move |shared| {
                // An error is a peer that left or a server that stops: either way the connection is over.
                let _ = shared.open(stream).and_then(|socket| shared.serve(Wire::new(socket, id)));
            });
        }
        drop(listener);
        self.state().port_open = false;
        self.changed.notify_all();
    }

    /// One connection: request after request until a reply ends it or the client leaves.
    fn serve(self: &Arc<Self>, mut wire: Wire) -> io::Result<()> {
        let mut planned = self.next_on_accept();
        loop {
            if planned.is_none() {
                wire.wait_for_request()?;
                planned = self.next_listed();
            }
            // A reply that is decided by the request has to wait for all of it.
            let point = planned.as_ref().map_or(Point::Request, Reply::point);
            let mut request = Request::default();
            if point >= Point::Head {
                request = wire.read_head()?;
            }
            if point == Point::Request && request.header("expect").is_some() {
                wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            if point >= Point::Silent {
                wire.read_body(&mut request)?;
            }
            let reply = match planned.take() {
                Some(reply) => reply,
                None => self.decide(&request),
            };
            match reply.send(&request, &mut wire)? {
                Flow::End(how) => return wire.end(how),
                Flow::KeepAlive => {
                    if point < Point::Head {
                        request = wire.read_head()?;
                    }
                    if point < Point::Silent {
                        wire.read_body(&mut request)?;
                    }
                }
            }
        }
    }

    /// The next reply, if it does not wait for a request.
    fn next_on_accept(&self) -> Option<Reply> {
        self.next_if(|reply| reply.point() == Point::Accept)
    }

    fn next_listed(&self) -> Option<Reply> {
        self.next_if(|_| true)
    }

    fn next_if(&self, wanted: impl Fn(&Reply) -> bool) -> Option<Reply> {
        let mut script = self.script();
        let Script::List { replies, then_refuse } = &mut *script else {
            return None;
        };
        let last = replies.len() == 1;
        let reply = replies.front().filter(|reply| wanted(reply))?.clone();
        if !last || *then_refuse {
            replies.pop_front();
        }
        if last && *then_refuse {
            drop(script);
            self.stop_listening();
        }
        Some(reply)
    }

    fn decide(&self, request: &Request) -> Reply {
        match &mut *self.script() {
            Script::Each(decide) => decide(request),
            // Only after `start_then_refuse`, on a connection that is still open: nobody is there any more.
            Script::List { .. } => End::HangUp.after_request(),
        }
    }
}

/// A socket that the server shuts when it stops.
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    key: usize,
    shared: Arc<Shared>,
}

impl Drop for Socket {
    /// Leaves the last [`Arc`] in `stream`, so that dropping it closes the connection.
    fn drop(&mut self) {
        self.shared.state().open.remove(&self.key);
    }
}
