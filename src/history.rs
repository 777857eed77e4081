//! The versions of a project's photos, as the service knows them.

mod draw;
mod read;

use std::collections::HashMap;
use std::fmt;
use std::iter::successors;

use serde_json::{Map, Value};

use self::draw::count;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::project::Project;
use crate::types::{EnhancementStatus, RedactedMap, RedactedUrl, VersionId};

impl Project {
    /// Asks for the versions of all photos: `GET /projects/{uuid}/ai-tools`, the same call as [`Project::ai_tools`].
    ///
    /// Vendor's page, Copilot API, "Check version history". The shape of the answer is not published:
    /// [`History`] says how it is read.
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
    /// As [`Project::ai_tools`]; [`Error::Decode`] also for an answer that is nested deeper than 127 levels.
    #[inline]
    pub fn history(&self) -> Result<History> {
        self.client().transport.json_with(&self.ai_tools_call()?, |payload| {
            let mut history = History::read(payload)?;
            history.raw = payload.to_owned();
            Ok(history)
        })
    }
}

impl Image {
    /// Asks for the versions of this photo. The service tells those of all photos at once, so that for several photos
    /// [`Project::history`] is one call where this is many.
    ///
    /// ```no_run
    /// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
    /// println!("{}", photo.history()?);
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Project::history`], and [`Error::InvalidInput`] for a photo that the history does not name, as
    /// [`History::image`].
    #[inline]
    pub fn history(&self) -> Result<ImageHistory> {
        self.project().history()?.into_image(self.file_name())
    }
}

/// The versions of a project's photos, as the service told them at one moment.
///
/// # How it is read
/// The service does not publish the shape of its history, so it is read by what is known of it, in any arrangement of
/// lists, objects and names:
/// - An object with a `version_id` is a version. So is one among `versions` (or `version_history`, `history`, `edits`,
///   `revisions`, or a file's name) with an `id` and a parent.
/// - Its photo is named by the nearest `file_name`, `filename`, `image_name` or `image`, in itself or around it; or
///   else by the nearest name that ends as those of files do; or else by the nearest that is no word of the structure
///   (`versions`, `images`, `data`, ...).
/// - Its parent is what `parent_version_id`, `parent_id`, `parent_version` or `parent` says, or the version in whose
///   `children` (or `child`, `branches`, `next`, `descendants`) it is. Nothing else is taken for a parent, the order
///   least of all: where none is told, [`Version::parent_told`] is false.
/// - `instruction` or `prompt`; `tool_id`, `enhancement_type` or `preset`; `status`; `enhanced_image_url`, `image_url`
///   or `url`; `created_at`, `created` or `timestamp` are what [`Version`] has. Each name may be written `likeThis`.
///   Whatever else a version has is in its `extra`.
///
/// A version that is listed twice is one. [`History::unread`] counts those that could not be placed, and
/// [`History::raw`] is the untouched answer for whoever knows more.
///
/// ```
/// use imagen_ai::History;
///
/// let history = History::from_json(
///     r#"{"images": [{"file_name": "DSC_0001.JPEG", "versions": [
///         {"version_id": 123, "parent_version_id": null, "instruction": "make the sky more blue"},
///         {"version_id": 124, "parent_version_id": 123, "instruction": "brighten the interior"}
///     ]}]}"#,
/// )?;
/// let photo = history.image("DSC_0001.JPEG")?;
/// let newest = photo.latest().ok_or("no versions")?;
/// assert_eq!(newest.instruction.as_deref(), Some("brighten the interior"));
/// println!("{history}"); // a line for each photo
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// To keep a history, keep [`History::raw`] and read it with [`History::from_json`].
#[derive(Clone)]
pub struct History {
    images: Vec<ImageHistory>,
    by_name: HashMap<String, usize>,
    unread: usize,
    /// Whether the answer is a history at all, be it an empty one, as far as can be told.
    is_history: bool,
    raw: String,
}

impl History {
    /// The photos, in the service's order. Whether those without versions are among them is the service's choice.
    #[inline]
    pub fn images(&self) -> &[ImageHistory] {
        &self.images
    }

