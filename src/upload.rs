//! Photos into a project.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use ureq::http::Uri;

use crate::error::{Error, Result, TransferReason};
use crate::parallel::parallel;
use crate::profile::{ImageType, Profile};
use crate::progress::{Batch, Progress, ProgressCallback};
use crate::project::Project;
use crate::transport::{Call, Refusal, STALL, check_limit, parse};
use crate::types::{ProjectSource, SignedUrl};

/// The extensions of RAW files that the service takes.
const RAW: &str = "dng nef cr2 arw nrw crw srf sr2 orf raw rw2 raf ptx pef rwl srw cr3 3fr fff";

const CANCELLED: &str = "the callback ended the upload";

/// How [`Project::upload`] sends files.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// How many files are sent at a time. Default: 4.
    pub threads: usize,
    /// The longest that nothing of a file may move. Default: 60 s. Zero is [`Error::InvalidInput`].
    pub stall_timeout: Duration,
    /// The profile that the photos are going to be edited with. Files that it is not made for are refused. Default: none.
    pub profile: Option<Profile>,
    /// Told how far it is; set by [`UploadOptions::on_progress`]. Default: none.
    pub progress: Option<ProgressCallback>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self { threads: 4, stall_timeout: STALL, profile: None, progress: None }
    }
}

impl UploadOptions {
    /// Calls this for every file when its transfer begins, after each piece of it, and when it ends, however it does, on the
    /// thread that sends it. [`Break`](ControlFlow::Break) ends the whole: files that have arrived stay, all others are
    /// [`TransferReason::Cancelled`]. A file that waits before it is sent again waits to the end.
    #[must_use]
    pub fn on_progress(mut self, callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.progress = Some(ProgressCallback::new(callback));
        self
    }
}

/// A file that has arrived in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// The path that was given.
    pub path: PathBuf,
    /// Its name in the project.
    pub file_name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was changed, as it was when it was checked.
    modified: Option<SystemTime>,
}

/// The transfer of one file. It is read as the body of the request.
struct Sending<'a> {
    project: &'a Project,
    options: &'a UploadOptions,
    batch: &'a Batch<'a>,
    photo: &'a Uploaded,
    file: Option<File>,
    progress: Progress<'a>,
}

impl Project {
    /// Sends photos from disk: `POST /projects/{uuid}/get_temporary_upload_links`, or the same under `/i2i/projects/{uuid}`,
    /// and a `PUT` for each file. The results are in the order of the paths, and a file that fails stops no other: look at
    /// each.
    ///
    /// Everything is checked first, and nothing is sent if anything is wrong. The service tells photos apart by their file
    /// names, without the folders. All must be RAW, or all JPEG, by their extensions.
    ///
    /// A transfer that breaks, stalls, or is answered by 408, 425, 429 or 5xx starts over, as often as the client's
    /// [`RetryPolicy`](crate::RetryPolicy) allows. When a link has expired, the file gets one new link. A file that changes
    /// after it was checked (its length or its modification time) is a failed file, whatever of it has arrived. No limit
    /// but for a stall bounds a transfer. Files are read as they are sent, so memory does not grow with their size.
    ///
    /// Each file goes in one `PUT`, which object storage takes up to 5 GiB. The service's uploads in parts are left out.
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::UploadOptions;
    ///
    /// let photos = ["card/DSC_0001.NEF", "card/DSC_0002.NEF"];
    /// for (path, result) in photos.iter().zip(project.upload(photos, &UploadOptions::default())?) {
    ///     match result {
    ///         Ok(photo) => println!("{}: {} bytes", photo.file_name, photo.bytes),
    ///         Err(e) => println!("{path}: {}", e.summary()),
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: a path that is no regular file, a name that is not Unicode, an extension that the service
    ///   does not take, two files of one name, RAW and JPEG files together, or a file that the profile is not made for; nothing
    ///   was sent.
    /// - [`Error::Io`]: a file that cannot be opened; nothing was sent.
    /// - [`Error::Api`], [`Error::Network`], [`Error::Decode`]: the service gave no links; no file was sent.
    ///
    /// Of one file:
    /// - [`Error::Transfer`]: it did not arrive; [`TransferReason`] says why.
    /// - [`Error::Io`]: it could not be read, or is gone.
    /// - Those of asking for a new link, when the first has expired.
    pub fn upload(
        &self,
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        options: &UploadOptions,
    ) -> Result<Vec<Result<Uploaded>>> {
        check_limit("stall_timeout", options.stall_timeout)?;
        let photos = check(paths, options.profile.as_ref())?;
        if photos.is_empty() {
            return Ok(Vec::new());
        }
        let links = self.upload_links(&photos)?;
        let batch = Batch::new(options.progress.as_ref(), photos.len());
        let send = |(index, photo): (usize, &Uploaded)| {
            let (file_name, total) = (photo.file_name.as_str(), Some(photo.bytes));
            let progress = Progress { index, file_name, total, ..Progress::default() };
            let mut sending = Sending { project: self, options, batch: &batch, photo, file: None, progress };
            sending.run(links.get(&photo.file_name))
        };
        Ok(parallel(photos.iter().enumerate(), options.threads, send))
    }

    /// Asks for links, by the names of the files.
    fn upload_links<'p>(&self, photos: impl IntoIterator<Item = &'p Uploaded>) -> Result<HashMap<String, SignedUrl>> {
        let photos = photos.into_iter().map(|photo| json!({ "file_name": photo.file_name }));
        let files: Vec<Value> = photos.collect();
        let body = match self.source() {
            ProjectSource::Regular => json!({ "files_list": files }),
            ProjectSource::I2i => json!({ "files_list": files, "client_type": "API" }),
        };
        let call = Call::post(self.path(&["get_temporary_upload_links"])?).json(&body)?;
        let answer = self.send(&call)?;
        let text = |link: &Value, field| Some(link.get(field)?.as_str()?.to_owned());
        let link = |link: &Value| Some((text(link, "file_name")?, text(link, "upload_link")?.try_into().ok()?));
        Ok(answer.list("files_list")?.iter().flatten().filter_map(link).collect())
    }
}

