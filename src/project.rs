//! Projects: making, finding and listing them, what the service says of one, and its files.

use std::iter;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::client::Client;
use crate::error::{ApiError, ApiErrorKind, Context, Error, Result};
use crate::transport::{Answer, Call, check_segment};
use crate::types::{DownloadLink, Preset, ProjectInfo, ProjectKind, items};

/// How many projects are asked for at a time: the most that the service gives.
const PAGE_SIZE: u64 = 100;

/// The call for the link to one file.
const ONE_LINK: &str = "get_download_link";

impl Client {
    /// Returns a handle of a profile-based project (`project_source` `REGULAR`), by its id. Nothing
    /// is sent, and nothing can fail yet: an id that is not usable is an error of the first
    /// call.
    pub fn project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(ProjectKind::ProfileBased, project_uuid)
    }

    /// Returns a handle of a Smart Editing project (`project_source` `I2I`), by its id. Like
    /// [`Client::project`].
    pub fn smart_project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(ProjectKind::Smart, project_uuid)
    }

    /// Returns a handle of a project of either kind, by its id. Like [`Client::project`].
    pub fn project_of(&self, kind: ProjectKind, project_uuid: impl Into<String>) -> Project {
        Project {
            client: self.clone(),
            uuid: project_uuid.into(),
            kind,
        }
    }

    /// Makes a profile-based project: `POST /projects/`. Costs no credits.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// let wedding = client.create_project("Smith wedding")?;
    /// println!("project {}", wedding.uuid());
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: a name of white space.
    /// - [`Error::Api`]: the service said no; `Project with name 'X' already exists` is
    ///   [`InvalidRequest`](ApiErrorKind::InvalidRequest), since names are unique in an account.
    /// - [`Error::OutcomeUnknown`]: the project may have been made; look for it with
    ///   [`Client::projects`].
    /// - [`Error::Network`]: nothing reached the service.
    pub fn create_project(&self, name: impl Into<String>) -> Result<Project> {
        self.create_project_of(ProjectKind::ProfileBased, Some(&name.into()))
    }

    /// Makes a Smart Editing project: `POST /i2i/projects/`. Like [`Client::create_project`].
    ///
    /// # Errors
    /// As [`Client::create_project`].
    pub fn create_smart_project(&self, name: impl Into<String>) -> Result<Project> {
        self.create_project_of(ProjectKind::Smart, Some(&name.into()))
    }

    /// Makes a project of either kind. Without a name, the service makes one up. Like
    /// [`Client::create_project`].
    ///
    /// # Errors
    /// As [`Client::create_project`].
    pub fn create_project_of(&self, kind: ProjectKind, name: Option<&str>) -> Result<Project> {
        let body = match name {
            None => json!({}),
            Some(name) if name.trim().is_empty() => {
                return Err(Error::invalid(
                    "name",
                    "empty; create_project_of(kind, None) lets the service make a name up",
                ));
            }
            Some(name) => json!({ "name": name }),
        };
        let call = match kind {
            ProjectKind::ProfileBased => Call::post(["projects", ""]),
            ProjectKind::Smart => Call::post(["i2i", "projects", ""]),
        };
        let advice =
            "the project may exist: look for it with Client::projects() before making it again";
        self.send_for_project(kind, &call.json(&body)?.once(advice))
    }

    /// Asks whether a Smart Editing project can have this name: `GET
    /// /i2i/projects/is_valid_name`.
    ///
    /// An answer that does not say so either way counts as yes.
    ///
    /// # Errors
    /// As [`Project::info`].
    pub fn is_smart_name_valid(&self, name: impl Into<String>) -> Result<bool> {
        let call = Call::get(["i2i", "projects", "is_valid_name"]).field("name", &name.into());
        let answer = self.transport.send(&call)?;
        if answer.payload().is_empty() {
            return Ok(true);
        }
        let json = answer.json()?;
        let places = [Some(&json), json.get("is_valid"), json.get("valid")];
        let said = places.into_iter().flatten().find_map(Value::as_bool);
        Ok(said.unwrap_or(true))
    }

    /// Finds a profile-based project by its name: `GET /projects/{name}/uuid`.
    ///
    /// # Errors
    /// [`Error::Api`] of the kind [`NotFound`](ApiErrorKind::NotFound) when there is none; else as
    /// [`Project::info`].
    pub fn find_project(&self, name: impl Into<String>) -> Result<Project> {
        let name = name.into();
        check_segment("name", "name", &name)?;
        let call = Call::get(["projects", &name, "uuid"]);
        self.send_for_project(ProjectKind::ProfileBased, &call)
    }

    /// Finds a Smart Editing project by its name, in the list of [`Client::projects`]: the service
    /// has no call for it. It takes a call for every 100 projects.
    ///
    /// # Errors
    /// [`Error::Api`] of the kind [`NotFound`](ApiErrorKind::NotFound) when there is none, as of
    /// [`Client::find_project`]. Its status is 200, the status of the list. Else as
    /// [`Client::projects`].
    pub fn find_smart_project(&self, name: impl Into<String>) -> Result<Project> {
        let name = name.into();
        let filter = ProjectFilter {
            kind: ProjectKind::Smart,
            ..ProjectFilter::default()
        };
        for project in self.projects(&filter) {
            let project = project?;
            if project.name.as_ref() == Some(&name)
                && let Some(uuid) = project.project_uuid
            {
                return Ok(self.smart_project(uuid));
            }
        }
        Err(not_listed(&name))
    }

    /// Makes a handle of the project whose id an answer holds: bare, as `project_uuid` or as
    /// `uuid`.
    fn send_for_project(&self, kind: ProjectKind, call: &Call) -> Result<Project> {
        let answer = self.transport.send(call)?;
        let json = answer.json()?;
        let places = [Some(&json), json.get("project_uuid"), json.get("uuid")];
        let uuid = places.into_iter().flatten().find_map(Value::as_str);
        let uuid = uuid.ok_or_else(|| answer.unreadable("the answer holds no id"))?;
        Ok(self.project_of(kind, uuid))
    }

    /// Lists the projects of one kind: `GET /projects` or `GET /i2i/projects`.
    ///
    /// A page of 100 projects is asked for when the one before is used up. The iterator ends after
    /// an error. Projects that cannot be read are left out.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// use imagen_ai::ProjectFilter;
    ///
    /// let filter = ProjectFilter::default(); // profile-based ones
    /// for project in client.projects(&filter) {
    ///     let project = project?;
    ///     println!("{:?}: {}", project.name, project.status);
    ///     let handle = client
    ///         .project_of(filter.kind, project.project_uuid.unwrap_or_default());
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::info`], for each page.
    pub fn projects(
        &self,
        filter: &ProjectFilter,
    ) -> impl Iterator<Item = Result<ProjectInfo>> + use<> {
        let client = self.clone();
        let filter = filter.clone();
        let mut next = Some(0);
        let pages = iter::from_fn(move || {
            let page = client.projects_page(&filter, next.take()?);
            next = page.as_ref().ok().and_then(|page| page.next);
            Some(page)
        });
        pages.flat_map(|page| match page {
            Ok(page) => page.projects.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Asks for a page of the list.
    fn projects_page(&self, filter: &ProjectFilter, number: u64) -> Result<Page> {
        let mut call = match filter.kind {
            ProjectKind::ProfileBased => Call::get(["projects"]),
            ProjectKind::Smart => Call::get(["i2i", "projects"]),
        };
        call = call
            .field("size", &PAGE_SIZE.to_string())
            .field("page", &number.to_string());
        if filter.kind == ProjectKind::ProfileBased {
            call = call.field("get_thumbnail", "false");
        }
        if let Some(is_archived) = filter.is_archived {
            call = call.field("is_archived", &is_archived.to_string());
        }
        let answer = self.transport.send(&call)?;
        let payload = answer.json()?;
        let projects = answer.list_in(&payload, "projects")?;
        let total = payload.pointer("/pagination/total").and_then(Value::as_u64);
        let is_last = total.is_some_and(|total| (number + 1) * PAGE_SIZE >= total);
        // An empty page ends the list too, whatever the total is by now.
        let has_next = !is_last && !projects.is_empty();
        Ok(Page {
            projects: projects.into_iter().flatten().collect(),
            next: has_next.then_some(number + 1),
        })
    }
}

/// A page of the list of projects.
struct Page {
    projects: Vec<ProjectInfo>,
    /// The number of the next page, if there is one.
    next: Option<u64>,
}

/// Makes the error of a Smart Editing project that the list does not hold. It is of the kind that
/// the service gives for a profile-based one, so that a program handles both alike.
fn not_listed(name: &str) -> Error {
    const OK: u16 = 200;
    Error::Api(Box::new(ApiError {
        status: OK,
        kind: ApiErrorKind::NotFound,
        message: format!("the list holds no project of the name {name:?}"),
        advice: "",
        context: Context {
            method: "GET",
            path: "/i2i/projects".to_owned(),
            status: Some(OK),
            ..Context::default()
        },
    }))
}

/// Which projects [`Client::projects`] lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProjectFilter {
    /// The kind. Default: profile-based.
    pub kind: ProjectKind,
    /// Only archived projects, or only others. Default: `None`, which leaves it to the service.
    pub is_archived: Option<bool>,
}

/// A project: its id, its kind, and the client that reaches it. Cheap to clone and to store.
///
/// Two handles are equal when base URL, kind and id are.
///
/// ```
/// use imagen_ai::{Client, ProjectKind};
///
/// let client = Client::builder("my-key")
///     .base_url("http://localhost:8080/v1")
///     .build()?;
/// let house = client.smart_project("65f3a1c2d4e5f6a7b8c9d0e2");
/// assert_eq!(house.kind(), ProjectKind::Smart);
/// assert_eq!(
///     house,
///     client.clone().smart_project("65f3a1c2d4e5f6a7b8c9d0e2")
/// );
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Project {
    client: Client,
    uuid: String,
    kind: ProjectKind,
}

