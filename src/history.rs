//! The versions of a project's photos, as the service knows them.

mod draw;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::{fmt, iter, mem};

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::project::Project;
use crate::types::{
    DownloadLink, EnhancementStatus, PHOTO, SignedUrl, VersionId, from_json, link_from,
};

impl Project {
    /// Asks for the versions of all photos: `GET /projects/{uuid}/ai-tools`, the same call as
    /// [`Project::presets`].
    ///
    /// The shape of the answer is not published; [`History`] says how it is read.
    /// [Vendor's page](https://api-docs.imagen-ai.com/docs/reference/copilot), "Check version history".
    ///
    /// ```no_run
    /// # let project = imagen_ai::Client::from_env()?.project("65f3a1c2");
    /// let history = project.history()?;
    /// for photo in history.images() {
    ///     println!("{}: {} versions", photo.file_name(), photo.versions().len());
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
    /// Asks for the versions of this photo. The answer holds those of all photos, so that for
    /// several photos [`Project::history`] is one call where this is many.
    ///
    /// A photo that the history does not list has an empty history, of which
    /// [`ImageHistory::is_listed`] is false.
    ///
    /// ```no_run
    /// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// println!("{}", photo.history()?);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::history`]; [`Error::InvalidInput`] for a file name that is not usable.
    pub fn history(&self) -> Result<ImageHistory> {
        crate::transport::check_segment("file_name", "file name", self.file_name())?;
        let mut history = self.project().history()?;
        let is_unlisted = history.find(self.file_name()).is_none();
        Ok(ImageHistory {
            is_unlisted,
            ..mem::take(history.photo(self.file_name()))
        })
    }
}

/// The versions of a project's photos, as the service told them at one moment.
///
/// # How it is read
/// The service does not publish the shape of its history, so any arrangement of lists and objects
/// is read by these rules:
/// - An object with a `version_id` is a version.
/// - Its photo is named by the nearest `file_name`, `filename`, `image_name` or `image`, of its own
///   or around it; else by the nearest key around it that ends like a photo's file: `.jpg`, `.jpeg`
///   or a RAW file's extension, in any case.
/// - Its parent is its `parent_version_id` or `parent_id`; `null` is the unedited photo. Without
///   such a field the parent is the version around it; else it is unknown.
/// - `instruction` or `prompt`, `tool_id` or `enhancement_type`, `status`, `enhanced_image_url` or
///   `url`, and `created_at` are what they say. One that is empty or no text is left out.
/// - A version without a photo, or whose id is neither a string that is not empty nor an integer of
///   64 bits, is not guessed at: [`unread`](Self::unread) counts it. An id of `null` is counted
///   too, since it may belong to an edit under way.
/// - Of two versions of a photo with the same id the first stands.
/// - A photo is listed when it has versions, or when the answer names it with an empty list: by a
///   field beside the list, or by the list's key. It is not listed when a list beside its name
///   holds something in which no version was found.
///
/// [`raw`](Self::raw) gives the untouched answer. Fields of one object are read in the order of
/// their names. An id that is a string is kept without needless escapes: `"a\/b"` as `"a/b"`.
#[derive(Clone, Default)]
pub struct History {
    raw: String,
    images: BTreeMap<String, ImageHistory>,
    unread: usize,
}

impl History {
    /// Reads a history from a saved answer, or from one of a test.
    ///
    /// ```
    /// let history = imagen_ai::History::from_json(
    ///     r#"{"a.jpg":[{"version_id":7,"parent_version_id":null}]}"#,
    /// )?;
    /// let photo = history.find("a.jpg").expect("the photo is listed");
    /// assert_eq!(photo.latest().expect("a version").id, 7.into());
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for what is no JSON, or is nested deeper than 127 levels.
    pub fn from_json(json: impl Into<String>) -> Result<Self> {
        let raw = json.into();
        let json = from_json(raw.trim_start_matches('\u{feff}'))
            .map_err(|e| Error::invalid("json", e.to_string()))?;
        Ok(Self::of(raw, json))
    }

