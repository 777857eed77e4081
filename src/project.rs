//! A project.

use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::client::Client;
use crate::error::{CauseKind, Error, NotReady, NotReadyReason, Result};
use crate::transport::{Call, Path, message_in};
use crate::types::{AiTools, DownloadLink, Finalized, ProjectInfo, ProjectSource, ProjectStatus};
use crate::wait::Wait;

impl Client {
    /// A profile-based project (`project_source` `REGULAR`), by its id. Nothing is sent, and nothing can fail yet: an
    /// id that is not usable is an error of the first call.
    #[inline]
    pub fn project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(project_uuid.into(), ProjectSource::Regular)
    }

    /// A Smart Editing project (`project_source` `I2I`), by its id. Like [`Client::project`].
    #[inline]
    pub fn i2i_project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(project_uuid.into(), ProjectSource::I2i)
    }

    #[inline]
    fn project_of(&self, uuid: String, source: ProjectSource) -> Project {
        Project {
            client: self.clone(),
            uuid,
            source,
        }
    }
}

/// A project: its id and the client that reaches it. Cheap to clone and to store.
///
/// Made by [`Client::project`] or [`Client::i2i_project`].
///
/// ```
/// use imagen_ai::{Client, ProjectSource};
///
/// let client = Client::new("my-key")?;
/// let wedding = client.project("65f3a1c2d4e5f6a7b8c9d0e1");
/// assert_eq!(wedding.source(), ProjectSource::Regular);
///
/// let house = client.i2i_project("65f3a1c2d4e5f6a7b8c9d0e2");
/// assert_eq!(house.source(), ProjectSource::I2i);
/// assert_eq!(format!("{} {}", house.source().as_str(), house.uuid()), "I2I 65f3a1c2d4e5f6a7b8c9d0e2");
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Project {
    client: Client,
    uuid: String,
    source: ProjectSource,
}

impl Project {
    /// The project's id, as it was given.
    #[inline]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// How the project was edited.
    #[inline]
    pub fn source(&self) -> ProjectSource {
        self.source
    }

    /// The client that this project was made by.
    #[inline]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks what the service knows of the project: `GET /projects/{uuid}` or `GET /i2i/projects/{uuid}`.
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::ProjectStatus;
    ///
    /// let info = project.info()?;
    /// println!("{:?}, made {:?}, {:?} photos", info.name, info.created_at, info.number_of_images);
    /// match &info.status {
    ///     ProjectStatus::Pending | ProjectStatus::InProgress => println!("not yet"),
    ///     ProjectStatus::Completed => println!("edited; its export: {:?}", info.export_status),
    ///     ProjectStatus::Failed => println!("the service gave {:?} up", info.project_uuid),
    ///     ProjectStatus::Other(word) => println!("a word that is not published: {word}"),
    ///     _ => {}
    /// }
    /// println!("what this crate does not know of the answer: {:?}", info.extra);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an id that is empty, `.`, `..`, too long or holds a control character; nothing was
    ///   sent.
    /// - [`Error::Api`]: the service said no.
    /// - [`Error::NotSent`] or [`Error::Transport`]: the network failed, in all attempts.
    /// - [`Error::Decode`]: the answer is not what the API promises.
    #[inline]
    pub fn info(&self) -> Result<ProjectInfo> {
        self.client
            .transport
            .json(&Call::get(self.info_path()?).query("?get_thumbnail=false").small())
    }

    /// Waits until the Copilot API works on the project: asks [`Project::info`] now and then until its status is
    /// `Completed`, and gives its last answer. It starts nothing itself.
    ///
    /// After a failure that may pass it asks again (see [`Error::is_safe_to_retry`], and a page where JSON should be),
    /// but not after a TLS failure, such as a certificate that is not trusted.
    ///
    /// A profile-based project must also have been exported, which nobody may have asked for yet: when it is completed
    /// and has no `export_status`, that is told at once ([`NotReadyReason::NotExported`]); while the export is
    /// `Pending` or `In Progress`, the wait goes on. The service has not published the words of `export_status`, so any
    /// but these and `Failed` count as exported, and a wrong guess shows as
    /// [`ApiErrorKind::NotReady`](crate::ApiErrorKind::NotReady) in the next call.
    ///
    /// Vendor's page, Copilot API, "Project must be completed first".
    ///
    /// # Errors
    /// - [`Error::NotReady`]: the project or its export failed (at once, with the service's answer), it has not been
    ///   exported, or the time is over.
    /// - Those of [`Project::info`] that do not pass; and the last one that does, if the time is over.
    #[inline]
    pub fn wait_until_completed(&self, wait: &Wait) -> Result<ProjectInfo> {
        self.wait_until_completed_with(wait, |_| ControlFlow::Continue(()))
    }

