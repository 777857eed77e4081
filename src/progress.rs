//! Telling a program how far the transfers of its files are.

use std::fmt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::error::Result;
use crate::transport::Tell;

/// How far one file is, and all of them.
///
/// ```
/// use imagen_ai::DownloadOptions;
/// use std::ops::ControlFlow;
///
/// let options = DownloadOptions::default().on_progress(|p| {
///     println!(
///         "file {}, {}: {} of {:?} bytes",
///         p.index, p.file_name, p.bytes, p.total
///     );
///     if p.done {
///         println!(
///             "{} of {} files, {} bytes",
///             p.files_done, p.files, p.all_bytes
///         );
///     }
///     ControlFlow::Continue(())
/// });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Which file, counted from 0 in the order that they were given in.
    pub index: usize,
    /// Its name: on disk for a download, in the project for an upload.
    pub file_name: &'a str,
    /// How many bytes of it have been transferred. It falls when a transfer starts over.
    pub bytes: u64,
    /// How many bytes it has, when that is known.
    pub total: Option<u64>,
    /// Whether this file is done with: transferred, or given up. One whose link expired begins
    /// again in [`Project::finalize_to`](crate::Project::finalize_to), and `files_done` falls
    /// then.
    pub done: bool,
    /// How many bytes of all files have been transferred.
    pub all_bytes: u64,
    /// How many files are done with.
    pub files_done: usize,
    /// How many files there are.
    pub files: usize,
}

/// A function that is told of the progress of transfers and can end them. It is set by
/// [`DownloadOptions::on_progress`](crate::DownloadOptions::on_progress) and
/// [`UploadOptions::on_progress`](crate::UploadOptions::on_progress).
#[derive(Clone)]
pub struct ProgressCallback(pub(crate) Arc<Callback>);

type Callback = dyn Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync;

impl fmt::Debug for ProgressCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressCallback")
    }
}

/// What the transfers of many files share.
#[derive(Default)]
pub(crate) struct Batch<'a> {
    pub(crate) callback: Option<&'a ProgressCallback>,
    pub(crate) files: usize,
    pub(crate) files_done: AtomicUsize,
    pub(crate) all_bytes: AtomicU64,
    /// Whether the callback has ended the whole.
    pub(crate) stopped: AtomicBool,
}

impl Batch<'_> {
    /// Transfers one file by `work`, which tells of its progress, and tells of its end.
    pub(crate) fn file<T>(
        &self,
        index: usize,
        name: &str,
        work: impl FnOnce(&mut Tell<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut file = Progress {
            index,
            file_name: name,
            files: self.files,
            ..Progress::default()
        };
        let result = work(&mut |bytes, total| {
            file.total = total;
            self.tell(&mut file, bytes)
        });
        file.done = true;
        self.files_done.fetch_add(1, Relaxed);
        // What came of a file that failed is gone.
        let bytes = if result.is_ok() { file.bytes } else { 0 };
        let _ = self.tell(&mut file, bytes);
        result
    }

    fn tell(&self, file: &mut Progress<'_>, bytes: u64) -> ControlFlow<()> {
        self.all_bytes
            .fetch_add(bytes.wrapping_sub(file.bytes), Relaxed);
        file.bytes = bytes;
        (file.all_bytes, file.files_done) =
            (self.all_bytes.load(Relaxed), self.files_done.load(Relaxed));
        let asked = self
            .callback
            .filter(|_| file.done || !self.stopped.load(Relaxed));
        if asked.is_some_and(|callback| (callback.0)(file).is_break()) {
            self.stopped.store(true, Relaxed);
        }
        if self.stopped.load(Relaxed) {
            Break(())
        } else {
            Continue(())
        }
    }
}