    /// Reads a history from the text of an answer and what it was parsed to.
    fn of(raw: String, json: Value) -> Self {
        let mut history = Self {
            raw,
            ..Self::default()
        };
        history.walk("", json, None, None, None);
        history
    }

    /// Returns the photos that are listed, in the order of their names.
    pub fn images(&self) -> impl ExactSizeIterator<Item = &ImageHistory> {
        self.images.values()
    }

    /// Returns the history of a photo, by the name of its finished JPEG. `None` when it is not
    /// listed. Upper and lower case differ.
    pub fn find(&self, file_name: &str) -> Option<&ImageHistory> {
        self.images.get(file_name)
    }

    /// Returns how many versions could not be placed.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Returns the JSON as it came; that of the service is without its `data` envelope. It holds
    /// the signed links of all pictures.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Reads what is under a key, or with an empty key in a list. Around it there are: the nearest
    /// name of a photo in a field, the nearest key that ends like a photo's file, and the id of
    /// the nearest version.
    fn walk(
        &mut self,
        key: &str,
        mut value: Value,
        field: Option<&str>,
        above: Option<&str>,
        outer: Option<&Value>,
    ) {
        let (Value::Object(_) | Value::Array(_)) = value else {
            return;
        };
        let is_photo = |(_, end): &(&str, &str)| {
            PHOTO
                .split(' ')
                .any(|known| known.eq_ignore_ascii_case(end))
        };
        let key = key.rsplit_once('.').filter(is_photo).map(|_| key);
        let id = value.get_mut("version_id").map(Value::take);
        let is_preset = id.is_none() && value.get("enhancement_type").is_some();
        let name = text(
            &mut value,
            &["file_name", "filename", "image_name", "image"],
        )
        .filter(|_| !is_preset);
        let name = name.as_deref();
        match (id.as_ref().map(id_of), name.or(field).or(key).or(above)) {
            (Some(Some(id)), Some(photo)) => self.add(photo, id, &mut value, outer),
            (Some(_), _) => self.unread += 1,
            (None, Some(photo)) if name.or(key) == Some(photo) && lists_nothing(&value) => {
                _ = self.photo(photo)
            }
            (None, _) => {}
        }
        let (field, above, outer) = (name.or(field), key.or(above), id.as_ref().or(outer));
        match value {
            Value::Array(items) => items
                .into_iter()
                .for_each(|item| self.walk("", item, field, above, outer)),
            Value::Object(fields) => fields
                .into_iter()
                .for_each(|(key, it)| self.walk(&key, it, field, above, outer)),
            _ => {}
        }
    }

    /// Returns the history of a photo, which is listed from now on.
    fn photo(&mut self, name: &str) -> &mut ImageHistory {
        let new = || ImageHistory {
            file_name: name.to_owned(),
            ..ImageHistory::default()
        };
        self.images.entry(name.to_owned()).or_insert_with(new)
    }

    /// Adds a version to a photo, unless it has one with this id.
    fn add(&mut self, name: &str, id: VersionId, object: &mut Value, outer: Option<&Value>) {
        let photo = self.photo(name);
        let place = photo.versions.len();
        if *photo.by_id.entry(id.clone()).or_insert(place) != place {
            return;
        }
        let field = object.get("parent_version_id").or(object.get("parent_id"));
        let parent = field.or(outer).and_then(id_of);
        photo.versions.push(Version {
            id,
            parent_told: parent.is_some() || field.is_some_and(Value::is_null),
            parent,
            instruction: text(object, &["instruction", "prompt"]),
            preset: text(object, &["tool_id", "enhancement_type"]),
            status: text(object, &["status"]).map(EnhancementStatus::from),
            url: text(object, &["enhanced_image_url", "url"]).and_then(|url| url.try_into().ok()),
            created_at: text(object, &["created_at"]),
        });
    }
}

