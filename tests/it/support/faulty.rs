//! A server that misbehaves on purpose.
//!
//! It speaks raw TCP, because a proper HTTP library cannot be made to close, reset, stall, drip,
//! truncate, lie, split or repeat at a chosen byte. A script says what happens to each request in
//! turn, and a row of a test reads as what goes wrong:
//!
//! ```text
//! let broken = Reply::json(OK).cut_body(7, Close);
//! let server = Faulty::start([Reset.after_request(), broken, Reply::json(OK)]);
//! // ... calls to server.url() ...
//! assert_eq!(server.requests(), 3);
//! ```
//!
//! [`Reply`] and [`End`] are what happens to one request, [`File`] is a file for downloads,
//! [`Refused`] and [`BacklogFull`] are addresses where nobody answers.
//!
//! Dropping a [`Faulty`] shuts its sockets and ends its waits. A wait also ends after [`PATIENCE`],
//! and whatever is endless after [`CAP`] bytes.

// `pub` is what tests use, `pub(crate)` what these files use of each other.

mod file;
mod nowhere;
mod reply;
mod wire;

pub use file::File;
pub use nowhere::Refused;
pub use reply::{End, Reply};
pub use wire::Request;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::lock;
use reply::Point;
use reply::send::Flow;
use wire::Wire;

/// The longest that any single wait lasts, so that a test which forgets to drop its server still
/// ends.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where endless things end, so that a client without limits fails its test and not the machine.
pub const CAP: u64 = 512 << 20;

/// A server that does to each request what its script says.
pub struct Faulty {
    shared: Arc<Shared>,
}

/// Where the next [`Reply`] comes from.
enum Script {
    /// One a request, in order of arrival; the last one repeats, or is followed by refused
    /// connections.
    List {
        replies: VecDeque<Reply>,
        then_refuse: bool,
    },
    /// Decided by looking at the request, once all of it has arrived.
    Each(Box<dyn FnMut(&Request) -> Reply + Send>),
}

impl Faulty {
    /// One reply a request, in order of arrival, over however many connections; the last one
    /// repeats.
    pub fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::listen(
            Script::List {
                replies: script.into_iter().collect(),
                then_refuse: false,
            },
            None,
        )
    }

    /// Like [`Faulty::start`], but nobody listens any more once the last reply is taken, and nobody
    /// else takes the port: the address is this server's alone.
    pub fn start_then_refuse(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::listen(
            Script::List {
                replies: script.into_iter().collect(),
                then_refuse: true,
            },
            Some(own_address()),
        )
    }

    /// The reply is decided by looking at the whole request: for routes, or for a state of the
    /// test's own.
    pub fn each(decide: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::listen(Script::Each(Box::new(decide)), None)
    }

    fn listen(script: Script, address: Option<Ipv4Addr>) -> Self {
        let listener = listen_on(address);
        let shared = Arc::new(Shared {
            addr: listener.local_addr().expect("a bound address"),
            script: Mutex::new(script),
            listening: Mutex::new(None),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        *lock(&shared.listening) = Some(thread::spawn(move || accepting.accept(listener)));
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

    /// How many requests arrived at least as far as the end of their head. What a client sends into
    /// a connection that was already closed or reset is not looked at as a request;
    /// [`Faulty::bytes_received`] has it.
    pub fn requests(&self) -> usize {
        self.shared.state().requests.len()
    }

    /// Those requests in order of arrival. A body that was not read to its end is empty here.
    pub fn received(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Every byte that arrived, connection after connection: where to look for what must not have
    /// been sent.
    pub fn bytes_received(&self) -> Vec<u8> {
        self.shared.state().heard.concat()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.stop_listening();
        let mut state = self.shared.state();
        state.stopped = true;
        for stream in state.open.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // A failed assertion in a test's own closure must fail the test, although it ran in another
        // thread.
        if self.shared.script.is_poisoned() && !thread::panicking() {
            panic!("the script of the fault server panicked");
        }
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

/// What the threads of one server share.
pub(crate) struct Shared {
    addr: SocketAddr,
    /// Apart from the state, so that a test's closure may take its time.
    script: Mutex<Script>,
    /// The thread that accepts connections, as long as the port is open.
    listening: Mutex<Option<JoinHandle<()>>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether no more connections are wanted, and whether those that are open are over.
    refusing: bool,
    stopped: bool,
    /// The sockets to shut when the server stops. Whoever serves one holds it alone, so that
    /// dropping it closes it.
    open: Vec<Weak<TcpStream>>,
    /// What arrived, by connection.
    heard: Vec<Vec<u8>>,
    requests: Vec<Request>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Sleeps, unless the server is dropped first: then it is an error, which ends the connection.
    fn pause(&self, time: Duration) -> io::Result<()> {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), time, |state| !state.stopped);
        match waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    /// Returns once the port refuses connections, so that what a client sees afterwards is certain.
    fn stop_listening(&self) {
        if let Some(thread) = lock(&self.listening).take() {
            self.state().refusing = true;
            // Wakes `accept`, which finds that it is over.
            let _ = TcpStream::connect_timeout(&self.addr, PATIENCE);
            let _ = thread.join();
        }
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut state = self.state();
            if state.refusing {
                return;
            }
            let (shared, stream, id) = (Arc::clone(self), Arc::new(stream), state.heard.len());
            state.heard.push(Vec::new());
            state.open.push(Arc::downgrade(&stream));
            drop(state);
            // An error is a peer that left or a server that stops: either way the connection is
            // over.
            thread::spawn(move || {
                Wire::new(&shared, stream, id).and_then(|wire| shared.serve(wire))
            });
        }
    }

    /// One connection: request after request until a reply ends it or the client leaves.
    fn serve(&self, mut wire: Wire<'_>) -> io::Result<()> {
        let mut planned = self.next_if(|reply| reply.point == Point::Accept);
        loop {
            if planned.is_none() {
                wire.wait_for_request()?;
                planned = self.next_if(|_| true);
            }
            // A reply that is decided by the request has to wait for all of it.
            let point = planned.as_ref().map_or(Point::Request, |reply| reply.point);
            let mut request = Request::default();
            if point >= Point::Head {
                request = wire.read_head()?;
            }
            if point >= Point::Request {
                wire.read_body(&mut request)?;
            }
            let reply = planned.take().unwrap_or_else(|| self.decide(&request));
            if let Flow::End(how) = reply.send(&request, &mut wire)? {
                return wire.end(how);
            }
            if point < Point::Head {
                request = wire.read_head()?;
            }
            if point < Point::Request {
                wire.read_body(&mut request)?;
            }
        }
    }

    /// The next reply of a list, if it is wanted.
    fn next_if(&self, wanted: impl Fn(&Reply) -> bool) -> Option<Reply> {
        let mut script = lock(&self.script);
        let Script::List {
            replies,
            then_refuse,
        } = &mut *script
        else {
            return None;
        };
        let (last, refuse) = (replies.len() == 1, *then_refuse);
        let reply = replies.front().filter(|reply| wanted(reply))?.clone();
        if !last || refuse {
            replies.pop_front();
        }
        drop(script);
        if last && refuse {
            self.stop_listening();
        }
        Some(reply)
    }

    fn decide(&self, request: &Request) -> Reply {
        match &mut *lock(&self.script) {
            Script::Each(decide) => decide(request),
            // Only after `start_then_refuse`, on a connection that is still open: nobody is there
            // any more.
            Script::List { .. } => End::HangUp.after_request(),
        }
    }
}
