//! One image of a project.

use std::collections::HashSet;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{EnhancementFailed, Error, Result};
use crate::project::{Output, Project};
use crate::transport::{Answer, Call, check_segment, is_error};
use crate::types::{
    CopilotEdit, CopilotRequest, EnhanceRequest, Enhancement, EnhancementStatus, ProjectKind,
    SignedUrl, VersionId, lenient,
};

/// The longest instruction, in Unicode code points.
const LONGEST_INSTRUCTION: usize = 255;

/// Where to look when it is not known whether an edit was made.
const ADVICE: &str =
    "the edit may have been made: look at Image::history() before sending it again";

impl Project {
    /// Returns a handle of an image, by the name of the finished JPEG (`DSC_0001.JPEG`), not of the
    /// RAW file that was uploaded. Nothing is sent, and nothing can fail yet: a name that is not
    /// usable is an error of the first call.
    ///
    /// Upper and lower case differ, and so do composed and decomposed accents: give the name as the
    /// service does. [`Project::images`] lists the images.
    pub fn image(&self, file_name: impl Into<String>) -> Image {
        Image {
            project: self.clone(),
            file_name: file_name.into(),
        }
    }

    /// Returns handles of the project's images, from the links to its finished files. No other list
    /// of them is published. Files without a name are left out, and so are repeated names.
    ///
    /// # Errors
    /// As [`Project::download_links`].
    pub fn images(&self) -> Result<Vec<Image>> {
        let links = self.download_links(Output::Jpeg)?;
        let mut images = Vec::with_capacity(links.len());
        let mut seen = HashSet::new();
        for name in links.into_iter().filter_map(|link| link.file_name) {
            // The calls of the API tell images apart by their names alone.
            if seen.insert(name.clone()) {
                images.push(self.image(name));
            }
        }
        Ok(images)
    }
}

/// An image of a project: the finished JPEG of a photo. A handle of its name and its project, cheap
/// to clone and to store, and made by [`Project::image`].
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

    /// Returns the project that the image is in.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Applies a prompt and waits for the result: `POST
    /// /projects/{uuid}/images/{filename}/copilot`. Costs credits.
    ///
    /// The service holds the connection until the edit is done, which can take minutes. A text
    /// alone starts from the unedited image. [`CopilotRequest::parent`] builds on an earlier
    /// version, and the service then overwrites the branch that is not kept. The call is sent a
    /// second time only when the first surely had no effect.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Send a prompt" and "Chain edits".
    ///
    /// ```no_run
    /// # let image = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// use imagen_ai::CopilotRequest;
    ///
    /// let sky = image.copilot("make the sky more blue")?;
    /// let on_top = CopilotRequest::new("brighten the interior").parent(sky.version()?);
    /// let lit = image.copilot(on_top)?;
    /// image.project().client().download(&lit).to_file("lit.jpg")?;
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
    ///   sending it again. An answer without a link to the result is one of these.
    pub fn copilot(&self, request: impl Into<CopilotRequest>) -> Result<Enhancement> {
        let request = request.into();
        let edit = CopilotEdit::Instruction(request.instruction);
        self.apply(&edit, request.parent_version_id.as_ref())
    }

    /// Applies a preset and waits for the result: `POST
    /// /projects/{uuid}/images/{filename}/enhance`. Costs credits.
    ///
    /// It is like [`Image::copilot`], with the [`tool_id`](crate::Preset::tool_id) of a preset for
    /// the instruction. [`Project::presets`] lists the presets.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Preset enhancement".
    ///
    /// # Errors
    /// As [`Image::copilot`]; [`Error::InvalidInput`] for an empty `tool_id`.
    pub fn enhance(&self, request: impl Into<EnhanceRequest>) -> Result<Enhancement> {
        let request = request.into();
        let edit = CopilotEdit::Preset(request.tool_id);
        self.apply(&edit, request.parent_version_id.as_ref())
    }

    /// Discards all Copilot edits of the image: `DELETE
    /// /projects/{uuid}/images/{filename}/copilot`. It is sent again after a failure, since a
    /// second one changes nothing.
    ///
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Reset an image".
    ///
    /// # Errors
    /// As [`Project::presets`].
    pub fn reset(&self) -> Result<()> {
        let body = json!({ "project_source": self.project.kind() });
        let call = Call::delete(self.path("copilot")?).json(&body)?;
        self.project.send(&call)?.empty()
    }

    pub(crate) fn apply(
        &self,
        edit: &CopilotEdit,
        parent_version_id: Option<&VersionId>,
    ) -> Result<Enhancement> {
        check_edit(edit)?;
        let body = Body {
            edit,
            parent_version_id,
            project_source: self.project.kind(),
        };
        let call = Call::post(self.path_of(edit)?).json(&body)?.once(ADVICE);
        let answer = self.project.send(&call)?;
        read_enhancement(&answer)
    }

    /// Returns the path of the call that makes an edit.
    pub(crate) fn path_of(&self, edit: &CopilotEdit) -> Result<Vec<&str>> {
        match edit {
            CopilotEdit::Instruction(_) => self.path("copilot"),
            CopilotEdit::Preset(_) => self.path("enhance"),
        }
    }

    fn path<'a>(&'a self, call: &'a str) -> Result<Vec<&'a str>> {
        check_segment("file_name", "file name", &self.file_name)?;
        self.project
            .copilot_path(&["images", &self.file_name, call])
    }
}

