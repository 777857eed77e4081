//! A photo to upload: a file on disk, or bytes in memory.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A photo to upload, for [`Project::upload`](crate::Project::upload).
///
/// A path alone is a photo under its own file name. [`named`](Self::named) gives it another one,
/// and [`bytes`](Self::bytes) takes a photo from memory.
///
/// ```no_run
/// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
/// # let jpeg = Vec::new();
/// use imagen_ai::{Photo, UploadOptions};
///
/// let photos = [
///     Photo::from("card/DSC_0001.JPG"),
///     Photo::file("card/2/DSC_0001.JPG").named("DSC_0001_2.JPG"),
///     Photo::bytes("DSC_0002.JPG", jpeg),
/// ];
/// project.upload(photos, &UploadOptions::default())?.all()?;
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone)]
pub struct Photo {
    pub(crate) source: Source,
    /// The name in the project. `None` is the name of the file on disk.
    pub(crate) name: Option<String>,
}

/// Where the bytes of a photo come from.
#[derive(Clone)]
pub(crate) enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl Photo {
    /// Makes a photo of a file on disk. The file is read when it is sent.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            source: Source::File(path.into()),
            name: None,
        }
    }

    /// Makes a photo of bytes in memory, with its name in the project.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            source: Source::Bytes(bytes.into()),
            name: Some(name.into()),
        }
    }

    /// Sets the photo's name in the project, such as `DSC_0001.NEF`: a file name without folders.
    ///
    /// Its extension decides whether the photo counts as RAW or as JPEG. Default: the name of the
    /// file on disk.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl Photo {
    /// Returns the name in the project. `None` if the file's name is not Unicode.
    pub(crate) fn file_name(&self) -> Option<&str> {
        match (&self.name, &self.source) {
            (Some(name), _) => Some(name),
            (None, Source::File(path)) => path.file_name()?.to_str(),
            (None, Source::Bytes(_)) => None,
        }
    }

    /// Returns what a person knows the photo by: the path, or the name of bytes.
    pub(crate) fn label(&self) -> String {
        match &self.source {
            Source::File(path) => path.display().to_string(),
            Source::Bytes(_) => self.name.clone().unwrap_or_default(),
        }
    }

    /// Whether it is one of the files `._NAME` that macOS puts beside others on a card. They have
    /// the extension of a photo.
    pub(crate) fn is_apple_double(&self) -> bool {
        let on_disk = match &self.source {
            Source::File(path) => path.file_name().and_then(OsStr::to_str),
            Source::Bytes(_) => None,
        };
        let names = [on_disk, self.name.as_deref()];
        names.iter().flatten().any(|name| name.starts_with("._"))
    }

    pub(crate) fn refused(&self, why: impl fmt::Display) -> Error {
        Error::invalid("photos", format!("{}: {why}", self.label()))
    }
}

/// Bytes are not shown, only how many there are.
impl fmt::Debug for Photo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut photo = f.debug_struct("Photo");
        match &self.source {
            Source::File(path) => photo.field("path", path),
            Source::Bytes(bytes) => photo.field("bytes", &bytes.len()),
        };
        photo.field("name", &self.name).finish()
    }
}

/// The path of a file: `&str`, `&Path`, `&PathBuf`, `&OsStr` and others.
impl<P: AsRef<Path> + ?Sized> From<&P> for Photo {
    fn from(path: &P) -> Self {
        Self::file(path.as_ref())
    }
}

/// The same photo. Bytes in memory are copied.
impl From<&Photo> for Photo {
    fn from(photo: &Photo) -> Self {
        photo.clone()
    }
}

impl From<String> for Photo {
    fn from(path: String) -> Self {
        Self::file(path)
    }
}

impl From<OsString> for Photo {
    fn from(path: OsString) -> Self {
        Self::file(path)
    }
}

impl From<PathBuf> for Photo {
    fn from(path: PathBuf) -> Self {
        Self::file(path)
    }
}
