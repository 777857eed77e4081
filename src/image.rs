//! One photo of a project.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{EnhancementFailed, Error, Result};
use crate::project::{Output, Project};
use crate::transport::{Call, check_segment};
use crate::types::{
    CopilotEdit, CopilotRequest, EnhanceRequest, Enhancement, EnhancementStatus, ProjectKind,
    SignedUrl, VersionId,
};

/// The longest instruction, in Unicode code points.
const LONGEST_INSTRUCTION: usize = 255;

/// Where to look when it is not known whether an edit was made.
const ADVICE: &str =
    "the edit may have been made: look at Image::history() before sending it again";

impl Project {
    /// Returns a handle of a photo, by the name of its finished JPEG (`DSC_0001.JPEG`), not of the
    /// RAW file that was uploaded. Nothing is sent, and nothing can fail yet: a name that is
    /// not usable is an error of the first call.
    ///
    /// Upper and lower case differ, and so do composed and decomposed accents: give the name as the
    /// service does. [`Project::images`] lists them.
    pub fn image(&self, file_name: impl Into<String>) -> Image {
        Image {
            project: self.clone(),
            file_name: file_name.into(),
        }
    }

    /// Returns handles of the project's photos, from the links to its finished files. No other list
    /// of them is published.
    ///
    /// # Errors
    /// As [`Project::download_links`].
    pub fn images(&self) -> Result<Vec<Image>> {
        let links = self.download_links(Output::Jpeg)?;
        Ok(links
            .into_iter()
            .filter_map(|link| Some(self.image(link.file_name?)))
            .collect())
    }
}

/// A photo: its file name and its project. Cheap to clone and to store, and made by
/// [`Project::image`].
///
/// Two handles are equal when base URL, kind and id of the project, and the name are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    project: Project,
    file_name: String,
}

impl Image {
    /// Returns the file name, as it was given.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the project that the photo is in.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Applies a prompt and waits for the picture: `POST
    /// /projects/{uuid}/images/{filename}/copilot`.
    ///
    /// The service holds the connection until the picture is done, which can take minutes. A text
    /// alone starts from the unedited photo; [`CopilotRequest::parent`] builds on an earlier
    /// version, and the service then overwrites the branch that is not kept. Every call costs
    /// credits, so it is sent a second time only when the first surely had no effect.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Send a prompt" and "Chain edits".
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
    /// - [`Error::InvalidInput`]: an instruction that is empty, only white space, or longer than
    ///   255 code points; an id or a file name that is empty, `.`, `..`, too long or holds a
    ///   control character. Nothing was sent.
    /// - [`Error::Api`]: the service said no; [`NotReady`](crate::ApiErrorKind::NotReady) when the
    ///   project has not been exported or completed,
    ///   [`RealisticOnly`](crate::ApiErrorKind::RealisticOnly) when it judges the instruction
    ///   generative.
    /// - [`Error::EnhancementFailed`]: a 2xx that says that the edit failed.
    /// - [`Error::Network`]: nothing reached the service, in all attempts.
    /// - [`Error::OutcomeUnknown`]: the edit may have been made; look at [`Image::history`] before
    ///   sending it again. An answer that brings no picture is one of these.
    pub fn copilot(&self, request: impl Into<CopilotRequest>) -> Result<Enhancement> {
        let CopilotRequest {
            instruction,
            parent_version_id,
        } = request.into();
        self.apply(
            &CopilotEdit::Instruction(instruction),
            parent_version_id.as_ref(),
        )
    }

    /// Applies a preset and waits for the picture: `POST
    /// /projects/{uuid}/images/{filename}/enhance`. Like [`Image::copilot`], with the
    /// [`enhancement_type`](crate::Preset::tool_id) of a preset for the instruction;
    /// [`Project::presets`] lists them.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Preset enhancement".
    ///
    /// # Errors
    /// As [`Image::copilot`]; [`Error::InvalidInput`] for an empty `tool_id`.
    pub fn enhance(&self, request: impl Into<EnhanceRequest>) -> Result<Enhancement> {
        let EnhanceRequest {
            tool_id,
            parent_version_id,
        } = request.into();
        self.apply(&CopilotEdit::Preset(tool_id), parent_version_id.as_ref())
    }

