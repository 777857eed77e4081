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
use self::part::{PART, PartFile, remove_leftovers};
pub(crate) use self::part::{folder_of, is_unsupported};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::transport::STALL;
use crate::types::DownloadLink;

impl Client {
    /// Makes a download of one file. It takes a [`DownloadLink`], an
    /// [`Enhancement`](crate::Enhancement), a version of the history, a step of a chain, or a
    /// [`SignedUrl`](crate::SignedUrl).
    ///
    /// Nothing is sent until [`to_file`](Download::to_file), [`to_vec`](Download::to_vec) or
    /// [`to_writer`](Download::to_writer). A URL that cannot be used is an error of those.
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
        Download {
            client: self,
            link: link.into(),
            overwrite: Overwrite::Never,
            stall_timeout: STALL,
            folder_is_clean: false,
            callback: Box::new(|_| ControlFlow::Continue(())),
        }
    }
}

/// A download of one file, made by [`Client::download`].
///
/// ```no_run
/// # let client = imagen_ai::Client::from_env()?;
/// # let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("more contrast")?;
/// use imagen_ai::Overwrite;
/// use std::ops::ControlFlow;
/// use std::time::Duration;
///
/// let file = client
///     .download(&edit)
///     .overwrite(Overwrite::Always)
///     .stall_timeout(Duration::from_secs(20))
///     .progress(|p| {
///         println!("{} of {:?}", p.bytes, p.total);
///         ControlFlow::Continue(())
///     })
///     .to_file("sky.jpg")?;
/// println!("{}: {} bytes", file.path.display(), file.bytes);
/// # Ok::<(), imagen_ai::Error>(())
/// ```
///
/// # What is asked
/// The API key is never sent. The URL must be `https`, or `http` on this machine's loopback. Up to
/// five redirects are followed, from https only to https. A server on this machine may redirect
/// anywhere.
///
/// # Whole or an error
/// A file arrives whole, or the download is an error. These answers are refused:
/// - one that says neither its length nor where it ends,
/// - a web page (`text/html`),
/// - a file that is stored compressed. The client asks for files as they are (`Accept-Encoding:
///   identity`). With the feature `gzip` a compressed file is taken if it comes in chunks; without
///   chunks, `ureq` hides its length, and a part could not be told from the whole.
///
/// Except with `to_vec`, memory does not grow with the file, and stays well under a megabyte.
///
/// # Broken transfers
/// Failures of the network and the statuses 408, 425, 429 and 5xx are tried again, as the client's
/// [`RetryPolicy`](crate::RetryPolicy) says. The next attempt goes on where the last one stopped
/// (`Range`, `If-Range`) if the storage gave a strong `ETag` and says that the file is still the
/// same. Otherwise it starts over.
///
/// After an attempt that brought a megabyte, failures are counted from 0 again. So a network that
/// cuts every connection can delay a file of *n* MB by at most *n* × `max_attempts` attempts.
///
/// The [`timeout`](crate::ClientBuilder::timeout) of calls does not apply to files: a slow transfer
/// goes on as long as bytes come. An attempt ends when none comes for
/// [`stall_timeout`](Self::stall_timeout), and is tried again.
///
/// # Errors
/// `to_file`, `to_vec` and `to_writer` return:
/// - [`Error::InvalidInput`]: there is no URL, or it is neither https nor on this machine, or the
///   stall limit is zero. Nothing was sent.
/// - [`Error::Transfer`]: the file did not arrive. [`reason`](crate::TransferError::reason) tells
///   an expired link from a broken network.
/// - [`Error::Io`]: the local disk failed, or the writer that was given.
///
/// Costs no credits.
#[must_use = "nothing is sent until to_file, to_vec or to_writer"]
pub struct Download<'a> {
    client: &'a Client,
    link: DownloadLink,
    overwrite: Overwrite,
    stall_timeout: Duration,
    /// Whether the leftovers of killed processes were removed from the folder before.
    folder_is_clean: bool,
    callback: Box<Callback<'a>>,
}

