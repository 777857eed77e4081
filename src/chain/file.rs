//! The file of a saved chain.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Chain;
use super::state::State;
use crate::download::{Overwrite, PartFile};
use crate::error::{Error, Result};
use crate::image::Image;

impl Image {
    /// Goes on with the chain that is saved in a file. If there is no such file, it starts a chain
    /// at the unedited image and makes the file. Nothing is sent.
    ///
    /// The chain keeps the file up to date: it is written before each edit is sent, after each
    /// known outcome, and by the methods that move the chain. So a program that was killed in
    /// the middle of an edit finds out what became of it.
    ///
    /// ```no_run
    /// # let image = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// use imagen_ai::{Recovery, Wait};
    ///
    /// let wait = Wait::for_an_edit();
    /// let mut edits = image.chain_saved_in("edits.json")?.recovering(wait.clone());
    /// if edits.pending().is_some() {
    ///     if let Recovery::CannotTell { candidates } = edits.recover(&wait)? {
    ///         panic!("a person has to look at {candidates:?}");
    ///     }
    /// }
    /// let all = ["make the sky more blue", "brighten the interior", "warm evening light"];
    /// for instruction in &all[edits.path().len()..] {
    ///     edits.copilot(*instruction)?;
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # The file
    /// It holds the project's id and kind, the image's name, ids of versions, and the edit that is
    /// out with its time; no key and no URL. It is replaced as a whole, by way of a file of the
    /// same name with `.imagen-part` added. A power cut in the seconds after that may bring the
    /// file before back. Only one chain at a time may use it.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: the file is that of another image, project or kind of project,
    ///   has a form that this version does not know, is cut short, or is something else. It is not
    ///   changed.
    /// - [`Error::Io`]: it cannot be read or made.
    pub fn chain_saved_in(&self, path: impl Into<PathBuf>) -> Result<Chain> {
        let file = path.into();
        let state = open(self, &file)?;
        let mut chain = Chain::restored(self.clone(), state);
        chain.file = Some(file);
        Ok(chain)
    }
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Saved {
    /// The form of the file, and which image of which project it is of.
    of: String,
    chain: State,
}

/// Reads the file, or makes it if there is none.
fn open(image: &Image, path: &Path) -> Result<State> {
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
