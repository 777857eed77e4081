//! Telling a program how far its transfers and waits are.

use std::fmt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::transport::Tell;
use crate::types::ProjectStatus;

/// How far one item is, and all of them together.
///
/// An item is a file that is transferred, an image that is edited, or what is waited for.
/// [`Project::upload`](crate::Project::upload),
/// [`Client::download_all`](crate::Client::download_all) and the waits of
/// [`Project`](crate::Project) tell of it by the [`ProgressCallback`] in their options.
///
/// ```
/// use imagen_ai::{ProgressCallback, UploadOptions};
/// use std::ops::ControlFlow;
///
/// let progress = ProgressCallback::new(|p| {
///     match p.ended {
///         None => println!("{}: {} of {:?} bytes", p.name, p.bytes, p.total),
///         Some(Ok(())) => println!("{} of {} files", p.items_done, p.items),
///         Some(Err(e)) => println!("{}: {}", p.name, e.summary()),
///     }
///     ControlFlow::Continue(())
/// });
/// let options = UploadOptions {
///     progress: Some(progress),
///     ..UploadOptions::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Which item, counted from 0 in the order in which they were given.
    pub index: usize,
    /// The item's name: of an upload, the file's name in the project; of a download, its name on
    /// disk; of an image, its file name; of a wait, `edit`, `export` or `project`.
    pub name: &'a str,
    /// How many bytes of the file have been transferred. It falls when a transfer starts over.
    pub bytes: u64,
    /// How many bytes the file has, once that is known.
    pub total: Option<u64>,
    /// How the item ended. `None` while it is on its way.
    pub ended: Option<Result<(), &'a Error>>,
    /// How many bytes of all files have been transferred.
    pub all_bytes: u64,
    /// How many items have ended.
    pub items_done: usize,
    /// How many items there are.
    pub items: usize,
    /// In a wait, the status that the service told last.
    pub status: Option<&'a ProjectStatus>,
    /// In a wait, how far the service is, from 0 to 100, if it says so.
    pub percent: Option<f64>,
    /// In a wait, why the last question brought no answer. It is asked again while `ended` is
    /// `None`.
    pub failure: Option<&'a Error>,
}

/// A function that is told of [`Progress`], and that can end the work.
///
/// [`Continue`] goes on. [`Break`] ends the work: files that have arrived stay, and all others are
/// [`TransferReason::Cancelled`](crate::TransferReason::Cancelled); a wait is
/// [`WaitReason::Stopped`](crate::WaitReason::Stopped). Files are transferred on several threads,
/// which can call the function at the same time.
#[derive(Clone)]
pub struct ProgressCallback(Arc<Callback>);

type Callback = dyn Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync;

impl ProgressCallback {
    /// Makes a callback of a function.
    pub fn new(
        callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(callback))
    }

    pub(crate) fn call(&self, progress: &Progress<'_>) -> ControlFlow<()> {
        (self.0)(progress)
    }
}

impl fmt::Debug for ProgressCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressCallback")
    }
}

/// The progress of many items, which threads work on.
#[derive(Default)]
pub(crate) struct Batch<'a> {
    callback: Option<&'a ProgressCallback>,
    items: usize,
    sums: Mutex<Sums>,
}

/// What all items together have come to.
///
/// `bytes` is the sum of what the items told last, so it is exact whenever no thread is between
/// telling and counting. The lock is not held while the callback runs.
#[derive(Clone, Copy, Default)]
struct Sums {
    bytes: u64,
    items_done: usize,
    /// Whether the callback has ended the work. It is never taken back.
    stopped: bool,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(callback: Option<&'a ProgressCallback>, items: usize) -> Self {
        Self {
            callback,
            items,
            ..Self::default()
        }
    }

    /// Does the work of one item, which tells of its progress, and tells of its end.
    pub(crate) fn item<T>(
        &self,
        index: usize,
        name: &str,
        work: impl FnOnce(&mut Tell<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut item = Progress {
            index,
            name,
            items: self.items,
            ..Progress::default()
        };
        let result = work(&mut |bytes, total| {
            item.total = total;
            self.count(&mut item, bytes);
            self.tell(&item)
        });
        // What came of a file that failed is gone.
        let bytes = if result.is_ok() { item.bytes } else { 0 };
        self.sums().items_done += 1;
        self.count(&mut item, bytes);
        let _ = self.tell(&Progress {
            ended: Some(result.as_ref().map(|_| ())),
            ..item
        });
        result
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.sums().stopped
    }

    /// Brings the bytes of an item up to date, in the item and in the sums.
    fn count(&self, item: &mut Progress<'_>, bytes: u64) {
        let mut sums = self.sums();
        sums.bytes = sums.bytes - item.bytes + bytes;
        item.bytes = bytes;
        item.all_bytes = sums.bytes;
        item.items_done = sums.items_done;
    }

    /// Calls the callback, unless it has ended the work. It is told of each item's end all the
    /// same.
    fn tell(&self, item: &Progress<'_>) -> ControlFlow<()> {
        if self.is_stopped() && item.ended.is_none() {
            return Break(());
        }
        if let Some(callback) = self.callback
            && callback.call(item).is_break()
        {
            self.sums().stopped = true;
        }
        if self.is_stopped() {
            return Break(());
        }
        Continue(())
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // Each change is one assignment, so a thread that panicked has left nothing half done.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