    /// The photo of this name, which must be spelt as the service spells it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a photo that is not in the history; it says so if there is one whose name differs
    /// only in upper and lower case.
    #[inline]
    pub fn image(&self, file_name: &str) -> Result<&ImageHistory> {
        self.find(file_name).ok_or_else(|| self.no_such_image(file_name))
    }

    /// How many objects with a version in them could not be placed: no photo's name is anywhere around them, or their
    /// id or their parent's is nothing that an id can be. They are in [`History::raw`] and nowhere else.
    #[inline]
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// The whole answer, untouched, as JSON text.
    #[inline]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Reads a history that was kept, or that came another way.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a text that is not JSON, or is nested deeper than 127 levels. JSON of any shape is
    /// read: one with no version in it has none.
    #[inline]
    pub fn from_json(json: impl Into<String>) -> Result<Self> {
        let json = json.into();
        let mut history = Self::read(&json).map_err(|e| Error::invalid("json", e.to_string()))?;
        history.raw = json;
        Ok(history)
    }

    /// Reads all but the untouched text, which the caller has.
    #[inline]
    fn read(json: &str) -> serde_json::Result<Self> {
        let reading = read::read(json)?;
        Ok(Self {
            images: reading.images.into_iter().map(ImageHistory::new).collect(),
            by_name: reading.by_name,
            unread: reading.unread,
            is_history: reading.is_history,
            raw: String::new(),
        })
    }

    #[inline]
    fn into_image(mut self, file_name: &str) -> Result<ImageHistory> {
        match self.by_name.get(file_name) {
            Some(index) if *index < self.images.len() => Ok(self.images.swap_remove(*index)),
            _ => Err(self.no_such_image(file_name)),
        }
    }

    #[inline]
    pub(crate) fn find(&self, file_name: &str) -> Option<&ImageHistory> {
        self.images.get(*self.by_name.get(file_name)?)
    }

    /// A photo whose name differs at most in upper and lower case: for the text of an error, so that no index is kept.
    #[inline]
    pub(crate) fn alike(&self, file_name: &str) -> Option<&ImageHistory> {
        let lower = file_name.to_lowercase();
        self.images.iter().find(|image| image.file_name.to_lowercase() == lower)
    }

    #[inline]
    pub(crate) fn no_such_image(&self, file_name: &str) -> Error {
        let message = match self.alike(file_name) {
            Some(alike) => format!(
                "{file_name:?} is not in the history, but {:?} is: upper and lower case differ",
                alike.file_name
            ),
            None => format!(
                "{file_name:?} is not in the history, which names {}; it has no versions, or another name",
                count(self.images.len(), "photo")
            ),
        };
        Error::invalid("image", message)
    }

    /// Whether the answer tells a photo's versions, or that it has none.
    #[inline]
    pub(crate) fn tells_of(&self, file_name: &str) -> bool {
        self.unread == 0
            && match self.find(file_name) {
                Some(image) => image.listed,
                // Photos without versions may be left out, if it is the photos with versions that are listed, and by
                // names of the same kind: not by those of the RAW files, or by what are no names of files at all.
                None => {
                    let (stem, end) = parts(file_name);
                    let same_kind = |image: &ImageHistory| {
                        let (other_stem, other_end) = parts(&image.file_name);
                        other_end == end && other_stem != stem
                    };
                    end.is_some()
                        && self.images.iter().all(same_kind)
                        && self.images.iter().any(|image| !image.versions.is_empty())
                }
            }
    }

