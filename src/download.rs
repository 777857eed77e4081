//! Presigned URLs to files on disk.

mod many;
mod name;
mod part;
mod transfer;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf, is_separator};
use std::time::Duration;

pub use self::many::DownloadOptions;
use self::name::given_name;
pub(crate) use self::part::PartFile;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::transport::STALL;
use crate::types::DownloadLink;

impl Client {
    /// Makes a download of one file: of a presigned URL, a [`DownloadLink`], an
    /// [`Enhancement`](crate::Enhancement), a version of the history or a step of a chain.
    /// Nothing is sent until [`to_file`](Download::to_file), [`to_vec`](Download::to_vec) or
    /// [`to_writer`](Download::to_writer), and a URL that cannot be used is an error of those.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// let edit = client
    ///     .project("65f3a1c2")
    ///     .image("DSC_0001.JPEG")
    ///     .copilot("make the sky more blue")?;
    /// client.download(&edit).to_file("sky.jpg")?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn download(&self, link: impl Into<DownloadLink>) -> Download<'_> {
        let progress = Box::new(|_, _| ControlFlow::Continue(()));
        Download {
            client: self,
            link: link.into(),
            overwrite: Overwrite::Never,
            stall_timeout: STALL,
            progress,
        }
    }
}

/// A download of one file, made by [`Client::download`].
///
/// - The API key is never sent. The URL must be `https`, or on this machine's loopback. Redirects
///   are followed from https only to https, five at most.
/// - A file of any size takes the same memory: well under a megabyte.
/// - It arrives whole or is an error. A transfer that breaks goes on where it stopped, if the
///   storage named the file's state by a strong `ETag` and says that it is still the same (`Range`,
///   `If-Range`), and else starts over. An answer that says neither its length nor its end is
///   refused, and so is a web page (`text/html`).
/// - The file is asked for as it is (`Accept-Encoding: identity`). An object that is stored
///   compressed is refused: without the feature `gzip` the compression is not undone, and with it
///   `ureq` hides the length, so that the whole cannot be told from a part. (One that comes in
///   chunks is taken then.) A chunk extension of more than 20 bytes is more than `ureq` reads.
/// - Failures that may pass are tried again as the client's [`RetryPolicy`](crate::RetryPolicy)
///   says: those of the network, 408, 425, 429 and every 5xx. They are counted anew after an
///   attempt that brought a megabyte. So a network that cuts connections delays a file of *n* MB by
///   at most *n* × `max_attempts` attempts, and one that brings nothing ends it after
///   `max_attempts`.
/// - The [`timeout`](crate::ClientBuilder::timeout) of calls does not bound a file: a slow transfer
///   goes on as long as it moves. One from which no byte comes for
///   [`stall_timeout`](Self::stall_timeout) is a failure that is tried again.
///
/// ```no_run
/// # let client = imagen_ai::Client::from_env()?;
/// # let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("make the sky more blue")?;
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// use imagen_ai::Overwrite;
///
/// let file = client
///     .download(&edit)
///     .overwrite(Overwrite::Always)
///     .stall_timeout(Duration::from_secs(20))
///     .progress(|p| {
///         println!("{} of {:?} bytes", p.bytes, p.total);
///         ControlFlow::Continue(())
///     })
///     .to_file("sky.jpg")?;
/// println!("{}: {} bytes", file.path.display(), file.bytes);
/// # Ok::<(), imagen_ai::Error>(())
/// ```
///
/// # Errors
/// Of `to_file`, `to_vec` and `to_writer`:
/// - [`Error::InvalidInput`]: no URL, or one that is neither https nor on this machine; a stall
///   limit of zero. Nothing was sent.
/// - [`Error::Transfer`]: [`reason`](crate::TransferError::reason) tells an expired link from a
///   broken network.
/// - [`Error::Io`]: the local disk, or the writer that was given.
#[must_use = "nothing is sent until to_file, to_vec or to_writer"]
pub struct Download<'a> {
    client: &'a Client,
    link: DownloadLink,
    overwrite: Overwrite,
    stall_timeout: Duration,
    progress: Box<dyn FnMut(u64, Option<u64>) -> ControlFlow<()> + 'a>,
}

impl fmt::Debug for Download<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Download").field(&self.link).finish()
    }
}

impl<'a> Download<'a> {
    /// Sets what to do if [`to_file`](Self::to_file) finds a file. Default: [`Overwrite::Never`].
    pub fn overwrite(mut self, overwrite: Overwrite) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Sets how long no byte may come before an attempt is given up. Default: 60 s. Zero is
    /// [`Error::InvalidInput`].
    pub fn stall_timeout(mut self, limit: Duration) -> Self {
        self.stall_timeout = limit;
        self
    }