    /// Like [`Project::wait_until_completed`], and calls `poll` with the answer to every question, or with the failure
    /// to get one. [`Break`](ControlFlow::Break) ends the wait with [`NotReadyReason::Stopped`], unless the answer ends
    /// it anyway.
    ///
    /// ```no_run
    /// # use std::ops::ControlFlow;
    /// # use imagen_ai::Wait;
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// project.wait_until_completed_with(&Wait::default(), |poll| {
    ///     match poll {
    ///         Ok(info) => println!("{}", info.status),
    ///         Err(e) => println!("{e}; asking again"),
    ///     }
    ///     ControlFlow::Continue(())
    /// })?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::wait_until_completed`].
    #[inline]
    pub fn wait_until_completed_with(
        &self,
        wait: &Wait,
        mut poll: impl FnMut(&Result<ProjectInfo>) -> ControlFlow<()>,
    ) -> Result<ProjectInfo> {
        let mut waited = Duration::ZERO;
        let mut delays = wait.delays();
        let mut last = None;
        loop {
            let answer = self.info();
            let go_on = poll(&answer);
            let (error, asked) = match answer {
                Ok(info) => match self.judge(&info) {
                    Judgement::Ready => return Ok(info),
                    Judgement::Never(reason) => return Err(self.not_ready(reason, Some(info))),
                    Judgement::NotYet => {
                        last = Some(info);
                        (None, None)
                    }
                },
                Err(e) if may_pass(&e) => {
                    let asked = e.retry_after();
                    (Some(e), asked)
                }
                Err(e) => return Err(e),
            };
            if go_on.is_break() {
                return Err(self.not_ready(NotReadyReason::Stopped, last));
            }
            let left = wait.total.saturating_sub(waited);
            let Some(delay) = delays.next().filter(|_| !left.is_zero()) else {
                return Err(error.unwrap_or_else(|| self.not_ready(NotReadyReason::TimedOut, last)));
            };
            // A service that asks for more time gets it, unless that is more than there is.
            let pause = delay.max(asked.unwrap_or_default()).min(left);
            sleep(pause);
            waited += pause;
        }
    }

