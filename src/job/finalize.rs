//! From a job's images to finished files.

use std::collections::HashSet;
use std::fs;
use std::path::{self, Path};

use super::Job;
use super::line::Line;
use super::record::Finalizing;
use crate::download::{DownloadOptions, Downloaded};
use crate::error::{Error, Result};
use crate::outcomes::Outcomes;
use crate::project::Output;
use crate::transport::quoted;
use crate::types::DownloadLink;

impl Job {
    /// Finalizes the project and downloads its finished files into a folder:
    /// [`Project::finalize_to`](crate::Project::finalize_to). It cannot be undone, and no edit is
    /// sent after it.
    ///
    /// Files that an earlier run wrote are skipped ([`Downloaded::skipped`]).
    /// [`DownloadOptions::overwrite`] decides about files that were there before the job came.
    ///
    /// A project that this job has finalized is not finalized again. When that is not known, it is
    /// sent again, since a second one changes nothing. Costs no credits.
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: an image of the job has an edit that failed, whose outcome is not
    ///   known, or that a batch of this run did not send. [`Job::assume_not_done`] goes on without
    ///   an edit that failed. `job.project().finalize_to(..)` finalizes all the same. Nothing was
    ///   sent.
    /// - Those of [`Project::finalize_to`](crate::Project::finalize_to).
    pub fn finalize_to(
        &mut self,
        dir: impl AsRef<Path>,
        options: &DownloadOptions,
    ) -> Result<Outcomes<Downloaded>> {
        self.log.check()?;
        if let Some(image) = self.unfinished.first() {
            let why = format!(
                "not all edits of {} were made in this run: call Job::copilot_each() again",
                quoted(image)
            );
            return Err(Error::invalid("job", why));
        }
        let dir = dir.as_ref();
        let files = self.project.finished_files(dir, options)?;
        let folder = name_of_folder(dir)?;
        let links = self.finalize()?;
        let ours = self.take_names(dir, folder, files.names(&links))?;
        Ok(files.skipping(&ours).download(links))
    }

    /// Notes the names that no file in the folder has yet: the job is about to write these. Returns
    /// all names that this run or an earlier one noted.
    fn take_names(
        &self,
        dir: &Path,
        folder: String,
        names: Vec<String>,
    ) -> Result<HashSet<String>> {
        let mut ours = self.log.read(|record| record.files_in(&folder));
        let mut files = Vec::new();
        for name in names {
            let is_there = dir.join(&name).symlink_metadata().is_ok();
            if !is_there && !ours.contains(&name) {
                files.push(name);
            }
        }
        if !files.is_empty() {
            ours.extend(files.iter().cloned());
            self.log.announce(Line::Files { folder, files })?;
        }
        Ok(ours)
    }

    /// Locks the edits in, unless that was done, and returns links to the finished files.
    fn finalize(&self) -> Result<Vec<DownloadLink>> {
        let before = self.log.read(|record| record.finalizing);
        match before {
            Finalizing::Done => return self.project.download_links(Output::Jpeg),
            Finalizing::NotBegun => self.log.announce(Line::Finalize)?,
            Finalizing::Announced => {}
        }
        let result = self.project.finalize();
        match &result {
            Ok(_) => self.log.note(Line::Finalized),
            Err(e) if before == Finalizing::NotBegun && is_refused(e) => {
                self.log.note(Line::FinalizeRefused);
            }
            Err(_) => {}
        }
        result
    }
}

/// Returns the name by which the job knows a folder.
fn name_of_folder(dir: &Path) -> Result<String> {
    // Windows cannot do the first on some drives, RAM disks among them.
    let folder = fs::canonicalize(dir).or_else(|_| path::absolute(dir));
    let folder = folder.map_err(|e| Error::io(dir, e))?;
    Ok(folder.to_string_lossy().into_owned())
}

/// Whether the service said no to the finalizing, so that nothing was done.
fn is_refused(error: &Error) -> bool {
    let Error::Api(e) = error else { return false };
    // The links are asked for once the edits are locked in.
    error.is_definite_no() && e.context.path.ends_with("/finalize")
}
