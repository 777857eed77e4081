//! Many files into one folder.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::name::{given_name, names_on_disk};
use super::part::{remove_leftovers, try_folder};
use super::{Downloaded, Overwrite};
use crate::client::Client;
use crate::error::TransferReason::LinkExpired;
use crate::error::{Error, Result};
use crate::outcomes::Outcomes;
use crate::parallel::parallel;
use crate::progress::{Items, ProgressCallback};
use crate::project::Project;
use crate::transport::{STALL, Tell, check_limit};
use crate::types::DownloadLink;

impl Client {
    /// Downloads many files into a folder, on a few threads. The folder is made if it is missing.
    ///
    /// The results are in the order of the links. A file that fails stops no other: look at each
    /// result. All threads have ended when this returns.
    ///
    /// ```no_run
    /// # use imagen_ai::DownloadOptions;
    /// # let client = imagen_ai::Client::from_env()?;
    /// let finished = client.project("65f3a1c2").finalize()?;
    /// for file in
    ///     client.download_all(&finished, "out/", &DownloadOptions::default())?
    /// {
    ///     match file {
    ///         Ok(file) if file.skipped => {
    ///             println!("{} was there", file.path.display())
    ///         }
    ///         Ok(file) => {
    ///             println!("{}: {} bytes", file.path.display(), file.bytes)
    ///         }
    ///         Err(e) => eprintln!("{e}"),
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Names
    /// A file is named by its link's `file_name`, else by the last segment of its URL,
    /// percent-decoded. A name that is not safe is changed, and
    /// [`Downloaded::renamed`] says so:
    /// - Separators, characters that cannot be seen or that Windows refuses, and a leading dot
    ///   become `_`.
    /// - Spaces at the start, and dots and spaces at the end, are dropped.
    /// - A device name of Windows gets a `_` in front, and a name like a part file's gets one at
    ///   its end.
    /// - A name of more than 255 bytes is cut.
    /// - Names that differ at most in case get a number: `a.jpg`, `A (2).JPG`.
    ///
    /// Names that differ only in how an accent is composed are not recognized. On a file system
    /// that takes them for one name, the second is an error, or replaces the first with
    /// [`Overwrite::Always`].
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: the stall limit is zero. Nothing was sent.
    /// - [`Error::Io`]: the folder cannot be made or written to. Nothing was sent.
    ///
    /// Each file has the errors of [`Download`](crate::Download), and
    /// [`TransferReason::NoLink`](crate::TransferReason::NoLink) if its link has no URL.
    ///
    /// Costs no credits.
    pub fn download_all(
        &self,
        links: impl IntoIterator<Item: Into<DownloadLink>>,
        dir: impl AsRef<Path>,
        options: &DownloadOptions,
    ) -> Result<Outcomes<Downloaded>> {
        let dir = dir.as_ref();
        make_ready(dir, options)?;
        let files = Files {
            client: self,
            project: None,
            dir,
            options,
            ours: None,
        };
        Ok(files.download(links.into_iter().map(Into::into).collect()))
    }
}

impl Project {
    /// Finalizes the project and downloads its finished files into a folder, as
    /// [`Client::download_all`] does.
    ///
    /// The options are checked, and the folder is made and tried, before the edits are locked in.
    /// That cannot be undone; see [`Project::finalize`].
    ///
    /// A file whose link has expired gets one fresh link, by [`Project::download_link`]. (Of
    /// several files with one name it does not, since the service tells them apart by nothing
    /// else.)
    ///
    /// ```no_run
    /// # use imagen_ai::DownloadOptions;
    /// # let client = imagen_ai::Client::from_env()?;
    /// let files = client
    ///     .project("65f3a1c2")
    ///     .finalize_to("out/", &DownloadOptions::default())?;
    /// let failed = files.errors().count();
    /// println!("{} files in out/, {failed} failed", files.len() - failed);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::download_all`] and of [`Project::finalize`]. A file whose link has
    /// expired is [`TransferReason::LinkExpired`](crate::TransferReason::LinkExpired) if the
    /// service gives no fresh link, or one that has expired too.
    ///
    /// Costs no credits.
    pub fn finalize_to(
        &self,
        dir: impl AsRef<Path>,
        options: &DownloadOptions,
    ) -> Result<Outcomes<Downloaded>> {
        let files = self.finished_files(dir.as_ref(), options)?;
        let links = self.finalize()?;
        Ok(files.download(links))
    }

    /// Makes a folder ready for the project's finished files.
    pub(crate) fn finished_files<'f>(
        &'f self,
        dir: &'f Path,
        options: &'f DownloadOptions,
    ) -> Result<Files<'f>> {
        self.path(&[])?;
        make_ready(dir, options)?;
        Ok(Files {
            client: self.client(),
            project: Some(self),
            dir,
            options,
            ours: None,
        })
    }
}

