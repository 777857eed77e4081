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
/// Uploads, downloads, [`Job::copilot_each`](crate::Job::copilot_each), waits, and
/// [`Chain::recover`](crate::Chain::recover) tell of it by the [`ProgressCallback`] in their
/// options.
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
    /// The item's name: of an upload, the file's name in the project; of one of many downloads,
    /// its name on disk; of a single one, the name that its link gave, made safe; of an image,
    /// its file name; of a wait, `edit`, `export` or `project`.
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
pub(crate) struct Items<'a> {
    callback: Option<&'a ProgressCallback>,
    count: usize,
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

impl Sums {
    /// Brings the bytes of an item up to date, in the item and in the sums.
    fn count(&mut self, item: &mut Progress<'_>, bytes: u64) {
        self.bytes = self.bytes - item.bytes + bytes;
        item.bytes = bytes;
        item.all_bytes = self.bytes;
        item.items_done = self.items_done;
    }

    /// Counts an item that has ended.
    fn count_end(&mut self, item: &mut Progress<'_>, bytes: u64) {
        self.items_done += 1;
        self.count(item, bytes);
    }
}

impl<'a> Items<'a> {
    pub(crate) fn new(callback: Option<&'a ProgressCallback>, count: usize) -> Self {
        Self {
            callback,
            count,
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
            items: self.count,
            ..Progress::default()
        };
        let result = work(&mut |bytes, total| {
            item.total = total;
            self.sums().count(&mut item, bytes);
            self.tell(&item)
        });
        // What came of a file that failed is gone.
        let bytes = if result.is_ok() { item.bytes } else { 0 };
        self.sums().count_end(&mut item, bytes);
        let _ = self.tell(&Progress {
            ended: Some(result.as_ref().map(|_| ())),
            ..item
        });
        result
    }

    /// Tells of the end of an item that needs no work.
    pub(crate) fn end(&self, index: usize, name: &str) {
        let _ = self.item(index, name, |_| Ok(()));
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.sums().stopped
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
        // No change can panic, so a thread that panicked has left nothing half done.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::parallel;

    #[test]
    fn items_that_end_together_tell_each_its_own_count() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let callback = ProgressCallback::new(move |p| {
            list.lock().unwrap().push(p.items_done);
            Continue(())
        });
        let items = Items::new(Some(&callback), 50_000);

        parallel(0..50_000, 4, |index| items.item(index, "", |_| Ok(()))).len();

        let mut told = told.lock().unwrap();
        told.sort_unstable();
        let expected: Vec<usize> = (1..=50_000).collect();
        assert_eq!(*told, expected);
    }
}