    /// Whether a photo has no other versions than those that are here, as far as can be told: a history with no photo
    /// in it says so of every photo.
    #[inline]
    pub(crate) fn tells_all_of(&self, file_name: &str) -> bool {
        let empty = self.is_history && self.images.is_empty() && self.unread == 0;
        empty || self.tells_of(file_name)
    }
}

impl fmt::Debug for History {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("images", &self.images)
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

/// The versions of one photo: a tree whose root is the unedited photo, which is no version itself.
///
/// `Display` draws it, as wide as the formatter is told (`{photo:100}`), or else for 80 columns: the path to the newest
/// version goes straight down and is marked `●`, what was built beside it branches off, long instructions are cut.
/// Each [problem](Self::problems) has a line below.
///
/// ```
/// # let history = imagen_ai::History::from_json(r#"{"DSC_0001.JPEG": [
/// #     {"version_id": 123, "parent_version_id": null, "created_at": "2026-01-31T10:02:11Z",
/// #      "instruction": "make the sky more blue"},
/// #     {"version_id": 124, "parent_version_id": 123, "created_at": "2026-01-31T10:03:40Z",
/// #      "instruction": "brighten the interior"},
/// #     {"version_id": 125, "parent_version_id": 124, "created_at": "2026-01-31T10:05:02Z",
/// #      "tool_id": "virtual_staging"},
/// #     {"version_id": 126, "parent_version_id": 123, "created_at": "2026-01-31T10:09:57Z",
/// #      "instruction": "warm evening light over the roofs"},
/// #     {"version_id": 127, "parent_version_id": 126, "created_at": "2026-01-31T10:12:20Z",
/// #      "instruction": "remove the car"}
/// # ]}"#)?;
/// let photo = history.image("DSC_0001.JPEG")?;
/// assert_eq!(
///     format!("\n{photo:72}\n"),
///     r#"
/// DSC_0001.JPEG: 5 versions
/// ● unedited
/// ● 123  "make the sky more blue"             2026-01-31 10:02
/// ├─○ 124  "brighten the interior"            2026-01-31 10:03
/// │ ○ 125  virtual_staging                    2026-01-31 10:05
/// ● 126  "warm evening light over the roofs"  2026-01-31 10:09
/// ● 127  "remove the car"                     2026-01-31 10:12  ← newest
/// "#
/// );
///
/// let newest = photo.latest().ok_or("no versions")?;
/// let way: Vec<_> = photo.path_to(&newest.id).iter().map(|version| version.id.to_string()).collect();
/// assert_eq!(way, ["123", "126", "127"]);
/// assert_eq!(photo.roots().count(), 1);
/// assert_eq!(photo.children_of(123).count(), 2);
///
/// let staged = photo.get(125).ok_or("no such version")?;
/// assert_eq!(staged.preset.as_deref(), Some("virtual_staging"));
/// let before = photo.parent_of(125).ok_or("on the unedited photo")?;
/// assert_eq!(before.instruction.as_deref(), Some("brighten the interior"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ImageHistory {
    file_name: String,
    versions: Vec<Version>,
    links: Vec<Links>,
    by_id: HashMap<VersionId, u32>,
    first_root: Option<u32>,
    latest: Option<u32>,
    problems: Vec<HistoryProblem>,
    /// Whether its versions were told, even if there are none.
    listed: bool,
}

impl ImageHistory {
    /// The photo's name, as the service spells it.
    #[inline]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// All versions, in the order in which the service listed them; of those nested in each other, the outer first.
    #[inline]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The newest version that did not fail; `None` if there is none.
    ///
    /// A version is newer than what it was built on. Among those that nothing was built on, the time of creation
    /// decides, if all have one of the same form; or else the larger number, if all ids are numbers; or else the order
    /// of the list.
    #[inline]
    pub fn latest(&self) -> Option<&Version> {
        self.at(self.latest)
    }

    /// The version of this id; `None` if it is not in the history.
    #[inline]
    pub fn get(&self, id: impl Into<VersionId>) -> Option<&Version> {
        self.at(self.index(&id.into()))
    }

    /// The version that this one was built on, if it is in the history. `None` for one built on the unedited photo, or
    /// whose parent was not told.
    #[inline]
    pub fn parent_of(&self, id: impl Into<VersionId>) -> Option<&Version> {
        self.at(self.links(self.index(&id.into())).parent)
    }

    /// The versions that were built on this one, in the service's order.
    #[inline]
    pub fn children_of(&self, id: impl Into<VersionId>) -> impl Iterator<Item = &Version> {
        self.siblings(self.links(self.index(&id.into())).first_child)
            .filter_map(|index| self.at(Some(index)))
    }

    /// The way from a root to this version, both included: what was applied, one after the other, to get it. Empty for
    /// an id that is not in the history.
    #[inline]
    pub fn path_to(&self, id: impl Into<VersionId>) -> Vec<&Version> {
        let start = self.index(&id.into());
        let mut path: Vec<_> = self.ancestors(start).filter_map(|index| self.at(Some(index))).collect();
        path.reverse();
        path
    }

