//! Jobs against the simulator behind a network with faults, in processes that are killed between
//! any two steps, on a virtual clock: nothing is paid for twice, and every job comes to its end.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai_simulator::{Received, Simulator};
use proptest::prelude::*;
use tempfile::TempDir;

use super::create::Beginning;
use super::{BatchOptions, Job, JobStep, StepState};
use crate::chain::Recovery;
use crate::client::Client;
use crate::clock::Clock;
use crate::download::DownloadOptions;
use crate::edit::EditOptions;
use crate::error::{Error, Result};
use crate::progress::{Progress, ProgressCallback};
use crate::transport::RetryPolicy;
use crate::types::{CopilotEdit, ProjectKind};
use crate::upload::UploadOptions;
use crate::wait::Wait;

/// How many runs a job may take. Each fault ends a run at most.
const MOST_RUNS: usize = 60;

/// What becomes of a request and of the answer to it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
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

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        40 => Just(Fate::Pass),
        1 => Just(Fate::LoseBefore),
        1 => Just(Fate::LoseAfter),
        3 => (1u8..9).prop_map(Fate::Late),
        1 => Just(Fate::Refuse(400)),
        1 => Just(Fate::Refuse(401)),
        1 => Just(Fate::KillBefore),
        1 => Just(Fate::KillAfter),
        2 => (1u8..9).prop_map(Fate::KillLate),
    ]
}

