//! Presigned URLs to files on disk.

mod many;
mod name;
mod part;
mod transfer;

use std::fmt;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Uri;

use self::name::given_name;
use self::part::PartFile;
use self::transfer::{Sink, Transfer, Watch};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::history::Version;
use crate::transport::{check_limit, may_fetch};
use crate::types::{DownloadLink, RedactedUrl};

pub use self::many::{DownloadOptions, Progress, ProgressCallback};

/// The default of [`Download::stall_timeout`].
const STALL: Duration = Duration::from_secs(60);

impl Client {
    /// A download of one file: of a presigned URL, a [`DownloadLink`], an [`Enhancement`](crate::Enhancement), a
    /// [`Version`]. Nothing is sent until [`to_file`](Download::to_file), [`to_vec`](Download::to_vec) or
    /// [`to_writer`](Download::to_writer), and a URL that is not usable is an error of those.
    ///
    /// ```no_run
    /// # let client = imagen_ai::Client::from_env()?;
    /// let edit = client.project("65f3a1c2").image("DSC_0001.JPEG").copilot("make the sky more blue")?;
    /// client.download(&edit).to_file("sky.jpg")?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    #[inline]
    pub fn download(&self, link: impl Into<DownloadLink>) -> Download<'_> {
        Download {
            client: self,
            link: link.into(),
            overwrite: Overwrite::default(),
            stall_timeout: STALL,
            progress: Box::new(|_, _| ControlFlow::Continue(())),
        }
    }
}

/// A download of one file, made by [`Client::download`].
///
/// - The API key is never sent. The URL must be `https`, this machine's loopback apart, and redirects are followed only
///   from https to https, at most 5.
/// - A file of any size takes the same memory: well under a megabyte.
/// - It is whole or an error. A transfer that breaks goes on where it stopped, if the storage says that the file is
///   still the same (`Range`, `If-Range` with a strong `ETag`, else `Last-Modified`), and starts over if it is not. An
///   answer that says neither its length nor its end is refused, since the whole cannot be told from a part.
/// - It is tried again as the client's [`RetryPolicy`](crate::RetryPolicy) says, and the attempts are counted from the
///   start when one has brought a megabyte more than any before it. So a network that cuts connections delays a file of
///   *n* MB by at most *n* × `max_attempts` attempts, and one that brings nothing ends it after `max_attempts`.
/// - A call's time limit does not hold here: a slow transfer goes on as long as it moves. One from which no byte comes
///   for [`stall_timeout`](Self::stall_timeout) is a failure to try again.
///
/// At `trace`, `ureq` and `ureq_proto` log URLs and headers as they are sent, presigned queries included; leave those
/// targets out of your logs.
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
///     .progress(|bytes, total| {
///         println!("{bytes} of {total:?}");
///         ControlFlow::Continue(())
///     })
///     .to_file("sky.jpg")?;
/// println!("{}: {} bytes", file.path.display(), file.bytes);
/// # Ok::<(), imagen_ai::Error>(())
/// ```
///
/// # Errors
/// Of `to_file`, `to_vec` and `to_writer`:
/// - [`Error::InvalidInput`]: no URL, or one that is neither https nor on this machine; a stall limit of zero. Nothing
///   was sent.
/// - [`Error::Download`]: [`reason`](crate::DownloadError::reason) tells an expired link from a broken network.
/// - [`Error::Io`]: the local disk, or the writer that was given.
#[must_use = "nothing is sent until to_file, to_vec or to_writer"]
pub struct Download<'a> {
    client: &'a Client,
    link: DownloadLink,
    overwrite: Overwrite,
    stall_timeout: Duration,
    progress: Box<Watch<'a>>,
}

impl fmt::Debug for Download<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("url", &RedactedUrl(&self.link.download_link))
            .field("overwrite", &self.overwrite)
            .field("stall_timeout", &self.stall_timeout)
            .finish_non_exhaustive()
    }
}

impl<'a> Download<'a> {
    /// What to do if [`to_file`](Self::to_file) finds a file. Default: [`Overwrite::Never`].
    #[inline]
    pub fn overwrite(mut self, overwrite: Overwrite) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// How long no byte may come before an attempt is given up. Default: 60 s. Zero is [`Error::InvalidInput`].
    #[inline]
    pub fn stall_timeout(mut self, limit: Duration) -> Self {
        self.stall_timeout = limit;
        self
    }

    /// Calls this with the bytes so far and of the whole file, if that is known: at the start, at the end and about ten
    /// times a second in between, on the thread that downloads. [`Break`](ControlFlow::Break) ends the download with
    /// [`DownloadReason::Cancelled`](crate::DownloadReason::Cancelled). The bytes fall when a transfer starts over.
    #[inline]
    pub fn progress(mut self, callback: impl FnMut(u64, Option<u64>) -> ControlFlow<()> + 'a) -> Self {
        self.progress = Box::new(callback);
        self
    }

    /// Writes the file to `path`, whose folder must be there.
    ///
    /// It appears under its name when it is whole and on the disk: until then it is `NAME.imagen-part` in the same
    /// folder. That is removed when the download fails or is cancelled; what a killed process leaves is replaced by the
    /// next download of `NAME`. Of two downloads of one name at the same time the one that began first fails, and
    /// neither harms the other's file.
    ///
    /// # Errors
    /// See [`Download`]. An existing file is one by default ([`Download::overwrite`]).
    #[inline]
    pub fn to_file(self, path: impl AsRef<Path>) -> Result<Downloaded> {
        let path = path.as_ref();
        let overwrite = self.overwrite;
        let mut downloaded = Downloaded {
            path: path.to_owned(),
            bytes: 0,
            file_name: given_name(&self.link),
            renamed: false,
            skipped: false,
        };
        let mut there = already_there(path, overwrite)?;
        if there.is_none() {
            let mut sink = FileSink { path, part: None };
            downloaded.bytes = self.run(&mut sink)?;
            if sink.part()?.publish(overwrite)? {
                return Ok(downloaded);
            }
            // It came while we were downloading.
            there = already_there(path, overwrite)?;
        }
        downloaded.bytes = there.unwrap_or_default();
        downloaded.skipped = true;
        Ok(downloaded)
    }

