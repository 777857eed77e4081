//! A stateful stand-in for the service, on a mockito server: the tests run against it, and the examples where
//! there is no key.
//!
//! It follows what is published about the service and is as strict as that, never softer: a request that the
//! service would refuse is refused here, with the same text where that is known. What nobody has published is
//! made up: the list of presets, the shape of the version history in `ai-tools`, the refusal of edits after
//! `finalize`, and the answers to requests that no client should make (404, 405, 415, 422).
//!
//! `service` is the service itself, from a request to an answer; `project` is what it knows; `fields` checks
//! bodies and queries; `storage` serves presigned URLs; `wire` is what travels. This file brings them onto the
//! network.

// Each program that includes this uses a part of it.
#![allow(dead_code, unreachable_pub)]

// With their paths, since the examples include this file by its path.
#[path = "simulator/fields.rs"]
mod fields;
#[path = "simulator/project.rs"]
mod project;
#[path = "simulator/relay.rs"]
mod relay;
#[path = "simulator/service.rs"]
mod service;
#[path = "simulator/storage.rs"]
mod storage;
#[path = "simulator/wire.rs"]
mod wire;

#[allow(unused_imports)]
pub use self::{
    project::{Edit, ProjectSpec, Source, Status, VersionRecord},
    service::{Preset, Settings},
    wire::Received,
};

use project::{Photo, Project};
use serde_json::Value;
use service::State;
use std::any::Any;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use storage::Object;
use wire::Answer;

/// A profile-based project that is ready for Copilot.
pub const READY: &str = "65f3a1c2d4e5f6a7b8c9d0e1";
/// A Smart Editing project that is ready for Copilot.
pub const I2I: &str = "65f3a1c2d4e5f6a7b8c9d0e2";
/// A profile-based project that is completed, but not exported.
pub const NOT_EXPORTED: &str = "65f3a1c2d4e5f6a7b8c9d0e3";
/// A profile-based project that is still being edited.
pub const IN_PROGRESS: &str = "65f3a1c2d4e5f6a7b8c9d0e4";
/// A profile-based project that failed.
pub const FAILED: &str = "65f3a1c2d4e5f6a7b8c9d0e5";

/// The running simulator. It ends when this is dropped.
pub struct Simulator {
    state: Arc<Mutex<State>>,
    origin: String,
    /// Keeps the server up.
    _server: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Simulator {
    /// Starts it on a free port, with the demo projects in it.
    pub fn start() -> Self {
        let mut server = mockito::Server::new();
        let origin = server.url();
        let state = mount(&mut server, &origin);
        Self {
            state,
            origin,
            _server: Box::new(server),
        }
    }

    /// The same on a port of one's choice; 0 is any.
    pub fn start_on(port: u16) -> io::Result<Self> {
        // mockito panics if the port is taken: ask first.
        drop(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?);
        let mut server = server_on(port);
        let origin = server.url();
        let state = mount(&mut server, &origin);
        Ok(Self {
            state,
            origin,
            _server: Box::new(server),
        })
    }

    /// The same, but each edit and each `finalize` takes `latency`, side by side if sent side by side.
    pub fn start_slow(port: u16, latency: Duration) -> io::Result<Self> {
        let mut server = server_on(0);
        let address = relay::start(port, server.socket_address(), latency)?;
        let origin = format!("http://{address}");
        let state = mount(&mut server, &origin);
        Ok(Self {
            state,
            origin,
            _server: Box::new(server),
        })
    }

    /// What stands in for `https://api.imagen-ai.com/v1`.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin)
    }

