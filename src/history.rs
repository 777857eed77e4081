//! The versions of a project's images, as the service knows them.

mod draw;
mod read;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;

use self::read::Reader;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::project::Project;
use crate::transport::check_segment;
use crate::types::{DownloadLink, EnhancementStatus, SignedUrl, VersionId, from_json};

impl Project {
    /// Asks for the versions of all images: `GET /projects/{uuid}/ai-tools`, the same call as
    /// [`Project::presets`].
    ///
    /// The shape of the answer is not published; [`History`] says how it is read.
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Check version history".
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// let history = project.history()?;
    /// for image in history.images() {
    ///     println!("{}: {} versions", image.file_name(), image.versions().len());
    /// }
    /// if history.unread() > 0 {
    ///     println!("not all of it was understood: {}", history.raw());
    /// }
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::presets`]; [`Error::Decode`] also for an answer that is nested deeper than 127
    /// levels.
    pub fn history(&self) -> Result<History> {
        let call = self.ai_tools_call()?;
        let answer = self.send(&call)?;
        Ok(History::of(answer.payload().to_owned(), answer.json()?))
    }
}

impl Image {
    /// Asks for the versions of this image. The answer holds the versions of all images, so for
    /// several images [`Project::history`] takes one call and this takes many.
    ///
    /// If the history does not list the image, the result is empty and its
    /// [`is_listed`](ImageHistory::is_listed) is false.
    ///
    /// ```no_run
    /// # let image = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// println!("{}", image.history()?);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::history`]; [`Error::InvalidInput`] for a file name that is not usable.
    pub fn history(&self) -> Result<ImageHistory> {
        check_segment("file_name", "file name", self.file_name())?;
        let mut history = self.project().history()?;
        match history.place_of(self.file_name()) {
            Some(place) => Ok(history.images.swap_remove(place)),
            None => Ok(ImageHistory::of(self.file_name())),
        }
    }
}

/// The versions of a project's images, as the service told them at one moment.
///
/// # How it is read
/// The service does not publish the shape of its history, so any arrangement of lists and objects
/// is read by these rules:
/// - An object with a `version_id` is a version.
/// - Its image is named by the nearest `file_name`, `filename`, `image_name` or `image`, of its own
///   or around it; else by the nearest key around it that ends like a photo's file: `.jpg`, `.jpeg`
///   or a RAW file's extension, in any case.
/// - Its parent is its `parent_version_id` or `parent_id`; `null` is the unedited image. Without
///   such a field the parent is the version around it; else it is unknown.
/// - `instruction` or `prompt`, `tool_id` or `enhancement_type`, `status`, `enhanced_image_url` or
///   `url`, and `created_at` are what they say. One that is empty or no text is left out.
/// - A version is only counted ([`unread`](Self::unread)) if its image is unknown, or if its id is
///   not a non-empty string or a 64-bit integer. An id of `null` is counted too, since it may
///   belong to an edit under way.
/// - Of two versions of an image with the same id the first stands.
/// - An image is listed when it has versions, or when the answer names it with an empty list: by a
///   field beside the list, or by the list's key. It is not listed when a list beside its name
///   holds something in which no version was found.
///
/// [`raw`](Self::raw) gives the untouched answer. Fields of one object are read in the order of
/// their names. An id that is a string is kept without needless escapes: `"a\/b"` as `"a/b"`.
#[derive(Clone, Default)]
pub struct History {
    raw: String,
    /// Sorted by their names.
    images: Vec<ImageHistory>,
    unread: usize,
}

impl History {
    /// Reads a history from a saved answer, or from one of a test.
    ///
    /// ```
    /// let history = imagen_ai::History::from_json(
    ///     r#"{"a.jpg":[{"version_id":7,"parent_version_id":null}]}"#,
    /// )?;
    /// let image = history.get("a.jpg").expect("the image is listed");
    /// assert_eq!(image.latest().expect("a version").id, 7.into());
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for what is no JSON, or is nested deeper than 127 levels.
    pub fn from_json(json: impl Into<String>) -> Result<Self> {
        let raw = json.into();
        match from_json(raw.trim_start_matches('\u{feff}')) {
            Ok(json) => Ok(Self::of(raw, json)),
            Err(e) => Err(Error::invalid("json", e.to_string())),
        }
    }

    /// Reads a history from the text of an answer and what it was parsed to.
    fn of(raw: String, json: Value) -> Self {
        let mut reader = Reader::default();
        reader.read(json);
        let (images, unread) = reader.finish();
        Self {
            raw,
            images,
            unread,
        }
    }

    /// Returns the images that are listed, in the order of their names.
    pub fn images(&self) -> impl ExactSizeIterator<Item = &ImageHistory> {
        self.images.iter()
    }

    /// Returns the history of an image, by the name of the finished JPEG. `None` when it is not
    /// listed. Upper and lower case differ.
    pub fn get(&self, file_name: &str) -> Option<&ImageHistory> {
        self.images.get(self.place_of(file_name)?)
    }