/// Looks at all files before anything is sent.
fn check(paths: impl IntoIterator<Item = impl AsRef<Path>>, profile: Option<&Profile>) -> Result<Vec<Uploaded>> {
    let made_for = profile.and_then(|profile| profile.image_type.clone());
    let made_for = made_for.filter(|kind| !matches!(kind, ImageType::Other(_)));
    let mut expected = made_for.map(|kind| (kind, "the profile".to_owned()));
    let (mut photos, mut names) = (Vec::new(), HashMap::new());
    for path in paths {
        let path = path.as_ref();
        let refuse = |why: String| Err(Error::invalid("paths", format!("{}: {why}", path.display())));
        let metadata = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if !metadata.is_file() {
            return refuse("it is no regular file".to_owned());
        }
        File::open(path).map_err(|e| Error::io(path, e))?;
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return refuse("its name is not Unicode".to_owned());
        };
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let kind = match extension.to_str().unwrap_or_default() {
            "jpg" | "jpeg" => ImageType::Jpg,
            extension if RAW.split(' ').any(|known| known == extension) => ImageType::Raw,
            _ => return refuse(format!("its extension is none of jpg jpeg {RAW}")),
        };
        let (like, whose) = expected.get_or_insert_with(|| (kind.clone(), path.display().to_string()));
        if *like != kind {
            return refuse(format!("it is {kind}, and not {like} like {whose}"));
        }
        if let Some(other) = names.insert(name.to_owned(), path.to_owned()) {
            return refuse(format!("it has the same name as {}", other.display()));
        }
        photos.push(Uploaded {
            path: path.to_owned(),
            file_name: name.to_owned(),
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        });
    }
    Ok(photos)
}

impl Sending<'_> {
    fn run(&mut self, link: Option<&SignedUrl>) -> Result<Uploaded> {
        let result = self.transfer(link.cloned());
        let bytes = if result.is_ok() { self.progress.bytes } else { 0 };
        let _ = self.tell(bytes, true);
        result.map(|()| self.photo.clone())
    }

    /// Sends the file, as often as it may help.
    fn transfer(&mut self, mut link: Option<SignedUrl>) -> Result<()> {
        let began = Instant::now();
        let retry = self.project.client().transport.retry();
        let (mut attempts, mut renewed) = (0, false);
        loop {
            attempts += 1;
            let Some(Refusal { mut error, may_pass }) = self.attempt(link.as_ref())? else {
                return Ok(());
            };
            error.name.clone_from(&self.photo.file_name);
            error.bytes = self.progress.bytes;
            error.context.attempts = attempts;
            error.context.elapsed = began.elapsed();
            let wait = retry.wait_after(attempts, error.context.retry_after);
            match wait.filter(|_| may_pass) {
                _ if error.reason == TransferReason::LinkExpired && !renewed => {
                    renewed = true;
                    link = self.project.upload_links([self.photo])?.remove(&self.photo.file_name);
                }
                Some(wait) => sleep(wait),
                None => return Err(Error::Transfer(error)),
            }
        }
    }

    /// Sends the file once. Returns why it has not arrived, if it has not.
    fn attempt(&mut self, link: Option<&SignedUrl>) -> Result<Option<Refusal>> {
        use TransferReason::{Broken, Cancelled, Changed, NoLink};
        let transport = &self.project.client().transport;
        let (photo, stall) = (self.photo, self.options.stall_timeout);
        let uri = &link.map_or(Ok(Uri::default()), parse)?;
        let refusal = |reason, why| Ok(Some(transport.refusal("PUT", uri, reason, why)));
        let io = |e| Error::io(&photo.path, e);
        let _ = self.tell(0, false);
        if link.is_none() {
            return refusal(NoLink, "the service gave no link for the file");
        }
        if self.batch.is_stopped() {
            return refusal(Cancelled, CANCELLED);
        }
        self.file = Some(File::open(&photo.path).map_err(io)?);
        let answer = transport.put(uri, self, photo.bytes, stall);
        let now = fs::metadata(&photo.path).map_err(io)?;
        let same = (now.len(), now.modified().ok()) == (photo.bytes, photo.modified);
        match answer {
            _ if !same => refusal(Changed, "the file changed while it was sent"),
            Ok(answer) if !answer.status().is_success() => Ok(Some(transport.refused("PUT", uri, answer, stall))),
            Ok(_) if self.progress.bytes == now.len() => Ok(None),
            Ok(_) => refusal(Broken, "the storage answered before it had the file"),
            Err(_) if self.batch.is_stopped() => refusal(Cancelled, CANCELLED),
            Err(e) => Ok(Some(transport.broken("PUT", uri, &e))),
        }
    }

    fn tell(&mut self, bytes: u64, done: bool) -> ControlFlow<()> {
        self.batch.tell(&mut self.progress, bytes, done)
    }
}

impl Read for Sending<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.photo.bytes - self.progress.bytes;
        let Some(file) = &self.file else { return Ok(0) };
        let read = file.take(left).read(buffer)?;
        let told = self.tell(self.progress.bytes + read as u64, false);
        // `ureq` would ask again and again for the rest of a file that has become shorter.
        if read == 0 || told.is_break() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