/// Reads the answer to an edit.
fn read_enhancement(answer: &Answer<'_>) -> Result<Enhancement> {
    let told: Told = answer.parse()?;
    let has_error = told.error.as_ref().is_some_and(is_error);
    if has_error || told.status == EnhancementStatus::Failed {
        return Err(Error::EnhancementFailed(Box::new(EnhancementFailed {
            status: answer.redact(told.status.as_str()).into(),
            version_id: told.version_id.filter(|id| can_be_shown(id, answer)),
            message: answer.redact(&answer.message()),
            context: answer.context(),
        })));
    }
    let Some(enhanced_image_url) = told.enhanced_image_url else {
        return Err(answer.unreadable("the answer brings no enhanced_image_url"));
    };
    Ok(Enhancement {
        status: told.status,
        version_id: told.version_id,
        enhanced_image_url,
    })
}

impl Enhancement {
    /// Returns the version to build the next edit on.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the service named no version: going on with "no parent" would
    /// silently start over from the unedited image.
    pub fn version(&self) -> Result<&VersionId> {
        match &self.version_id {
            Some(id) => Ok(id),
            None => Err(Error::invalid(
                "version_id",
                "the service named no version for this edit, and building on \"no version\" would \
                 start over from the unedited image; find it with Image::history()",
            )),
        }
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
    #[serde(default, deserialize_with = "lenient")]
    status: EnhancementStatus,
    #[serde(default, deserialize_with = "exact_id")]
    version_id: Option<VersionId>,
    #[serde(default, deserialize_with = "lenient")]
    enhanced_image_url: Option<SignedUrl>,
    error: Option<Value>,
}

/// Whether an error may hold an id: it has the length of one, and does not repeat the key.
fn can_be_shown(id: &VersionId, answer: &Answer<'_>) -> bool {
    let id = id.to_string();
    answer.redact(&id) == id
}

/// Reads an id with all its digits. One that cannot be read is none.
fn exact_id<'de, D: Deserializer<'de>>(field: D) -> Result<Option<VersionId>, D::Error> {
    let json = Box::<RawValue>::deserialize(field)?;
    Ok(serde_json::from_str(json.get()).ok())
}

/// Refuses an edit that the service would refuse.
pub(crate) fn check_edit(edit: &CopilotEdit) -> Result<()> {
    match edit {
        CopilotEdit::Instruction(text) => check_instruction(text),
        CopilotEdit::Preset(tool_id) if tool_id.trim().is_empty() => Err(Error::invalid(
            "tool_id",
            "empty; Project::presets() lists the presets",
        )),
        CopilotEdit::Preset(_) => Ok(()),
    }
}

fn check_instruction(text: &str) -> Result<()> {
    let length = text.chars().count();
    if !text.trim().is_empty() && length <= LONGEST_INSTRUCTION {
        return Ok(());
    }
    let why = format!(
        "{length} characters (Unicode code points); it must not be empty, all white space, or \
         longer than {LONGEST_INSTRUCTION}"
    );
    Err(Error::invalid("instruction", why))
}

// Here and not in `types`, since its error is of this crate, and `error` imports `types`.
impl FromStr for VersionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::invalid("version_id", "the id is empty"));
        }
        match serde_json::from_str(text) {
            Ok(id) => Ok(id),
            Err(_) => Ok(Self::of_string(text)),
        }
    }
}