/// Which files of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Output {
    /// The finished images.
    Jpeg,
    /// The sidecars with the edits, of profile-based projects only. DNG and JPEG files come back
    /// with the edits inside.
    Xmp,
}

impl FromStr for ProjectKind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word.to_ascii_lowercase().as_str() {
            "profile-based" | "regular" => Ok(Self::ProfileBased),
            "smart" | "i2i" => Ok(Self::Smart),
            _ => {
                let why = format!("{word:?}: must be profile-based or smart");
                Err(Error::invalid("kind", why))
            }
        }
    }
}

impl Project {
    /// Returns the project's id, as it was given.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Returns the project's id for an error, without the key, which a program may have mixed up
    /// with it.
    pub(crate) fn shown_uuid(&self) -> String {
        self.client.transport.redact(&self.uuid)
    }

    /// Returns the project's kind.
    pub fn kind(&self) -> ProjectKind {
        self.kind
    }

    /// Returns the client that this project was made by.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks what the service knows of the project: `GET /projects/{uuid}` or `GET
    /// /i2i/projects/{uuid}`.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an id that is empty, `.`, `..`, too long or holds a control
    ///   character; nothing was sent.
    /// - [`Error::Api`]: the service said no. [`NotFound`](ApiErrorKind::NotFound) also comes for a
    ///   handle of the wrong kind.
    /// - [`Error::Network`]: the network or the service failed, in all attempts.
    /// - [`Error::Decode`]: the answer is not what the API promises.
    pub fn info(&self) -> Result<ProjectInfo> {
        let call = Call::get(self.path(&[])?).query("?get_thumbnail=false");
        self.send(&call)?.status_object()
    }

