//! What the client makes of a network that fails: one table, a row a fault.
//!
//! Each row is played once for every call that it names, each time with a server and a client of
//! its own. It passes if the caller gets what the row says, the server saw as many requests over as
//! many connections, and it took no longer.

mod table;

use std::fmt::Debug;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::ureq::Agent;
use imagen_ai::{Client, EditOptions, Error, Result, RetryPolicy};

#[cfg(not(windows))]
use crate::support::backlog::BacklogFull;
use crate::support::nowhere::Refused;
use crate::support::script::{Script, Turn};
use crate::support::{contrary_agent, eventually, lock, ms, side_by_side};

pub use table::faults;

/// What the calls send that must not be shown.
pub const INSTRUCTION: &str = "make the sky more blue";
/// In every proper answer of the table, so that every error with a status must name it.
pub const REQUEST_ID: &str = "request-id-1";

/// How often a call is tried, unless its row says otherwise.
const TRIES: u32 = 3;
/// The longest that a row may take. It is for a busy machine: what hangs takes `PATIENCE`.
const SOON: Duration = Duration::from_secs(40);
const PATIENCE: Duration = Duration::from_secs(50);
/// A limit that a row waits out.
const SHORT: Duration = Duration::from_secs(1);
/// An idle time that the client takes a connection to be good for, and one that it does not.
const STILL_GOOD: Duration = Duration::from_millis(2_000);
const TOO_IDLE: Duration = Duration::from_millis(4_300);

const KEY: &str = "sk-table-0123456789abcdef";

/// Waits so short that they cost nothing, and still long enough for one `Retry-After` of a second.
fn policy() -> RetryPolicy {
    RetryPolicy {
        max_attempts: TRIES,
        base_delay: ms(1),
        max_delay: ms(5),
        max_retry_after: ms(2_000),
        max_throttled: SOON,
    }
}

/// One fault, and what each call makes of it.
pub struct Fault {
    pub name: String,
    server: Server,
    script: Vec<Turn>,
    /// Whether a connection stays good after each turn, so that all requests go over one.
    keeps: bool,
    tls: bool,
    /// How many of the requests do not arrive as far as the end of their head.
    unheard: usize,
    /// Whether nobody listens any more once the script is played.
    then_nobody: bool,
    before: Before,
    limit: Duration,
    limit_of_clone: Option<Duration>,
    connect: Duration,
    at_least: Duration,
    waits_out: bool,
    max_answer_size: u64,
    /// Whether it depends on the size of the buffers, which is that of the client's own agent.
    small_buffers: bool,
    retry: RetryPolicy,
    cells: Vec<Cell>,
}

/// What one call must get, and how often it is tried for that.
struct Cell {
    call: Call,
    outcome: String,
    tries: u32,
}

/// What comes before the call that counts.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    /// The same call, which succeeds.
    Call,
    /// That call, and all that the server does after its answer.
    Turn,
    /// That call, and so long a time in which the client is idle.
    Idle(Duration),
}

/// The calls of the API. The first five must not be made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Copilot,
    Enhance,
    Create,
    Edit,
    Export,
    Info,
    Tools,
    Reset,
    Finalize,
}

enum Server {
    Script,
    /// Sends the client to another server, which must not hear of it.
    Redirect(u16),
    Refused,
    /// Windows refuses connections when the queue is full.
    #[cfg(not(windows))]
    BacklogFull,
    Url(&'static str),
}

/// Proper answers, after which the connection is used again.
fn answers(name: &str, script: impl Into<Vec<Turn>>) -> Fault {
    Fault {
        name: name.to_owned(),
        server: Server::Script,
        script: script.into(),
        keeps: true,
        tls: false,
        unheard: 0,
        then_nobody: false,
        before: Before::Nothing,
        limit: PATIENCE,
        limit_of_clone: None,
        connect: PATIENCE,
        at_least: Duration::ZERO,
        waits_out: false,
        max_answer_size: 1 << 20,
        small_buffers: false,
        retry: policy(),
        cells: Vec::new(),
    }
}

/// Turns after which every request needs a connection of its own.
fn breaks(name: &str, script: impl Into<Vec<Turn>>) -> Fault {
    Fault {
        keeps: false,
        ..answers(name, script)
    }
}

fn nobody(name: &str, server: Server) -> Fault {
    Fault {
        server,
        ..breaks(name, [])
    }
}

fn redirects(code: u16, outcome: &str) -> Fault {
    let name = format!("a redirect to another host ({code})");
    let fault = Fault {
        server: Server::Redirect(code),
        ..answers(&name, [])
    };
    fault.all(outcome, 1)
}

/// What is special about a row.
impl Fault {
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn over_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    fn unheard(mut self) -> Self {
        self.unheard = usize::MAX;
        self
    }