    /// The versions with no parent in the history: those built on the unedited photo, those whose parent was not told,
    /// and those at which a [problem](Self::problems) cuts the tree.
    #[inline]
    pub fn roots(&self) -> impl Iterator<Item = &Version> {
        self.siblings(self.first_root).filter_map(|index| self.at(Some(index)))
    }

    /// What is wrong with this history; empty if nothing is.
    #[inline]
    pub fn problems(&self) -> &[HistoryProblem] {
        &self.problems
    }
}

impl fmt::Debug for ImageHistory {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageHistory")
            .field("file_name", &self.file_name)
            .field("versions", &self.versions)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// One version of a photo, as far as the service told it.
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// for version in photo.history()?.versions() {
///     let made_by = version.instruction.as_ref().or(version.preset.as_ref());
///     let on = match &version.parent {
///         Some(parent) => format!("version {parent}"),
///         None if version.parent_told => "the unedited photo".to_owned(),
///         None => "nobody knows what".to_owned(),
///     };
///     println!("{}: {made_by:?} on {on}, {:?}, {:?}", version.id, version.status, version.created_at);
///     println!("and besides: {:?}", version.extra);
///     if version.url.is_some() {
///         let picture = photo.project().client().download(version).to_vec(100_000_000)?;
///         println!("{} bytes", picture.len());
///     }
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Version {
    /// What names it: [`CopilotRequest::parent`](crate::CopilotRequest::parent) takes it.
    pub id: VersionId,
    /// The version that it was built on; `None` is the unedited photo, if [`parent_told`](Self::parent_told).
    pub parent: Option<VersionId>,
    /// Whether the service told the parent, and no more than one. Where it did not, nothing is known of it, except
    /// after [`HistoryProblem::TwoParents`], when `parent` is the first of the two.
    pub parent_told: bool,
    /// What was asked for in words.
    pub instruction: Option<String>,
    /// The preset that was applied: the [`enhancement_type`](crate::AiTool::enhancement_type) of an
    /// [`AiTool`](crate::AiTool).
    pub preset: Option<String>,
    /// How it went.
    pub status: Option<EnhancementStatus>,
    /// Where the picture can be fetched for a while: a presigned URL. Keep its query out of logs; `Debug` does.
    pub url: Option<String>,
    /// When it was made, as the service writes it.
    pub created_at: Option<String>,
    /// Fields that this crate does not know.
    pub extra: Map<String, Value>,
}

impl Version {
    /// Whether the service says that this edit failed.
    #[inline]
    pub(crate) fn failed(&self) -> bool {
        self.status == Some(EnhancementStatus::Failed)
    }

