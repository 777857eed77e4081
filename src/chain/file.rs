//! The file of a saved chain.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::state::State;
use crate::download::{Overwrite, PartFile};
use crate::error::{Error, Result};
use crate::image::Image;

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Saved {
    /// The form of the file, and which image of which project it is of.
    of: String,
    chain: State,
}

/// Reads the file, or makes it if there is none.
pub(super) fn open(image: &Image, path: &Path) -> Result<State> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let state = State::default();
            save(image, &state, path)?;
            return Ok(state);
        }
        Err(e) => return Err(Error::io(path, e)),
    };

    let saved: Saved = serde_json::from_slice(&text).map_err(|e| {
        let why = format!("no saved chain of the form 1, or one that was cut short ({e})");
        refuse(path, &why)
    })?;
    let expected = heading(image);
    if saved.of != expected {
        let why = format!("a saved chain of {}, not of {expected}", saved.of);
        return Err(refuse(path, &why));
    }

    let mut state = saved.chain;
    // Between two processes others may have made versions. While an edit is out, what was known
    // before it stays.
    if state.pending.is_none() {
        state.known = None;
    }
    Ok(state)
}

/// Replaces the file as a whole, so that a process that is killed leaves the old one or the new
/// one.
pub(super) fn save(image: &Image, state: &State, path: &Path) -> Result<()> {
    let saved = Saved {
        of: heading(image),
        chain: state.clone(),
    };
    let mut part = PartFile::create(path)?;
    let text = serde_json::to_vec(&saved).map_err(|e| Error::io(path, io::Error::from(e)))?;
    part.file.write_all(&text).map_err(|e| Error::io(path, e))?;
    part.publish(Overwrite::Always)?;
    Ok(())
}

fn heading(image: &Image) -> String {
    let project = image.project();
    let name = image.file_name();
    let kind = project.kind().as_str();
    let uuid = project.uuid();
    format!("form 1: {name:?} of the {kind} project {uuid:?}")
}

fn refuse(path: &Path, why: &str) -> Error {
    Error::invalid(
        "path",
        format!("{}: {why}; it was not changed", path.display()),
    )
}