    fn one_unheard(mut self) -> Self {
        self.unheard = 1;
        self
    }

    fn then_nobody(mut self) -> Self {
        self.then_nobody = true;
        self.script = self.script.into_iter().map(Turn::leave).collect();
        self
    }

    fn after_a_call(mut self) -> Self {
        self.before = Before::Call;
        self
    }

    fn after_a_turn(mut self) -> Self {
        self.before = Before::Turn;
        self
    }

    fn idle(mut self, time: Duration) -> Self {
        self.before = Before::Idle(time);
        self
    }

    fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self.waits_out = true;
        self
    }

    fn limit_of_clone(mut self, limit: Duration) -> Self {
        self.limit_of_clone = Some(limit);
        self
    }

    fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    fn at_least(mut self, millis: u64) -> Self {
        self.at_least = ms(millis);
        self
    }

    fn at_most_bytes(mut self, size: u64) -> Self {
        self.max_answer_size = size;
        self
    }

    fn small_buffers(mut self) -> Self {
        self.small_buffers = true;
        self
    }

    fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Waits for a limit, and so is tried only twice.
    fn twice(mut self) -> Self {
        self.retry.max_attempts = 2;
        self.waits_out = true;
        self
    }
}

/// What each call makes of it.
impl Fault {
    fn expect<const N: usize>(mut self, calls: [Call; N], outcome: &str, tries: u32) -> Self {
        self.cells.extend(calls.map(|call| Cell {
            call,
            outcome: outcome.to_owned(),
            tries,
        }));
        self
    }

    /// The calls that must not be made twice and whose answer is read.
    fn reads(self, outcome: &str, tries: u32) -> Self {
        self.expect([Call::Copilot, Call::Enhance, Call::Create], outcome, tries)
    }

    /// Every call that must not be made twice.
    fn once(self, outcome: &str, tries: u32) -> Self {
        let fault = self.reads(outcome, tries);
        fault.expect([Call::Edit, Call::Export], outcome, tries)
    }

    fn get(self, outcome: &str, tries: u32) -> Self {
        self.expect([Call::Info, Call::Tools], outcome, tries)
    }

    /// Every call that may be made again.
    fn rest(self, outcome: &str, tries: u32) -> Self {
        let fault = self.get(outcome, tries);
        fault.expect([Call::Reset, Call::Finalize], outcome, tries)
    }

    fn all(self, outcome: &str, tries: u32) -> Self {
        self.once(outcome, tries).rest(outcome, tries)
    }

    /// Whether an edit was made is unknown, and every other call is tried in vain.
    fn lost(self, cause: &str) -> Self {
        let tries = self.retry.max_attempts;
        let fault = self.once(&format!("OutcomeUnknown {cause}"), 1);
        fault.rest(&format!("Network {cause}"), tries)
    }

    /// The same for an answer that does not say that nothing was done.
    fn server_error(self, status: u16) -> Self {
        let tries = self.retry.max_attempts;
        let fault = self.once(&format!("OutcomeUnknown Status {status}"), 1);
        fault.rest(&format!("Api Server {status}"), tries)
    }

    /// A success that no call that reads it can read.
    fn unreadable(self) -> Self {
        let fault = self.reads("OutcomeUnknown Json 200", 1);
        let fault = fault.get("Decode Json 200", 1);
        let fault = fault.expect([Call::Finalize], "Decode Json 200", 1);
        fault.expect([Call::Reset, Call::Edit, Call::Export], "ok", 1)
    }

    fn too_large(self) -> Self {
        let fault = self.once("OutcomeUnknown TooLarge 200", 1);
        fault.rest("Decode TooLarge 200", 1)
    }

    /// The calls that it says something about.
    pub fn calls(&self) -> impl Iterator<Item = Call> {
        self.cells.iter().map(|cell| cell.call)
    }

    pub fn calls_before(&self) -> usize {
        usize::from(self.before != Before::Nothing)
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.before, Before::Idle(_))
    }

    /// Whether a busy machine may need longer than its limits, or than a connection is kept.
    fn depends_on_time(&self) -> bool {
        self.waits_out || self.before != Before::Nothing
    }

    /// Whether each call takes seconds.
    pub fn is_slow(&self) -> bool {
        self.waits_out || self.is_idle() || !self.at_least.is_zero()
    }
}

/// Where a fault is played.
struct Stage {
    url: String,
    script: Option<Script>,
    /// The server that a redirect points to.
    elsewhere: Script,
    #[cfg(not(windows))]
    #[expect(dead_code, reason = "kept full")]
    full: Option<BacklogFull>,
}