type Callback<'a> = dyn FnMut(&Progress<'_>) -> ControlFlow<()> + 'a;

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

    /// Sets after how long without a byte an attempt ends. Default: 60 s. Zero is
    /// [`Error::InvalidInput`].
    pub fn stall_timeout(mut self, limit: Duration) -> Self {
        self.stall_timeout = limit;
        self
    }

    /// Sets a function that is told of the [`Progress`] and can end the download. Default: none.
    ///
    /// It is called on the thread that downloads: before each attempt, after each piece of the
    /// file (up to 128 KiB), and about ten times a second between attempts. While no byte comes it
    /// is not called until the stall limit ends the attempt. `bytes` falls when a transfer starts
    /// over. The end of the download is what `to_file` and the others return, so `ended` is always
    /// `None` here.
    ///
    /// [`Break`](ControlFlow::Break) ends the download with
    /// [`TransferReason::Cancelled`](crate::TransferReason::Cancelled).
    pub fn progress(mut self, callback: impl FnMut(&Progress<'_>) -> ControlFlow<()> + 'a) -> Self {
        self.callback = Box::new(callback);
        self
    }

    /// Writes the file to `path`. Its folder must exist.
    ///
    /// The file appears under its name when it is whole and on the disk. Until then it is a part
    /// file in the same folder: 16 hex digits and `.imagen-part`. The part file is removed when the
    /// download fails or is cancelled. If the process is killed, it stays, and the next `to_file`,
    /// [`download_all`](Client::download_all) or [`finalize_to`](crate::Project::finalize_to) into
    /// this folder removes it. Part files that a process is still writing are locked, and are left
    /// alone. (On a file system without locks, part files of killed processes stay until somebody
    /// deletes them.) Nothing else in the folder is opened or deleted.
    ///
    /// With [`Overwrite::Never`] and [`Overwrite::Skip`] a file that is there stays, even if
    /// another download of the same name finished it meanwhile. With [`Overwrite::Always`] the
    /// last one to finish stays. (A file system without hard links, such as exFAT, cannot rule
    /// out that a file is replaced that appears at the very moment when the download ends.)
    ///
    /// A symbolic link to a file counts as that file. [`Overwrite::Always`] replaces the link, and
    /// leaves the file that it points to.
    ///
    /// # Errors
    /// See [`Download`]. Before anything is sent:
    /// - [`Error::InvalidInput`]: `path` names no file (`newdir/`), or a part file.
    /// - [`Error::Io`]: the folder is missing or cannot be written to; what is at `path` is no
    ///   regular file; a file is there and [`overwrite`](Self::overwrite) is [`Overwrite::Never`].
    ///   On Windows also, with [`Overwrite::Always`], a file that is read-only or that another
    ///   program keeps open.
    ///
    /// After the transfer, [`Error::Io`] for a file that [`Overwrite::Always`] may not replace: an
    /// immutable one, or one of another user in a sticky folder such as `/tmp`.
    pub fn to_file(mut self, path: impl AsRef<Path>) -> Result<Downloaded> {
        let path = path.as_ref();
        loop {
            if let Some(bytes) = already_there(path, self.overwrite)? {
                return Ok(self.downloaded(path, bytes, true));
            }
            if !self.folder_is_clean {
                remove_leftovers(folder_of(path));
                self.folder_is_clean = true;
            }
            let mut part = PartFile::create(path)?;
            let bytes = self.run(&mut part.file, path, u64::MAX)?;
            if part.publish(self.overwrite)? {
                return Ok(self.downloaded(path, bytes, false));
            }
            // Another program made the file meanwhile.
        }
    }

    fn downloaded(&self, path: &Path, bytes: u64, skipped: bool) -> Downloaded {
        Downloaded {
            path: path.to_owned(),
            bytes,
            file_name: given_name(&self.link),
            renamed: false,
            skipped,
        }
    }

    /// Returns the bytes of the file, up to `limit` of them. A larger file is
    /// [`TransferReason::TooLarge`](crate::TransferReason::TooLarge).
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// # let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("more contrast")?;
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

    /// Writes the bytes of the file to a writer, and returns how many. A `&mut` of a writer is one
    /// too.
    ///
    /// What was written before an error stays written. So a transfer that breaks must go on where
    /// it stopped. If that is not possible, the error is
    /// [`TransferReason::Changed`](crate::TransferReason::Changed).
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// # let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("more contrast")?;
    /// let bytes = client.download(&edit).to_writer(&mut std::io::stdout())?;
    /// eprintln!("{bytes} bytes");
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Download`]. The path of an error of the writer is `(writer)`.
    pub fn to_writer(mut self, mut writer: impl Write) -> Result<u64> {
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
    /// Leave it as it is and return an error: [`Error::Io`] with
    /// [`AlreadyExists`](ErrorKind::AlreadyExists).
    #[default]
    Never,
    /// Replace it, at the moment when the new file is whole.
    Always,
    /// Leave it as it is and download nothing. Its content is not looked at.
    Skip,
}

/// A file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The name that the link gave: its `file_name`, else the last segment of its URL,
    /// percent-decoded. It is as the service sent it, and can hold anything.
    pub file_name: String,
    /// Whether [`Client::download_all`] gave it another name on disk, since the given one was not
    /// safe or another file had it.
    pub renamed: bool,
    /// Whether it was there before and nothing was downloaded ([`Overwrite::Skip`]).
    pub skipped: bool,
}

/// Returns the length of the file that is there already, if that is no error, and `None` if the
/// download can go on.
fn already_there(path: &Path, overwrite: Overwrite) -> Result<Option<u64>> {
    check_name(path)?;
    let there = match path.metadata().or_else(|_| path.symlink_metadata()) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.map_err(|e| Error::io(path, e))?,
    };
    let refuse = |kind, why| Err(Error::io(path, io::Error::new(kind, why)));
    if there.is_dir() {
        return refuse(ErrorKind::IsADirectory, "it is a folder");
    }
    if !there.is_file() {
        return refuse(ErrorKind::AlreadyExists, "what is there is no regular file");
    }
    match overwrite {
        Overwrite::Never => refuse(
            ErrorKind::AlreadyExists,
            "it is there already; Overwrite decides",
        ),
        Overwrite::Skip => Ok(Some(there.len())),
        Overwrite::Always => {
            check_replaceable(path).map_err(|e| Error::io(path, e))?;
            Ok(None)
        }
    }
}

/// Refuses a path whose last part is no name for a file.
fn check_name(path: &Path) -> Result<()> {
    let text = path.to_string_lossy();
    if path.file_name().is_none() || text.ends_with(is_separator) {
        return Err(Error::invalid("path", format!("{path:?} names no file")));
    }
    if text.ends_with(PART) {
        let why = format!("{path:?}: names that end in {PART} are for files on their way");
        return Err(Error::invalid("path", why));
    }
    Ok(())
}

/// Refuses a file that cannot be replaced: on Windows one that is read-only, or that another
/// program keeps open without letting it be deleted.
#[cfg(windows)]
fn check_replaceable(path: &Path) -> io::Result<()> {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt;

    /// What a rename over a file needs.
    const DELETE: u32 = 0x0001_0000;
    /// A link itself, and not the file that it points to.
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    if path.symlink_metadata()?.permissions().readonly() {
        let why = "it is read-only and cannot be replaced";
        return Err(io::Error::new(ErrorKind::PermissionDenied, why));
    }
    OpenOptions::new()
        .access_mode(DELETE)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
        .map_err(|e| io::Error::new(e.kind(), format!("it cannot be replaced: {e}")))?;
    Ok(())
}

/// Elsewhere nothing is asked before. Whoever can write to a folder can replace the files in it,
/// but for immutable ones and those of others in a sticky folder: these fail when they are
/// replaced.
#[cfg(not(windows))]
fn check_replaceable(_: &Path) -> io::Result<()> {
    Ok(())
}
