//! Many files into one folder.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use log::warn;

use super::name::{given_name, names_on_disk};
use super::{Downloaded, Overwrite, STALL};
use crate::client::Client;
use crate::error::{DownloadReason, Error, Result};
use crate::project::{Output, Project};
use crate::transport::{LOG, check_limit, status_word};
use crate::types::DownloadLink;

/// How [`Client::download_all`] and [`Project::finalize_to`] go about it.
///
/// ```
/// use std::time::Duration;
/// use imagen_ai::{DownloadOptions, Overwrite};
///
/// let options = DownloadOptions {
///     threads: 8,
///     overwrite: Overwrite::Skip, // what an earlier run brought
///     stall_timeout: Duration::from_secs(20),
///     ..DownloadOptions::default()
/// };
/// ```
#[derive(Clone)]
pub struct DownloadOptions {
    /// How many files are on their way at the same time; 0 counts as 1. Default: 4, which keeps a home connection busy.
    pub threads: usize,
    /// What to do about files that are already there. Default: [`Overwrite::Never`].
    pub overwrite: Overwrite,
    /// How long no byte of a file may come before an attempt is given up. Default: 60 s. Zero is
    /// [`Error::InvalidInput`].
    pub stall_timeout: Duration,
    /// Told how far it is; set by [`DownloadOptions::on_progress`]. Default: none.
    pub progress: Option<Arc<ProgressCallback>>,
}

/// The type of [`DownloadOptions::progress`]. One that several downloads share can be put there without
/// [`on_progress`](DownloadOptions::on_progress):
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::Arc;
/// use imagen_ai::{DownloadOptions, Progress, ProgressCallback};
///
/// let shared: Arc<ProgressCallback> = Arc::new(|progress: &Progress<'_>| {
///     println!("{}", progress.file_name);
///     ControlFlow::Continue(())
/// });
/// let photos = DownloadOptions { progress: Some(shared.clone()), ..DownloadOptions::default() };
/// let sidecars = DownloadOptions { progress: Some(shared), threads: 1, ..DownloadOptions::default() };
/// ```
pub type ProgressCallback = dyn Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync;

impl Default for DownloadOptions {
    #[inline]
    fn default() -> Self {
        Self {
            threads: 4,
            overwrite: Overwrite::Never,
            stall_timeout: STALL,
            progress: None,
        }
    }
}

impl DownloadOptions {
    /// Calls this for every file when its transfer begins, when it ends, however it does, and about ten times a second
    /// in between, on the thread that downloads it. [`Break`](ControlFlow::Break) ends the whole: files that are whole
    /// stay, all others are [`DownloadReason::Cancelled`](crate::DownloadReason::Cancelled).
    #[must_use]
    #[inline]
    pub fn on_progress(mut self, callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(callback));
        self
    }
}

impl fmt::Debug for DownloadOptions {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadOptions")
            .field("threads", &self.threads)
            .field("overwrite", &self.overwrite)
            .field("stall_timeout", &self.stall_timeout)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// How far one file is, and all of them.
///
/// ```
/// use std::ops::ControlFlow;
/// use imagen_ai::DownloadOptions;
///
/// let options = DownloadOptions::default().on_progress(|p| {
///     match p.total {
///         Some(total) => println!("file {}, {}: {} of {total} bytes", p.index, p.file_name, p.bytes),
///         None => println!("file {}, {}: {} bytes", p.index, p.file_name, p.bytes),
///     }
///     if p.done {
///         println!("{} of {} files, {} bytes", p.files_done, p.files, p.all_bytes);
///     }
///     ControlFlow::Continue(())
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Which file, counted from 0 in the order of the links.
    pub index: usize,
    /// Its name on disk.
    pub file_name: &'a str,
    /// How many bytes of it have arrived. It falls when a transfer starts over.
    pub bytes: u64,
    /// How many bytes it has, when that is known.
    pub total: Option<u64>,
    /// Whether this file is done with: on disk, or given up. One whose link expired begins again in
    /// [`Project::finalize_to`], and `files_done` falls then.
    pub done: bool,
    /// How many bytes of all files have arrived.
    pub all_bytes: u64,
    /// How many files are done with.
    pub files_done: usize,
    /// How many files there are.
    pub files: usize,
}

