//! A server that plays a script, for faults that take a raw socket: it closes, resets, stalls,
//! drips, cuts and lies at a chosen byte.
//!
//! ```text
//! let script = Script::of([Reset.after_request(), ok().cut_body(7, Close), ok()]);
//! // ... calls to script.url() ...
//! assert_eq!(script.requests().len(), 3);
//! ```
//!
//! A script has one [`Turn`] a request. When it is dropped it accepts no more connections. One that
//! is open ends with its client, or after [`PATIENCE`], and what is endless after [`CAP`] bytes.

mod connection;
mod turn;

pub use connection::Request;
pub use turn::{End, Turn};

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::{lock, nowhere};
use connection::Connection;
use turn::Reads;

/// The longest wait for a client.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The most of an endless answer, so that a client without limits fails its test and not the
/// machine.
pub const CAP: usize = 512 << 20;

pub struct Script(Arc<Shared>);

/// What the threads of a script share.
struct Shared {
    addr: SocketAddr,
    /// Kept so that nobody else has the port until no more connections are wanted.
    listener: Mutex<Option<TcpListener>>,
    /// Apart from the state, so that a test's closure may take its time.
    plot: Mutex<Plot>,
    state: Mutex<State>,
}

/// Where the next turn comes from.
enum Plot {
    /// The turns in order of the requests' arrival, over whatever connections. The last one
    /// repeats.
    List(VecDeque<Turn>),
    /// A look at the whole request.
    Each(Box<dyn FnMut(&Request) -> Turn + Send>),
}

#[derive(Default)]
struct State {
    /// Whether no more connections are wanted.
    refusing: bool,
    /// What arrived, by connection.
    heard: Vec<Vec<u8>>,
    requests: Vec<Request>,
    /// How many turns are over.
    done: usize,
}

impl Script {
    /// Plays one turn a request; the last one repeats.
    pub fn of(turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: VecDeque<_> = turns.into_iter().collect();
        let address = match turns.iter().any(|turn| turn.leaves) {
            true => nowhere::own_address(),
            false => Ipv4Addr::LOCALHOST,
        };
        Self::start(address, Plot::List(turns))
    }

    /// Plays the turn that a look at the whole request decides on.
    pub fn each(decide: impl FnMut(&Request) -> Turn + Send + 'static) -> Self {
        Self::start(Ipv4Addr::LOCALHOST, Plot::Each(Box::new(decide)))
    }

    fn start(address: Ipv4Addr, plot: Plot) -> Self {
        let listener = nowhere::listen(address);
        let shared = Arc::new(Shared {
            addr: listener.local_addr().expect("a bound address"),
            listener: Mutex::new(listener.try_clone().ok()),
            plot: Mutex::new(plot),
            state: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
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

    /// How many turns are over, with what follows their answer and their end.
    pub fn done(&self) -> usize {
        self.0.state().done
    }

    /// Every byte that arrived, connection after connection: where to look for what must not have
    /// been sent.
    pub fn bytes_received(&self) -> Vec<u8> {
        self.0.state().heard.concat()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.0.stop_accepting();
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

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut state = self.state();
            if state.refusing {
                return;
            }
            let connection = Connection {
                shared: Arc::clone(self),
                stream,
                id: state.heard.len(),
                buffer: Vec::new(),
                held: false,
            };
            state.heard.push(Vec::new());
            // An error is a client that left.
            thread::spawn(move || connection.serve());
        }
    }

    fn stop_accepting(&self) {
        self.state().refusing = true;
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.addr);
        lock(&self.listener).take();
    }

    /// Returns its place among the requests.
    fn record(&self, request: Request) -> usize {
        let requests = &mut self.state().requests;
        requests.push(request);
        requests.len() - 1
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
}
