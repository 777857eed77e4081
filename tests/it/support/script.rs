//! A server that plays a script, for faults that take a raw socket: it closes, resets, stalls,
//! drips, cuts and lies at a chosen byte.
//!
//! ```text
//! let script = Script::of([Reset.after_request(), ok().cut_body(7, Close), ok()]);
//! // ... calls to script.url() ...
//! assert_eq!(script.requests().len(), 3);
//! ```
//!
//! A script has one [`Turn`] a request. Dropping it shuts its sockets and ends its waits. A wait
//! also ends after [`PATIENCE`], and what is endless after [`CAP`] bytes.

mod connection;
mod turn;

pub use connection::Request;
pub use turn::{End, Turn};

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::lock;
use connection::Connection;
use turn::Reads;

/// The longest wait, so that a test that forgets to drop its script still ends.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The most of an endless answer, so that a client without limits fails its test and not the
/// machine.
pub const CAP: usize = 512 << 20;

pub struct Script(Arc<Shared>);

/// Where the next turn comes from.
enum Plot {
    /// The turns in order of the requests' arrival, over whatever connections. The last one
    /// repeats.
    List(VecDeque<Turn>),
    /// A look at the whole request.
    Each(Box<dyn FnMut(&Request) -> Turn + Send>),
}

/// What the threads of a script share.
struct Shared {
    addr: SocketAddr,
    /// Apart from the state, so that a test's closure may take its time.
    plot: Mutex<Plot>,
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
    /// What is shut when the script ends. The thread of a connection alone owns its socket, so
    /// that it closes when that thread drops it.
    open: Vec<Weak<TcpStream>>,
    /// What arrived, by connection.
    heard: Vec<Vec<u8>>,
    requests: Vec<Request>,
}

impl Script {
    /// Plays one turn a request; the last one repeats.
    pub fn of(turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: VecDeque<_> = turns.into_iter().collect();
        let leaves = turns.iter().any(|turn| turn.leaves);
        let address = if leaves {
            own_address()
        } else {
            Ipv4Addr::LOCALHOST
        };
        Self::start(address, Plot::List(turns))
    }

    /// Plays the turn that a look at the whole request decides on.
    pub fn each(decide: impl FnMut(&Request) -> Turn + Send + 'static) -> Self {
        Self::start(Ipv4Addr::LOCALHOST, Plot::Each(Box::new(decide)))
    }

    fn start(address: Ipv4Addr, plot: Plot) -> Self {
        let listener = listen(address);
        let shared = Arc::new(Shared {
            addr: listener.local_addr().expect("a bound address"),
            plot: Mutex::new(plot),
            listening: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        *lock(&shared.listening) = Some(thread::spawn(move || accepting.accept(listener)));
        Self(shared)
    }

    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.0.state().heard.len()
    }

    /// The requests that arrived at least as far as the end of their head. A body that was not read
    /// to its end is empty here.
    pub fn requests(&self) -> Vec<Request> {
        self.0.state().requests.clone()
    }

    /// Every byte that arrived, connection after connection: where to look for what must not have
    /// been sent.
    pub fn bytes_received(&self) -> Vec<u8> {
        self.0.state().heard.concat()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.0.stop_listening();
        let mut state = self.0.state();
        state.stopped = true;
        for stream in state.open.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.0.changed.notify_all();
        // A failed assertion in a test's own closure must fail the test.
        if self.0.plot.is_poisoned() && !thread::panicking() {
            panic!("the script panicked");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns once the port refuses connections.
    fn stop_listening(&self) {
        let Some(thread) = lock(&self.listening).take() else {
            return;
        };
        self.state().refusing = true;
        // Wakes `accept`, which finds that it is over.
        let _ = TcpStream::connect_timeout(&self.addr, PATIENCE);
        let _ = thread.join();
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut state = self.state();
            if state.refusing {
                return;
            }
            let stream = Arc::new(stream);
            let id = state.heard.len();
            state.heard.push(Vec::new());
            state.open.push(Arc::downgrade(&stream));
            drop(state);
            let shared = Arc::clone(self);
            // An error is a peer that left or a script that ended.
            thread::spawn(move || Connection::new(&shared, stream, id)?.serve());
        }
    }

    /// Takes the next turn of a list, if it reads no more than this beforehand.
    fn next_turn(&self, at_most: Reads) -> Option<Turn> {
        let Plot::List(turns) = &mut *lock(&self.plot) else {
            return None;
        };
        let turn = turns.front().filter(|turn| turn.reads <= at_most)?.clone();
        if turns.len() > 1 {
            turns.pop_front();
        }
        Some(turn)
    }

    fn decide(&self, request: &Request) -> Turn {
        match &mut *lock(&self.plot) {
            Plot::Each(decide) => decide(request),
            Plot::List(_) => panic!("a list without a turn"),
        }
    }

    /// Sleeps. It is an error, which ends the connection, if the script is dropped meanwhile.
    fn pause(&self, time: Duration) -> io::Result<()> {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), time, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.1.timed_out() {
            return Ok(());
        }
        Err(io::ErrorKind::Interrupted.into())
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
