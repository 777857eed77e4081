//! Where a chain starts.

use super::Chain;
use super::state::State;
use crate::error::{Error, Result};
use crate::history::{History, Version};
use crate::image::Image;
use crate::types::VersionId;

impl Image {
    /// Starts a chain at the unedited image. Nothing is sent.
    ///
    /// If the image has versions already, the service drops them once the first edit has made
    /// another branch; [`Image::chain_from_latest`] builds on them.
    pub fn chain(&self) -> Chain {
        Chain::restored(self.clone(), State::default())
    }

    /// Starts a chain at this version. Nothing is sent, so a version that does not exist is an
    /// error of the first edit.
    pub fn chain_from(&self, version: impl Into<VersionId>) -> Chain {
        let mut chain = self.chain();
        chain.state.branch_from(version.into());
        chain
    }

    /// Asks for the history and starts a chain at the newest version
    /// ([`ImageHistory::latest`](crate::ImageHistory::latest)), or at the unedited image if the
    /// history lists it without versions.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: the history does not list the image, holds versions that could
    ///   not be read, or does not tell which version is the newest. A chain that starts too early
    ///   would overwrite a branch.
    /// - Those of [`Project::history`](crate::Project::history).
    pub fn chain_from_latest(&self) -> Result<Chain> {
        let history = self.project().history()?;
        let Some(path) = path_to_latest(&history, self.file_name()) else {
            return Err(Error::invalid(
                "history",
                "it does not list the image, or does not tell for sure which version is the \
                 newest; Image::chain_from() starts where you say",
            ));
        };

        let mut state = State::default();
        if let Some(first) = path.first() {
            state.is_root_unknown = !first.parent_told || first.parent.is_some();
        }
        state.path = path.iter().map(|version| version.id.clone()).collect();
        state.learn(&history, self.file_name());
        Ok(Chain::restored(self.clone(), state))
    }
}

/// Returns the versions up to the newest one. `None` if the history does not tell which that is.
fn path_to_latest<'h>(history: &'h History, file_name: &str) -> Option<Vec<&'h Version>> {
    if history.unread() > 0 {
        return None;
    }
    let image = history.get(file_name)?;
    if image.versions().is_empty() {
        return Some(Vec::new());
    }
    let latest = image.latest()?;
    Some(image.path_to(&latest.id))
}
