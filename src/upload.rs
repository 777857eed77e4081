//! Photos into a project.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::slice;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result, TransferReason};
use crate::outcomes::Outcomes;
use crate::parallel::{Ended, parallel};
use crate::photo::{Photo, Source};
use crate::profile::{ImageType, JPEG_EXTENSIONS, Profile, RAW_EXTENSIONS};
use crate::progress::{Items, ProgressCallback};
use crate::project::Project;
use crate::transport::{Call, FileCall, STALL, Tell, Transfer, check_limit};
use crate::types::{ProjectKind, SignedUrl};

/// How many links are asked for at a time. The answer for 10,000 photos has 14 MB, and its links
/// expire while the first photos are sent.
const LOT: usize = 100;

/// How [`Project::upload`] sends photos.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// How many photos are sent at a time; 0 counts as 1. Default: 4.
    pub threads: usize,
    /// Gives up an attempt after this long without progress. Default: 60 s. Zero is
    /// [`Error::InvalidInput`].
    pub stall_timeout: Duration,
    /// The profile that the photos are going to be edited with. Photos that it is not made for are
    /// refused. Default: none.
    pub profile: Option<Profile>,
    /// Told of each photo when its transfer begins, after each piece of it, about ten times a
    /// second between attempts, and when it ends. [`Break`](std::ops::ControlFlow::Break) ends the
    /// upload. Default: none.
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

/// A photo that has arrived in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// Its name in the project.
    pub file_name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Project {
    /// Sends photos: `POST /projects/{uuid}/get_temporary_upload_links`, or the same under
    /// `/i2i/projects/{uuid}`, for each 100 photos, and a `PUT` for each photo.
    ///
    /// A photo is a path, or a [`Photo`] under another name or from memory. The results are in the
    /// order of the photos. A photo that fails stops no other: look at each, or call
    /// [`Outcomes::all`].
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// use imagen_ai::UploadOptions;
    ///
    /// let photos = ["card/DSC_0001.NEF", "card/DSC_0002.NEF"];
    /// let results = project.upload(photos, &UploadOptions::default())?;
    /// for (path, result) in photos.iter().zip(results) {
    ///     match result {
    ///         Ok(photo) => println!("{}: {} bytes", photo.file_name, photo.bytes),
    ///         Err(e) => println!("{path}: {}", e.summary()),
    ///     }
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # What is checked first
    /// All photos are looked at before anything is sent, and nothing is sent if one is wrong. The
    /// service tells photos apart by their file names, without the folders. All must be RAW, or
    /// all JPEG, by their extensions. Empty files are refused, and so are the files `._NAME` that
    /// macOS puts beside others on cards.
    ///
    /// # When a transfer fails
    /// A transfer that breaks, stalls, or is answered by 408, 425, 429 or 5xx starts over, as often
    /// as the client's [`RetryPolicy`](crate::RetryPolicy) allows. After a refusal, and after a
    /// connection that ended without an answer, the next attempt goes to a fresh link, since the
    /// old one may have expired.
    ///
    /// A file that changes after it was checked (its length or its modification time) counts as
    /// failed, even if it was sent. Nothing limits the time of a transfer that makes progress.
    ///
    /// Files are read as they are sent, so memory does not grow with their size. Each goes in one
    /// `PUT`, which object storage takes up to 5 GiB. The service's uploads in parts are not used.
    ///
    /// # What ends it early
    /// [`RateLimited`], [`Unauthorized`] and [`Error::Network`] of asking for links. Photos that
    /// were not begun carry that error; nothing was sent for them.
    ///
    /// [`RateLimited`]: crate::ApiErrorKind::RateLimited
    /// [`Unauthorized`]: crate::ApiErrorKind::Unauthorized
    ///
    /// # Errors
    /// - [`Error::InvalidInput`]: a path that is no regular file, a name that is not Unicode or
    ///   holds a slash, an extension that the service does not take, an empty photo, two photos of
    ///   one name, RAW and JPEG together, or a photo that the profile is not made for. Nothing was
    ///   sent.
    /// - [`Error::Io`]: a file that cannot be opened. Nothing was sent.
    /// - [`Error::Api`], [`Error::Network`], [`Error::Decode`]: the service gave no links for the
    ///   first photos. No photo was sent.
    ///
    /// Of one photo:
    /// - [`Error::Transfer`]: it did not arrive; [`TransferReason`] says why.
    /// - [`Error::Io`]: it could not be read, or is gone. It is not tried again.
    /// - Those of asking for its link.
    pub fn upload(
        &self,
        photos: impl IntoIterator<Item = impl Into<Photo>>,
        options: &UploadOptions,
    ) -> Result<Outcomes<Uploaded>> {
        let photos = photos.into_iter().map(Into::into).collect();
        let photos = check(photos, options)?;
        self.send_photos(&photos, &[], options, &|_| {})
    }

    /// Sends photos that were looked at. `arrived` are others that were given, and that have
    /// arrived before: they count as ended. `note` is told of each photo that arrives.
    pub(crate) fn send_photos(
        &self,
        photos: &[Checked],
        arrived: &[Checked],
        options: &UploadOptions,
        note: &(dyn Fn(&Uploaded) + Sync),
    ) -> Result<Outcomes<Uploaded>> {
        let mut lots: Vec<Lot<'_>> = photos.chunks(LOT).map(Lot::new).collect();
        if let Some(first) = lots.first_mut() {
            // Without links the upload fails as a whole, before any photo is sent.
            let links = self.upload_links(first.photos)?;
            first.links = Mutex::new(Some(links));
        }
        let count = photos.len() + arrived.len();
        let sending = Sending {
            project: self,
            stall: options.stall_timeout,
            note,
            items: Items::new(options.progress.as_ref(), count),
            ended: Ended::default(),
        };
        for photo in arrived {
            sending.items.end(photo.index, &photo.file_name);
        }
        let photos = lots.iter().flat_map(Lot::photos);
        let send = |(lot, photo)| sending.send(lot, photo);
        Ok(Outcomes(parallel(photos, options.threads, send)))
    }

    /// Asks for links, by the names of the photos.
    fn upload_links(&self, photos: &[Checked]) -> Result<Links> {
        let files: Vec<Value> = photos
            .iter()
            .map(|photo| json!({ "file_name": photo.file_name }))
            .collect();
        let body = match self.kind() {
            ProjectKind::ProfileBased => json!({ "files_list": files }),
            ProjectKind::Smart => json!({ "files_list": files, "client_type": "API" }),
        };
        let call = Call::post(self.path(&["get_temporary_upload_links"])?).json(&body)?;
        let answer: Vec<Option<UploadLink>> = self.send(&call)?.list("files_list")?;
        let links = answer.into_iter().flatten();
        Ok(links
            .map(|link| (link.file_name, link.upload_link))
            .collect())
    }
}

