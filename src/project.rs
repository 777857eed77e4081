//! Projects: making, finding and listing them, what the service says of one, and its files.

use std::hash::{Hash, Hasher};
use std::iter;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::Client;
use crate::error::{ApiErrorKind, Error, Result, WaitFailed, WaitReason};
use crate::image::Image;
use crate::transport::{Answer, Call, check_segment};
use crate::types::{AiTools, DownloadLink, Files, Finalized, ProjectInfo, ProjectSource, ProjectStatus, readable};
use crate::wait::{Verdict, Wait, poll};

/// How many projects are asked for at a time: the most that the service gives.
const PAGE_SIZE: u64 = 100;

impl Client {
    /// Returns a handle of a profile-based project (`project_source` `REGULAR`), by its id. Nothing is sent, and nothing can
    /// fail yet: an id that is not usable is an error of the first call.
    pub fn project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(ProjectSource::Regular, project_uuid)
    }

    /// Returns a handle of a Smart Editing project (`project_source` `I2I`), by its id. Like [`Client::project`].
    pub fn i2i_project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(ProjectSource::I2i, project_uuid)
    }

    /// Returns a handle of a project of either kind, by its id. Like [`Client::project`].
    pub fn project_of(&self, source: ProjectSource, project_uuid: impl Into<String>) -> Project {
        Project { client: self.clone(), uuid: project_uuid.into(), source }
    }

    /// Makes a profile-based project: `POST /projects/`. Without a name the service makes one up.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// let wedding = client.create_project("Smith wedding")?;
    /// let unnamed = client.create_project(None)?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: a name of white space.
    /// - [`Error::Api`]: the service said no; `Project with name 'X' already exists` is
    ///   [`InvalidRequest`](ApiErrorKind::InvalidRequest), since names are unique in an account.
    /// - [`Error::OutcomeUnknown`]: the project may have been made; look for it with [`Client::projects`].
    /// - [`Error::Network`]: nothing reached the service.
    pub fn create_project<'n>(&self, name: impl Into<Option<&'n str>>) -> Result<Project> {
        self.create(ProjectSource::Regular, Call::post(["projects", ""]), name.into())
    }

    /// Makes a Smart Editing project: `POST /i2i/projects/`. Like [`Client::create_project`].
    ///
    /// # Errors
    /// Those of [`Client::create_project`].
    pub fn create_i2i_project<'n>(&self, name: impl Into<Option<&'n str>>) -> Result<Project> {
        self.create(ProjectSource::I2i, Call::post(["i2i", "projects", ""]), name.into())
    }

    fn create(&self, source: ProjectSource, call: Call, name: Option<&str>) -> Result<Project> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<&'a str>,
        }
        #[derive(Deserialize)]
        struct Created {
            project_uuid: String,
        }
        if name.is_some_and(|name| name.trim().is_empty()) {
            return Err(Error::invalid("name", "empty; None lets the service make a name up"));
        }
        let call = call
            .json(&Body { name })?
            .once("the project may exist: look for it with Client::projects() before making it again");
        let created: Created = self.transport.send(&call)?.json()?;
        Ok(self.project_of(source, created.project_uuid))
    }

    /// Finds a profile-based project by its name: `GET /projects/{name}/uuid`. Smart Editing projects cannot be found so;
    /// [`Client::projects`] lists them.
    ///
    /// # Errors
    /// [`Error::Api`] of the kind [`NotFound`](ApiErrorKind::NotFound) when there is none; else those of [`Project::info`].
    pub fn find_project(&self, name: &str) -> Result<Project> {
        check_segment("name", "name", name)?;
        let call = Call::get(["projects", name, "uuid"]);
        let answer = self.transport.send(&call)?;
        let found: Value = answer.json()?;
        let uuid = [Some(&found), found.get("project_uuid"), found.get("uuid")];
        match uuid.into_iter().flatten().find_map(Value::as_str) {
            Some(uuid) => Ok(self.project(uuid)),
            None => Err(answer.unreadable("the answer holds no id")),
        }
    }

    /// Lists the projects of one kind, a page at a time: `GET /projects` or `GET /i2i/projects`. A page is asked for when the
    /// one before is used up. The iterator ends after an error. Projects that cannot be read are left out.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// use imagen_ai::ProjectFilter;
    ///
    /// let filter = ProjectFilter::default(); // profile-based ones
    /// for project in client.projects(&filter) {
    ///     let project = project?;
    ///     println!("{:?}: {}", project.name, project.status);
    ///     let handle = client.project_of(filter.source, project.project_uuid.unwrap_or_default());
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn projects(&self, filter: &ProjectFilter) -> impl Iterator<Item = Result<ProjectInfo>> {
        let (client, filter) = (self.clone(), filter.clone());
        let (mut next, mut projects) = (Some(0), Vec::new().into_iter());
        iter::from_fn(move || {
            loop {
                if let Some(project) = projects.next() {
                    return Some(Ok(project));
                }
                match client.projects_page(&filter, next.take()?) {
                    Ok((after, page)) => (next, projects) = (after, page.into_iter()),
                    Err(e) => return Some(Err(e)),
                }
            }
        })
    }

    /// Asks for a page of the list. Returns the number of the next one too, if there is one.
    fn projects_page(&self, filter: &ProjectFilter, page: u64) -> Result<(Option<u64>, Vec<ProjectInfo>)> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(deserialize_with = "readable")]
            projects: Vec<ProjectInfo>,
            pagination: Pagination,
        }
        #[derive(Deserialize)]
        struct Pagination {
            total: u64,
        }
        let call = match filter.source {
            ProjectSource::Regular => Call::get(["projects"]).query("get_thumbnail", Some(false)),
            ProjectSource::I2i => Call::get(["i2i", "projects"]),
        };
        let call = call.query("size", Some(PAGE_SIZE)).query("page", Some(page));
        let call = call.query("is_archived", filter.is_archived);
        let answer: Page = self.transport.send(&call)?.json()?;
        // An empty page ends the list too, whatever the total is by now.
        let more = (page + 1) * PAGE_SIZE < answer.pagination.total && !answer.projects.is_empty();
        Ok((more.then_some(page + 1), answer.projects))
    }
}