    /// Asks for the presets that can be applied, and whatever else the answer brings: `GET /projects/{uuid}/ai-tools`.
    ///
    /// Vendor's page, Copilot API, "Check version history". For the versions themselves there is
    /// [`Project::history`].
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// let tools = project.ai_tools()?;
    /// for tool in &tools.prompts {
    ///     let label = tool.label.as_deref().unwrap_or("no label");
    ///     println!("{}: {label}; for many photos at once: {:?}", tool.enhancement_type, tool.enabled_for_batch);
    /// }
    /// println!("the whole answer: {}", tools.raw());
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::info`]; [`ApiErrorKind::NotReady`](crate::ApiErrorKind::NotReady) when the project has not been
    /// exported or completed.
    #[inline]
    pub fn ai_tools(&self) -> Result<AiTools> {
        self.client.transport.json(&self.ai_tools_call()?)
    }
}

/// Which files of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Output {
    /// The finished photos.
    Jpeg,
    /// The sidecars with the edits, of profile-based projects only.
    Xmp,
}

impl Project {
    /// Asks for links to the project's files, which can be fetched for a while with
    /// [`Client::download_all`]: `GET /projects/{uuid}/export/get_temporary_download_links` (JPEG),
    /// `…/edit/get_temporary_download_links` (XMP) or `GET /i2i/projects/{uuid}/get_temporary_download_links`. They are
    /// also the only list of a project's photos that the service publishes.
    ///
    /// Vendor's page, Copilot API, "Finalize", which names the pages "Quickstart" and "Smart Editing" for them.
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::{DownloadOptions, Output};
    ///
    /// for link in project.download_links(Output::Jpeg)? {
    ///     println!("a photo: {:?}", link.file_name);
    /// }
    /// let sidecars = project.download_links(Output::Xmp)?;
    /// let files = project.client().download_all(&sidecars, "sidecars", &DownloadOptions::default())?;
    /// println!("{} of {} sidecars", files.iter().filter(|file| file.is_ok()).count(), sidecars.len());
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::ai_tools`]; [`Error::InvalidInput`] for the XMP files of a Smart Editing project, which has none.
    #[inline]
    pub fn download_links(&self, output: Output) -> Result<Vec<DownloadLink>> {
        let links = match (self.source, output) {
            (ProjectSource::Regular, Output::Jpeg) => "/export/get_temporary_download_links",
            (ProjectSource::Regular, Output::Xmp) => "/edit/get_temporary_download_links",
            (ProjectSource::I2i, Output::Jpeg) => "/get_temporary_download_links",
            (ProjectSource::I2i, Output::Xmp) => {
                return Err(Error::invalid("output", "a Smart Editing project has no XMP files"));
            }
        };
        let answer: Finalized = self.client.transport.json(&Call::get(self.info_path()?.then(links)))?;
        Ok(answer.files)
    }

    /// Locks the edits of all photos in and has the edited ones upscaled: `POST /projects/{uuid}/finalize`. It can
    /// take as long as an edit, and is sent again after a failure, since a second one changes nothing.
    ///
    /// The links are those of the answer. The vendor's page promises none, so when it brings none they are asked for
    /// with [`Project::download_links`].
    ///
    /// Vendor's page, Copilot API, "Finalize".
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// let finalized = project.finalize()?;
    /// for file in &finalized.files {
    ///     println!("{:?} can be fetched for a while", file.file_name);
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::ai_tools`]. When asking for the links fails, the edits are locked in all the same.
    #[inline]
    pub fn finalize(&self) -> Result<Finalized> {
        let body = SourceBody {
            project_source: self.source,
        };
        let call = Call::post(self.path()?.then("/finalize"), &body)?;
        let mut finalized: Finalized = self.client.transport.json_or_default(&call)?;
        if finalized.files.is_empty() {
            finalized.files = self.download_links(Output::Jpeg)?;
        }
        Ok(finalized)
    }
}

/// What an answer says to who waits for the project.
enum Judgement {
    Ready,
    NotYet,
    Never(NotReadyReason),
}

/// Whether a failure to get an answer may be over later: a gateway's page with status 200 as well, but not a
/// certificate that is not trusted.
#[inline]
fn may_pass(error: &Error) -> bool {
    match error {
        Error::NotSent(e) => e.cause.kind != CauseKind::Tls,
        Error::Decode(_) => true,
        other => other.is_safe_to_retry(),
    }
}

/// The body of the calls that need no other word.
#[derive(Serialize)]
pub(crate) struct SourceBody {
    pub(crate) project_source: ProjectSource,
}

impl Project {
    #[inline]
    fn judge(&self, info: &ProjectInfo) -> Judgement {
        match info.status {
            ProjectStatus::Failed => return Judgement::Never(NotReadyReason::Failed),
            ProjectStatus::Completed => {}
            _ => return Judgement::NotYet,
        }
        match (self.source, info.export_status.as_deref().map(ProjectStatus::of)) {
            (ProjectSource::I2i, _) => Judgement::Ready,
            (ProjectSource::Regular, None) => Judgement::Never(NotReadyReason::NotExported),
            (ProjectSource::Regular, Some(ProjectStatus::Failed)) => Judgement::Never(NotReadyReason::Failed),
            (ProjectSource::Regular, Some(ProjectStatus::Pending | ProjectStatus::InProgress)) => Judgement::NotYet,
            (ProjectSource::Regular, Some(_)) => Judgement::Ready,
        }
    }

    #[inline]
    fn not_ready(&self, reason: NotReadyReason, info: Option<ProjectInfo>) -> Error {
        let extra = info.as_ref().map(|info| Value::Object(info.extra.clone()));
        let message = extra.as_ref().and_then(message_in).unwrap_or_default();
        Error::NotReady(Box::new(NotReady {
            project_uuid: self.uuid.clone(),
            reason,
            message: self.client.transport.clean(&message),
            info,
        }))
    }

    #[inline]
    pub(crate) fn ai_tools_call(&self) -> Result<Call> {
        let query = match self.source {
            ProjectSource::Regular => "?project_source=REGULAR",
            ProjectSource::I2i => "?project_source=I2I",
        };
        Ok(Call::get(self.path()?.then("/ai-tools")).query(query))
    }

    /// The path of this project where projects of its kind stand.
    #[inline]
    fn info_path(&self) -> Result<Path> {
        match self.source {
            ProjectSource::Regular => self.path(),
            ProjectSource::I2i => Path::new("/i2i/projects").segment("project", &self.uuid),
        }
    }

    /// The path of this project below the base URL.
    #[inline]
    pub(crate) fn path(&self) -> Result<Path> {
        Path::new("/projects").segment("project", &self.uuid)
    }
}
