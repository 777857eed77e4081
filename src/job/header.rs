//! The first line of a job's file: which job it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::ProjectKind;

/// The form of the file. A version of this crate that writes other lines has another number, and
/// refuses the files of this one, or reads both.
const FORM: u32 = 1;

/// The first line of a file: which job it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "imagen_job")]
    form: u32,
    pub(super) base_url: String,
    pub(super) kind: ProjectKind,
    #[serde(flatten)]
    pub(super) begun: Begun,
}

/// What the first line of every form has.
#[derive(Deserialize)]
struct Form {
    imagen_job: u32,
}

/// How a job was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Begun {
    /// With a new project of this name.
    Name(String),
    /// With the project that has this id.
    Project(String),
}

impl Header {
    pub(super) fn new(base_url: &str, kind: ProjectKind, begun: Begun) -> Self {
        Self {
            form: FORM,
            base_url: base_url.to_owned(),
            kind,
            begun,
        }
    }

    /// Reads the first line of a file. The error says why it is not a job's.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let Ok(Form { imagen_job: form }) = serde_json::from_slice(line) else {
            return Err("it is no job's file".to_owned());
        };
        if form != FORM {
            return Err(format!(
                "its form is {form}, and this version knows the form {FORM}"
            ));
        }
        serde_json::from_slice(line).map_err(|_| "line 1 cannot be read".to_owned())
    }

    /// Compares the header of a file with the one that is expected. The error says what differs.
    pub(super) fn compare(&self, found: &Self) -> Result<(), String> {
        let mut differences = Vec::new();
        if self.begun != found.begun {
            differences.push(format!("of {}, not of {}", found.begun, self.begun));
        }
        if self.kind != found.kind {
            differences.push(format!("{}, not {}", found.kind, self.kind));
        }
        if self.base_url != found.base_url {
            differences.push(format!("at {}, not at {}", found.base_url, self.base_url));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!("it is another job: {}", differences.join("; ")))
    }
}

impl fmt::Display for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "a new project {name:?}"),
            Self::Project(uuid) => write!(f, "the project with the id {uuid:?}"),
        }
    }
}