/// Which projects [`Client::projects`] lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProjectFilter {
    /// The kind. Default: profile-based.
    pub source: ProjectSource,
    /// Only archived projects, or only others. Default: `None`, which leaves it to the service.
    pub is_archived: Option<bool>,
}

/// A project: its id, its kind, and the client that reaches it. Cheap to clone and to store.
///
/// Two handles are equal when base URL, kind and id are.
///
/// ```
/// use imagen_ai::{Client, ProjectSource};
///
/// let client = Client::builder("my-key").base_url("http://localhost:8080/v1").build()?;
/// let house = client.i2i_project("65f3a1c2d4e5f6a7b8c9d0e2");
/// assert_eq!(house.source(), ProjectSource::I2i);
/// assert_eq!(house, client.clone().i2i_project("65f3a1c2d4e5f6a7b8c9d0e2"));
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Project {
    client: Client,
    uuid: String,
    source: ProjectSource,
}

impl Project {
    fn identity(&self) -> (&str, &str, ProjectSource) {
        (self.client.transport.base_url(), &self.uuid, self.source)
    }
}

impl PartialEq for Project {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Project {}

impl Hash for Project {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Which files of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Output {
    /// The finished photos.
    Jpeg,
    /// The sidecars with the edits, of profile-based projects only. DNG and JPEG files come back with the edits inside.
    Xmp,
}

impl Project {
    /// Returns the project's id, as it was given.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Returns the project's kind.
    pub fn source(&self) -> ProjectSource {
        self.source
    }

    /// Returns the client that this project was made by.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks what the service knows of the project: `GET /projects/{uuid}` or `GET /i2i/projects/{uuid}`.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an id that is empty, `.`, `..`, too long or holds a control character; nothing was sent.
    /// - [`Error::Api`]: the service said no. [`NotFound`](ApiErrorKind::NotFound) also comes for a handle of the wrong kind.
    /// - [`Error::Network`]: the network or the service failed, in all attempts.
    /// - [`Error::Decode`]: the answer is not what the API promises.
    pub fn info(&self) -> Result<ProjectInfo> {
        let call = Call::get(self.path(&[])?).query("get_thumbnail", Some(false));
        self.send(&call)?.json_status()
    }

