//! Many pieces of work, a few at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::Error;

/// Does some work for each item on a few threads, which have ended when this returns.
///
/// The results are in the order of the items. With 0 threads, or if none can be started, the work
/// runs on this thread.
///
/// ```no_run
/// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
/// let images = project.images()?;
/// let edits = imagen_ai::parallel(&images, 4, |image| {
///     image.copilot("make the sky more blue")
/// });
/// for (image, edit) in images.iter().zip(edits) {
///     match edit {
///         Ok(edit) => println!("{}: {:?}", image.file_name(), edit.version_id),
///         Err(e) => println!("{}: {}", image.file_name(), e.summary()),
///     }
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
///
/// # Panics
/// If `work` panics, once all threads have ended.
pub fn parallel<T: Send, R: Send>(
    items: impl IntoIterator<Item = T>,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let items: Vec<T> = items.into_iter().collect();
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let threads = threads.clamp(1, items.len().max(1));
    let places = Mutex::new(items.into_iter().zip(&mut results));
    let worker = || {
        loop {
            // In a statement of its own, so that the lock is not held during the work.
            let place = places.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((item, result)) = place else {
                return;
            };
            *result = Some(work(item));
        }
    };
    on_threads(threads, &worker);
    results.into_iter().flatten().collect()
}

/// Runs the worker on this thread and on others beside it.
fn on_threads(threads: usize, worker: &(dyn Fn() + Sync)) {
    thread::scope(|scope| {
        for _ in 1..threads {
            let started = thread::Builder::new().spawn_scoped(scope, worker);
            if started.is_err() {
                break;
            }
        }
        worker();
    });
}

/// The error that ends many pieces of work: what was not begun ends in the same way.
#[derive(Debug, Default)]
pub(crate) struct Ended(Mutex<Option<Error>>);

impl Ended {
    /// Returns the error, if there is one.
    pub(crate) fn why(&self) -> Option<Error> {
        let error = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map(Error::copy)
    }

    pub(crate) fn end(&self, error: &Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.copy());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items_and_the_work_is_side_by_side() {
        let all_there = Barrier::new(3);
        let results = parallel(0..3, 3, |item| {
            all_there.wait();
            item * 10
        });
        assert_eq!(results, [0, 10, 20]);
        assert_eq!(parallel(0..5, 0, |item| item), [0, 1, 2, 3, 4]);
        assert!(parallel(Vec::<u8>::new(), 4, |item| item).is_empty());
    }
}