impl Client {
    /// Downloads many files into a folder, which is made if it is not there, on a few threads that have ended when this
    /// returns. The results are in the order of the links, and a file that fails stops no other: look at each.
    ///
    /// A file is named by its link's `file_name`, else by the last segment of its URL, percent-decoded. A name that
    /// could leave the folder, hide in it, or that a common file system does not allow, is made safe: separators,
    /// characters that cannot be seen and those that Windows refuses become `_`, a leading dot too, dots and spaces at
    /// the end go, reserved names of Windows get a `_` in front, and long ones are cut. Names that differ at most in
    /// case get a number: `a.jpg`, `A (2).JPG`. [`Downloaded::renamed`] says so. (Names that differ only in how an
    /// accent is composed are not recognized. On a file system that takes them for one, the second is an error unless
    /// [`Overwrite::Always`] replaces files.)
    ///
    /// Each file is downloaded as by [`Download::to_file`](crate::Download::to_file).
    ///
    /// ```no_run
    /// # use imagen_ai::DownloadOptions;
    /// # let client = imagen_ai::Client::from_env()?;
    /// let finished = client.project("65f3a1c2").finalize()?;
    /// for file in client.download_all(&finished.files, "out/", &DownloadOptions::default())? {
    ///     match file {
    ///         Ok(file) if file.skipped => println!("{} was there", file.path.display()),
    ///         Ok(file) if file.renamed => println!("{} is now {}", file.file_name, file.path.display()),
    ///         Ok(file) => println!("{}: {} bytes", file.path.display(), file.bytes),
    ///         Err(e) => eprintln!("{e}"),
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a stall limit of zero, and [`Error::Io`] when the folder cannot be made; nothing was
    /// sent. For each file, those of [`Download`](crate::Download).
    #[inline]
    pub fn download_all(
        &self,
        links: impl IntoIterator<Item: Into<DownloadLink>>,
        dir: impl AsRef<Path>,
        options: &DownloadOptions,
    ) -> Result<Vec<Result<Downloaded>>> {
        let dir = dir.as_ref();
        make_ready(dir, options)?;
        let links: Vec<DownloadLink> = links.into_iter().map(Into::into).collect();
        let batch = Batch::new(self, &links, dir, options);
        let mut results = Results::new(links.len());
        batch.run(links.iter().enumerate().collect(), &mut results);
        Ok(results.into_all())
    }
}

impl Project {
    /// Finalizes the project and downloads its finished files into a folder, as [`Client::download_all`] does. Links
    /// that expire on the way are asked for again, as long as each new lot brings at least one file.
    ///
    /// The folder is made and the options are looked at before the edits are locked in, since that cannot be undone.
    ///
    /// ```no_run
    /// # use imagen_ai::DownloadOptions;
    /// # let client = imagen_ai::Client::from_env()?;
    /// let files = client.project("65f3a1c2").finalize_to("out/", &DownloadOptions::default())?;
    /// let failed = files.iter().filter(|file| file.is_err()).count();
    /// println!("{} files in out/, {failed} failed", files.len() - failed);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a stall limit of zero, and [`Error::Io`] when the folder cannot be made; nothing was
    /// sent. Those of [`Project::finalize`]. For each file, those of [`Download`](crate::Download).
    #[inline]
    pub fn finalize_to(&self, dir: impl AsRef<Path>, options: &DownloadOptions) -> Result<Vec<Result<Downloaded>>> {
        let dir = dir.as_ref();
        // First, since what is locked in stays so.
        self.path()?;
        make_ready(dir, options)?;
        let links = self.finalize()?.files;
        let batch = Batch::new(self.client(), &links, dir, options);
        let mut results = Results::new(links.len());
        batch.run(links.iter().enumerate().collect(), &mut results);
        loop {
            let expired = results.expired();
            if expired.is_empty() || batch.stopped.load(Ordering::Relaxed) {
                break;
            }
            let fresh = match self.download_links(Output::Jpeg) {
                Ok(fresh) => fresh,
                Err(e) => {
                    warn!(
                        target: LOG,
                        "no fresh links for {} files: status {}",
                        expired.len(),
                        status_word(e.status())
                    );
                    break;
                }
            };
            let again = renewed(&links, &fresh, &expired);
            let whole = results.whole();
            batch.files_done.fetch_sub(again.len(), Ordering::Relaxed);
            batch.run(again, &mut results);
            if results.whole() == whole {
                break;
            }
        }
        Ok(results.into_all())
    }
}

/// Makes the folder, and refuses options that let no file arrive.
#[inline]
fn make_ready(dir: &Path, options: &DownloadOptions) -> Result<()> {
    check_limit("stall_timeout", options.stall_timeout)?;
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))
}