    fn place_of(&self, file_name: &str) -> Option<usize> {
        let place = self
            .images
            .binary_search_by(|image| image.file_name.as_str().cmp(file_name));
        place.ok()
    }

    /// Returns how many versions could not be placed.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Returns the JSON as it came, without the `data` envelope of the service. It holds the signed
    /// links of all versions.
    pub fn raw(&self) -> &str {
        &self.raw
    }
}

/// Shows how many images were read, without the answer.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let images = self.images.len();
        let unread = self.unread;
        write!(f, "History({images} images, {unread} unread)")
    }
}

/// The versions of one image. `Display` draws them as a tree: `{}` for 80 columns, `{:100}` for
/// 100.
#[derive(Clone, Debug, Default)]
pub struct ImageHistory {
    file_name: String,
    versions: Vec<Version>,
    /// The index in `versions` of each id.
    by_id: HashMap<VersionId, usize>,
    is_listed: bool,
}

impl ImageHistory {
    /// Makes the history of an image that is not listed.
    fn of(file_name: &str) -> Self {
        Self {
            file_name: file_name.to_owned(),
            ..Self::default()
        }
    }

    /// Adds a version, unless there is one with its id. The image is listed from now on.
    fn add(&mut self, version: Version) {
        self.is_listed = true;
        if let Entry::Vacant(entry) = self.by_id.entry(version.id.clone()) {
            entry.insert(self.versions.len());
            self.versions.push(version);
        }
    }

    /// Returns the image's name.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the versions, in the answer's order.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Returns the version with this id.
    pub fn get(&self, id: impl Into<VersionId>) -> Option<&Version> {
        self.versions.get(*self.by_id.get(&id.into())?)
    }

    /// Returns the newest version: the one with the largest id; where not all ids are integers, the
    /// only one that no other was built on; else `None`. Versions that failed do not count.
    pub fn latest(&self) -> Option<&Version> {
        let made: Vec<&Version> = self
            .versions
            .iter()
            .filter(|version| !version.has_failed())
            .collect();
        if made.iter().all(|version| version.id.as_integer().is_some()) {
            return made
                .into_iter()
                .max_by_key(|version| version.id.as_integer());
        }
        only_end(&made)
    }

    /// Whether the service's answer lists the image: with versions, or with an empty list of them.
    /// When it does not, nothing is known of the image's versions.
    pub fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Returns what was built on this version, or with `None` on the unedited image.
    pub fn children<'h>(
        &'h self,
        parent: Option<&'h VersionId>,
    ) -> impl Iterator<Item = &'h Version> {
        self.versions
            .iter()
            .filter(move |version| version.parent_told && version.parent.as_ref() == parent)
    }

    /// Returns the versions from the first one that is known to this one, both included. It is
    /// empty for an id that is not in the history. If the parents form a circle, each version is
    /// listed once.
    pub fn path_to(&self, id: impl Into<VersionId>) -> Vec<&Version> {
        let mut path = Vec::new();
        let mut seen = HashSet::new();
        let mut next = self.get(id);
        while let Some(version) = next
            && seen.insert(&version.id)
        {
            path.push(version);
            next = version.parent.as_ref().and_then(|parent| self.get(parent));
        }
        path.reverse();
        path
    }
}

/// Returns the only version that no other was built on.
fn only_end<'h>(versions: &[&'h Version]) -> Option<&'h Version> {
    let parents: HashSet<&VersionId> = versions
        .iter()
        .filter_map(|version| version.parent.as_ref())
        .collect();
    let mut ends = versions
        .iter()
        .filter(|version| !parents.contains(&version.id));
    let end = ends.next()?;
    if ends.next().is_some() {
        return None;
    }
    Some(end)
}

/// A version of an image, as the history tells it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Version {
    /// Its id: the `parent_version_id` of an edit that builds on it.
    pub id: VersionId,
    /// What it was built on. `None` is the unedited image if [`parent_told`](Self::parent_told),
    /// else unknown.
    pub parent: Option<VersionId>,
    /// Whether the history tells what it was built on.
    pub parent_told: bool,
    /// The prompt that made it.
    pub instruction: Option<String>,
    /// The preset that made it.
    pub preset: Option<String>,
    /// What the service says of it.
    pub status: Option<EnhancementStatus>,
    /// Where the image of this version can be fetched for a while.
    pub url: Option<SignedUrl>,
    /// When it was made, as the service writes it.
    pub created_at: Option<String>,
}

impl Version {
    pub(crate) fn has_failed(&self) -> bool {
        self.status == Some(EnhancementStatus::Failed)
    }
}

impl From<Version> for DownloadLink {
    fn from(version: Version) -> Self {
        Self {
            file_name: None,
            download_link: version.url,
        }
    }
}

impl From<&Version> for DownloadLink {
    fn from(version: &Version) -> Self {
        Self {
            file_name: None,
            download_link: version.url.clone(),
        }
    }
}
