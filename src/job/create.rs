//! How a job comes by its project.

use std::path::Path;

use super::header::{Begun, Header};
use super::line::Line;
use super::log::Log;
use super::{Job, cannot_tell};
use crate::client::Client;
use crate::clock::Clock;
use crate::error::{ApiErrorKind, Error, Result};
use crate::project::Project;
use crate::transport::{check_segment, quoted};
use crate::types::ProjectKind;

/// What to do about a project that may be somebody else's.
const LOOK_AT_IT: &str = "look at the project: if it is yours, Project::open_job() goes on with it \
                          in another file; else begin a job with another name";

impl Client {
    /// Opens the job in this file, or begins one with a new profile-based project of this name.
    ///
    /// [`Job`] has an example. If the file exists, only the calls that the project still lacks are
    /// sent. A job that was begun by [`Project::open_job`] is opened by that.
    ///
    /// # How a lost answer is found out
    /// The name must be free when a job begins. Names are unique, so that a job which does not know
    /// whether its project was made asks for it again. If there is one of this name then, and it
    /// holds no photos, it is the job's.
    ///
    /// Costs no credits.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: another process or another handle works on the job; the file is
    ///   another job, or something else; a line of it cannot be read; there is a project of this
    ///   name; or the name is empty. A file that was there is not changed.
    /// - [`Error::Io`]: the file cannot be read, made or locked. On a file system without locks,
    ///   such as some network drives, no job can be opened.
    /// - [`Error::OutcomeUnknown`]: it cannot be told whether a project of this name is the job's.
    /// - Those of [`Client::create_project`] and of looking for the name. Open the job again.
    pub fn open_job(&self, path: impl AsRef<Path>, name: impl Into<String>) -> Result<Job> {
        Beginning::new(ProjectKind::ProfileBased, name.into()).open(self, path.as_ref())
    }

    /// Opens the job in this file, or begins one with a new Smart Editing project of this name.
    /// Like [`Client::open_job`].
    ///
    /// Whether the name is free is looked up in the list of projects, a call for every 100.
    ///
    /// # Errors
    /// As [`Client::open_job`].
    pub fn open_smart_job(&self, path: impl AsRef<Path>, name: impl Into<String>) -> Result<Job> {
        Beginning::new(ProjectKind::Smart, name.into()).open(self, path.as_ref())
    }
}

impl Project {
    /// Opens the job in this file, or begins one with this project. Nothing is sent.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// use imagen_ai::BatchOptions;
    ///
    /// let project = client.project("65f3a1c2d4e5f6a7b8c9d0e1");
    /// let mut job = project.open_job("sky.job")?;
    /// let edits = ["make the sky more blue"];
    /// job.copilot_each(project.images()?, edits, &BatchOptions::default())?
    ///     .all()?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] and [`Error::Io`] as [`Client::open_job`]; [`Error::InvalidInput`]
    /// for an id that is not usable.
    pub fn open_job(&self, path: impl AsRef<Path>) -> Result<Job> {
        self.path(&[])?;
        let begun = Begun::Project(self.uuid().to_owned());
        let log = Log::open(
            path.as_ref(),
            &header(self.client(), self.kind(), begun),
            Clock::default(),
        )?;
        Ok(Job::new(self.clone(), log))
    }
}

fn header(client: &Client, kind: ProjectKind, begun: Begun) -> Header {
    Header::new(client.transport.base_url(), kind, begun)
}

/// How a job with a new project is begun.
pub(super) struct Beginning {
    pub(super) kind: ProjectKind,
    pub(super) name: String,
    pub(super) clock: Clock,
}

impl Beginning {
    fn new(kind: ProjectKind, name: String) -> Self {
        let clock = Clock::default();
        Self { kind, name, clock }
    }

    /// Opens the job in this file, or begins it.
    pub(super) fn open(self, client: &Client, path: &Path) -> Result<Job> {
        if self.name.trim().is_empty() {
            return Err(Error::invalid("name", "empty; a job's project needs one"));
        }
        check_segment("name", "name", &self.name)?;
        let begun = Begun::Name(self.name.clone());
        let log = Log::open(path, &header(client, self.kind, begun), self.clock)?;
        let maker = Maker {
            client,
            kind: self.kind,
            name: &self.name,
            log: &log,
        };
        let project = maker.project()?;
        Ok(Job::new(project, log))
    }
}

/// Makes the project of a job.
struct Maker<'m> {
    client: &'m Client,
    kind: ProjectKind,
    name: &'m str,
    log: &'m Log,
}

impl Maker<'_> {
    /// Returns the project, which is made if the job does not have it yet.
    fn project(&self) -> Result<Project> {
        self.log.check()?;
        if let Some(uuid) = self.log.read(|record| record.project.clone()) {
            return Ok(self.client.project_of(self.kind, uuid));
        }
        let project = if self.log.read(|record| record.is_creating) {
            self.make_again()?
        } else {
            self.make()?
        };
        // Without this line on the disk, a project that holds photos would not be known as ours.
        self.log.announce(Line::Created {
            project: project.uuid().to_owned(),
        })?;
        Ok(project)
    }

    /// Makes the project of a job that has not asked for it yet.
    fn make(&self) -> Result<Project> {
        if let Some(project) = self.find()? {
            let why = format!(
                "there is a project {} already, with the id {}; Project::open_job() begins a \
                 job with it",
                quoted(self.name),
                quoted(project.uuid())
            );
            return Err(Error::invalid("name", why));
        }
        self.log.announce(Line::Create)?;
        match self.create() {
            Err(Error::OutcomeUnknown(_)) => self.make_again(),
            Err(e) => {
                self.log.note(Line::CreateRefused);
                Err(e)
            }
            made => made,
        }
    }

    /// Makes the project, or finds the one that was made when its answer was lost.
    fn make_again(&self) -> Result<Project> {
        let refused = match self.create() {
            Err(Error::Api(e)) if e.kind == ApiErrorKind::InvalidRequest => e,
            result => return result,
        };
        // Another reason for the refusal than the name, if there is no such project.
        let Some(project) = self.find()? else {
            return Err(Error::Api(refused));
        };
        match project.info()?.number_of_images {
            Some(0) => Ok(project),
            _ => Err(cannot_tell(
                self.path(),
                format!(
                    "the project {} (id {}) may be the job's or somebody else's, since it is \
                     not known to be without photos",
                    quoted(self.name),
                    quoted(project.uuid())
                ),
                LOOK_AT_IT,
            )),
        }
    }

    /// Returns the path of the call that makes the project.
    fn path(&self) -> &'static str {
        match self.kind {
            ProjectKind::ProfileBased => "/projects/",
            ProjectKind::Smart => "/i2i/projects/",
        }
    }

    fn create(&self) -> Result<Project> {
        match self.kind {
            ProjectKind::ProfileBased => self.client.create_project(self.name),
            ProjectKind::Smart => self.client.create_smart_project(self.name),
        }
    }

    /// Returns the project of this name, if there is one.
    fn find(&self) -> Result<Option<Project>> {
        let found = match self.kind {
            ProjectKind::ProfileBased => self.client.find_project(self.name),
            ProjectKind::Smart => self.client.find_smart_project(self.name),
        };
        match found {
            Ok(project) => Ok(Some(project)),
            Err(e) if e.api_kind() == Some(ApiErrorKind::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }
}
