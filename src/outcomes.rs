//! The results of many things.

use std::ops::Deref;

use crate::error::{Error, Result};

/// The results of many things, in the order in which they were given. A failure stops none of the
/// others.
///
/// [`all`](Self::all) is for those who want all or the first error. A loop sees each:
///
/// ```no_run
/// # use imagen_ai::UploadOptions;
/// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
/// for uploaded in project
///     .upload(["DSC_0001.NEF", "DSC_0002.NEF"], &UploadOptions::default())?
/// {
///     match uploaded {
///         Ok(photo) => println!("{}: {} bytes", photo.file_name, photo.bytes),
///         Err(e) => eprintln!("{e}"),
///     }
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "some may have failed: look at each, or call all()"]
pub struct Outcomes<T>(pub Vec<Result<T>>);

impl<T> Outcomes<T> {
    /// Returns what all gave.
    ///
    /// # Errors
    /// The first error, if any failed. The others are lost then.
    pub fn all(self) -> Result<Vec<T>> {
        self.0.into_iter().collect()
    }

    /// Returns the errors of those that failed.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.0.iter().filter_map(|outcome| outcome.as_ref().err())
    }
}

impl<T> Deref for Outcomes<T> {
    type Target = [Result<T>];

    fn deref(&self) -> &[Result<T>] {
        &self.0
    }
}

impl<T> IntoIterator for Outcomes<T> {
    type Item = Result<T>;
    type IntoIter = std::vec::IntoIter<Result<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'o, T> IntoIterator for &'o Outcomes<T> {
    type Item = &'o Result<T>;
    type IntoIter = std::slice::Iter<'o, Result<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_gives_everything_or_the_first_error() {
        assert_eq!(Outcomes(vec![Ok(1), Ok(2)]).all().unwrap(), [1, 2]);
        let mixed = Outcomes(vec![
            Ok(1),
            Err(Error::invalid("a", "first")),
            Err(Error::invalid("b", "second")),
        ]);
        assert_eq!((mixed.len(), mixed.errors().count()), (3, 2));
        assert!(mixed.all().unwrap_err().to_string().contains("first"));
    }
}