/// The fresh links of some files, found by name; of several files with one name, by their order.
#[inline]
fn renewed<'l>(old: &[DownloadLink], fresh: &'l [DownloadLink], wanted: &[usize]) -> Vec<(usize, &'l DownloadLink)> {
    let mut by_name: HashMap<String, VecDeque<&DownloadLink>> = HashMap::new();
    for link in fresh {
        by_name.entry(given_name(link)).or_default().push_back(link);
    }
    let found = old
        .iter()
        .map(|link| by_name.get_mut(&given_name(link)).and_then(VecDeque::pop_front));
    let found = found.enumerate().filter_map(|(index, link)| Some((index, link?)));
    found.filter(|(index, _)| wanted.contains(index)).collect()
}

/// What became of each file.
struct Results(Vec<Option<Result<Downloaded>>>);

impl Results {
    #[inline]
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| None).collect())
    }

    #[inline]
    fn set(&mut self, index: usize, result: Result<Downloaded>) {
        if let Some(place) = self.0.get_mut(index) {
            *place = Some(result);
        }
    }

    #[inline]
    fn whole(&self) -> usize {
        self.0.iter().filter(|result| matches!(result, Some(Ok(_)))).count()
    }

    #[inline]
    fn expired(&self) -> Vec<usize> {
        let expired = |result: &Option<Result<Downloaded>>| matches!(result, Some(Err(Error::Download(e))) if e.reason == DownloadReason::LinkExpired);
        self.0
            .iter()
            .enumerate()
            .filter(|(_, result)| expired(result))
            .map(|(index, _)| index)
            .collect()
    }

    #[inline]
    fn into_all(self) -> Vec<Result<Downloaded>> {
        self.0.into_iter().flatten().collect()
    }
}

/// Files on their way to one folder.
struct Batch<'a> {
    client: &'a Client,
    options: &'a DownloadOptions,
    dir: &'a Path,
    /// The names as they were given, and as they are on disk.
    given: Vec<String>,
    names: Vec<String>,
    all_bytes: AtomicU64,
    files_done: AtomicUsize,
    stopped: AtomicBool,
}

impl<'a> Batch<'a> {
    #[inline]
    fn new(client: &'a Client, links: &[DownloadLink], dir: &'a Path, options: &'a DownloadOptions) -> Self {
        let given: Vec<String> = links.iter().map(given_name).collect();
        let names = names_on_disk(&given);
        Self {
            client,
            options,
            dir,
            given,
            names,
            all_bytes: AtomicU64::new(0),
            files_done: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Downloads the files of these indices, on this thread and as many more as are wanted.
    #[inline]
    fn run(&self, jobs: Vec<(usize, &DownloadLink)>, results: &mut Results) {
        let threads = self.options.threads.clamp(1, jobs.len().max(1));
        let jobs = Mutex::new(VecDeque::from(jobs));
        let results = Mutex::new(results);
        let work = || {
            loop {
                // Apart from the loop's condition, which would hold the lock for as long as its body runs.
                let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((index, link)) = job else { break };
                let result = self.one(index, link);
                results
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .set(index, result);
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // A system that has no thread to spare is no reason to fail.
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
    }

    #[inline]
    fn one(&self, index: usize, link: &DownloadLink) -> Result<Downloaded> {
        let name = self.names.get(index).map(String::as_str).unwrap_or_default();
        let state = Cell::new((0, None));
        let tell = |done: bool, bytes: u64, total: Option<u64>| {
            let before = state.replace((bytes, total)).0;
            self.all_bytes.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
            self.files_done.fetch_add(usize::from(done), Ordering::Relaxed);
            let Some(callback) = &self.options.progress else {
                return ControlFlow::Continue(());
            };
            if !done && self.stopped.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            let answer = callback(&Progress {
                index,
                file_name: name,
                bytes,
                total,
                done,
                all_bytes: self.all_bytes.load(Ordering::Relaxed),
                files_done: self.files_done.load(Ordering::Relaxed),
                files: self.names.len(),
            });
            if answer.is_break() {
                self.stopped.store(true, Ordering::Relaxed);
            }
            answer
        };
        let result = self
            .client
            .download(link)
            .overwrite(self.options.overwrite)
            .stall_timeout(self.options.stall_timeout)
            .progress(|bytes, total| tell(false, bytes, total))
            .to_file(self.dir.join(name));
        let (bytes, total) = match &result {
            Ok(file) if file.skipped => (0, None),
            Ok(file) => (file.bytes, Some(file.bytes)),
            // What came of it is gone.
            Err(_) => (0, state.get().1),
        };
        let _ = tell(true, bytes, total);
        let given = self.given.get(index).cloned().unwrap_or_default();
        result.map(|file| Downloaded {
            renamed: name != given,
            file_name: given,
            ..file
        })
    }
}