/// One run over many photos.
struct Sending<'s> {
    project: &'s Project,
    stall: Duration,
    /// Told of each photo that arrives.
    note: &'s (dyn Fn(&Uploaded) + Sync),
    items: Items<'s>,
    /// Why no other photo is begun. A call for a lot's links that ends the upload sets it under
    /// the lock of the lot, so that those who wait for the links find it.
    ended: Ended,
}

impl Sending<'_> {
    /// Sends a photo of a lot, and tells of its progress and its end.
    fn send(&self, lot: &Lot<'_>, photo: &Checked) -> Result<Uploaded> {
        self.items.item(photo.index, &photo.file_name, |tell| {
            // Links that nobody is going to use are not asked for.
            if self.items.is_stopped() {
                let transport = &self.project.client().transport;
                return Err(transport.cancelled("PUT", &photo.file_name));
            }
            let link = self.link(lot, photo)?;
            let uploaded = self.send_by_link(link, photo, tell)?;
            (self.note)(&uploaded);
            Ok(uploaded)
        })
    }

    /// Takes the link of a photo. The first photo of a lot asks for the links of all.
    fn link(&self, lot: &Lot<'_>, photo: &Checked) -> Result<SignedUrl> {
        let mut links = lot.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = self.ended.why() {
            return Err(error);
        }
        let links = match &mut *links {
            Some(links) => links,
            missing => {
                let result = self.project.upload_links(lot.photos);
                missing.insert(result.inspect_err(|e| self.end_if_next_would_fail(e))?)
            }
        };
        self.take_link(links, photo)
    }

    fn take_link(&self, links: &mut Links, photo: &Checked) -> Result<SignedUrl> {
        let name = &photo.file_name;
        match links.remove(name) {
            Some(link) => Ok(link),
            None => Err(self.project.client().transport.no_link("PUT", name)),
        }
    }

    /// Sends a photo to a link. If that has expired, it is sent to one fresh link.
    fn send_by_link(
        &self,
        link: SignedUrl,
        photo: &Checked,
        tell: &mut Tell<'_>,
    ) -> Result<Uploaded> {
        let mut result = self.send_to(link, photo, tell);
        if has_expired(&result) {
            let fresh = self.fresh_link(photo);
            result = fresh.and_then(|link| self.send_to(link, photo, tell));
        }
        // The errors of a transfer itself are others than those of asking for a fresh link.
        result.inspect_err(|e| self.end_if_next_would_fail(e))
    }

    /// Makes the attempts to send a photo, the first of them to this link.
    fn send_to(&self, link: SignedUrl, photo: &Checked, tell: &mut Tell<'_>) -> Result<Uploaded> {
        let transport = &self.project.client().transport;
        let call = FileCall {
            method: "PUT",
            url: &link,
            name: photo.file_name.clone(),
            stall: self.stall,
        };
        let mut file = Transfer::new(transport, call, tell)?;
        file.total = Some(photo.bytes);
        let mut is_link_used_up = false;
        file.run(&mut |file| {
            if is_link_used_up {
                let link = self.fresh_link(photo)?;
                file.use_link(&link)?;
            }
            let result = attempt(photo, file);
            if let Err(error) = &result {
                file.bytes = 0;
                is_link_used_up = uses_up_the_link(error);
            }
            result
        })?;
        Ok(Uploaded {
            file_name: photo.file_name.clone(),
            bytes: photo.bytes,
        })
    }

    fn fresh_link(&self, photo: &Checked) -> Result<SignedUrl> {
        let mut links = self.project.upload_links(slice::from_ref(photo))?;
        self.take_link(&mut links, photo)
    }

    /// Ends the upload after an error that the next call for links would meet too.
    fn end_if_next_would_fail(&self, error: &Error) {
        if error.is_of_all_calls() {
            self.ended.end(error);
        }
    }
}

