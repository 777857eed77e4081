//! What is known of a job: the sum of the lines of its file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use super::line::{Event, Line};
use crate::chain::{Change, State};
use crate::edit::{EditOptions, StepStatus};
use crate::types::{CopilotEdit, ProjectStatus, VersionId};

/// What is known of a job. It is changed by [`Record::apply`] alone, in the order of the lines.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Whether the project was asked for and the answer is not known.
    pub(super) is_creating: bool,
    /// The project's id, once it is known.
    pub(super) project: Option<String>,
    /// The length of each photo that has arrived, by its name.
    pub(super) photos: HashMap<String, u64>,
    pub(super) edit: Started,
    pub(super) export: Started,
    /// In the order of the names, as a report has them.
    pub(super) images: BTreeMap<String, ImageRecord>,
    pub(super) finalizing: Finalizing,
    /// The finished files that the job has written, or was about to, by the folder.
    files: HashMap<String, HashSet<String>>,
}

/// How far the edit or the export of the project is.
#[derive(Debug, Default)]
pub(super) struct Started {
    pub(super) phase: Phase,
    /// The options of the edit that was sent last.
    pub(super) options: Option<EditOptions>,
    /// Whether a person said that the service has not begun what was sent. Then it may be sent
    /// whatever its status is.
    pub(super) is_assumed_not_done: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Phase {
    /// Nothing was sent that had an effect.
    #[default]
    NotBegun,
    /// It was announced, and no answer is known.
    Unanswered {
        before: Option<ProjectStatus>,
        /// When this process learned that the answer is lost.
        since: Instant,
    },
    /// The service has begun it, or is going to.
    Accepted,
    /// The service said that it failed.
    Failed,
    /// It is done. This was the service's last word.
    Done(StepStatus),
}

/// How far the finalizing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Finalizing {
    #[default]
    NotBegun,
    /// It was announced: it may have been done.
    Announced,
    Done,
}

/// What is known of an image.
#[derive(Debug)]
pub(super) struct ImageRecord {
    pub(super) chain: State,
    /// Which edit made a version.
    made_by: Vec<(VersionId, CopilotEdit)>,
    /// The edit that was asked for last, if it was not made and nobody decided to go on without.
    pub(super) not_made: Option<CopilotEdit>,
    /// When this process learned of the last change.
    pub(super) since: Instant,
}

impl Record {
    /// Adds what a line says. `now` is when this process learns of it.
    pub(super) fn apply(&mut self, line: &Line, now: Instant) {
        match line {
            Line::Create => self.is_creating = true,
            Line::CreateRefused => self.is_creating = false,
            Line::Created { project } => {
                self.is_creating = false;
                self.project = Some(project.clone());
            }
            Line::Uploaded { file_name, bytes } => {
                self.photos.insert(file_name.clone(), *bytes);
            }
            Line::Edit(event) => self.edit.apply(event, now),
            Line::Export(event) => self.export.apply(event, now),
            Line::Copilot { image, change } => self.image(image, now).apply(change, now),
            Line::Finalize => self.finalizing = Finalizing::Announced,
            Line::FinalizeRefused => self.finalizing = Finalizing::NotBegun,
            Line::Finalized => self.finalizing = Finalizing::Done,
            Line::Files { folder, files } => {
                let known = self.files.entry(folder.clone()).or_default();
                known.extend(files.iter().cloned());
            }
        }
    }

    /// Returns the names of the files in a folder that the job has written, or was about to.
    pub(super) fn files_in(&self, folder: &str) -> HashSet<String> {
        self.files.get(folder).cloned().unwrap_or_default()
    }

    /// Returns the first image with an edit that failed or is not known, and which of the two.
    pub(super) fn unfinished(&self) -> Option<(&str, &'static str)> {
        for (name, image) in &self.images {
            let pending = image.chain.pending.as_ref();
            if pending.is_some_and(|pending| !pending.is_answered()) {
                return Some((name, "whose outcome is not known"));
            }
            if image.not_made.is_some() {
                return Some((name, "that failed"));
            }
        }
        None
    }

    fn image(&mut self, name: &str, now: Instant) -> &mut ImageRecord {
        self.images
            .entry(name.to_owned())
            .or_insert_with(|| ImageRecord {
                chain: State::default(),
                made_by: Vec::new(),
                not_made: None,
                since: now,
            })
    }
}

impl Started {
    fn apply(&mut self, event: &Event, now: Instant) {
        self.phase = match event {
            Event::Sending { options, before } => {
                self.options.clone_from(options);
                Phase::Unanswered {
                    before: before.clone(),
                    since: now,
                }
            }
            Event::Lost => {
                if let Phase::Unanswered { since, .. } = &mut self.phase {
                    *since = now;
                }
                return;
            }
            Event::Accepted | Event::AssumedDone => Phase::Accepted,
            Event::Refused => Phase::NotBegun,
            Event::AssumedNotDone => {
                self.is_assumed_not_done = true;
                Phase::NotBegun
            }
            Event::Done(status) => Phase::Done(status.clone()),
            Event::Failed => Phase::Failed,
        };
    }
}

impl ImageRecord {
    fn apply(&mut self, change: &Change, now: Instant) {
        self.since = now;
        let pending = self.chain.pending.as_ref();
        let edit = pending.map(|pending| pending.edit.clone());
        match change {
            Change::Made(version) => self.note_made(version, edit),
            Change::NotMade | Change::Failed => self.not_made = edit,
            Change::Moved(state) => self.note_moved(state, edit),
            Change::Sending { .. }
            | Change::Lost
            | Change::MadeUnnamed
            | Change::MadeUnread
            | Change::Resetting
            | Change::NotReset(_) => {}
        }
        self.chain.apply(change);
        if self.chain.pending.is_none() {
            // It is read again before the next edit: others may have made versions meanwhile.
            self.chain.known = None;
        }
    }

    fn note_made(&mut self, version: &VersionId, edit: Option<CopilotEdit>) {
        self.not_made = None;
        if let Some(edit) = edit {
            // A job has many images, and most of them one edit.
            self.made_by.reserve_exact(1);
            self.made_by.push((version.clone(), edit));
        }
    }

    /// A person may have said which version the pending edit made.
    fn note_moved(&mut self, to: &State, edit: Option<CopilotEdit>) {
        self.not_made = None;
        let Some((last, before)) = to.path.split_last() else {
            return;
        };
        let is_root_same = to.is_root_unknown == self.chain.is_root_unknown;
        if is_root_same && before == self.chain.path {
            self.note_made(last, edit);
        }
    }

    /// Returns the edits from the unedited image to where its chain stands. `None` if not all of
    /// them were made by this job.
    pub(super) fn edits(&self) -> Option<Vec<&CopilotEdit>> {
        if self.chain.is_root_unknown {
            return None;
        }
        self.chain.path.iter().map(|id| self.edit_of(id)).collect()
    }

    /// Returns the edit that made a version, if this job made it.
    pub(super) fn edit_of(&self, id: &VersionId) -> Option<&CopilotEdit> {
        let mut made = self.made_by.iter().rev();
        made.find(|(version, _)| version == id)
            .map(|(_, edit)| edit)
    }
}
