#![doc = include_str!("../README.md")]

mod callback;
mod catalog;
mod checksum;
mod clock;
mod copilot;
mod edit;
mod fields;
mod images;
mod limit;
mod objects;
mod photos;
mod project;
mod projects;
mod routes;
mod server;
mod service;
mod settings;
mod state;
mod storage;
mod wire;

use std::fmt;
use std::io;
use std::sync::MutexGuard;
use std::time::Duration;

use serde_json::Value;

pub use self::checksum::checksum;
pub use self::limit::{Quota, RateLimit, RetryAfter};
pub use self::project::{CopilotEdit, ProjectKind, ProjectSpec, Status, Uploaded, VersionRecord};
pub use self::settings::Settings;
pub use self::wire::Received;

use self::checksum::Digest;
use self::project::{Image, Project};
use self::server::Server;
use self::state::{FailureTarget, PlannedFailure, State};
use self::storage::{Content, Object};
use self::wire::Answer;

/// A profile-based project that is ready for Copilot.
pub const READY: &str = "65f3a1c2d4e5f6a7b8c9d0e1";
/// A Smart Editing project that is ready for Copilot.
pub const SMART: &str = "65f3a1c2d4e5f6a7b8c9d0e2";
/// A profile-based project that is completed, but not exported.
pub const NOT_EXPORTED: &str = "65f3a1c2d4e5f6a7b8c9d0e3";
/// A profile-based project that is still being edited.
pub const IN_PROGRESS: &str = "65f3a1c2d4e5f6a7b8c9d0e4";
/// A profile-based project that failed.
pub const FAILED: &str = "65f3a1c2d4e5f6a7b8c9d0e5";

/// A running simulator. Dropping it ends it: the port closes, and calls that still wait are
/// answered 503 and not made.
///
/// A method that takes a project or an image panics if the simulator does not have it.
pub struct Simulator {
    server: Server,
    origin: String,
}