fn has_expired(result: &Result<Uploaded>) -> bool {
    matches!(result, Err(Error::Transfer(e)) if e.reason == TransferReason::LinkExpired)
}

/// Where photos go, by their names.
type Links = HashMap<String, SignedUrl>;

#[derive(Deserialize)]
struct UploadLink {
    file_name: String,
    upload_link: SignedUrl,
}

/// Photos whose links are asked for together.
struct Lot<'p> {
    photos: &'p [Checked],
    /// The links that are not yet used. `None` until an answer came. Whoever needs one first asks
    /// for all under the lock, so that the others wait for that answer. After a failure that does
    /// not end the upload, the next one asks again.
    links: Mutex<Option<Links>>,
}

impl<'p> Lot<'p> {
    fn new(photos: &'p [Checked]) -> Self {
        Self {
            photos,
            links: Mutex::new(None),
        }
    }

    /// Returns the photos, each with this lot.
    fn photos(&self) -> impl Iterator<Item = (&Self, &Checked)> {
        self.photos.iter().map(move |photo| (self, photo))
    }
}

/// A photo that was looked at: what is sent, and what must still hold when it is.
pub(crate) struct Checked {
    photo: Photo,
    /// Its place among the photos that were given.
    index: usize,
    pub(crate) file_name: String,
    image_type: ImageType,
    pub(crate) bytes: u64,
    /// When the file was changed, if the system says so.
    modified: Option<SystemTime>,
}

/// Looks at all photos before anything is sent.
pub(crate) fn check(photos: Vec<Photo>, options: &UploadOptions) -> Result<Vec<Checked>> {
    check_limit("stall_timeout", options.stall_timeout)?;
    let mut kind = options.profile.as_ref().and_then(Kind::of_profile);
    let mut names = HashMap::new();
    let mut all = Vec::with_capacity(photos.len());
    for photo in photos {
        let checked = Checked::of(photo, all.len())?;
        let label = checked.photo.label();
        let kind = kind.get_or_insert_with(|| Kind {
            image_type: checked.image_type.clone(),
            whose: label.clone(),
        });
        if kind.image_type != checked.image_type {
            let Kind { image_type, whose } = kind;
            let why = format!(
                "it is {}, and not {image_type} like {whose}",
                checked.image_type
            );
            return Err(checked.photo.refused(why));
        }
        if let Some(other) = names.insert(checked.file_name.clone(), label) {
            let why = format!("it has the same name as {other}");
            return Err(checked.photo.refused(why));
        }
        all.push(checked);
    }
    Ok(all)
}