    /// Waits until the Copilot API works on the project: asks [`Project::info`] now and then until its status is `Completed`,
    /// and returns its last answer. It starts nothing itself.
    ///
    /// A profile-based project must also have been exported. When it is completed and has no `export_status`, that is told at
    /// once ([`WaitReason::NotExported`]); while the export is `Pending` or `In Progress`, the wait goes on. The service has
    /// not published the words of `export_status`, so any but these and `Failed` count as exported, and a wrong guess shows
    /// as [`ApiErrorKind::NotReady`] in the next call.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Project must be completed first".
    ///
    /// # Errors
    /// - [`Error::WaitFailed`]: the project or its export failed, it has not been exported, or the time is over.
    /// - Those of [`Project::info`] that do not pass, and the last one that does, if the time is over.
    pub fn wait_until_completed(&self, wait: &Wait) -> Result<ProjectInfo> {
        self.wait_until_completed_with(wait, |_| ControlFlow::Continue(()))
    }

    /// Like [`Project::wait_until_completed`], and calls `seen` with the answer to every question, or with the failure to get
    /// one. [`Break`](ControlFlow::Break) ends the wait with [`WaitReason::Stopped`], unless the answer ends it anyway.
    ///
    /// # Errors
    /// As [`Project::wait_until_completed`].
    pub fn wait_until_completed_with(
        &self,
        wait: &Wait,
        seen: impl FnMut(&Result<ProjectInfo>) -> ControlFlow<()>,
    ) -> Result<ProjectInfo> {
        let failed = |reason, info: Option<ProjectInfo>| {
            let export = info.as_ref().and_then(|info| info.export_status.as_ref());
            let message = export.map(|export| format!("export {export}")).unwrap_or_default();
            self.wait_failed("project", reason, info.map(|info| info.status), &message)
        };
        poll(wait, || self.info(), |info| self.judge(info), seen, failed)
    }

    fn judge(&self, info: &ProjectInfo) -> Verdict {
        match (&info.status, self.source, &info.export_status) {
            (ProjectStatus::Failed, ..) => Verdict::Never(WaitReason::Failed),
            (ProjectStatus::Completed, ProjectSource::I2i, _) => Verdict::Ready,
            (ProjectStatus::Completed, _, None) => Verdict::Never(WaitReason::NotExported),
            (ProjectStatus::Completed, _, Some(ProjectStatus::Failed)) => Verdict::Never(WaitReason::Failed),
            (ProjectStatus::Completed, _, Some(ProjectStatus::Pending | ProjectStatus::InProgress)) => Verdict::NotYet,
            (ProjectStatus::Completed, _, Some(_)) => Verdict::Ready,
            _ => Verdict::NotYet,
        }
    }

    /// Makes the error of a wait in vain. `message` may hold the service's words.
    pub(crate) fn wait_failed(
        &self,
        waited_for: &'static str,
        reason: WaitReason,
        status: Option<ProjectStatus>,
        message: &str,
    ) -> Error {
        let redact = |text: &str| self.client.transport.redact(text, &[]);
        Error::WaitFailed(Box::new(WaitFailed {
            project_uuid: self.uuid.clone(),
            waited_for,
            reason,
            status: status.map(|status| redact(status.as_str()).into()),
            message: redact(message),
        }))
    }

    /// Asks for the presets that can be applied: `GET /projects/{uuid}/ai-tools`. The versions of the photos, which the same
    /// answer holds, are read by [`Project::history`].
    ///
    /// The [vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot) shows this call under "Check version
    /// history". The presets are known from the vendor's clients.
    ///
    /// # Errors
    /// As [`Project::info`]; [`ApiErrorKind::NotReady`] when the project has not been exported or completed.
    pub fn ai_tools(&self) -> Result<AiTools> {
        self.send(&self.ai_tools_call()?)?.json()
    }

    pub(crate) fn ai_tools_call(&self) -> Result<Call> {
        Ok(Call::get(self.copilot_path(&["ai-tools"])?).query("project_source", Some(self.source.as_str())))
    }

    /// Returns handles of the project's photos, from the links to its finished files. No other list of them is published.
    ///
    /// # Errors
    /// As [`Project::download_links`].
    pub fn images(&self) -> Result<Vec<Image>> {
        let links = self.download_links(Output::Jpeg)?;
        Ok(links.into_iter().filter_map(|link| Some(self.image(link.file_name?))).collect())
    }