    /// Gives the bytes of the file, up to `limit` of them; a larger one is
    /// [`DownloadReason::TooLarge`](crate::DownloadReason::TooLarge).
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
    #[inline]
    pub fn to_vec(self, limit: usize) -> Result<Vec<u8>> {
        let mut sink = VecSink {
            bytes: Vec::new(),
            limit,
        };
        self.run(&mut sink)?;
        Ok(sink.bytes)
    }

    /// Writes the bytes of the file, and says how many. What was written before an error stays written: a transfer that
    /// breaks goes on where it stopped, and when that cannot be, since the file has changed, it is
    /// [`DownloadReason::Changed`](crate::DownloadReason::Changed).
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
    /// See [`Download`]; the path of an error of the writer is `(writer)`.
    #[inline]
    pub fn to_writer(self, writer: &mut (impl Write + ?Sized)) -> Result<u64> {
        let mut sink = WriterSink { writer, begun: false };
        let bytes = self.run(&mut sink)?;
        sink.writer.flush().map_err(writer_failed)?;
        Ok(bytes)
    }

    #[inline]
    fn run(mut self, sink: &mut dyn Sink) -> Result<u64> {
        let transport = &self.client.transport;
        let uri = parse_url(&self.link.download_link)?;
        transport.check_agent_for(&uri)?;
        check_limit("stall_timeout", self.stall_timeout)?;
        Transfer::new(transport, &uri, self.stall_timeout, &mut self.progress).run(sink)
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
/// let options = DownloadOptions { overwrite, ..DownloadOptions::default() };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overwrite {
    /// It is an error ([`Error::Io`] with [`AlreadyExists`](std::io::ErrorKind::AlreadyExists)), and stays as it is.
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
    /// Its name as it was given: by the link's `file_name`, else by the last segment of its URL, percent-decoded.
    pub file_name: String,
    /// Whether its name on disk is another, since the given one was not safe or not the only one of its kind.
    pub renamed: bool,
    /// Whether it was there before and nothing was downloaded ([`Overwrite::Skip`]).
    pub skipped: bool,
}

/// The picture of a version of the history. If the service did not tell its URL, that is an error of the download.
impl From<&Version> for DownloadLink {
    #[inline]
    fn from(version: &Version) -> Self {
        Self::from(version.url.as_deref().unwrap_or_default())
    }
}

/// Reads a presigned URL.
#[inline]
fn parse_url(url: &str) -> Result<Uri> {
    let refuse = |why: &str| Err(Error::invalid("url", why));
    if url.trim().is_empty() {
        return refuse("empty: the service told none");
    }
    let Some(uri) = name::uri_of(url) else {
        return refuse("not a URL");
    };
    if uri.host().is_none_or(str::is_empty) {
        return refuse("a download link has a scheme and a host");
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return refuse("a download link holds no user name and no password");
    }
    if !may_fetch(&uri) {
        return refuse("the scheme of a download link is https");
    }
    Ok(uri)
}

/// The length of the file that is there already, if that is no error.
#[inline]
fn already_there(path: &Path, overwrite: Overwrite) -> Result<Option<u64>> {
    let Ok(there) = path.symlink_metadata() else {
        return Ok(None);
    };
    if path.is_dir() {
        return Err(Error::io(path, std::io::ErrorKind::IsADirectory.into()));
    }
    match overwrite {
        Overwrite::Never => Err(Error::io(path, std::io::ErrorKind::AlreadyExists.into())),
        Overwrite::Always => Ok(None),
        Overwrite::Skip => Ok(Some(path.metadata().unwrap_or(there).len())),
    }
}

/// A file, whose part is created with the first byte: a link that is refused leaves no trace.
struct FileSink<'a> {
    path: &'a Path,
    part: Option<PartFile>,
}

impl FileSink<'_> {
    #[inline]
    fn part(self) -> Result<PartFile> {
        match self.part {
            Some(part) => Ok(part),
            None => PartFile::create(self.path),
        }
    }
}

impl Sink for FileSink<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.part {
            Some(part) => part.write(bytes),
            none => none.insert(PartFile::create(self.path)?).write(bytes),
        }
    }

    #[inline]
    fn restart(&mut self) -> Result<bool> {
        self.part.as_mut().map_or(Ok(()), PartFile::clear)?;
        Ok(true)
    }
}

struct VecSink {
    bytes: Vec<u8>,
    limit: usize,
}

impl Sink for VecSink {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn restart(&mut self) -> Result<bool> {
        self.bytes.clear();
        Ok(true)
    }

    #[inline]
    fn limit(&self) -> u64 {
        self.limit as u64
    }
}

struct WriterSink<'a, W: ?Sized> {
    writer: &'a mut W,
    begun: bool,
}

impl<W: Write + ?Sized> Sink for WriterSink<'_, W> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.begun |= !bytes.is_empty();
        self.writer.write_all(bytes).map_err(writer_failed)
    }

    #[inline]
    fn restart(&mut self) -> Result<bool> {
        Ok(!self.begun)
    }
}

#[inline]
fn writer_failed(error: std::io::Error) -> Error {
    Error::io("(writer)", error)
}