/// What came of a fault.
pub struct Played {
    before: Result<()>,
    pub result: Result<()>,
    took: Duration,
    pub client: Client,
    pub script: Option<Script>,
    pub elsewhere: Script,
}

/// Playing it.
impl Fault {
    /// Plays the fault for one call, with limits this many times as long.
    pub fn play(&self, call: Call, key: &str, agent: Option<Agent>, patience: u32) -> Played {
        let stage = self.stage();
        let mut builder = Client::builder(key)
            .base_url(&stage.url)
            .allow_http(true)
            .timeout(self.limit * patience)
            .connect_timeout(self.connect * patience)
            .max_answer_size(self.max_answer_size)
            .retry(self.retry);
        if let Some(agent) = agent {
            builder = builder.agent(agent);
        }
        let mut client = builder.build().expect("settings that are in order");
        let before = match self.before {
            Before::Nothing => Ok(()),
            _ => call.make(&client),
        };
        match (self.before, &stage.script) {
            (Before::Idle(time), _) => thread::sleep(time),
            (Before::Turn, Some(script)) => eventually(|| script.done() > 0),
            _ => {}
        }
        if let Some(limit) = self.limit_of_clone {
            client = client.with_timeout(limit * patience);
        }
        let started = Instant::now();
        let result = call.make(&client);
        Played {
            before,
            result,
            took: started.elapsed(),
            client,
            script: stage.script,
            elsewhere: stage.elsewhere,
        }
    }

    fn stage(&self) -> Stage {
        let elsewhere = Script::of([table::ok()]);
        let mut script = None;
        #[cfg(not(windows))]
        let mut full = None;
        let url = match self.server {
            Server::Script => script.insert(Script::of(self.script.clone())).url(),
            Server::Redirect(code) => {
                let target = format!("{}/elsewhere?token=presigned", elsewhere.url());
                let moved = table::status(code).header("Location", &target);
                let moved = moved.body(format!("<a href=\"{target}\">moved</a>"));
                script.insert(Script::of([moved])).url()
            }
            Server::Refused => Refused::new().url(),
            #[cfg(not(windows))]
            Server::BacklogFull => full.insert(BacklogFull::new()).url(),
            Server::Url(url) => url.to_owned(),
        };
        let scheme = if self.tls { "https:" } else { "http:" };
        Stage {
            url: url.replace("http:", scheme),
            script,
            elsewhere,
            #[cfg(not(windows))]
            full,
        }
    }

    /// Plays the fault for one call and says what was not as it should be.
    fn complaints(&self, cell: &Cell, agent: Option<Agent>, patience: u32) -> Vec<String> {
        let played = self.play(cell.call, KEY, agent, patience);
        let mut complaints = Complaints {
            of: format!("{:?}, {}", cell.call, self.name),
            result: format!("{:?}", played.result),
            all: Vec::new(),
        };
        complaints.check("outcome", &outcome(&played.result), &cell.outcome);
        complaints.check("the call before", &*outcome(&played.before), "ok");
        complaints.check(
            "in time",
            &(self.at_least..SOON).contains(&played.took),
            &true,
        );
        if let Err(error) = &played.result {
            self.check_error(&mut complaints, cell, error, played.took);
        }
        if let Some(script) = &played.script {
            self.check_script(&mut complaints, cell, script);
        }
        complaints.check("connections elsewhere", &played.elsewhere.connections(), &0);
        complaints.all
    }

    fn check_error(&self, complaints: &mut Complaints, cell: &Cell, error: &Error, took: Duration) {
        let context = error.context().expect("a call");
        complaints.check("attempts", &context.attempts, &cell.tries);
        let text = format!("{error} {error:#?}");
        complaints.check("shows a query", &text.contains("presigned"), &false);
        complaints.check("debug", &format!("{error:?}"), &error.to_string());
        if let Server::Redirect(_) = self.server {
            let shows_path = text.contains("/elsewhere");
            complaints.check("shows the redirect's path", &shows_path, &false);
            let names_host = text.contains("to 127.0.0.1,");
            complaints.check("names the redirect's host", &names_host, &true);
        }
        let id = error.status().map(|_| REQUEST_ID);
        complaints.check("request id", &error.request_id(), &id);
        let safe = ["Network", "Api RateLimited", "Api Server"];
        let is_safe = safe.iter().any(|start| cell.outcome.starts_with(start));
        let is_safe = is_safe && cell.outcome != "Network Tls";
        complaints.check("safe to retry", &error.is_safe_to_retry(), &is_safe);
        let elapsed = (self.at_least..=took).contains(&context.elapsed);
        complaints.check("elapsed", &elapsed, &true);
    }