    /// Asks for the presets that [`Image::enhance`](crate::Image::enhance) can apply: `GET
    /// /projects/{uuid}/ai-tools`. The versions of the images, which the same answer holds, are
    /// read by [`Project::history`]. Presets that cannot be read are left out.
    ///
    /// The [vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot) shows this call under "Check version
    /// history". The presets are known from the vendor's clients.
    ///
    /// # Errors
    /// As [`Project::info`]; [`ApiErrorKind::NotReady`] when the project has not been exported or
    /// completed.
    pub fn presets(&self) -> Result<Vec<Preset>> {
        let call = self.ai_tools_call()?;
        let answer = self.send(&call)?;
        let json = answer.json()?;
        let Some(prompts) = json.get("prompts") else {
            return Ok(Vec::new());
        };
        let presets: Vec<Option<Preset>> = items(prompts).unwrap_or_default();
        Ok(presets.into_iter().flatten().collect())
    }

    pub(crate) fn ai_tools_call(&self) -> Result<Call> {
        let query = format!("?project_source={}", self.kind.as_str());
        Ok(Call::get(self.copilot_path(&["ai-tools"])?).query(query))
    }

    /// Asks for links to the project's files, which can be fetched for a while with
    /// [`Client::download_all`]: `GET /projects/{uuid}/export/get_temporary_download_links`
    /// (JPEG), `…/edit/get_temporary_download_links` (XMP) or `GET /i2i/projects/{uuid}/
    /// get_temporary_download_links`.
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::{DownloadOptions, Output};
    ///
    /// let sidecars = project.download_links(Output::Xmp)?;
    /// let files = project.client().download_all(
    ///     &sidecars,
    ///     "sidecars",
    ///     &DownloadOptions::default(),
    /// )?;
    /// println!(
    ///     "{} of {} sidecars",
    ///     files.iter().filter(|file| file.is_ok()).count(),
    ///     sidecars.len()
    /// );
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::presets`]; [`Error::InvalidInput`] for the XMP files of a Smart Editing
    /// project, which has none.
    pub fn download_links(&self, output: Output) -> Result<Vec<DownloadLink>> {
        let call: &[&str] = match (self.kind, output) {
            (ProjectKind::ProfileBased, Output::Jpeg) => {
                &["export", "get_temporary_download_links"]
            }
            (ProjectKind::ProfileBased, Output::Xmp) => &["edit", "get_temporary_download_links"],
            (ProjectKind::Smart, Output::Jpeg) => &["get_temporary_download_links"],
            (ProjectKind::Smart, Output::Xmp) => {
                return Err(Error::invalid("output", "Smart Editing has no XMP files"));
            }
        };
        let links = self
            .send(&Call::get(self.path(call)?))?
            .list("files_list")?;
        Ok(in_their_places(links))
    }

    /// Asks for a link to one finished JPEG: `GET /projects/{uuid}/export/get_download_link` or
    /// `GET /i2i/projects/{uuid}/get_download_link`.
    ///
    /// It replaces a link of [`Project::download_links`] that has expired.
    ///
    /// # Errors
    /// As [`Project::presets`]. An answer without a link is [`Error::Decode`].
    pub fn download_link(&self, file_name: impl Into<String>) -> Result<DownloadLink> {
        let file_name = file_name.into();
        let path: &[&str] = match self.kind {
            ProjectKind::ProfileBased => &["export", ONE_LINK],
            ProjectKind::Smart => &[ONE_LINK],
        };
        let call = Call::get(self.path(path)?).field("file_name", &file_name);
        let answer = self.send(&call)?;
        let link: DownloadLink = answer.object()?;
        if link.download_link.is_none() {
            return Err(answer.unreadable("the answer holds no link"));
        }
        Ok(DownloadLink {
            file_name: Some(file_name),
            ..link
        })
    }

    /// Locks the edits of all images in and has the edited ones upscaled: `POST
    /// /projects/{uuid}/finalize`. It cannot be undone, and no image can be edited afterwards.
    ///
    /// It can take as long as a Copilot edit. It is sent again after a failure, since a second one
    /// changes nothing.
    ///
    /// The links are those of the answer. The vendor's page promises none, so when it brings none
    /// they are asked for with [`Project::download_links`].
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Finalize".
    ///
    /// # Errors
    /// As [`Project::presets`]. When asking for the links fails, the edits are locked in all the
    /// same.
    pub fn finalize(&self) -> Result<Vec<DownloadLink>> {
        let call = Call::post(self.copilot_path(&["finalize"])?)
            .json(&json!({ "project_source": self.kind }))?;
        let answer = self.send(&call)?;
        let links = links_of_finalize(&answer)?;
        if links.is_empty() {
            return self.download_links(Output::Jpeg);
        }
        Ok(links)
    }

