//! Everything that the service knows.

use crate::callback::Callback;
use crate::clock::Clock;
use crate::limit::Limiter;
use crate::project::{Project, ProjectKind, ProjectSpec, Status};
use crate::settings::Settings;
use crate::storage::{Storage, Validity};
use crate::wire::{Answer, Received};

/// Everything that the service knows. One lock holds it, and no call waits under it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    /// The oldest first. No two have the same id.
    pub(crate) projects: Vec<Project>,
    pub(crate) storage: Storage,
    /// The failures that were ordered, in that order.
    pub(crate) failures: Vec<PlannedFailure>,
    pub(crate) limiter: Limiter,
    pub(crate) received: Vec<Received>,
    /// The edits that have just begun and have a URL to call, by project.
    pub(crate) callbacks: Vec<(String, Callback)>,
    pub(crate) request_count: u32,
}

/// An answer that was ordered for the next requests of a kind.
#[derive(Debug)]
pub(crate) struct PlannedFailure {
    pub(crate) target: FailureTarget,
    pub(crate) answer: Answer,
    pub(crate) times_left: u32,
}

/// Which requests fail.
#[derive(Debug)]
pub(crate) enum FailureTarget {
    /// Those of a method to a path with this ending.
    Path { method: String, ending: String },
    /// `copilot` and `enhance` calls.
    CopilotEdits,
}

impl State {
    pub(crate) fn new(origin: String, projects: impl IntoIterator<Item = ProjectSpec>) -> Self {
        let mut state = Self {
            settings: Settings::default(),
            clock: Clock::start(),
            projects: Vec::new(),
            storage: Storage {
                origin,
                last_expiry: None,
            },
            failures: Vec::new(),
            limiter: Limiter::default(),
            received: Vec::new(),
            callbacks: Vec::new(),
            request_count: 0,
        };
        for spec in projects {
            state.add_project(spec);
        }
        state
    }

    /// Adds a project, in place of one with the same id.
    pub(crate) fn add_project(&mut self, spec: ProjectSpec) {
        let project = Project::new(spec, self.clock.now());
        let mut others = self.projects.iter_mut();
        match others.find(|other| other.spec.id == project.spec.id) {
            Some(other) => *other = project,
            None => self.projects.push(project),
        }
    }

    /// Finds a project of either kind.
    pub(crate) fn project(&mut self, id: &str) -> Result<&mut Project, Answer> {
        let project = self.projects.iter_mut().find(|other| other.spec.id == id);
        project.ok_or_else(no_project)
    }

    /// Finds a project of one kind.
    pub(crate) fn project_of(
        &mut self,
        kind: ProjectKind,
        id: &str,
    ) -> Result<&mut Project, Answer> {
        let project = self.project(id)?;
        if project.spec.kind != kind {
            return Err(no_project());
        }
        Ok(project)
    }

    /// Counts one poll of a project's edit. When it completes, images are made, and an export that
    /// was asked for with it begins.
    pub(crate) fn poll_edit(&mut self, kind: ProjectKind, id: &str) -> Result<(), Answer> {
        if self.project_of(kind, id)?.edit.poll() {
            self.complete_edit(id)?;
        }
        Ok(())
    }

    /// Ends a project's edit, if it runs. Returns how it ended.
    pub(crate) fn end_edit(&mut self, id: &str) -> Result<Status, Answer> {
        let project = self.project(id)?;
        if project.edit.is_running() && project.edit.end() {
            self.complete_edit(id)?;
        }
        Ok(self.project(id)?.edit.status)
    }

    pub(crate) fn complete_edit(&mut self, id: &str) -> Result<(), Answer> {
        let pending = self.settings.pending_polls;
        let running = self.settings.export_polls;
        let project = self.project(id)?;
        project.make_images();
        if std::mem::take(&mut project.exports_itself) {
            project.export.start(pending, running);
        }
        Ok(())
    }

    /// Returns how long a presigned URL made now can be used.
    pub(crate) fn validity(&self) -> Validity {
        Validity {
            from: self.clock.now(),
            lifetime: self.settings.link_lifetime,
        }
    }
}

pub(crate) fn no_project() -> Answer {
    Answer::refused(404, "Project not found.")
}
