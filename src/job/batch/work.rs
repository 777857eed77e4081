//! How far a batch is with one image.

use std::mem;
use std::time::Duration;

use super::Edited;
use crate::chain::{Chain, Recovery, Step, not_made};
use crate::error::{Error, Result};
use crate::history::History;
use crate::job::steps::SETTLE;
use crate::job::{cannot_tell, shown_path};

/// How often an edit of one image may be lost in a run before the image is given up. Each time it
/// was looked for as long as [`BatchOptions::wait`], and was not made.
const MOST_LOST: u32 = 3;

/// What is done for one image.
pub(super) struct Work {
    /// Its place among the images.
    pub(super) index: usize,
    pub(super) file_name: String,
    /// What the edits gave that were made so far.
    pub(super) steps: Vec<Step>,
    pub(super) standing: Standing,
    /// How often an edit was lost and turned out not to be made.
    pub(super) times_lost: u32,
    /// Whether the callback was told of its end.
    pub(super) is_end_told: bool,
}

/// How an image stands. It has its chain as long as there is something to do for it.
pub(super) enum Standing {
    /// The next edit can be sent.
    Ready(Box<Chain>),
    /// It is not known what became of the last edit. The error says so in the end.
    Lost(Box<Chain>, Error),
    /// It is given up in this run.
    Failed(Error),
    Done,
}

impl Work {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.standing, Standing::Done)
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.standing, Standing::Ready(_))
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.standing, Standing::Lost(..))
    }

    /// Returns for how long a lost edit has been lost.
    pub(super) fn lost_for(&self) -> Option<Duration> {
        match &self.standing {
            Standing::Lost(chain, _) => Some(chain.pending_for()),
            _ => None,
        }
    }

    pub(super) fn is_lost_for(&self, time: Duration) -> bool {
        self.lost_for().is_some_and(|lost_for| lost_for >= time)
    }

    /// Settles a lost edit, if this history tells what became of it.
    pub(super) fn look_in(&mut self, history: &History, time_is_up: bool) {
        let standing = mem::replace(&mut self.standing, Standing::Done);
        let Standing::Lost(mut chain, error) = standing else {
            self.standing = standing;
            return;
        };
        self.standing = match chain.look_in(history, time_is_up) {
            Recovery::Applied(found) => {
                self.found(found, chain.path().len());
                Standing::Ready(chain)
            }
            Recovery::NotApplied => self.give_up_or_send_again(chain, error),
            Recovery::CannotTell { .. } => Standing::Lost(chain, error),
        };
    }

    /// Adds what the history says of the edit of this number, counted from 1. The answer may have
    /// said all but the version.
    fn found(&mut self, found: Step, number: usize) {
        let is_answered = self.steps.len() == number;
        match self.steps.last_mut() {
            Some(step) if is_answered => {
                step.version_id = found.version_id;
                // The link of an answer is newer than that of the history.
                step.url = step.url.take().or(found.url);
            }
            _ => self.steps.push(found),
        }
    }

    /// Lets an edit be sent again that was not made, unless that was done often enough.
    fn give_up_or_send_again(&mut self, chain: Box<Chain>, error: Error) -> Standing {
        self.times_lost += 1;
        match error {
            Error::OutcomeUnknown(e) if self.times_lost >= MOST_LOST => {
                Standing::Failed(not_made(*e))
            }
            _ => Standing::Ready(chain),
        }
    }

    /// Returns why not all edits were made, of which there are so many.
    pub(super) fn error(&self, edits: usize) -> Option<&Error> {
        match &self.standing {
            // The last edit may be answered and lack its version: nothing is built on it.
            Standing::Lost(_, error) if self.steps.len() < edits => Some(error),
            Standing::Failed(error) => Some(error),
            Standing::Ready(_) | Standing::Lost(..) | Standing::Done => None,
        }
    }

    pub(super) fn outcome(self, edits: usize) -> Result<Edited> {
        match self.error(edits) {
            Some(error) => Err(error.copy()),
            None => Ok(Edited {
                file_name: self.file_name,
                steps: self.steps,
            }),
        }
    }
}

/// Makes the error of an edit of an earlier run, or of one whose version is not known.
pub(super) fn unknown(chain: &Chain) -> Error {
    let message = match chain.pending() {
        Some(pending) if pending.is_answered() => {
            "the edit was made, as a version that is not known"
        }
        Some(pending) if pending.made => {
            "the edit was answered with a success that could not be read"
        }
        _ => "the edit was sent, and the history does not tell what became of it",
    };
    let image = chain.image();
    let path = match chain.pending() {
        Some(pending) => image.path_of(&pending.edit).unwrap_or_default(),
        None => Vec::new(),
    };
    let path = shown_path(image.project(), &path);
    cannot_tell(path, message.to_owned(), SETTLE)
}