    /// Adds what the same version's second listing tells. Returns the parent that it tells if that is another one.
    #[inline]
    fn merge(&mut self, other: Self) -> Option<Option<VersionId>> {
        #[inline]
        fn fill<T>(slot: &mut Option<T>, other: Option<T>) {
            if slot.is_none() {
                *slot = other;
            }
        }
        fill(&mut self.instruction, other.instruction);
        fill(&mut self.preset, other.preset);
        fill(&mut self.status, other.status);
        fill(&mut self.url, other.url);
        fill(&mut self.created_at, other.created_at);
        for (name, value) in other.extra {
            self.extra.entry(name).or_insert(value);
        }
        match (self.parent_told, other.parent_told) {
            (false, true) => {
                self.parent = other.parent;
                self.parent_told = true;
                None
            }
            (true, true) if self.parent != other.parent => Some(other.parent),
            _ => None,
        }
    }
}

impl fmt::Debug for Version {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("id", &self.id)
            .field("parent", &self.parent)
            .field("parent_told", &self.parent_told)
            .field("instruction", &self.instruction)
            .field("preset", &self.preset)
            .field("status", &self.status)
            .field("url", &self.url.as_deref().map(RedactedUrl))
            .field("created_at", &self.created_at)
            .field("extra", &RedactedMap(&self.extra))
            .finish()
    }
}

/// What is wrong with a photo's history. It is read all the same.
///
/// ```no_run
/// # let photo = imagen_ai::Client::from_env()?.project("65f3a1c2").image("DSC_0001.JPEG");
/// use imagen_ai::HistoryProblem;
///
/// for problem in photo.history()?.problems() {
///     match problem {
///         HistoryProblem::MissingParent { version, parent } => println!("{version} has lost its parent {parent}"),
///         HistoryProblem::Loop { version } => println!("do not ask what came before {version}"),
///         HistoryProblem::TwoParents { version, first, other } => {
///             println!("{version} was built on {first:?}, or else on {other:?}");
///         }
///         other => println!("{other}"),
///     }
/// }
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HistoryProblem {
    /// A version's parent is not in the history. The service drops a branch that is not kept, and with it this may
    /// have gone.
    MissingParent {
        /// The version.
        version: VersionId,
        /// Its parent, as told.
        parent: VersionId,
    },
    /// Following a version's parents leads back to it. The tree is cut above it.
    Loop {
        /// The version.
        version: VersionId,
    },
    /// A version is listed twice, with two parents; `None` is the unedited photo. The first is kept as its
    /// [`parent`](Version::parent), and [`parent_told`](Version::parent_told) is false.
    TwoParents {
        /// The version.
        version: VersionId,
        /// The parent of the first listing.
        first: Option<VersionId>,
        /// The other one.
        other: Option<VersionId>,
    },
}

impl fmt::Display for HistoryProblem {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingParent { version, parent } => {
                write!(
                    f,
                    "version {version} was built on {parent}, which is not in the history"
                )
            }
            Self::Loop { version } => write!(f, "version {version} is its own ancestor"),
            Self::TwoParents { version, first, other } => {
                let name = |id: &Option<VersionId>| match id {
                    Some(id) => id.to_string(),
                    None => "the unedited photo".to_owned(),
                };
                write!(f, "version {version} is listed as built on {}", name(first))?;
                write!(f, " and on {}", name(other))
            }
        }
    }
}

/// How a version hangs together with the others, by their places in the list.
#[derive(Clone, Copy, Default)]
struct Links {
    parent: Option<u32>,
    first_child: Option<u32>,
    next_sibling: Option<u32>,
}

impl ImageHistory {
    #[inline]
    fn new(found: read::Found) -> Self {
        let mut history = Self {
            file_name: found.file_name,
            versions: Vec::new(),
            links: Vec::new(),
            by_id: HashMap::new(),
            first_root: None,
            latest: None,
            problems: Vec::new(),
            listed: found.listed,
        };
        history.enter(found.versions);
        history.link();
        history.latest = history.newest();
        history
    }

    /// Takes the versions in, each once.
    #[inline]
    fn enter(&mut self, found: Vec<Version>) {
        self.versions.reserve_exact(found.len());
        self.by_id.reserve(found.len());
        for version in found {
            let next = self.versions.len() as u32;
            let place = *self.by_id.entry(version.id.clone()).or_insert(next);
            match self.versions.get_mut(place as usize) {
                None => self.versions.push(version),
                Some(first) => {
                    if let Some(other) = first.merge(version) {
                        first.parent_told = false;
                        self.problems.push(HistoryProblem::TwoParents {
                            version: first.id.clone(),
                            first: first.parent.clone(),
                            other,
                        });
                    }
                }
            }
        }
    }

    /// Makes a tree of them.
    #[inline]
    fn link(&mut self) {
        let mut parents = Vec::with_capacity(self.versions.len());
        for version in &self.versions {
            let parent = version.parent.as_ref().and_then(|parent| self.index(parent));
            if let (Some(missing), None) = (&version.parent, parent) {
                self.problems.push(HistoryProblem::MissingParent {
                    version: version.id.clone(),
                    parent: missing.clone(),
                });
            }
            parents.push(parent);
        }
        for index in cut_loops(&mut parents) {
            if let Some(version) = self.at(Some(index)) {
                let version = version.id.clone();
                self.problems.push(HistoryProblem::Loop { version });
            }
        }
        self.links = vec![Links::default(); parents.len()];
        // From the last to the first, since each is put before its siblings.
        for (index, parent) in parents.into_iter().enumerate().rev() {
            let index = index as u32;
            let first = match parent.and_then(|parent| self.links.get_mut(parent as usize)) {
                Some(links) => &mut links.first_child,
                None => &mut self.first_root,
            };
            let next_sibling = first.replace(index);
            if let Some(links) = self.links.get_mut(index as usize) {
                links.parent = parent;
                links.next_sibling = next_sibling;
            }
        }
    }

