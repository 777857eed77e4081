#![doc = include_str!("../README.md")]

mod calls;
mod fields;
mod project;
mod relay;
mod service;
mod storage;
mod wire;

pub use self::{
    project::{Edit, ProjectSpec, Source, Status, Uploaded, VersionRecord},
    service::Settings,
    storage::checksum,
    wire::Received,
};

use project::{Photo, Project};
use serde_json::Value;
use service::State;
use std::any::Any;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::DerefMut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
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

/// A running simulator. It ends when this is dropped, except for the port of
/// [`start_slow`](Self::start_slow).
#[derive(Debug)]
pub struct Simulator {
    state: Arc<Mutex<State>>,
    origin: String,
    /// Keeps the server up.
    _server: Box<dyn Any + Send + Sync>,
}

impl Simulator {
    /// Starts a simulator on a free port.
    pub fn start() -> Self {
        let server = mockito::Server::new();
        let origin = server.url();
        Self::on(server, origin)
    }

    /// Starts a simulator on a port; 0 is any free one.
    pub fn start_on(port: u16) -> io::Result<Self> {
        // mockito panics if the port is taken.
        drop(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?);
        let options = mockito::ServerOpts {
            port,
            ..Default::default()
        };
        let server = Box::new(mockito::Server::new_with_opts(options));
        let origin = server.url();
        Ok(Self::on(server, origin))
    }

    /// Starts a simulator whose `copilot`, `enhance` and `finalize` calls each take `latency`, side
    /// by side. Such a call has its effect at the end of the latency, also when the client is
    /// gone by then, if its request arrived whole.
    pub fn start_slow(port: u16, latency: Duration) -> io::Result<Self> {
        let server = mockito::Server::new();
        let address = relay::start(port, server.socket_address(), latency)?;
        Ok(Self::on(server, format!("http://{address}")))
    }

    fn on(
        mut server: impl DerefMut<Target = mockito::Server> + Any + Send + Sync,
        origin: String,
    ) -> Self {
        let state = mount(&mut server, &origin);
        let _server: Box<dyn Any + Send + Sync> = Box::new(server);
        Self {
            state,
            origin,
            _server,
        }
    }

    /// Returns the base URL, in place of `https://api.imagen-ai.com/v1`.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin)
    }

    /// Returns the only key that is accepted.
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
        let project = Project::new(spec, state.now());
        state
            .projects
            .retain(|other| other.spec.id != project.spec.id);
        state.projects.push(project);
    }

    /// Returns all projects as they are now, the oldest first.
    pub fn projects(&self) -> Vec<ProjectSpec> {
        self.state().projects.iter().map(Project::spec).collect()
    }

    /// Sets the status of a project's edit, and leaves it there.
    pub fn set_status(&self, project: &str, status: Status) {
        self.project(project, |project| {
            project.edit.set(status);
            if status == Status::Completed {
                project.finish_photos();
            }
        });
    }

    /// Sets whether a profile-based project is exported.
    pub fn set_exported(&self, project: &str, exported: bool) {
        let status = if exported {
            Status::Completed
        } else {
            Status::Pending
        };
        self.project(project, |project| project.export.set(status));
    }

    /// Keeps the present status of a project's edit for the next `polls` polls. The poll after them
    /// sees it completed.
    pub fn complete_after(&self, project: &str, polls: u32) {
        self.project(project, |project| project.edit.polls_left = Some(polls));
    }

    /// Lets the project's edit that is running, or else the next one, end as failed, with these
    /// details.
    pub fn fail_edit(&self, project: &str, details: &str) {
        self.project(project, |project| {
            project.edit.failure = Some(details.to_owned())
        });
    }

    /// Lets the project's export that is running, or else the next one, end as failed, with these
    /// details.
    pub fn fail_export(&self, project: &str, details: &str) {
        self.project(project, |project| {
            project.export.failure = Some(details.to_owned())
        });
    }

    /// Answers every edit of this photo with `status` and `body`, and applies none, until
    /// [`mend_photo`](Self::mend_photo). `status` may be a success, for a body such as
    /// `{"status":"FAILED"}`.
    pub fn fail_photo(&self, project: &str, file: &str, status: u16, body: Value) {
        self.photo(project, file, |photo| photo.failure = Some((status, body)));
    }

    /// Ends what [`fail_photo`](Self::fail_photo) began.
    pub fn mend_photo(&self, project: &str, file: &str) {
        self.photo(project, file, |photo| photo.failure = None);
    }

    /// Answers the next `times` requests of a method to a path that ends like this, and does
    /// nothing else with them.
    ///
    /// The path is as on the wire: percent-encoded and without the query. That of a presigned URL
    /// ends with the name of the file. `Value::Null` is an empty body, and a string a body of
    /// text: XML if it starts with `<?xml`, else HTML.
    pub fn fail_next(
        &self,
        method: &str,
        path_ending: &str,
        status: u16,
        body: impl Into<Value>,
        times: u32,
    ) {
        let answer = match body.into() {
            Value::Null => Answer::empty(status),
            Value::String(xml) if xml.starts_with("<?xml") => {
                Answer::new(status, "application/xml", xml)
            }
            Value::String(html) => Answer::new(status, "text/html", html),
            body => Answer::json(status, &body),
        };
        let failure = (method.to_owned(), path_ending.to_owned(), answer, times);
        self.state().failures.push(failure);
    }

    /// Returns a photo's versions, from the first to the newest.
    pub fn versions(&self, project: &str, file: &str) -> Vec<VersionRecord> {
        self.photo(project, file, |photo| photo.versions.clone())
    }

    /// Returns the files that were uploaded to a project, in the order in which they arrived.
    pub fn uploaded(&self, project: &str) -> Vec<Uploaded> {
        self.project(project, |project| project.uploads.clone())
    }

    /// Returns whether a project was finalized.
    pub fn is_finalized(&self, project: &str) -> bool {
        self.project(project, |project| project.finalized)
    }

    /// Returns the bytes that a link to this version serves; `None` is the unedited photo.
    pub fn jpeg(&self, project: &str, file: &str, version: Option<u64>) -> Vec<u8> {
        let state = version.map_or("unedited".to_owned(), |version| version.to_string());
        storage::jpeg(&[project, &state, file], self.state().settings.jpeg_size)
    }

    /// Answers a request without the network. Returns status and body.
    pub fn answer(&self, request: Received) -> (u16, Vec<u8>) {
        let answer = self.state().answer(request);
        (answer.status, answer.body)
    }

    /// Returns all requests received so far, in order, those to the storage among them.
    pub fn requests(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Forgets the requests received so far.
    pub fn clear_requests(&self) {
        self.state().received.clear();
    }

    /// Sets the simulator's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.state().clock_ahead += by;
    }

    /// Sets the clock forward until every presigned URL made so far has expired.
    pub fn expire_links(&self) {
        let mut state = self.state();
        let last = state.links.values().map(|(_, _, expiry)| *expiry).max();
        let left = last.and_then(|expiry| expiry.duration_since(state.now()).ok());
        state.clock_ahead += left.unwrap_or_default() + Duration::from_secs(1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn project<T>(&self, id: &str, then: impl FnOnce(&mut Project) -> T) -> T {
        let mut state = self.state();
        let project = state.find(id, None);
        then(project.unwrap_or_else(|_| panic!("the simulator has no project {id}")))
    }

    fn photo<T>(&self, id: &str, name: &str, then: impl FnOnce(&mut Photo) -> T) -> T {
        self.project(id, |project| match project.photo(name) {
            Ok(photo) => then(photo),
            Err(_) => panic!("the simulator has no photo {name} in the project {id}"),
        })
    }
}

/// The projects that every simulator has at first.
fn demo() -> [ProjectSpec; 5] {
    let unexported = |id| ProjectSpec::regular(id).exported(false);
    [
        ProjectSpec::regular(READY).name("12 Elm Street"),
        ProjectSpec::i2i(I2I).name("Harbour loft"),
        unexported(NOT_EXPORTED).name("Not exported"),
        unexported(IN_PROGRESS)
            .name("In progress")
            .status(Status::InProgress),
        unexported(FAILED).name("Failed").status(Status::Failed),
    ]
}

/// The methods to answer. Without a mock for its method, a request would be answered 501.
const METHODS: [&str; 7] = ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "PUT"];