    /// Asks for links to the project's files, which can be fetched for a while with [`Client::download_all`]:
    /// `GET /projects/{uuid}/export/get_temporary_download_links` (JPEG), `…/edit/get_temporary_download_links` (XMP) or
    /// `GET /i2i/projects/{uuid}/get_temporary_download_links`.
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::{DownloadOptions, Output};
    ///
    /// let sidecars = project.download_links(Output::Xmp)?;
    /// let files = project.client().download_all(&sidecars, "sidecars", &DownloadOptions::default())?;
    /// println!("{} of {} sidecars", files.iter().filter(|file| file.is_ok()).count(), sidecars.len());
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::ai_tools`]; [`Error::InvalidInput`] for the XMP files of a Smart Editing project, which has none.
    pub fn download_links(&self, output: Output) -> Result<Vec<DownloadLink>> {
        let path = match (self.source, output) {
            (ProjectSource::Regular, Output::Jpeg) => self.path(&["export", "get_temporary_download_links"])?,
            (ProjectSource::Regular, Output::Xmp) => self.path(&["edit", "get_temporary_download_links"])?,
            (ProjectSource::I2i, Output::Jpeg) => self.path(&["get_temporary_download_links"])?,
            (ProjectSource::I2i, Output::Xmp) => {
                return Err(Error::invalid("output", "a Smart Editing project has no XMP files"));
            }
        };
        let call = Call::get(path);
        let answer = self.send(&call)?;
        let files: Files<DownloadLink> = answer.json()?;
        files.files_list.ok_or_else(|| answer.unreadable("the answer holds no files_list"))
    }

    /// Locks the edits of all photos in and has the edited ones upscaled: `POST /projects/{uuid}/finalize`. It can take as long
    /// as an edit, and is sent again after a failure, since a second one changes nothing.
    ///
    /// The links are those of the answer. The vendor's page promises none, so when it brings none they are asked for with
    /// [`Project::download_links`].
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Finalize".
    ///
    /// # Errors
    /// As [`Project::ai_tools`]. When asking for the links fails, the edits are locked in all the same.
    pub fn finalize(&self) -> Result<Finalized> {
        let call = Call::post(self.copilot_path(&["finalize"])?).json(&self.source_body())?;
        let answer = self.send(&call)?;
        let files: Option<Vec<DownloadLink>> = match answer.payload().is_empty() {
            true => None,
            false => answer.json::<Files<DownloadLink>>()?.files_list,
        };
        let files = match files {
            Some(files) if !files.is_empty() => files,
            _ => self.download_links(Output::Jpeg)?,
        };
        Ok(Finalized { files })
    }

    /// Makes a call of this project.
    pub(crate) fn send<'c>(&'c self, call: &'c Call) -> Result<Answer<'c>> {
        self.client.transport.send(call).map_err(|mut error| {
            if let Error::Api(e) = &mut error {
                if e.kind == ApiErrorKind::NotFound {
                    e.message += " (profile-based and Smart Editing projects are told apart by the handle: \
                                  Client::project() or Client::i2i_project())";
                }
            }
            error
        })
    }

    /// Returns the path of this project where projects of its kind stand, with more segments.
    pub(crate) fn path<'a>(&'a self, rest: &[&'a str]) -> Result<Vec<&'a str>> {
        let path = self.copilot_path(rest)?;
        Ok(match self.source {
            ProjectSource::Regular => path,
            ProjectSource::I2i => [&["i2i"], path.as_slice()].concat(),
        })
    }

    /// Returns the path of this project for the Copilot API, which is the same for both kinds.
    pub(crate) fn copilot_path<'a>(&'a self, rest: &[&'a str]) -> Result<Vec<&'a str>> {
        check_segment("project_uuid", "id", &self.uuid)?;
        Ok([&["projects", self.uuid.as_str()], rest].concat())
    }

    pub(crate) fn source_body(&self) -> SourceBody {
        SourceBody { project_source: self.source }
    }
}

/// The body of the calls that need nothing else.
#[derive(Serialize)]
pub(crate) struct SourceBody {
    project_source: ProjectSource,
}