    /// Calls this with the bytes so far and of the whole file, if that is known, on the thread
    /// that downloads: before each attempt, after each piece of the file (up to 128 KiB), and about
    /// ten times a second between attempts. While nothing comes it is called only when the
    /// stall limit ends the attempt. [`Break`](ControlFlow::Break) ends the download with
    /// [`TransferReason::Cancelled`](crate::TransferReason::Cancelled). The bytes fall when a
    /// transfer starts over.
    pub fn progress(self, mut callback: impl FnMut(&Progress<'_>) -> ControlFlow<()> + 'a) -> Self {
        let name = given_name(&self.link);
        self.tell(move |bytes, total| {
            callback(&Progress {
                name: &name,
                bytes,
                total,
                all_bytes: bytes,
                items: 1,
                ..Progress::default()
            })
        })
    }

    /// Calls this with the bytes so far and of the whole file.
    pub(crate) fn tell(
        mut self,
        tell: impl FnMut(u64, Option<u64>) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.progress = Box::new(tell);
        self
    }

    /// Writes the file to `path`, whose folder must be there.
    ///
    /// It appears under its name when it is whole and on the disk. Until then it is
    /// `NAME.imagen-part` in the same folder, so a name may have 243 bytes at most. The part is
    /// removed when the download fails or is cancelled, and the next download of `NAME`
    /// replaces what a killed process left. Of two downloads of one name at the same time
    /// the one that began first fails, and neither puts the other's bytes under the name.
    ///
    /// What is at `path` and is no regular file is never replaced. A symbolic link to a file counts
    /// as that file; [`Overwrite::Always`] replaces the link and leaves the file that it points
    /// to.
    ///
    /// # Errors
    /// See [`Download`]. Before anything is sent: [`Error::InvalidInput`] for a path that names no
    /// file (`newdir/`), [`Error::Io`] for a folder that is missing or cannot be written to,
    /// for what is no regular file, and for a file that is there, unless
    /// [`overwrite`](Self::overwrite) says otherwise.
    pub fn to_file(mut self, path: impl AsRef<Path>) -> Result<Downloaded> {
        let (path, file_name) = (path.as_ref().to_owned(), given_name(&self.link));
        if let Some(bytes) = already_there(&path, self.overwrite)? {
            return Ok(Downloaded {
                path,
                bytes,
                file_name,
                renamed: false,
                skipped: true,
            });
        }
        let mut part = PartFile::create(&path)?;
        let bytes = self.run(&mut part.file, &path, u64::MAX)?;
        // False if another program made the file meanwhile.
        let new = part.publish(self.overwrite)?;
        if new {
            Ok(Downloaded {
                path,
                bytes,
                file_name,
                renamed: false,
                skipped: false,
            })
        } else {
            self.to_file(path)
        }
    }

    /// Returns the bytes of the file, up to `limit` of them. A larger file is
    /// [`TransferReason::TooLarge`](crate::TransferReason::TooLarge).
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// # let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("make the sky more blue")?;
    /// let jpeg: Vec<u8> = client.download(&edit).to_vec(50_000_000)?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Download`].
    pub fn to_vec(mut self, limit: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.run(&mut bytes, Path::new("(memory)"), limit as u64)?;
        Ok(bytes)
    }

    /// Writes the bytes of the file, and returns how many. What was written before an error stays
    /// written: a transfer that breaks goes on where it stopped, and when that cannot be it is
    /// [`TransferReason::Changed`](crate::TransferReason::Changed).
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// # let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("make the sky more blue")?;
    /// let bytes = client.download(&edit).to_writer(&mut std::io::stdout())?;
    /// eprintln!("{bytes} bytes");
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Download`]. The path of an error of the writer is `(writer)`.
    pub fn to_writer(mut self, mut writer: &mut (impl Write + ?Sized)) -> Result<u64> {
        let path = Path::new("(writer)");
        let bytes = self.run(&mut (&mut writer as &mut dyn Write), path, u64::MAX)?;
        writer.flush().map_err(|e| Error::io(path, e))?;
        Ok(bytes)
    }
}

/// What to do about a file that is already there.
///
/// ```
/// use imagen_ai::{DownloadOptions, Overwrite};
///
/// let overwrite = match std::env::args().nth(1).as_deref() {
///     Some("--go-on") => Overwrite::Skip,
///     Some("--replace") => Overwrite::Always,
///     _ => Overwrite::Never,
/// };
/// let options = DownloadOptions {
///     overwrite,
///     ..DownloadOptions::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overwrite {
    /// It is an error ([`Error::Io`] with [`AlreadyExists`](ErrorKind::AlreadyExists)), and stays
    /// as it is.
    #[default]
    Never,
    /// It is replaced, at the moment when the new one is whole.
    Always,
    /// It stays as it is, and nothing is downloaded. Its content is not looked at.
    Skip,
}

/// A file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// Where it is.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// Its name as it was given: by the link's `file_name`, else by the last segment of its URL,
    /// percent-decoded.
    pub file_name: String,
    /// Whether [`Client::download_all`] gave it another name on disk, since the given one was not
    /// safe or not the only one of its kind.
    pub renamed: bool,
    /// Whether it was there before and nothing was downloaded ([`Overwrite::Skip`]).
    pub skipped: bool,
}

/// Returns the length of the file that is there already, if that is no error.
fn already_there(path: &Path, overwrite: Overwrite) -> Result<Option<u64>> {
    if path.file_name().is_none() || path.to_string_lossy().ends_with(is_separator) {
        return Err(Error::invalid("path", format!("{path:?} names no file")));
    }
    let Ok(there) = path.metadata().or_else(|_| path.symlink_metadata()) else {
        return Ok(None);
    };
    let (kind, why) = match overwrite {
        _ if there.is_dir() => (ErrorKind::IsADirectory, "it is a folder"),
        _ if !there.is_file() => (ErrorKind::AlreadyExists, "what is there is no regular file"),
        Overwrite::Never => (
            ErrorKind::AlreadyExists,
            "it is there already; Overwrite decides",
        ),
        Overwrite::Always => return Ok(None),
        Overwrite::Skip => return Ok(Some(there.len())),
    };
    Err(Error::io(path, io::Error::new(kind, why)))
}
