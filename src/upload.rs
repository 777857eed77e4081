//! Photos into a project.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result, TransferReason};
use crate::outcomes::Outcomes;
use crate::parallel::parallel;
use crate::profile::{ImageType, JPEG_EXTENSIONS, Profile, RAW_EXTENSIONS};
use crate::progress::{Batch, Progress, ProgressCallback};
use crate::project::Project;
use crate::transport::{Call, FileCall, STALL, Tell, Transfer, check_limit};
use crate::types::{ProjectKind, SignedUrl};

/// How [`Project::upload`] sends files.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// How many files are sent at a time. Default: 4.
    pub threads: usize,
    /// The longest that nothing of a file may move. Default: 60 s. Zero is
    /// [`Error::InvalidInput`].
    pub stall_timeout: Duration,
    /// The profile that the photos are going to be edited with. Files that it is not made for are
    /// refused. Default: none.
    pub profile: Option<Profile>,
    /// Told how far it is; set by [`UploadOptions::on_progress`]. Default: none.
    pub progress: Option<ProgressCallback>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            threads: 4,
            stall_timeout: STALL,
            profile: None,
            progress: None,
        }
    }
}

impl UploadOptions {
    /// Calls this for every file when its transfer begins, after each piece of it, and when it
    /// ends, however it does, on the thread that sends it. [`Break`](ControlFlow::Break) ends
    /// the whole: files that have arrived stay, all others are [`TransferReason::Cancelled`].
    #[must_use]
    pub fn on_progress(
        mut self,
        callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.progress = Some(ProgressCallback(Arc::new(callback)));
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

/// Where each file goes, by its name.
type Links = HashMap<String, SignedUrl>;

#[derive(Deserialize)]
struct UploadLink {
    file_name: String,
    upload_link: SignedUrl,
}

impl Project {
    /// Sends photos from disk: `POST /projects/{uuid}/get_temporary_upload_links`, or the same
    /// under `/i2i/projects/{uuid}`, and a `PUT` for each file. The results are in the order of
    /// the paths, and a file that fails stops no other: look at each.
    ///
    /// Everything is checked first, and nothing is sent if anything is wrong. The service tells
    /// photos apart by their file names, without the folders. All must be RAW, or all JPEG, by
    /// their extensions.
    ///
    /// A transfer that breaks, stalls, or is answered by 408, 425, 429 or 5xx starts over, as often
    /// as the client's [`RetryPolicy`](crate::RetryPolicy) allows. When a link has expired, the
    /// file gets one new link. A file that changes after it was checked (its length or its
    /// modification time) is a failed file, whatever of it has arrived. No limit
    /// but for a stall bounds a transfer. Files are read as they are sent, so memory does not grow
    /// with their size.
    ///
    /// Each file goes in one `PUT`, which object storage takes up to 5 GiB. The service's uploads
    /// in parts are left out.
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::UploadOptions;
    ///
    /// let photos = ["card/DSC_0001.NEF", "card/DSC_0002.NEF"];
    /// for (path, result) in photos
    ///     .iter()
    ///     .zip(project.upload(photos, &UploadOptions::default())?)
    /// {
    ///     match result {
    ///         Ok(photo) => println!("{}: {} bytes", photo.file_name, photo.bytes),
    ///         Err(e) => println!("{path}: {}", e.summary()),
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: a path that is no regular file, a name that is not Unicode, an
    ///   extension that the service does not take, two files of one name, RAW and JPEG files
    ///   together, or a file that the profile is not made for; nothing was sent.
    /// - [`Error::Io`]: a file that cannot be opened; nothing was sent.
    /// - [`Error::Api`], [`Error::Network`], [`Error::Decode`]: the service gave no links; no file
    ///   was sent.
    ///
    /// Of one file:
    /// - [`Error::Transfer`]: it did not arrive; [`TransferReason`] says why.
    /// - [`Error::Io`]: it could not be read, or is gone.
    /// - Those of asking for a new link, when the first has expired.
    pub fn upload(
        &self,
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        options: &UploadOptions,
    ) -> Result<Outcomes<Uploaded>> {
        check_limit("stall_timeout", options.stall_timeout)?;
        let photos = check(paths, options.profile.as_ref())?;
        if photos.is_empty() {
            return Ok(Outcomes(Vec::new()));
        }
        let batch = Batch {
            callback: options.progress.as_ref(),
            files: photos.len(),
            ..Batch::default()
        };
        let (stall, links) = (options.stall_timeout, self.upload_links(&photos)?);
        let work = |(index, photo): (usize, &Uploaded)| {
            batch.file(index, &photo.file_name, |tell| {
                match self.send_photo(photo, &links, stall, tell) {
                    Err(Error::Transfer(e)) if e.reason == TransferReason::LinkExpired => self
                        .send_photo(
                            photo,
                            &self.upload_links(slice::from_ref(photo))?,
                            stall,
                            tell,
                        ),
                    result => result,
                }
            })
        };
        Ok(Outcomes(parallel(
            photos.iter().enumerate(),
            options.threads,
            work,
        )))
    }

    fn send_photo(
        &self,
        photo: &Uploaded,
        links: &Links,
        stall: Duration,
        tell: &mut Tell<'_>,
    ) -> Result<Uploaded> {
        let name = &photo.file_name;
        let transport = &self.client().transport;
        let Some(url) = links.get(name) else {
            return Err(transport.no_link("PUT", name));
        };
        let call = FileCall {
            method: "PUT",
            url,
            name: name.clone(),
            stall,
        };
        let mut file = Transfer::new(transport, call, tell)?;
        file.total = Some(photo.bytes);
        file.run(&mut |file| attempt(photo, file).inspect_err(|_| file.bytes = 0))?;
        Ok(photo.clone())
    }

    /// Asks for links, by the names of the files.
    fn upload_links(&self, photos: &[Uploaded]) -> Result<Links> {
        let files: Vec<Value> = photos
            .iter()
            .map(|photo| json!({ "file_name": photo.file_name }))
            .collect();
        let body = match self.kind() {
            ProjectKind::ProfileBased => json!({ "files_list": files }),
            ProjectKind::Smart => json!({ "files_list": files, "client_type": "API" }),
        };
        let call = Call::post(self.path(&["get_temporary_upload_links"])?).json(&body)?;
        let links: Vec<Option<UploadLink>> = self.send(&call)?.list("files_list")?;
        Ok(links
            .into_iter()
            .flatten()
            .map(|link| (link.file_name, link.upload_link))
            .collect())
    }
}

/// Looks at all files before anything is sent.
fn check(
    paths: impl IntoIterator<Item = impl AsRef<Path>>,
    profile: Option<&Profile>,
) -> Result<Vec<Uploaded>> {
    let kind = profile.and_then(|profile| profile.image_type.clone());
    let mut expected = kind
        .filter(|kind| !matches!(kind, ImageType::Other(_)))
        .map(|kind| (kind, "the profile".to_owned()));
    let (mut photos, mut names) = (Vec::new(), HashMap::new());
    for path in paths {
        let path = path.as_ref();
        let refuse = |why: String| {
            Err(Error::invalid(
                "paths",
                format!("{}: {why}", path.display()),
            ))
        };
        let metadata = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if !metadata.is_file() {
            return refuse("it is no regular file".to_owned());
        }
        File::open(path).map_err(|e| Error::io(path, e))?;
        let Some(file_name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned)
        else {
            return refuse("its name is not Unicode".to_owned());
        };
        let Some(kind) = ImageType::of(path) else {
            let known = [JPEG_EXTENSIONS.join(" "), RAW_EXTENSIONS.join(" ")].join(" ");
            return refuse(format!("its extension is none of {known}"));
        };
        let (like, whose) =
            expected.get_or_insert_with(|| (kind.clone(), path.display().to_string()));
        if *like != kind {
            return refuse(format!("it is {kind}, and not {like} like {whose}"));
        }
        if let Some(other) = names.insert(file_name.clone(), path.to_owned()) {
            return refuse(format!("it has the same name as {}", other.display()));
        }
        let path = path.to_owned();
        photos.push(Uploaded {
            path,
            file_name,
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        });
    }
    Ok(photos)
}

/// Sends the file once.
fn attempt(photo: &Uploaded, file: &mut Transfer<'_>) -> Result<()> {
    let io = |e| Error::io(&photo.path, e);
    let (transport, uri, stall) = (file.transport, file.uri.clone(), file.stall);
    let mut body = Body {
        disk: File::open(&photo.path).map_err(io)?,
        left: photo.bytes,
        file,
    };
    let answer = transport.put(&uri, &mut body, photo.bytes, stall);
    let (file, left) = (body.file, body.left);
    let now = fs::metadata(&photo.path).map_err(io)?;
    if (now.len(), now.modified().ok()) != (photo.bytes, photo.modified) {
        return Err(file.failed(
            TransferReason::Changed,
            "the file changed while it was sent",
        ));
    }
    let answer = answer.map_err(|e| file.broken(&e))?;
    match answer.status().is_success() {
        false => Err(file.refused(answer)),
        true if left > 0 => Err(file.failed(
            TransferReason::Broken,
            "the storage answered before it had the file",
        )),
        true => Ok(()),
    }
}

/// The body of a request, which is read from the disk as it is sent.
struct Body<'a, 't> {
    disk: File,
    left: u64,
    file: &'a mut Transfer<'t>,
}

impl Read for Body<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&self.disk).take(self.left).read(buffer)?;
        self.left -= read as u64;
        self.file.bytes += read as u64;
        // `ureq` would ask again and again for the rest of a file that has become shorter.
        if read == 0 || self.file.tell().is_err() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