/// How [`Client::download_all`] and [`Project::finalize_to`] download.
///
/// ```
/// use imagen_ai::{DownloadOptions, Overwrite, ProgressCallback};
/// use std::ops::ControlFlow;
///
/// let options = DownloadOptions {
///     threads: 8,
///     overwrite: Overwrite::Skip, // what an earlier run brought
///     progress: Some(ProgressCallback::new(|p| {
///         println!("{} of {} files", p.items_done, p.items);
///         ControlFlow::Continue(())
///     })),
///     ..DownloadOptions::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// How many files are downloaded at the same time; 0 counts as 1. Default: 4, which keeps a
    /// home connection busy.
    pub threads: usize,
    /// What to do about files that are already there. Default: [`Overwrite::Never`].
    pub overwrite: Overwrite,
    /// After how long without a byte an attempt ends. Default: 60 s. Zero is
    /// [`Error::InvalidInput`].
    pub stall_timeout: Duration,
    /// Told of the progress of each file, on the thread that downloads it. Default: none.
    ///
    /// It is called as [`Download::progress`](crate::Download::progress) says, and when the file
    /// has ended in whatever way. [`Break`](std::ops::ControlFlow::Break) ends the whole: files
    /// that are whole stay, and all others are
    /// [`TransferReason::Cancelled`](crate::TransferReason::Cancelled).
    pub progress: Option<ProgressCallback>,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self {
            threads: 4,
            overwrite: Overwrite::Never,
            stall_timeout: STALL,
            progress: None,
        }
    }
}

/// Refuses options that let no file arrive, makes the folder, and tries whether it can be written
/// to.
fn make_ready(dir: &Path, options: &DownloadOptions) -> Result<()> {
    check_limit("stall_timeout", options.stall_timeout)?;
    fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    remove_leftovers(dir);
    try_folder(dir).map_err(|e| Error::io(dir, e))
}

/// What downloads into one folder have in common.
pub(crate) struct Files<'f> {
    client: &'f Client,
    /// The project that gives fresh links.
    project: Option<&'f Project>,
    dir: &'f Path,
    options: &'f DownloadOptions,
    /// The names on disk of files that are skipped if they are there, whatever the options say.
    ours: Option<&'f HashSet<String>>,
}

/// One of many files.
struct File {
    link: DownloadLink,
    given_name: String,
    /// Whether another file has the same given name.
    has_twin: bool,
    name_on_disk: String,
}

impl<'f> Files<'f> {
    /// Returns the names that files get on disk.
    pub(crate) fn names(&self, links: &[DownloadLink]) -> Vec<String> {
        let given: Vec<String> = links.iter().map(given_name).collect();
        names_on_disk(&given)
    }

    /// Lets files be skipped that are there, by their names on disk, whatever the options say.
    pub(crate) fn skipping(self, ours: &'f HashSet<String>) -> Self {
        Self {
            ours: Some(ours),
            ..self
        }
    }

    pub(crate) fn download(&self, links: Vec<DownloadLink>) -> Outcomes<Downloaded> {
        let files = named(links);
        let items = Items::new(self.options.progress.as_ref(), files.len());
        let download = |(index, file): (usize, &File)| {
            items.item(index, &file.name_on_disk, |tell| {
                // Nothing is looked for on disk any more.
                if items.is_stopped() {
                    return Err(self.client.transport.cancelled("GET", &file.given_name));
                }
                self.file(file, tell)
            })
        };
        let threads = self.options.threads;
        Outcomes(parallel(files.iter().enumerate(), threads, download))
    }

    /// Downloads one file, by a fresh link if the first has expired.
    fn file(&self, file: &File, tell: &mut Tell<'_>) -> Result<Downloaded> {
        let result = self.by_link(file, &file.link, tell);
        if has_expired(&result)
            && let Some(fresh) = self.fresh_link(file, tell)
        {
            return self.by_link(file, &fresh, tell);
        }
        result
    }

    fn by_link(&self, file: &File, link: &DownloadLink, tell: &mut Tell<'_>) -> Result<Downloaded> {
        if link.download_link.is_none() {
            return Err(self.client.transport.no_link("GET", &file.given_name));
        }
        let is_ours = self
            .ours
            .is_some_and(|ours| ours.contains(&file.name_on_disk));
        let overwrite = if is_ours {
            Overwrite::Skip
        } else {
            self.options.overwrite
        };
        let mut download = self
            .client
            .download(link)
            .overwrite(overwrite)
            .stall_timeout(self.options.stall_timeout)
            .progress(|p| tell(p.bytes, p.total));
        download.folder_is_clean = true;
        let done = download.to_file(self.dir.join(&file.name_on_disk))?;
        Ok(Downloaded {
            file_name: file.given_name.clone(),
            renamed: file.given_name != file.name_on_disk,
            ..done
        })
    }

    /// Asks for another link to a file, if there is anyone to ask and the callback has not ended
    /// the whole.
    fn fresh_link(&self, file: &File, tell: &mut Tell<'_>) -> Option<DownloadLink> {
        let project = self.project?;
        if file.has_twin || tell(0, None).is_break() {
            return None;
        }
        project.download_link(&file.given_name).ok()
    }
}

fn has_expired(result: &Result<Downloaded>) -> bool {
    matches!(result, Err(Error::Transfer(e)) if e.reason == LinkExpired)
}

/// Gives each file a name on disk.
fn named(links: Vec<DownloadLink>) -> Vec<File> {
    let given: Vec<String> = links.iter().map(given_name).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in &given {
        *counts.entry(name).or_default() += 1;
    }
    let names = given.iter().zip(names_on_disk(&given));
    let mut files = Vec::new();
    for (link, (given_name, name_on_disk)) in links.into_iter().zip(names) {
        files.push(File {
            link,
            given_name: given_name.clone(),
            has_twin: counts.get(given_name.as_str()) != Some(&1),
            name_on_disk,
        });
    }
    files
}
