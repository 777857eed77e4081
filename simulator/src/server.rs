//! The HTTP server: from bytes to a request, and from an answer to bytes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use httpdate::fmt_http_date;
use serde_json::json;
use tiny_http::{Method, Request, StatusCode};

use crate::callback::Callback;
use crate::checksum::Digest;
use crate::project::ProjectSpec;
use crate::service::{self, LONGEST_BODY, Next};
use crate::state::State;
use crate::storage::ROOT;
use crate::wire::{Answer, Received};

/// How long a port may take to close after the server has ended. It takes less than a millisecond.
const CLOSING: Duration = Duration::from_secs(2);

/// A running server. Dropping it closes the port, answers the calls that still wait with 503, and
/// ends its threads.
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    address: SocketAddr,
    http: Option<Arc<tiny_http::Server>>,
    dispatcher: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a port of this machine; 0 is any free one.
    pub(crate) fn start(
        port: u16,
        projects: impl IntoIterator<Item = ProjectSpec>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let http = tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?;
        let http = Arc::new(http);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(format!("http://{address}"), projects)),
            stop: Stop::default(),
        });
        let dispatcher = {
            let http = Arc::clone(&http);
            let shared = Arc::clone(&shared);
            thread::Builder::new().spawn(move || dispatch(&http, &shared))?
        };
        Ok(Self {
            shared,
            address,
            http: Some(http),
            dispatcher: Some(dispatcher),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.set();
        let Some(http) = self.http.take() else {
            return;
        };
        http.unblock();
        if let Some(dispatcher) = self.dispatcher.take() {
            let _ = dispatcher.join();
        }
        // `tiny_http` answers a request that is dropped.
        while let Ok(Some(request)) = http.try_recv() {
            drop(request);
        }
        drop(http);
        // The thread of `tiny_http` that has the port closes it a moment later.
        let began = Instant::now();
        while TcpStream::connect(self.address).is_ok() && began.elapsed() < CLOSING {
            thread::yield_now();
        }
    }
}

/// Gives each request a thread of its own.
fn dispatch(http: &tiny_http::Server, shared: &Arc<Shared>) {
    while !shared.stop.is_set() {
        let Ok(request) = http.recv() else {
            continue;
        };
        let shared = Arc::clone(shared);
        // Where no thread can be had, the request is dropped, which `tiny_http` answers with 500.
        let _ = thread::Builder::new().spawn(move || serve(request, &shared));
    }
}

fn serve(mut request: Request, shared: &Arc<Shared>) {
    // A client that goes before it has sent all has sent nothing.
    let Ok((received, digest)) = read(&mut request, shared) else {
        return;
    };
    let answer = shared.answer(&received, digest);
    // It may be gone by now.
    let _ = send(request, &answer);
}

/// Reads a request to its end. Of an upload, no more is kept than the settings say.
fn read(request: &mut Request, shared: &Shared) -> io::Result<(Received, Digest)> {
    let mut received = head(request);
    let kept = if received.path.starts_with(ROOT) {
        shared.state().settings.kept_bytes
    } else {
        LONGEST_BODY + 1
    };
    let length = match request.body_length() {
        Some(length) => length as u64,
        None if received.has_header("transfer-encoding") => u64::MAX,
        None => 0,
    };
    let mut digest = Digest::default();
    if length == 0 {
        return Ok((received, digest));
    }
    let mut reader = request.as_reader().take(length);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        let bytes = &buffer[..count];
        digest.add(bytes);
        let room = kept - received.body.len();
        received.body.extend_from_slice(&bytes[..count.min(room)]);
    }
    if length != u64::MAX && digest.length < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((received, digest))
}

fn head(request: &Request) -> Received {
    let mut headers = Vec::new();
    for header in request.headers() {
        let name = header.field.as_str().as_str().to_ascii_lowercase();
        headers.push((name, header.value.as_str().to_owned()));
    }
    let (path, query) = match request.url().split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (request.url(), None),
    };
    Received {
        method: request.method().to_string(),
        path: path.to_owned(),
        query,
        headers,
        body: Vec::new(),
    }
}

/// Sends an answer, and says that no other request is taken on the connection: one that stayed open
/// would keep a thread after the server has ended. `Request::respond` leaves that header out.
fn send(request: Request, answer: &Answer) -> io::Result<()> {
    let status = StatusCode(answer.status);
    let reason = status.default_reason_phrase();
    let date = fmt_http_date(SystemTime::now());
    let mut head = format!("HTTP/1.1 {} {reason}\r\ndate: {date}\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if answer.status != 204 {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    head += "connection: close\r\n\r\n";

    let is_head = *request.method() == Method::Head;
    let mut writer = request.into_writer();
    writer.write_all(head.as_bytes())?;
    if !is_head {
        writer.write_all(&answer.body)?;
    }
    writer.flush()
}

/// What the threads of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    stop: Stop,
}

impl Shared {
    /// Takes the lock, even if a thread panicked while it held it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Answers a request that has arrived whole. `digest` is that of its whole body.
    pub(crate) fn answer(self: &Arc<Self>, request: &Received, digest: Digest) -> Answer {
        let arrival = service::arrive(&mut self.state(), request);
        let answer = match arrival.next {
            Next::Send(answer) => answer,
            Next::Store => service::store(&mut self.state(), request, digest),
            Next::Run(route, latency) => {
                if self.stop.sleep(latency) {
                    return Answer::gateway(503, "Service Unavailable");
                }
                service::run(&mut self.state(), &route, request)
            }
        };
        self.call_back();
        let (name, id) = arrival.request_id;
        answer.with(name, id)
    }

    /// Sees to the URLs that are to be called when an edit that has just begun is done.
    fn call_back(self: &Arc<Self>) {
        let callbacks = std::mem::take(&mut self.state().callbacks);
        for (project, callback) in callbacks {
            let shared = Arc::clone(self);
            // Where no thread can be had, there is no call.
            let _ = thread::Builder::new().spawn(move || shared.end_edit(&project, &callback));
        }
    }

    /// Ends an edit when its time is up, and calls its URL.
    fn end_edit(&self, project: &str, callback: &Callback) {
        let after = self.state().settings.callback_after;
        if self.stop.sleep(after) {
            return;
        }
        let Ok(status) = self.state().end_edit(project) else {
            return;
        };
        let body = json!({
            "project_uuid": project,
            "status": status.as_str(),
            "action": "edit",
        });
        // The service does not care whether anyone listens.
        let _ = callback.send(&body.to_string());
    }
}

/// Whether the server ends. Once set, it stays so.
#[derive(Debug, Default)]
struct Stop {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn set(&self) {
        *lock(&self.is_set) = true;
        self.changed.notify_all();
    }

    fn is_set(&self) -> bool {
        *lock(&self.is_set)
    }

    /// Sleeps, unless the server ends. Returns whether it does.
    fn sleep(&self, time: Duration) -> bool {
        let is_set = lock(&self.is_set);
        let slept = self
            .changed
            .wait_timeout_while(is_set, time, |is_set| !*is_set);
        let (is_set, _) = slept.unwrap_or_else(PoisonError::into_inner);
        *is_set
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