/// The sets of headers that an answer may have. In mockito a header's value may depend on the
/// request, but not whether the header is there, so there is a mock for each set.
const HEADER_SETS: [&str; 8] = [
    "x-request-id",
    "content-type x-request-id",
    "x-amz-request-id",
    "etag x-amz-request-id",
    "content-type x-amz-request-id",
    "content-type content-range x-amz-request-id",
    "content-type etag last-modified accept-ranges x-amz-request-id",
    "content-type content-range etag last-modified accept-ranges x-amz-request-id",
];

/// Puts a new state behind all paths of the server. For one request mockito calls the request
/// matchers of all mocks in the order of their creation, and then the callbacks of the one that
/// matched, all under one lock. So one place for the answer is enough: the first matcher makes it
/// and matches nothing, the others compare headers.
fn mount(server: &mut mockito::Server, origin: &str) -> Arc<Mutex<State>> {
    let mut state = State::default();
    state.origin = origin.to_owned();
    state.projects = demo().map(|spec| Project::new(spec, state.now())).into();
    let state = Arc::new(Mutex::new(state));
    let answer = Arc::new(Mutex::new(Answer::default()));
    for method in METHODS {
        let (service, place) = (state.clone(), answer.clone());
        let make_answer = move |request: &mockito::Request| {
            *lock(&place) = lock(&service).answer(received(request));
            false
        };
        let mock = server.mock(method, mockito::Matcher::Any);
        mock.match_request(make_answer).create();
        // mockito decodes the whole body for each mock, and an answer to an upload has no part of a
        // file in it.
        let is_possible = |names: &&str| method != "PUT" || !names.contains("range");
        for names in HEADER_SETS.into_iter().filter(is_possible) {
            mock_headers(server.mock(method, mockito::Matcher::Any), names, &answer);
        }
    }
    state
}

/// Sends the answer if it has exactly these headers.
fn mock_headers(mut mock: mockito::Mock, names: &'static str, answer: &Arc<Mutex<Answer>>) {
    let place = answer.clone();
    mock = mock.match_request(move |_| {
        lock(&place)
            .headers
            .iter()
            .map(|(name, _)| *name)
            .eq(names.split(' '))
    });
    let place = answer.clone();
    mock = mock.with_status_code_from_request(move |_| lock(&place).status.into());
    for name in names.split(' ') {
        let place = answer.clone();
        mock = mock.with_header_from_request(name, move |_| lock(&place).header(name));
    }
    let place = answer.clone();
    mock = mock.with_body_from_request(move |_| std::mem::take(&mut lock(&place).body));
    mock.create();
}

/// Converts a request from mockito's type.
fn received(request: &mockito::Request) -> Received {
    let target = request.path_and_query();
    let mut headers = Vec::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers.push((name.to_string(), value.into_owned()));
    }
    Received {
        method: request.method().to_owned(),
        path: request.path().to_owned(),
        query: target.split_once('?').map(|(_, query)| query.to_owned()),
        headers,
        body: request.body().cloned().unwrap_or_default(),
    }
}

/// Takes a lock even if another thread panicked while it held it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