    /// Returns the same project for a caller that waits for the service's limit itself: a refused
    /// call returns at once.
    pub(crate) fn returning_refusals(&self) -> Self {
        let mut project = self.clone();
        project.client.transport = self.client.transport.returning_refusals();
        project
    }

    /// Makes a call of this project. The advice of a 404 says what to look at.
    pub(crate) fn send<'c>(&'c self, call: &'c Call) -> Result<Answer<'c>> {
        match self.client.transport.send(call) {
            Err(Error::Api(mut error)) if error.kind == ApiErrorKind::NotFound => {
                error.advice = advice_after_404(call, &error.message);
                Err(Error::Api(error))
            }
            result => result,
        }
    }

    /// Returns the path of this project where projects of its kind stand, with more segments.
    pub(crate) fn path<'a>(&'a self, rest: &[&'a str]) -> Result<Vec<&'a str>> {
        let mut path = self.copilot_path(rest)?;
        if self.kind == ProjectKind::Smart {
            path.insert(0, "i2i");
        }
        Ok(path)
    }

    /// Returns the path of this project for the Copilot API, which is the same for both kinds.
    pub(crate) fn copilot_path<'a>(&'a self, rest: &[&'a str]) -> Result<Vec<&'a str>> {
        check_segment("project_uuid", "id", &self.uuid)?;
        Ok([&["projects", self.uuid.as_str()], rest].concat())
    }
}

/// Reads the links in the answer to `finalize`, which may be empty.
fn links_of_finalize(answer: &Answer<'_>) -> Result<Vec<DownloadLink>> {
    if answer.payload().is_empty() {
        return Ok(Vec::new());
    }
    let json = answer.json()?;
    if !json.is_object() {
        return Err(answer.unreadable("the answer is no object"));
    }
    let Some(files) = json.get("files_list") else {
        return Ok(Vec::new());
    };
    Ok(in_their_places(items(files).unwrap_or_default()))
}

/// Returns all links. One that cannot be read is empty, so that the others keep their places.
fn in_their_places(links: Vec<Option<DownloadLink>>) -> Vec<DownloadLink> {
    links.into_iter().map(Option::unwrap_or_default).collect()
}

/// Says what to look at when the service knows nothing of the kind.
fn advice_after_404(call: &Call, message: &str) -> &'static str {
    let message = message.to_ascii_lowercase();
    let is_of_an_image = call.path.contains("/images/") || call.path.ends_with(ONE_LINK);
    if message.contains("version") {
        ""
    } else if is_of_an_image && !message.contains("project") {
        "use the name of the finished JPEG; Project::images() lists them"
    } else {
        "profile-based and Smart Editing projects are told apart by the handle: \
         Client::project() or Client::smart_project()"
    }
}