/// What all photos of an upload must be.
struct Kind {
    image_type: ImageType,
    /// The profile or the first photo, which decided it.
    whose: String,
}

impl Kind {
    fn of_profile(profile: &Profile) -> Option<Self> {
        let image_type = profile.image_type.clone()?;
        if matches!(image_type, ImageType::Other(_)) {
            return None;
        }
        Some(Self {
            image_type,
            whose: "the profile".to_owned(),
        })
    }
}

impl Checked {
    /// Looks at a photo without reading it.
    fn of(photo: Photo, index: usize) -> Result<Self> {
        let bytes;
        let mut modified = None;
        match &photo.source {
            Source::Bytes(content) => bytes = content.len() as u64,
            Source::File(path) => {
                let metadata = fs::metadata(path).map_err(|e| Error::io(path, e))?;
                if !metadata.is_file() {
                    return Err(photo.refused("it is no regular file"));
                }
                File::open(path).map_err(|e| Error::io(path, e))?;
                bytes = metadata.len();
                modified = metadata.modified().ok();
            }
        }
        let file_name = checked_name(&photo)?;
        let Some(image_type) = ImageType::of(&file_name) else {
            let known = [&JPEG_EXTENSIONS[..], &RAW_EXTENSIONS].concat().join(" ");
            return Err(photo.refused(format!("its extension is none of {known}")));
        };
        if bytes == 0 {
            return Err(photo.refused("it is empty"));
        }
        Ok(Self {
            photo,
            index,
            file_name,
            image_type,
            bytes,
            modified,
        })
    }

    fn open(&self) -> Result<Box<dyn Read + '_>> {
        match &self.photo.source {
            Source::Bytes(bytes) => Ok(Box::new(bytes.as_slice())),
            Source::File(path) => {
                let file = File::open(path).map_err(|e| Error::io(path, e))?;
                Ok(Box::new(file))
            }
        }
    }

    /// Says whether the file is another one than the one that was checked.
    fn has_changed(&self) -> Result<bool> {
        let Source::File(path) = &self.photo.source else {
            return Ok(false);
        };
        let now = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        Ok(now.len() != self.bytes || now.modified().ok() != self.modified)
    }
}

/// Returns the name in the project. Refuses what cannot be the name of a photo.
fn checked_name(photo: &Photo) -> Result<String> {
    let Some(name) = photo.file_name() else {
        return Err(photo.refused("its name is not Unicode"));
    };
    if name.contains('/') {
        return Err(photo.refused(format!("{name:?} must be a name without folders")));
    }
    if photo.is_apple_double() {
        return Err(photo.refused("macOS put it beside a photo, and it is none itself"));
    }
    Ok(name.to_owned())
}

/// Sends the photo once.
fn attempt(photo: &Checked, file: &mut Transfer<'_>) -> Result<()> {
    let transport = file.transport;
    let uri = file.uri.clone();
    let stall = file.stall;
    let mut body = Body {
        content: photo.open()?,
        left: photo.bytes,
        failure: None,
        file,
    };
    // `ureq` reads no answer before it has sent the whole length.
    let answer = transport.put(&uri, &mut body, photo.bytes, stall);
    let Body { failure, file, .. } = body;
    if photo.has_changed()? {
        let why = "the file changed while it was sent";
        return Err(file.failed(TransferReason::Changed, why));
    }
    if let Some(error) = failure {
        return Err(Error::io(photo.photo.label(), error));
    }
    let answer = answer.map_err(|e| file.broken(&e))?;
    if !answer.status().is_success() {
        return Err(file.refused(answer));
    }
    Ok(())
}

/// Whether the next attempt needs another link: after a refusal, and if no answer came. A storage
/// that refuses a link early and closes looks like a broken network, since the answer is lost in
/// the reset.
fn uses_up_the_link(error: &Error) -> bool {
    matches!(error.status(), None | Some(400..=499))
}

/// The body of a request, which is read from the photo as it is sent.
struct Body<'b, 't> {
    content: Box<dyn Read + 'b>,
    left: u64,
    /// Why the photo could not be read.
    failure: Option<io::Error>,
    file: &'b mut Transfer<'t>,
}

impl Read for Body<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match (&mut self.content).take(self.left).read(buffer) {
            Ok(read) => read,
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                return Err(kind.into());
            }
        };
        self.left -= read as u64;
        self.file.bytes += read as u64;
        // `ureq` would ask again and again for the rest of a file that has become shorter.
        if read == 0 || self.file.tell().is_err() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