    /// The one key that it takes.
    pub fn key(&self) -> &'static str {
        service::KEY
    }

    /// Changes settings from now on.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state().settings);
    }

    /// Adds a project, in place of one with the same id.
    pub fn add_project(&self, spec: ProjectSpec) {
        let mut state = self.state();
        let now = state.now();
        state.projects.retain(|project| project.spec.id != spec.id);
        state.projects.push(Project::new(spec, now));
    }

    /// All its projects as they are now.
    pub fn projects(&self) -> Vec<ProjectSpec> {
        self.state()
            .projects
            .iter()
            .map(|project| project.spec.clone())
            .collect()
    }

    /// Moves a project to another status, and leaves it there.
    #[track_caller]
    pub fn set_status(&self, project: &str, status: Status) {
        self.project(project, |project| {
            project.spec.status = status;
            project.polls_left = None;
        });
    }

    /// Exports a profile-based project, or takes that back.
    #[track_caller]
    pub fn set_exported(&self, project: &str, exported: bool) {
        self.project(project, |project| project.spec.exported = exported);
    }

    /// Lets the next `polls` questions for the project's status get the present one, and those after them
    /// `Completed`.
    #[track_caller]
    pub fn complete_after(&self, project: &str, polls: u32) {
        self.project(project, |project| project.polls_left = Some(polls));
    }

    /// Answers every edit of this photo with `status` and `body`, and applies none, until
    /// [`mend_photo`](Self::mend_photo). `status` may be a success, for a body such as `{"status":"FAILED"}`.
    #[track_caller]
    pub fn fail_photo(&self, project: &str, file: &str, status: u16, body: Value) {
        self.photo(project, file, |photo| photo.failure = Some((status, body)));
    }

    /// Ends what [`fail_photo`](Self::fail_photo) began.
    #[track_caller]
    pub fn mend_photo(&self, project: &str, file: &str) {
        self.photo(project, file, |photo| photo.failure = None);
    }

    /// The photo's versions as the service knows them, from the first to the newest.
    #[track_caller]
    pub fn versions(&self, project: &str, file: &str) -> Vec<VersionRecord> {
        self.photo(project, file, |photo| photo.versions.clone())
    }

    /// Whether the project's edits are locked in.
    #[track_caller]
    pub fn is_finalized(&self, project: &str) -> bool {
        self.project(project, |project| project.finalized)
    }

    /// The bytes that a link to this version serves; `None` is the unedited photo.
    pub fn jpeg(&self, project: &str, file: &str, version: Option<u64>) -> Vec<u8> {
        let state = version.map_or("unedited".to_owned(), |version| version.to_string());
        Object {
            project,
            photo: file,
            state: &state,
        }
        .jpeg(self.state().settings.jpeg_size)
    }

    /// Answers a request without the network: status and body.
    pub fn answer(&self, request: Received) -> (u16, Vec<u8>) {
        let answer = self.state().answer(request);
        (answer.status, answer.body)
    }

    /// Every request received so far, the storage's included, in order.
    pub fn requests(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Forgets the requests received so far.
    pub fn clear_requests(&self) {
        self.state().received.clear();
    }

    /// Sets the service's clock forward. Nobody has to wait.
    pub fn advance_clock(&self, by: Duration) {
        self.state().clock_ahead += by;
    }

    /// Sets the clock forward until every presigned URL made so far has expired. Later ones are good.
    pub fn expire_links(&self) {
        let mut state = self.state();
        let left = state
            .storage
            .last_expiry()
            .and_then(|expiry| expiry.duration_since(state.now()).ok());
        state.clock_ahead += left.unwrap_or_default() + Duration::from_secs(1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    #[track_caller]
    fn project<T>(&self, id: &str, then: impl FnOnce(&mut Project) -> T) -> T {
        let mut state = self.state();
        match state.projects.iter_mut().find(|project| project.spec.id == id) {
            Some(project) => then(project),
            None => panic!("the simulator has no project {id}"),
        }
    }

    #[track_caller]
    fn photo<T>(&self, id: &str, name: &str, then: impl FnOnce(&mut Photo) -> T) -> T {
        let mut state = self.state();
        let project = state.projects.iter_mut().find(|project| project.spec.id == id);
        match project.and_then(|project| project.photos.iter_mut().find(|photo| photo.name == name)) {
            Some(photo) => then(photo),
            None => panic!("the simulator has no photo {name} in a project {id}"),
        }
    }
}

/// The projects that every simulator begins with.
fn demo() -> [ProjectSpec; 5] {
    let named = |spec: ProjectSpec, name: &str| ProjectSpec {
        name: name.to_owned(),
        ..spec
    };
    [
        named(ProjectSpec::regular(READY), "12 Elm Street"),
        named(ProjectSpec::i2i(I2I), "Harbour loft"),
        named(ProjectSpec::regular(NOT_EXPORTED).exported(false), "Not exported"),
        named(
            ProjectSpec::regular(IN_PROGRESS)
                .exported(false)
                .status(Status::InProgress),
            "In progress",
        ),
        named(
            ProjectSpec::regular(FAILED).exported(false).status(Status::Failed),
            "Failed",
        ),
    ]
}

/// A server of our own, where `Server::new` would lend one from a pool.
fn server_on(port: u16) -> mockito::Server {
    mockito::Server::new_with_opts(mockito::ServerOpts {
        port,
        ..Default::default()
    })
}

/// The methods to answer, most of them with 405: without a mock, mockito would answer 501.
const METHODS: [&str; 7] = ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "PUT"];

/// Which headers an answer may have. mockito makes a header's value from the request, but not its being there,
/// so there is a mock for each set.
const HEADER_SETS: [&[&str]; 7] = [
    &["x-request-id"],
    &["content-type", "x-request-id"],
    &["content-type", "allow", "x-request-id"],
    &["content-type", "x-amz-request-id"],
    &["content-type", "content-range", "x-amz-request-id"],
    &[
        "content-type",
        "etag",
        "last-modified",
        "accept-ranges",
        "x-amz-request-id",
    ],
    &[
        "content-type",
        "content-range",
        "etag",
        "last-modified",
        "accept-ranges",
        "x-amz-request-id",
    ],
];

/// Puts a new state with the demo projects behind all paths of the server.
///
/// For one request mockito calls, in this order, the request matchers of all mocks as they were created, and
/// then the status, header and body callbacks of the one that matched. It does so under a lock of its own, one
/// request after the other, so that one place for the answer is enough: the first matcher makes it and matches
/// nothing; the others look which headers it has.
fn mount(server: &mut mockito::Server, origin: &str) -> Arc<Mutex<State>> {
    let state = Arc::new(Mutex::new(State::new(origin.to_owned())));
    let now = lock(&state).now();
    lock(&state).projects = demo().map(|spec| Project::new(spec, now)).into();

    let answer = Arc::new(Mutex::new(Answer::default()));
    for method in METHODS {
        let (service, place) = (state.clone(), answer.clone());
        let make_answer = move |request: &mockito::Request| {
            *lock(&place) = lock(&service).answer(received(request));
            false
        };
        server
            .mock(method, mockito::Matcher::Any)
            .match_request(make_answer)
            .create();
        for names in HEADER_SETS {
            mock_headers(server.mock(method, mockito::Matcher::Any), names, &answer);
        }
    }
    state
}

/// Sends the answer if it has exactly these headers.
fn mock_headers(mut mock: mockito::Mock, names: &'static [&'static str], answer: &Arc<Mutex<Answer>>) {
    let place = answer.clone();
    mock = mock.match_request(move |_| lock(&place).headers.iter().map(|(name, _)| name).eq(names));
    let place = answer.clone();
    mock = mock.with_status_code_from_request(move |_| lock(&place).status.into());
    for name in names {
        let place = answer.clone();
        mock = mock.with_header_from_request(*name, move |_| lock(&place).header(name).unwrap_or_default().to_owned());
    }
    let place = answer.clone();
    mock.with_body_from_request(move |_| std::mem::take(&mut lock(&place).body))
        .create();
}

/// What mockito received, as it was on the wire.
fn received(request: &mockito::Request) -> Received {
    let target = request.path_and_query();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Received {
        method: request.method().to_owned(),
        path: request.path().to_owned(),
        query: target.split_once('?').map(|(_, query)| query.to_owned()),
        headers: headers.collect(),
        body: request
            .body()
            .expect("mockito reads the body before it matches")
            .clone(),
    }
}

/// Takes a lock even if a test panicked while it held it: a panic inside mockito would end the whole process.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