    fn check_script(&self, complaints: &mut Complaints, cell: &Cell, script: &Script) {
        let requests = match self.then_nobody {
            true => self.script.len(),
            false => cell.tries as usize + self.calls_before(),
        };
        let heard = requests.saturating_sub(self.unheard);
        let connections = match self.unheard {
            _ if self.keeps => 1,
            1 => heard,
            _ => requests,
        };
        complaints.check("requests", &script.requests().len(), &heard);
        // Each attempt at an export first tries a connection on which nothing is sent.
        let tried = match cell.call {
            Call::Export => requests,
            _ => 0,
        };
        let made = script.connections();
        let expected = made.clamp(connections, connections + tried);
        complaints.check("connections", &made, &expected);
    }
}

/// What was not as it should be.
struct Complaints {
    of: String,
    result: String,
    all: Vec<String>,
}

impl Complaints {
    fn check<T: Debug + PartialEq + ?Sized>(&mut self, what: &str, got: &T, expected: &T) {
        if got != expected {
            let of = &self.of;
            let result = &self.result;
            let text = format!("{of}: {what}: {got:?}, not {expected:?}; {result}");
            self.all.push(text);
        }
    }
}

impl Call {
    pub const ALL: [Self; 9] = [
        Self::Copilot,
        Self::Enhance,
        Self::Create,
        Self::Edit,
        Self::Export,
        Self::Info,
        Self::Tools,
        Self::Reset,
        Self::Finalize,
    ];

    pub fn make(self, client: &Client) -> Result<()> {
        let project = client.project("65f3a1c2d4e5f6a7b8c9d0e1");
        let image = project.image("DSC_0001.JPEG");
        match self {
            Self::Copilot => image.copilot(INSTRUCTION).map(drop),
            Self::Enhance => image.enhance("virtual_staging").map(drop),
            Self::Create => client.create_project("Smith wedding").map(drop),
            Self::Edit => project.edit(&EditOptions::profile(5700)),
            Self::Export => project.export(),
            Self::Info => project.info().map(drop),
            Self::Tools => project.presets().map(drop),
            Self::Reset => image.reset(),
            Self::Finalize => project.finalize().map(drop),
        }
    }
}

/// A result as the table writes it: the variant, what it holds of causes and kinds, the status, the
/// wait asked for.
fn outcome(result: &Result<()>) -> String {
    let Err(error) = result else {
        return "ok".to_owned();
    };
    let mut text = match error {
        Error::Api(e) => format!("Api {:?}", e.kind),
        Error::EnhancementFailed(_) => "EnhancementFailed".to_owned(),
        Error::OutcomeUnknown(e) => format!("OutcomeUnknown {:?}", e.cause.kind),
        Error::Network(e) => format!("Network {:?}", e.cause.kind),
        Error::Decode(e) => format!("Decode {:?}", e.cause.kind),
        other => format!("{other:?}"),
    };
    if let Some(status) = error.status() {
        text.push_str(&format!(" {status}"));
    }
    match error.retry_after().map(|wait| wait.as_secs()) {
        None => {}
        Some(100_000_000..) => text.push_str(", wait for ever"),
        Some(seconds) => text.push_str(&format!(", wait {seconds} s")),
    }
    text
}

/// Plays every row for the calls that are wanted, with an agent if one is given.
fn play_all(wanted: impl Fn(Call) -> bool, agent: Option<fn() -> Agent>) {
    let faults = faults();
    let mut cells = Vec::new();
    for fault in &faults {
        if agent.is_some() && fault.small_buffers {
            continue;
        }
        let wanted = fault.cells.iter().filter(|cell| wanted(cell.call));
        cells.extend(wanted.map(|cell| (fault, cell)));
    }
    assert!(cells.len() > 60);
    // Those that wait for long go first, so that nothing is left to wait for at the end.
    cells.sort_by_key(|(fault, _)| !fault.is_idle());
    let complaints = Mutex::new(Vec::new());
    side_by_side(&cells, |(fault, cell)| {
        let agent = || agent.map(|agent| agent());
        let mut found = fault.complaints(cell, agent(), 1);
        if fault.depends_on_time() && !found.is_empty() {
            found = fault.complaints(cell, agent(), 4);
        }
        lock(&complaints).extend(found);
    });
    let complaints = lock(&complaints);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_table_holds() {
    play_all(|_| true, None);
}

#[test]
fn no_agent_undoes_what_the_table_promises() {
    play_all(
        |call| [Call::Copilot, Call::Export, Call::Info].contains(&call),
        Some(contrary_agent),
    );
}