    /// Discards all Copilot edits of the photo: `DELETE
    /// /projects/{uuid}/images/{filename}/copilot`. It is sent again after a failure, since a
    /// second one changes nothing.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Reset an image".
    ///
    /// # Errors
    /// As [`Project::presets`].
    pub fn reset(&self) -> Result<()> {
        let call = Call::new("DELETE", &self.path("copilot")?)
            .json(&json!({ "project_source": self.project.kind() }))?;
        self.project.send(&call)?.empty()
    }

    pub(crate) fn apply(
        &self,
        edit: &CopilotEdit,
        parent_version_id: Option<&VersionId>,
    ) -> Result<Enhancement> {
        check_edit(edit)?;
        let path = self.path(if matches!(edit, CopilotEdit::Instruction(_)) {
            "copilot"
        } else {
            "enhance"
        })?;
        let body = Body {
            edit,
            parent_version_id,
            project_source: self.project.kind(),
        };
        let call = Call::post(path).json(&body)?.once(ADVICE);
        let answer = self.project.send(&call)?;
        let Told {
            status,
            version_id,
            enhanced_image_url,
            error,
        } = answer.parse()?;
        let status: EnhancementStatus = serde_json::from_value(status).unwrap_or_default();
        let version_id = version_id.and_then(|id| serde_json::from_str(id.get()).ok());
        if error.is_some() || status == EnhancementStatus::Failed {
            let (status, message) = (
                answer.redact(status.as_str()).into(),
                answer.redact(&answer.message()),
            );
            let failed = EnhancementFailed {
                status,
                version_id,
                message,
                context: answer.context(),
            };
            return Err(Error::EnhancementFailed(Box::new(failed)));
        }
        match enhanced_image_url.map(SignedUrl::try_from) {
            Some(Ok(enhanced_image_url)) => Ok(Enhancement {
                status,
                version_id,
                enhanced_image_url,
            }),
            _ => Err(answer.unreadable("the answer brings no enhanced_image_url")),
        }
    }

    fn path<'a>(&'a self, call: &'a str) -> Result<Vec<&'a str>> {
        check_segment("file_name", "file name", &self.file_name)?;
        self.project
            .copilot_path(&["images", &self.file_name, call])
    }
}

impl Enhancement {
    /// Returns the version to build the next edit on.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the service named no version: going on with "no parent" would
    /// silently start over from the unedited photo.
    pub fn version(&self) -> Result<&VersionId> {
        let why = "the service named no version for this edit, and building on \"no version\" would start over from the \
                   unedited photo; find it with Image::history()";
        self.version_id
            .as_ref()
            .ok_or_else(|| Error::invalid("version_id", why))
    }
}

/// The body of an edit.
#[derive(Serialize)]
struct Body<'b> {
    #[serde(flatten)]
    edit: &'b CopilotEdit,
    parent_version_id: Option<&'b VersionId>,
    project_source: ProjectKind,
}

/// What an answer says of an edit.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    status: Value,
    /// The text, in which a number has all its digits.
    version_id: Option<Box<RawValue>>,
    enhanced_image_url: Option<String>,
    error: Option<IgnoredAny>,
}

/// Refuses an edit that the service would refuse.
pub(crate) fn check_edit(edit: &CopilotEdit) -> Result<()> {
    match edit {
        CopilotEdit::Instruction(text)
            if text.trim().is_empty() || text.chars().count() > LONGEST_INSTRUCTION =>
        {
            let length = text.chars().count();
            let rule = format!(
                "it must not be empty, all white space, or longer than {LONGEST_INSTRUCTION}"
            );
            Err(Error::invalid(
                "instruction",
                format!("{length} characters (Unicode code points); {rule}"),
            ))
        }
        CopilotEdit::Preset(tool_id) if tool_id.trim().is_empty() => Err(Error::invalid(
            "tool_id",
            "empty; Project::presets() lists the presets",
        )),
        _ => Ok(()),
    }
}
