//! What a chain remembers.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::step::Pending;
use crate::history::{History, ImageHistory};
use crate::types::VersionId;

/// What a chain remembers. It holds no key, no URL and no time.
///
/// Once an edit was sent, [`State::apply`] alone changes it, so that it can be rebuilt from the
/// changes that were kept. While `pending` is set, nothing is sent, and `known` stays what it was
/// before that edit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The versions from the first edit that is known to where the chain stands.
    pub(crate) path: Vec<VersionId>,
    /// Whether it is not known what the first of them was built on.
    pub(crate) is_root_unknown: bool,
    pub(crate) pending: Option<Pending>,
    /// The versions that there were before the pending edit, or are before the next. `None` until
    /// a history was read, all of it.
    pub(crate) known: Option<HashSet<VersionId>>,
}

/// A change of a chain, as it is kept beyond the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// An edit is about to be sent. It costs credits.
    Sending {
        pending: Pending,
        /// The versions before it, as in [`State::known`].
        known: Option<HashSet<VersionId>>,
    },
    /// The answer was lost.
    Lost,
    /// The edit was made.
    Made(VersionId),
    /// The service said that it made the edit, and did not name the version.
    MadeUnnamed,
    /// The service answered with a success that could not be read.
    MadeUnread,
    /// The edit was not made.
    NotMade,
    /// The edit failed, and its version may still appear.
    Failed,
    /// The program or a person moved the chain, which is this from now on.
    Moved(State),
    /// All edits of the image are about to be discarded.
    Resetting,
    /// The service refused to discard them: the chain is this, as before.
    NotReset(State),
}

impl State {
    /// Makes a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Sending { pending, known } => {
                self.pending = Some(pending.clone());
                self.known.clone_from(known);
            }
            Change::Lost => {}
            Change::Made(version) => self.step_to(version.clone()),
            Change::MadeUnnamed | Change::MadeUnread => {
                if let Some(pending) = &mut self.pending {
                    pending.made = true;
                    pending.is_unread = matches!(change, Change::MadeUnread);
                }
            }
            Change::NotMade => self.pending = None,
            Change::Failed => self.give_up_pending(),
            Change::Moved(state) | Change::NotReset(state) => self.clone_from(state),
            Change::Resetting => *self = Self::default(),
        }
    }

    /// Moves to a version. If an edit is pending and the version is new, it is taken for that edit.
    pub(super) fn branch_from(&mut self, version: VersionId) {
        let was_pending = self.pending.take().is_some();
        let known = self.known.take().unwrap_or_default();
        if let Some(index) = self.path.iter().position(|id| *id == version) {
            self.path.truncate(index + 1);
        } else if was_pending && !known.contains(&version) {
            self.path.push(version);
        } else {
            self.path = vec![version];
            self.is_root_unknown = true;
        }
    }

    /// Whether it is known what the current version was built on.
    pub(super) fn can_step_back(&self) -> bool {
        match self.path.len() {
            0 => false,
            1 => !self.is_root_unknown,
            _ => true,
        }
    }

    /// Moves to the version before.
    pub(super) fn step_back(&mut self) {
        self.path.pop();
    }

    /// Moves to the version that the pending edit made.
    fn step_to(&mut self, version: VersionId) {
        self.pending = None;
        if let Some(known) = &mut self.known {
            known.insert(version.clone());
        }
        self.path.push(version);
    }

    /// Forgets the pending edit, and what was known before it: it may still appear.
    pub(super) fn give_up_pending(&mut self) {
        self.pending = None;
        self.known = None;
    }

    /// Remembers which versions of the image there are. If some could not be read, it cannot be
    /// told which ones are new.
    pub(crate) fn learn(&mut self, history: &History, file_name: &str) {
        if history.unread() > 0 {
            self.known = None;
            return;
        }
        let image = history.get(file_name);
        let versions = image.map(ImageHistory::versions).unwrap_or_default();
        self.known = Some(versions.iter().map(|version| version.id.clone()).collect());
    }
}
