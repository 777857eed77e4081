//! A project.

use serde::Serialize;

use crate::client::Client;
use crate::error::Result;
use crate::transport::{Call, Path};
use crate::types::{AiTools, Finalized, ProjectInfo, ProjectSource};

impl Client {
    /// A profile-based project (`project_source` `REGULAR`), by its id. Nothing is sent, and nothing can fail yet: an
    /// id that is not usable is an error of the first call.
    pub fn project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(project_uuid.into(), ProjectSource::Regular)
    }

    /// A Smart Editing project (`project_source` `I2I`), by its id. Like [`Client::project`].
    pub fn i2i_project(&self, project_uuid: impl Into<String>) -> Project {
        self.project_of(project_uuid.into(), ProjectSource::I2i)
    }

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
#[derive(Clone, Debug)]
pub struct Project {
    client: Client,
    uuid: String,
    source: ProjectSource,
}

/// The body of the calls that need no other word.
#[derive(Serialize)]
pub(crate) struct SourceBody {
    pub(crate) project_source: ProjectSource,
}

impl Project {
    /// The project's id, as it was given.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// How the project was edited.
    pub fn source(&self) -> ProjectSource {
        self.source
    }

    /// The client that this project was made by.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks what the service knows of the project: `GET /projects/{uuid}` or `GET /i2i/projects/{uuid}`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for an id that is no name;
    /// [`Error::Api`](crate::Error::Api) when the service says no;
    /// [`Error::NotSent`](crate::Error::NotSent), [`Error::Transport`](crate::Error::Transport) and
    /// [`Error::Decode`](crate::Error::Decode) as for every call that changes nothing.
    pub fn info(&self) -> Result<ProjectInfo> {
        let path = match self.source {
            ProjectSource::Regular => self.path()?,
            ProjectSource::I2i => Path::new("/i2i/projects").segment("project", &self.uuid)?,
        };
        self.client.json(&Call::get(path).query("?get_thumbnail=false"))
    }

    /// Asks for the presets that can be applied, and whatever else the answer brings: `GET /projects/{uuid}/ai-tools`.
    ///
    /// Vendor's page, Copilot API, "Check version history". For the versions themselves there is
    /// [`Project::history`].
    ///
    /// # Errors
    /// As [`Project::info`]; [`ApiErrorKind::NotReady`](crate::ApiErrorKind::NotReady) when the project has not been
    /// exported or completed.
    pub fn ai_tools(&self) -> Result<AiTools> {
        self.client.json(&self.ai_tools_call()?)
    }

    pub(crate) fn ai_tools_call(&self) -> Result<Call> {
        let query = match self.source {
            ProjectSource::Regular => "?project_source=REGULAR",
            ProjectSource::I2i => "?project_source=I2I",
        };
        Ok(Call::get(self.path()?.then("/ai-tools")).query(query))
    }

    /// Locks the edits of all photos in and has the edited ones upscaled: `POST /projects/{uuid}/finalize`. It can
    /// take as long as an edit, and is sent again after a failure, since a second one changes nothing.
    ///
    /// Vendor's page, Copilot API, "Finalize".
    ///
    /// # Errors
    /// As [`Project::ai_tools`].
    pub fn finalize(&self) -> Result<Finalized> {
        let body = SourceBody {
            project_source: self.source,
        };
        self.client
            .json_or_default(&Call::post(self.path()?.then("/finalize"), &body)?)
    }

    /// The path of this project below the base URL.
    pub(crate) fn path(&self) -> Result<Path> {
        Path::new("/projects").segment("project", &self.uuid)
    }
}