/// Shows how many photos and versions were read, without the answer.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "History({} photos, {} unread)",
            self.images.len(),
            self.unread
        )
    }
}

/// Takes the first of these fields that holds a text.
fn text(object: &mut Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match object.get_mut(*name)? {
        Value::String(text) if !text.is_empty() => Some(mem::take(text)),
        _ => None,
    })
}

fn id_of(id: &Value) -> Option<VersionId> {
    let number = id
        .as_u64()
        .map(VersionId::from)
        .or_else(|| id.as_i64().map(VersionId::from));
    number.or_else(|| {
        id.as_str()
            .filter(|id| !id.is_empty())
            .map(VersionId::of_string)
    })
}

/// Whether it is an empty list or object, or an object with an empty list and none that holds
/// something.
fn lists_nothing(value: &Value) -> bool {
    let fields = value.as_object().into_iter().flat_map(Map::values);
    let mut lists = iter::once(value)
        .chain(fields)
        .filter_map(Value::as_array)
        .peekable();
    value.as_object().is_some_and(Map::is_empty)
        || (lists.peek().is_some() && lists.all(Vec::is_empty))
}

/// The versions of one photo. `Display` draws them as a tree: `{}` for 80 columns, `{:100}` for
/// 100.
#[derive(Clone, Debug, Default)]
pub struct ImageHistory {
    file_name: String,
    versions: Vec<Version>,
    by_id: HashMap<VersionId, usize>,
    is_unlisted: bool,
}

impl ImageHistory {
    /// Returns the photo's name.
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
        let failed = Some(EnhancementStatus::Failed);
        let made = || {
            self.versions
                .iter()
                .filter(|version| version.status != failed)
        };
        if made().all(|version| version.id.as_integer().is_some()) {
            return made().max_by_key(|version| version.id.as_integer());
        }
        let parents: HashSet<_> = made()
            .filter_map(|version| version.parent.as_ref())
            .collect();
        let mut ends = made().filter(|version| !parents.contains(&version.id));
        ends.next().filter(|_| ends.next().is_none())
    }

    /// Whether the service's answer lists the photo: with versions, or with an empty list of them.
    /// When it does not, nothing is known of the photo's versions.
    pub fn is_listed(&self) -> bool {
        !self.is_unlisted
    }

    /// Returns what was built on this version, or with `None` on the unedited photo.
    pub fn children<'h>(
        &'h self,
        parent: Option<&'h VersionId>,
    ) -> impl Iterator<Item = &'h Version> {
        self.versions
            .iter()
            .filter(move |version| version.parent_told && version.parent.as_ref() == parent)
    }

    /// Returns the way to this version from the first one that is known, both included. It is empty
    /// for an id that is not in the history, and ends where parents lead back to a version on
    /// it.
    pub fn path_to(&self, id: impl Into<VersionId>) -> Vec<&Version> {
        let mut seen = HashSet::new();
        let parent = |version: &&Version| self.get(version.parent.as_ref()?);
        let mut path: Vec<_> = iter::successors(self.get(id), parent)
            .take_while(|it| seen.insert(&it.id))
            .collect();
        path.reverse();
        path
    }
}

/// A version of a photo, as the history tells it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Version {
    /// Its id: the `parent_version_id` of an edit that builds on it.
    pub id: VersionId,
    /// What it was built on. `None` is the unedited photo if [`parent_told`](Self::parent_told),
    /// else unknown.
    pub parent: Option<VersionId>,
    /// Whether the history tells what it was built on.
    pub parent_told: bool,
    /// The prompt it was made by.
    pub instruction: Option<String>,
    /// The preset it was made by.
    pub preset: Option<String>,
    /// What the service says of it.
    pub status: Option<EnhancementStatus>,
    /// Where its picture can be fetched for a while.
    pub url: Option<SignedUrl>,
    /// When it was made, as the service writes it.
    pub created_at: Option<String>,
}

link_from!(Version, version => version.url.clone());