impl Simulator {
    /// Starts a simulator on a free port.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub fn start() -> Self {
        Self::start_on(0).expect("a free port on 127.0.0.1")
    }

    /// Starts a simulator on a port; 0 is any free one.
    pub fn start_on(port: u16) -> io::Result<Self> {
        let server = Server::start(port, first_projects())?;
        let origin = server.shared.state().storage.origin.clone();
        Ok(Self { server, origin })
    }

    /// Starts a simulator whose `copilot`, `enhance` and `finalize` calls each take `latency`, side
    /// by side. Such a call has its effect at the end of the latency, even if the client is gone by
    /// then, if its request arrived whole.
    pub fn start_slow(port: u16, latency: Duration) -> io::Result<Self> {
        let simulator = Self::start_on(port)?;
        simulator.configure(|settings| settings.latency = latency);
        Ok(simulator)
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
        self.state().add_project(spec);
    }

    /// Returns all projects as they are now, the oldest first.
    pub fn projects(&self) -> Vec<ProjectSpec> {
        self.state().projects.iter().map(Project::spec).collect()
    }

    /// Sets the status of a project's edit, and leaves it there.
    pub fn set_status(&self, project: &str, status: Status) {
        self.change(project, |project| project.edit.set(status));
        if status == Status::Completed {
            let completed = self.state().complete_edit(project);
            debug_assert!(completed.is_ok(), "the project is there");
        }
    }

    /// Sets whether a profile-based project is exported.
    pub fn set_exported(&self, project: &str, exported: bool) {
        let status = if exported {
            Status::Completed
        } else {
            Status::Pending
        };
        self.change(project, |project| project.export.set(status));
    }

    /// Keeps the present status of a project's edit for the next `polls` polls. The poll after them
    /// sees it completed.
    pub fn complete_after(&self, project: &str, polls: u32) {
        self.change(project, |project| project.edit.end_after(polls));
    }

    /// Lets the project's edit that is running, or else the next one, end as failed, with these
    /// details.
    pub fn fail_edit(&self, project: &str, details: &str) {
        let details = Some(details.to_owned());
        self.change(project, |project| project.edit.failure = details);
    }

    /// Lets the project's export that is running, or else the next one, end as failed, with these
    /// details.
    pub fn fail_export(&self, project: &str, details: &str) {
        let details = Some(details.to_owned());
        self.change(project, |project| project.export.failure = details);
    }

    /// Answers every edit of this image with `status` and `body`, and applies none, until
    /// [`mend_image`](Self::mend_image). `status` may be a success, for a body such as
    /// `{"status":"FAILED"}`.
    pub fn fail_image(&self, project: &str, image: &str, status: u16, body: Value) {
        let failure = Some(Answer::json(status, &body));
        self.change_image(project, image, |image| image.failure = failure);
    }

    /// Ends what [`fail_image`](Self::fail_image) began.
    pub fn mend_image(&self, project: &str, image: &str) {
        self.change_image(project, image, |image| image.failure = None);
    }

    /// Answers the next `times` requests of a method to a path that ends like this, at once, and
    /// does nothing else with them.
    ///
    /// The path is as on the wire: percent-encoded and without the query. That of a presigned URL
    /// ends with the name of the file. For the body, see [`Failure`].
    pub fn fail_next(
        &self,
        method: &str,
        path_ending: &str,
        status: u16,
        body: impl Into<Value>,
        times: u32,
    ) {
        let failure = Failure::new(status, body);
        self.fail_next_with(method, path_ending, failure, times);
    }

    /// Does what [`fail_next`](Self::fail_next) does, with headers.
    pub fn fail_next_with(&self, method: &str, path_ending: &str, failure: Failure, times: u32) {
        let target = FailureTarget::Path {
            method: method.to_owned(),
            ending: path_ending.to_owned(),
        };
        self.plan(target, failure, times);
    }

    /// Answers the next `times` `copilot` and `enhance` calls with a failure, at once, and does
    /// nothing else with them.
    pub fn fail_next_edits(&self, failure: Failure, times: u32) {
        self.plan(FailureTarget::CopilotEdits, failure, times);
    }

    fn plan(&self, target: FailureTarget, failure: Failure, times: u32) {
        self.state().failures.push(PlannedFailure {
            target,
            answer: failure.into_answer(),
            times_left: times,
        });
    }

    /// Returns an image's versions, from the first to the newest.
    pub fn versions(&self, project: &str, image: &str) -> Vec<VersionRecord> {
        self.change_image(project, image, |image| image.versions.clone())
    }

    /// Returns the photos that were uploaded to a project, in the order in which they arrived.
    pub fn uploaded(&self, project: &str) -> Vec<Uploaded> {
        self.change(project, |project| project.uploads.clone())
    }

    /// Returns how many uploads in parts were begun in a project and neither completed nor aborted.
    pub fn unfinished_uploads(&self, project: &str) -> usize {
        self.change(project, |project| {
            let uploads = project.part_uploads.iter();
            uploads.filter(|upload| !upload.is_over).count()
        })
    }

    /// Returns whether a project was finalized.
    pub fn is_finalized(&self, project: &str) -> bool {
        self.change(project, |project| project.finalized)
    }

    /// Returns the bytes that a link to this version serves; `None` is the unedited image.
    pub fn jpeg(&self, project: &str, image: &str, version: Option<u64>) -> Vec<u8> {
        let object = Object {
            project: project.to_owned(),
            content: version.map_or(Content::Unedited, Content::Version),
            name: image.to_owned(),
        };
        storage::jpeg(&object, self.state().settings.jpeg_size)
    }

    /// Answers a request without the network. Returns status and body.
    pub fn answer(&self, request: Received) -> (u16, Vec<u8>) {
        let digest = Digest::of(&request.body);
        let answer = self.server.shared.answer(&request, digest);
        (answer.status, answer.body)
    }

    /// Returns all requests received so far, in the order in which they arrived whole, those to the
    /// storage among them.
    pub fn requests(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Forgets the requests received so far.
    pub fn clear_requests(&self) {
        self.state().received.clear();
    }

    /// Sets the simulator's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.state().clock.advance(by);
    }

    /// Sets the clock forward until every presigned URL made so far has expired.
    pub fn expire_links(&self) {
        let mut state = self.state();
        let Some(last) = state.storage.last_expiry else {
            return;
        };
        let left = last.duration_since(state.clock.now());
        let left = left.unwrap_or_default();
        state.clock.advance(left + Duration::from_secs(1));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.server.shared.state()
    }

    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Project) -> T) -> T {
        let mut state = self.state();
        match state.project(id) {
            Ok(project) => change(project),
            Err(_) => panic!("the simulator has no project {id}"),
        }
    }

    fn change_image<T>(&self, id: &str, name: &str, change: impl FnOnce(&mut Image) -> T) -> T {
        self.change(id, |project| match project.image(name) {
            Ok(image) => change(image),
            Err(_) => panic!("the simulator has no image {name} in the project {id}"),
        })
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = &mut f.debug_struct("Simulator");
        fields
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

/// An answer in place of the service's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The status; it may be a success.
    pub status: u16,
    /// Headers beside those that every answer has.
    pub headers: Vec<(String, String)>,
    /// The body. `Value::Null` is an empty one, and a string is a body of text: XML if it starts
    /// with `<?xml`, else HTML.
    pub body: Value,
}

impl Failure {
    /// Makes one without headers.
    pub fn new(status: u16, body: impl Into<Value>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    fn into_answer(self) -> Answer {
        let mut answer = match self.body {
            Value::Null => Answer::empty(self.status),
            Value::String(xml) if xml.starts_with("<?xml") => {
                Answer::new(self.status, "application/xml", xml)
            }
            Value::String(html) => Answer::new(self.status, "text/html", html),
            body => Answer::json(self.status, &body),
        };
        answer.headers.extend(self.headers);
        answer
    }
}

/// The projects that every simulator has at first.
fn first_projects() -> [ProjectSpec; 5] {
    let not_exported = |id| ProjectSpec::profile_based(id).exported(false);
    [
        ProjectSpec::profile_based(READY).name("12 Elm Street"),
        ProjectSpec::smart(SMART).name("Harbour loft"),
        not_exported(NOT_EXPORTED).name("Not exported"),
        not_exported(IN_PROGRESS)
            .name("In progress")
            .status(Status::InProgress),
        not_exported(FAILED).name("Failed").status(Status::Failed),
    ]
}
