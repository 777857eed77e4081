//! The service behind a network that can lose or delay each request, and the end of a process.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai_simulator::{Received, Simulator};

use crate::clock::Clock;
use crate::job::JobStep;
use crate::types::CopilotEdit;

/// What becomes of a request and of the answer to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Pass,
    /// It does not arrive.
    LoseBefore,
    /// It is carried out, and the answer does not arrive.
    LoseAfter,
    /// It is carried out so many minutes later, and the answer does not arrive.
    Late(u8),
    /// The service says no with this status.
    Refuse(u16),
    /// The process is killed before it arrives.
    KillBefore,
    /// The process is killed before the answer arrives.
    KillAfter,
    /// The process is killed, and the request is carried out so many minutes later.
    KillLate(u8),
}

/// The service, the network, and what is left of killed processes.
pub(super) struct World {
    pub(super) simulator: Simulator,
    pub(super) clock: Clock,
    pub(super) fates: VecDeque<Fate>,
    /// Requests that are carried out at a time.
    pub(super) late: Vec<(Instant, Received)>,
    /// How often each paid call was carried out.
    pub(super) paid: BTreeMap<String, u32>,
    /// The job's file as a killed process left it. Nothing that the process sends arrives then.
    pub(super) left: Option<Vec<u8>>,
    pub(super) job: PathBuf,
}

impl World {
    /// Returns the answer, if it arrives.
    fn receive(&mut self, request: Received) -> Option<(u16, Vec<u8>)> {
        self.clock.pause(Duration::from_secs(2));
        self.carry_out_what_is_due();
        if self.left.is_some() {
            return None;
        }
        let costs = paid_call(&request).is_some();
        match self.fates.pop_front().unwrap_or(Fate::Pass) {
            Fate::Pass => return Some(self.carry_out(request)),
            Fate::Refuse(status) => return Some((status, br#"{"message":"no"}"#.to_vec())),
            Fate::LoseAfter => drop(self.carry_out(request)),
            Fate::Late(minutes) if costs => self.put_off(minutes, request),
            Fate::LoseBefore | Fate::Late(_) => {}
            Fate::KillBefore => self.kill(),
            Fate::KillAfter => {
                self.kill();
                self.carry_out(request);
            }
            Fate::KillLate(minutes) => {
                self.kill();
                if costs {
                    self.put_off(minutes, request);
                }
            }
        }
        None
    }

    fn kill(&mut self) {
        self.left = Some(fs::read(&self.job).unwrap_or_default());
    }

    fn put_off(&mut self, minutes: u8, request: Received) {
        let due = self.clock.now() + Duration::from_secs(60) * u32::from(minutes);
        self.late.push((due, request));
    }

    fn carry_out_what_is_due(&mut self) {
        let now = self.clock.now();
        let (due, late) = self.late.drain(..).partition(|(due, _)| *due <= now);
        self.late = late;
        let due: Vec<(Instant, Received)> = due;
        for (_, request) in due {
            self.carry_out(request);
        }
    }

    fn carry_out(&mut self, request: Received) -> (u16, Vec<u8>) {
        let paid = paid_call(&request);
        if paid.is_some() {
            // Almost as long as the client waits for an answer.
            self.clock.pause(Duration::from_secs(250));
        }
        let answer = self.simulator.answer(request);
        if let Some(call) = paid
            && answer.0 == 200
        {
            *self.paid.entry(call).or_default() += 1;
        }
        answer
    }

    /// Whether the call was carried out, or is going to be: what a person would find.
    pub(super) fn has_done(&self, step: &JobStep) -> bool {
        let name = match step {
            JobStep::Edit => "/edit".to_owned(),
            JobStep::Export => "/export".to_owned(),
            JobStep::Copilot { image, edit } => match edit {
                CopilotEdit::Instruction(text) => format!("/{image}/copilot {text}"),
                CopilotEdit::Preset(tool_id) => format!("/{image}/enhance {tool_id}"),
            },
            JobStep::Finalize => return false,
        };
        let late = self.late.iter().filter_map(|(_, late)| paid_call(late));
        late.chain(self.paid.keys().cloned())
            .any(|call| call.ends_with(&name))
    }
}

/// Returns what names a call that costs, or that must not be carried out twice.
fn paid_call(request: &Received) -> Option<String> {
    if request.method != "POST" {
        return None;
    }
    let path = request.path.trim_end_matches('/');
    let last = path.rsplit('/').next()?;
    match last {
        "projects" | "edit" | "export" => Some(path.to_owned()),
        "copilot" => Some(format!(
            "{path} {}",
            request.json()["instruction"].as_str()?
        )),
        "enhance" => Some(format!("{path} {}", request.json()["tool_id"].as_str()?)),
        _ => None,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a world, until the process ends.
pub(super) fn serve(world: Arc<Mutex<World>>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let world = Arc::clone(&world);
            thread::spawn(move || serve_connection(&stream, &world));
        }
    });
    addr
}

fn serve_connection(mut stream: &TcpStream, world: &Mutex<World>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        let Some((status, body)) = lock(world).receive(request) else {
            break;
        };
        let head = format!(
            "HTTP/1.1 {status} Because\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat())?;
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Received>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut first = lines[0].split(' ');
    let method = first.next().unwrap_or_default().to_owned();
    let target = first.next().unwrap_or_default();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let mut headers = Vec::new();
    let mut length = 0;
    for line in &lines[1..] {
        let (name, value) = line.split_once(": ").unwrap_or((line.as_str(), ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Received {
        method,
        path: path.to_owned(),
        query,
        headers,
        body,
    }))
}