/// The service, the network, and what is left of killed processes.
struct World {
    simulator: Simulator,
    clock: Clock,
    fates: VecDeque<Fate>,
    /// Requests that are carried out at a time.
    late: Vec<(Instant, Received)>,
    /// How often each paid call was carried out.
    paid: BTreeMap<String, u32>,
    /// The job's file as a killed process left it. Nothing that the process sends arrives then.
    left: Option<Vec<u8>>,
    job: PathBuf,
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
    fn has_done(&self, step: &JobStep) -> bool {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a world, until the process ends.
fn serve(world: Arc<Mutex<World>>) -> SocketAddr {
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

/// A job that is run again and again.
struct Runs {
    world: Arc<Mutex<World>>,
    client: Client,
    clock: Clock,
    kind: ProjectKind,
    threads: usize,
    folder: TempDir,
}

impl Runs {
    fn new(kind: ProjectKind, threads: usize, pending_polls: u32, fates: Vec<Fate>) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::virtual_one();
        let simulator = Simulator::start();
        // A service that goes straight to "In Progress" would hide the hard case.
        simulator.configure(|settings| settings.pending_polls = pending_polls);
        let key = simulator.key();
        for number in 0..5 {
            let photo = folder.path().join(format!("DSC_{number}.NEF"));
            fs::write(photo, "a photo").unwrap();
        }
        let world = Arc::new(Mutex::new(World {
            simulator,
            clock: clock.clone(),
            fates: fates.into(),
            late: Vec::new(),
            paid: BTreeMap::new(),
            left: None,
            job: folder.path().join("a.job"),
        }));
        let addr = serve(Arc::clone(&world));
        let retry = RetryPolicy {
            max_attempts: 2,
            base_delay: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        let client = Client::builder(key)
            .base_url(format!("http://{addr}/v1"))
            .retry(retry)
            .build()
            .unwrap();
        Self {
            world,
            client,
            clock,
            kind,
            threads,
            folder,
        }
    }

    /// The program: what a user writes.
    fn run(&self) -> Result<()> {
        let mut job = self.run_but_finalize()?;
        job.finalize_to(self.folder.path().join("out"), &DownloadOptions::default())?
            .all()?;
        Ok(())
    }

    fn run_but_finalize(&self) -> Result<Job> {
        let mut job = self.open()?;
        let photos = (0..5).map(|number| self.folder.path().join(format!("DSC_{number}.NEF")));
        job.upload(photos, &UploadOptions::default())?.all()?;
        let wait = self.wait();
        let options = match self.kind {
            ProjectKind::ProfileBased => EditOptions::profile(5700),
            ProjectKind::Smart => EditOptions::default(),
        };
        job.edit(&options, &wait)?;
        job.export(&wait)?;
        let mut images = job.project().images()?;
        images.truncate(3);
        let options = BatchOptions {
            threads: self.threads,
            ..BatchOptions::default()
        };
        let edits = ["one", "two"];
        if job
            .copilot_each(images.clone(), edits, &options)?
            .all()
            .is_err()
        {
            // Once more, in the same process.
            job.copilot_each(images, edits, &options)?.all()?;
        }
        Ok(job)
    }

    /// Returns a wait that ends with the process. A project that is under way is waited for
    /// without the virtual clock.
    fn wait(&self) -> Wait {
        let world = Arc::clone(&self.world);
        let is_killed = move |_: &Progress<'_>| match lock(&world).left {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        };
        Wait {
            first: Duration::from_millis(1),
            factor: 1.0,
            not_begun: Duration::from_millis(500),
            progress: Some(ProgressCallback::new(is_killed)),
            ..Wait::default()
        }
    }

    fn open(&self) -> Result<Job> {
        let beginning = Beginning {
            kind: self.kind,
            name: "Smith wedding".to_owned(),
            clock: self.clock.clone(),
        };
        beginning.open(&self.client, &self.folder.path().join("a.job"))
    }

    /// Puts the job's file back to what a killed process left, some time later.
    fn clean_up(&self) -> bool {
        let mut world = lock(&self.world);
        let Some(left) = world.left.take() else {
            return false;
        };
        fs::write(&world.job, left).unwrap();
        self.clock.pause(Duration::from_secs(30));
        true
    }

    /// Does what a person would do about what cannot be told. Returns whether there was anything.
    fn settle(&self) -> Result<bool> {
        let mut job = self.open()?;
        let mut is_settled = false;
        for row in job.report().steps {
            if row.state != StepState::Unknown || row.step == JobStep::Finalize {
                continue;
            }
            is_settled = true;
            let has_done = lock(&self.world).has_done(&row.step);
            if has_done {
                job.assume_done(&row.step)?;
            } else {
                job.assume_not_done(&row.step)?;
            }
        }
        Ok(is_settled)
    }

    /// Runs the program until it comes to its end.
    fn run_to_the_end(&self) {
        for _ in 0..MOST_RUNS {
            let result = self.run();
            if self.clean_up() {
                continue;
            }
            match result {
                Ok(()) => return,
                Err(Error::OutcomeUnknown(_)) => {
                    let settled = self.settle();
                    if self.clean_up() {
                        continue;
                    }
                    drop(settled);
                }
                Err(Error::Api(_) | Error::Network(_)) => {}
                Err(e) => panic!("{e}"),
            }
        }
        panic!(
            "the job has no end: {:#?}",
            self.open().map(|job| job.report())
        );
    }

    fn assert_paid_once(&self) {
        let world = lock(&self.world);
        assert!(world.late.is_empty(), "something is still to come");
        for (call, times) in &world.paid {
            assert_eq!(*times, 1, "{call}");
        }
        let copilot = world.paid.keys().filter(|call| call.contains("/copilot "));
        assert_eq!(copilot.count(), 6, "{:#?}", world.paid);
        let expected = match self.kind {
            ProjectKind::ProfileBased => 9,
            ProjectKind::Smart => 8,
        };
        assert_eq!(world.paid.len(), expected, "{:#?}", world.paid);
    }
}

fn kind() -> impl Strategy<Value = ProjectKind> {
    prop_oneof![Just(ProjectKind::ProfileBased), Just(ProjectKind::Smart)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_paid_for_twice_and_every_job_ends(
        kind in kind(),
        threads in 1usize..4,
        // More than a lookup asks.
        pending_polls in prop_oneof![Just(0), Just(5), Just(80)],
        fates in prop::collection::vec(fate(), 0..200),
    ) {
        let runs = Runs::new(kind, threads, pending_polls, fates);
        runs.run_to_the_end();
        runs.assert_paid_once();
    }
}

/// A long run loses an edit long after it opened the job.
#[test]
fn an_edit_that_is_lost_late_is_looked_for_as_long_as_any() {
    let runs = Runs::new(ProjectKind::ProfileBased, 1, 0, Vec::new());
    runs.run_but_finalize().unwrap();
    let job = runs.open().unwrap();
    let image = job.project().image("DSC_4.JPEG");
    job.chain(&image).unwrap().copilot("one").unwrap();
    runs.clock.pause(Duration::from_secs(3600));
    lock(&runs.world).fates = [Fate::Pass, Fate::Late(5)].into();
    job.chain(&image).unwrap().copilot("two").unwrap_err();

    let mut chain = job.chain(&image).unwrap();
    let recovery = chain.recover(&Wait::for_an_edit()).unwrap();

    assert!(matches!(recovery, Recovery::Applied(_)), "{recovery:?}");
}