    #[inline]
    fn newest(&self) -> Option<u32> {
        let mut built_on = vec![false; self.versions.len()];
        for (version, links) in self.versions.iter().zip(&self.links) {
            let parent = links.parent.filter(|_| !version.failed());
            if let Some(built_on) = parent.and_then(|parent| built_on.get_mut(parent as usize)) {
                *built_on = true;
            }
        }
        let ends: Vec<(u32, &Version)> = (0..)
            .zip(&self.versions)
            .zip(built_on)
            .filter(|((_, version), built_on)| !built_on && !version.failed())
            .map(|(end, _)| end)
            .collect();
        let form = |version: &Version| version.created_at.as_deref().and_then(time_form);
        let newest = match ends.first() {
            Some((_, first)) if form(first).is_some() && ends.iter().all(|(_, v)| form(v) == form(first)) => {
                ends.iter().max_by_key(|(index, v)| (&v.created_at, &v.id, *index))
            }
            _ if ends.iter().all(|(_, version)| version.id.is_integer()) => ends.iter().max_by_key(|(_, v)| &v.id),
            _ => ends.last(),
        };
        newest.map(|(index, _)| *index)
    }

    #[inline]
    fn index(&self, id: &VersionId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    #[inline]
    fn at(&self, index: Option<u32>) -> Option<&Version> {
        self.versions.get(index? as usize)
    }

    #[inline]
    fn links(&self, index: Option<u32>) -> Links {
        let links = index.and_then(|index| self.links.get(index as usize));
        links.copied().unwrap_or_default()
    }

    #[inline]
    fn siblings(&self, first: Option<u32>) -> impl Iterator<Item = u32> {
        successors(first, |index| self.links(Some(*index)).next_sibling)
    }

    /// A version, its parent, and so on. It ends, since [`cut_loops`] came before.
    #[inline]
    fn ancestors(&self, start: Option<u32>) -> impl Iterator<Item = u32> {
        successors(start, |index| self.links(Some(*index)).parent)
    }
}

/// Takes one parent away from every loop. Says whose.
#[inline]
fn cut_loops(parents: &mut [Option<u32>]) -> Vec<u32> {
    let mut cut = Vec::new();
    // For each version the walk that came by first; 0 is none.
    let mut walks = vec![0_usize; parents.len()];
    for walk in 1..=parents.len() {
        let mut here = u32::try_from(walk - 1).ok();
        while let Some(index) = here {
            let place = index as usize;
            let (Some(seen), Some(parent)) = (walks.get_mut(place), parents.get_mut(place)) else {
                break;
            };
            if *seen == walk {
                *parent = None;
                cut.push(index);
            }
            if *seen != 0 {
                break;
            }
            *seen = walk;
            here = *parent;
        }
    }
    cut
}

/// What times must have in common so that the order of their texts is the order in time: everything but the digits,
/// and no offset from UTC.
#[inline]
fn time_form(time: &str) -> Option<String> {
    let date = time.split_once(['T', ' ']).map_or("", |(date, _)| date);
    let clock = time.strip_prefix(date).unwrap_or(time);
    let sortable = time.starts_with(|c: char| c.is_ascii_digit()) && !clock.contains(['+', '-']);
    sortable.then(|| time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect())
}

/// A file's name without its extension, and the extension, without case and without what is not ASCII, which may be
/// composed in more than one way.
#[inline]
fn parts(file_name: &str) -> (String, Option<String>) {
    let plain = |text: &str| {
        text.chars()
            .filter(char::is_ascii)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    match file_name.rsplit_once('.') {
        Some((stem, end)) if !end.is_empty() => (plain(stem), Some(plain(end).replace("jpg", "jpeg"))),
        _ => (plain(file_name), None),
    }
}
