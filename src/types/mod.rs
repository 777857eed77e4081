//! The plain structs and enums of the wire.
//!
//! Field names are the service's own. Structs that the service may extend are `#[non_exhaustive]` and keep the
//! fields they do not know in `extra`.

mod edit;
mod fields;
mod project;
mod redact;
mod tools;
mod version_id;

pub(crate) use self::edit::EnhancementAnswer;
pub use self::edit::{CopilotRequest, EnhanceRequest, Enhancement, EnhancementStatus};
pub use self::project::{DownloadLink, Finalized, ProjectInfo, ProjectSource, ProjectStatus};
pub(crate) use self::redact::{RedactedMap, RedactedUrl};
pub use self::tools::{AiTool, AiTools};
pub use self::version_id::VersionId;
