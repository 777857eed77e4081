//! One photo of a project.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::project::{Project, SourceBody};
use crate::transport::{Call, Path};
use crate::types::{CopilotRequest, EnhanceRequest, Enhancement, ProjectSource, VersionId};

/// The longest instruction, in Unicode code points.
const MAX_INSTRUCTION: usize = 255;

impl Project {
    /// A photo, by the name of its finished JPEG (`DSC_0001.JPEG`), not of the RAW file that was uploaded. Nothing is
    /// sent, and nothing can fail yet: a name that is not usable is an error of the first call.
    ///
    /// Upper and lower case differ, and so do composed and decomposed accents: give the name as the service does.
    pub fn image(&self, file_name: impl Into<String>) -> Image {
        Image {
            project: self.clone(),
            file_name: file_name.into(),
        }
    }
}

/// A photo: its file name and its project. Cheap to clone and to store.
///
/// Made by [`Project::image`].
#[derive(Clone, Debug)]
pub struct Image {
    project: Project,
    file_name: String,
}

#[derive(Serialize)]
struct CopilotBody<'a> {
    instruction: &'a str,
    parent_version_id: Option<&'a VersionId>,
    project_source: ProjectSource,
}

#[derive(Serialize)]
struct EnhanceBody<'a> {
    tool_id: &'a str,
    parent_version_id: Option<&'a VersionId>,
    project_source: ProjectSource,
}

impl Image {
    /// The file name, as it was given.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The project that the photo is in.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Applies a prompt and waits for the picture: `POST /projects/{uuid}/images/{filename}/copilot`.
    ///
    /// The service holds the connection until the picture is done, which can take minutes. A text alone starts from
    /// the unedited photo; [`CopilotRequest::parent`] builds on an earlier version, and the service then overwrites
    /// the branch that is not kept. Every call costs credits, so it is sent a second time only when the first surely
    /// had no effect.
    ///
    /// Vendor's page, Copilot API, "Send a prompt" and "Chain edits".
    ///
    /// ```no_run
    /// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// use imagen_ai::CopilotRequest;
    ///
    /// let sky = photo.copilot("make the sky more blue")?;
    /// let lit = photo.copilot(CopilotRequest::new("brighten the interior").parent(sky.version()?))?;
    /// photo.project().client().download(&lit).to_file("lit.jpg")?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an instruction that is empty, only white space, or longer than 255 code points; an id
    ///   or a file name that is empty, `.`, `..`, too long or holds a control character. Nothing was sent.
    /// - [`Error::Api`]: the service said no;
    ///   [`NotReady`](crate::ApiErrorKind::NotReady) when the project has not been exported or completed,
    ///   [`RealisticOnly`](crate::ApiErrorKind::RealisticOnly) when it judges the instruction generative.
    /// - [`Error::EnhancementFailed`]: a 2xx that says that the edit failed, or brings no picture. In the second case a
    ///   version may exist all the same.
    /// - [`Error::NotSent`]: nothing reached the service, after all attempts.
    /// - [`Error::OutcomeUnknown`]: the edit may have been made; look at [`Image::history`] before sending it again.
    pub fn copilot(&self, request: impl Into<CopilotRequest>) -> Result<Enhancement> {
        let request = request.into();
        check_instruction(&request.instruction)?;
        let body = CopilotBody {
            instruction: &request.instruction,
            parent_version_id: request.parent_version_id.as_ref(),
            project_source: self.project.source(),
        };
        self.edit("/copilot", &body)
    }

    /// Applies a preset and waits for the picture: `POST /projects/{uuid}/images/{filename}/enhance`. Like
    /// [`Image::copilot`], with the [`enhancement_type`](crate::AiTool::enhancement_type) of a preset for the
    /// instruction; [`Project::ai_tools`] lists them.
    ///
    /// Vendor's page, Copilot API, "Preset enhancement".
    ///
    /// ```no_run
    /// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// use imagen_ai::EnhanceRequest;
    ///
    /// let staged = photo.enhance("virtual_staging")?;
    /// if let Some(tool) = photo.project().ai_tools()?.prompts.first() {
    ///     photo.enhance(EnhanceRequest::from(tool).parent(staged.version()?))?;
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Image::copilot`]; [`Error::InvalidInput`] for an empty `tool_id`.
    pub fn enhance(&self, request: impl Into<EnhanceRequest>) -> Result<Enhancement> {
        let request = request.into();
        check_preset(&request.tool_id)?;
        let body = EnhanceBody {
            tool_id: &request.tool_id,
            parent_version_id: request.parent_version_id.as_ref(),
            project_source: self.project.source(),
        };
        self.edit("/enhance", &body)
    }

    /// Discards all Copilot edits of the photo: `DELETE /projects/{uuid}/images/{filename}/copilot`. It is sent again
    /// after a failure, since a second one changes nothing.
    ///
    /// Vendor's page, Copilot API, "Reset an image".
    ///
    /// ```no_run
    /// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// photo.reset()?;
    /// println!("{} is unedited again", photo.file_name());
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::ai_tools`].
    pub fn reset(&self) -> Result<()> {
        let body = SourceBody {
            project_source: self.project.source(),
        };
        let call = Call::delete(self.path()?.then("/copilot"), &body)?.small();
        self.project.client().transport.nothing(&call)
    }

    fn edit(&self, end: &str, body: &impl Serialize) -> Result<Enhancement> {
        let call = Call::post(self.path()?.then(end), body)?.only_once().small();
        self.project.client().transport.edit(&call)
    }

    fn path(&self) -> Result<Path> {
        self.project.path()?.then("/images").segment("image", &self.file_name)
    }
}

pub(crate) fn check_instruction(instruction: &str) -> Result<()> {
    let length = instruction.chars().count();
    if instruction.trim().is_empty() {
        return Err(Error::invalid(
            "instruction",
            format!("empty; it must have 1 to {MAX_INSTRUCTION} characters that are not all white space"),
        ));
    }
    if length > MAX_INSTRUCTION {
        return Err(Error::invalid(
            "instruction",
            format!("{length} characters (Unicode code points); the limit is {MAX_INSTRUCTION}"),
        ));
    }
    Ok(())
}

pub(crate) fn check_preset(tool_id: &str) -> Result<()> {
    if tool_id.trim().is_empty() {
        return Err(Error::invalid(
            "tool_id",
            "empty; Project::ai_tools() lists the presets",
        ));
    }
    Ok(())
}
