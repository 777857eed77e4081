//! All calls of the API: which method and which path is which.

use crate::project::ProjectKind;
use ProjectKind::{ProfileBased, Smart};

/// A call, with the ids and names in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Profiles,
    SkyTemplates,
    CreateProject(ProjectKind),
    ListProjects(ProjectKind),
    FindProject { name: String },
    ValidateName,
    ProjectInfo(ProjectKind, String),
    UploadLinks(ProjectKind, String),
    BeginPartUpload(String),
    CompletePartUpload { project: String, upload: String },
    AbortPartUpload { project: String, upload: String },
    ProfileEdit(String),
    SmartEdit(String),
    EditStatus(String),
    Export(String),
    ExportStatus(String),
    SidecarLinks(String),
    ImageLinks(ProjectKind, String),
    ImageLink(ProjectKind, String),
    Copilot { project: String, image: String },
    Enhance { project: String, image: String },
    Reset { project: String, image: String },
    AiTools(String),
    Finalize(String),
}

impl Route {
    /// Finds the call of a method and a path, given by its decoded segments under the base URL.
    pub(crate) fn find(method: &str, segments: &[&str]) -> Option<Self> {
        match (method, segments) {
            ("POST", ["projects", ""]) => return Some(Self::CreateProject(ProfileBased)),
            ("POST", ["i2i", "projects", ""]) => return Some(Self::CreateProject(Smart)),
            _ if segments.contains(&"") => return None,
            _ => {}
        }
        match segments {
            ["i2i", rest @ ..] => Self::find_smart(method, rest),
            ["projects", project, "images", image, rest @ ..] => {
                Self::find_image(method, project, image, rest)
            }
            _ => Self::find_other(method, segments),
        }
    }

    fn find_smart(method: &str, segments: &[&str]) -> Option<Self> {
        let route = match (method, segments) {
            ("GET", ["projects"]) => Self::ListProjects(Smart),
            ("GET", ["projects", "is_valid_name"]) => Self::ValidateName,
            ("GET", ["projects", id]) => Self::ProjectInfo(Smart, owned(id)),
            ("POST", ["projects", id, "get_temporary_upload_links"]) => {
                Self::UploadLinks(Smart, owned(id))
            }
            ("POST", ["projects", id, "multipart_uploads"]) => Self::BeginPartUpload(owned(id)),
            ("POST", ["projects", id, "multipart_uploads", upload, "complete"]) => {
                Self::CompletePartUpload {
                    project: owned(id),
                    upload: owned(upload),
                }
            }
            ("DELETE", ["projects", id, "multipart_uploads", upload]) => Self::AbortPartUpload {
                project: owned(id),
                upload: owned(upload),
            },
            ("POST", ["projects", id, "edit"]) => Self::SmartEdit(owned(id)),
            ("GET", ["projects", id, "get_temporary_download_links"]) => {
                Self::ImageLinks(Smart, owned(id))
            }
            ("GET", ["projects", id, "get_download_link"]) => Self::ImageLink(Smart, owned(id)),
            _ => return None,
        };
        Some(route)
    }

    fn find_image(method: &str, project: &str, image: &str, segments: &[&str]) -> Option<Self> {
        let project = owned(project);
        let image = owned(image);
        match (method, segments) {
            ("POST", ["copilot"]) => Some(Self::Copilot { project, image }),
            ("POST", ["enhance"]) => Some(Self::Enhance { project, image }),
            ("DELETE", ["copilot"]) => Some(Self::Reset { project, image }),
            _ => None,
        }
    }

    fn find_other(method: &str, segments: &[&str]) -> Option<Self> {
        let route = match (method, segments) {
            ("GET", ["profiles"]) => Self::Profiles,
            ("GET", ["projects", "sky_replacement", "templates"]) => Self::SkyTemplates,
            ("GET", ["projects"]) => Self::ListProjects(ProfileBased),
            ("GET", ["projects", id]) => Self::ProjectInfo(ProfileBased, owned(id)),
            ("GET", ["projects", name, "uuid"]) => Self::FindProject { name: owned(name) },
            ("POST", ["projects", id, "get_temporary_upload_links"]) => {
                Self::UploadLinks(ProfileBased, owned(id))
            }
            ("POST", ["projects", id, "edit"]) => Self::ProfileEdit(owned(id)),
            ("GET", ["projects", id, "edit", "status"]) => Self::EditStatus(owned(id)),
            ("POST", ["projects", id, "export"]) => Self::Export(owned(id)),
            ("GET", ["projects", id, "export", "status"]) => Self::ExportStatus(owned(id)),
            ("GET", ["projects", id, "edit", "get_temporary_download_links"]) => {
                Self::SidecarLinks(owned(id))
            }
            ("GET", ["projects", id, "export", "get_temporary_download_links"]) => {
                Self::ImageLinks(ProfileBased, owned(id))
            }
            ("GET", ["projects", id, "export", "get_download_link"]) => {
                Self::ImageLink(ProfileBased, owned(id))
            }
            ("GET", ["projects", id, "ai-tools"]) => Self::AiTools(owned(id)),
            ("POST", ["projects", id, "finalize"]) => Self::Finalize(owned(id)),
            _ => return None,
        };
        Some(route)
    }

    /// Returns whether this is a Copilot edit, which costs credits and has a limit.
    pub(crate) fn is_copilot_edit(&self) -> bool {
        matches!(self, Self::Copilot { .. } | Self::Enhance { .. })
    }

    /// Returns whether the connection is held until a picture is done.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_copilot_edit() || matches!(self, Self::Finalize(_))
    }
}

fn owned(segment: &str) -> String {
    segment.to_owned()
}
