//! Finds the versions in an answer whose shape nobody has published.
//!
//! The text is read once, into a light tree that borrows from it, and the tree is then walked with what is known of
//! the place: which photo it is in, and which version it hangs from. Nothing here is recursive beyond [`MAX_DEPTH`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::Version;
use crate::types::{EnhancementStatus, VersionId};

/// How deep lists and objects may be nested, as `serde_json` has it, and for the same reason: the stack.
const MAX_DEPTH: usize = 127;

/// A photo, as it was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) file_name: String,
    /// As they were listed, a version listed twice among them.
    pub(super) versions: Vec<Version>,
    /// Whether its versions were told, even if there were none.
    pub(super) listed: bool,
}

/// What was found in an answer.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) images: Vec<Found>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) unread: usize,
    /// Whether the answer is a history at all, be it an empty one, as far as can be told.
    pub(super) is_history: bool,
}

/// Reads an answer.
#[inline]
pub(super) fn read(json: &str) -> Result<Reading, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let mut tree = Seed { depth: MAX_DEPTH }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    let mut reading = Reading {
        is_history: tree.is_empty(),
        ..Reading::default()
    };
    reading.walk(&mut tree, Place::default());
    reading.is_history |= reading.images.iter().any(|image| image.listed);
    Ok(reading)
}

// ---- the words ----

/// What a field is for, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Version,
    /// A version's only where nothing else can be meant; see [`Reading::object`].
    Id,
    /// With the rank of the name: where there are two, the lower one is surer.
    Parent(u8),
    File,
    /// A photo's name, or an object that holds it.
    Image,
    Instruction,
    Preset,
    Status,
    Url,
    Created,
    /// Versions that were built on the one that this is in.
    Children,
    Other,
}

impl Field {
    #[inline]
    fn of(name: &str) -> Self {
        match name {
            "version_id" | "versionId" => Self::Version,
            "id" => Self::Id,
            "parent_version_id" | "parentVersionId" => Self::Parent(0),
            "parent_id" | "parentId" => Self::Parent(1),
            "parent_version" | "parentVersion" => Self::Parent(2),
            "parent" => Self::Parent(3),
            "file_name" | "fileName" | "filename" | "image_name" | "imageName" => Self::File,
            "image" => Self::Image,
            "instruction" | "prompt" => Self::Instruction,
            "tool_id" | "toolId" | "enhancement_type" | "enhancementType" | "preset" => Self::Preset,
            "status" => Self::Status,
            "enhanced_image_url" | "enhancedImageUrl" | "image_url" | "imageUrl" | "url" => Self::Url,
            "created_at" | "createdAt" | "created" | "timestamp" => Self::Created,
            "children" | "child" | "branches" | "next" | "descendants" => Self::Children,
            _ => Self::Other,
        }
    }

    /// Whether what stands there is an id whatever it looks like, and has to be kept as it is spelt.
    #[inline]
    fn is_id(self) -> bool {
        matches!(self, Self::Version | Self::Parent(0 | 1))
    }
}

/// Whether versions stand under this name.
#[inline]
fn holds_versions(name: &str) -> bool {
    matches!(
        name,
        "versions" | "version_history" | "versionHistory" | "history" | "edits" | "revisions"
    )
}

/// Whether a name belongs to the shape of an answer, so that it can't be a photo's.
#[inline]
fn is_structure(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "adjustment",
        "adjustments",
        "ai",
        "all",
        "branch",
        "branches",
        "by",
        "child",
        "children",
        "copilot",
        "current",
        "data",
        "descendants",
        "edit",
        "edits",
        "enhance",
        "enhancement",
        "enhancements",
        "entries",
        "entry",
        "file",
        "files",
        "first",
        "head",
        "history",
        "id",
        "ids",
        "image",
        "images",
        "item",
        "items",
        "last",
        "latest",
        "list",
        "map",
        "name",
        "newest",
        "next",
        "node",
        "nodes",
        "parent",
        "payload",
        "photo",
        "photos",
        "previous",
        "project",
        "projects",
        "prompt",
        "prompts",
        "response",
        "result",
        "results",
        "revision",
        "revisions",
        "root",
        "roots",
        "tool",
        "tools",
        "tree",
        "trees",
        "version",
        "versions",
    ];
    let mut words = name.split(['_', '-', ' ']);
    words.all(|word| WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))) || name.is_empty()
}

#[inline]
fn is_number(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a name ends as those of files do: `DSC_0001.JPEG`.
#[inline]
fn is_file_name(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, end)| {
        let letter = end.bytes().any(|b| b.is_ascii_alphabetic());
        !stem.is_empty() && letter && end.len() <= 5 && end.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

// ---- the walk ----

/// Where in the answer something stands.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    /// The nearest photo's name in a field of that purpose.
    named: Option<&'a str>,
    /// The nearest field that is called as files are.
    file: Option<&'a str>,
    /// The nearest field that may be called as a photo is.
    word: Option<&'a str>,
    /// The nearest field of all; empty at the top.
    key: &'a str,
    /// Whether it is an item of a list that is the value of that field.
    item: bool,
    /// The version that this hangs from.
    parent: Option<&'a VersionId>,
    /// Among the presets, which are no history.
    presets: bool,
}

impl<'a> Place<'a> {
    /// The place of a field of what is here.
    #[inline]
    fn under(self, key: &'a str) -> Self {
        let mut place = Self {
            key,
            item: false,
            ..self
        };
        if is_file_name(key) {
            place.file = Some(key);
        } else if !is_structure(key) && (place.word.is_none() || !is_number(key)) {
            place.word = Some(key);
        }
        place.presets |= key == "prompts";
        place
    }

    /// The photo whose version stands here.
    #[inline]
    fn image(&self, id: &VersionId) -> Option<&'a str> {
        // In a map of versions the last name is the version's own.
        let word = || self.word.filter(|word| *word != id.to_string());
        self.named.or(self.file).or_else(word)
    }
}

/// The fields of an object that decide what it is.
#[derive(Default)]
struct Marks<'t, 'a> {
    version: Option<&'t Node<'a>>,
    id: Option<&'t Node<'a>>,
    parent: Option<(u8, &'t Node<'a>)>,
    named: Option<&'t str>,
    has_children: bool,
}

type Fields<'a> = [(Name<'a>, Node<'a>)];

impl<'t, 'a> Marks<'t, 'a> {
    #[inline]
    fn of(fields: &'t Fields<'a>) -> Self {
        let mut marks = Self::default();
        for (name, node) in fields {
            match name.field {
                Field::Version if !node.is_null() => marks.version = Some(node),
                Field::Id => marks.id = Some(node),
                Field::Parent(rank) if marks.parent.is_none_or(|(best, _)| rank < best) => {
                    marks.parent = Some((rank, node));
                }
                Field::File => marks.named = node.text().filter(|name| !name.is_empty()).or(marks.named),
                Field::Image if marks.named.is_none() => marks.named = node.image_name(),
                Field::Children => marks.has_children |= node.is_null() || node.is_container(),
                _ => {}
            }
        }
        marks
    }
}

/// What is told of a version's parent, by a field or by nesting.
enum Parent {
    Told(Option<VersionId>),
    NotTold,
    Unreadable,
}

impl Parent {
    #[inline]
    fn of(marks: &Marks<'_, '_>) -> Self {
        match marks.parent {
            Some((_, node)) if !node.is_null() && node.text() != Some("") => match node.any_id() {
                Some(id) => Self::Told(Some(id)),
                None => Self::Unreadable,
            },
            Some((_, node)) if node.is_null() => Self::Told(None),
            // What says which versions hang from it hangs from none, where it stands by itself.
            _ if marks.has_children => Self::Told(None),
            _ => Self::NotTold,
        }
    }
}

impl Reading {
    /// Reads what stands at a place. Says whether there was a version in it, be it an unreadable one.
    #[inline]
    fn walk(&mut self, node: &mut Node<'_>, place: Place<'_>) -> bool {
        match node {
            Node::Object(fields) => self.object(fields, place),
            Node::List(items) => {
                let place = Place { item: true, ..place };
                items
                    .iter_mut()
                    .fold(false, |found, item| self.walk(item, place) | found)
            }
            Node::Version(leaf) => match leaf.take() {
                Some(leaf) => {
                    let named = leaf.named.as_deref().or(place.named);
                    self.enter(leaf.version, Place { named, ..place });
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    #[inline]
    fn object(&mut self, fields: &mut Fields<'_>, outer: Place<'_>) -> bool {
        let marks = Marks::of(fields);
        let named = marks.named.map(str::to_owned);
        let place = Place {
            named: named.as_deref().or(outer.named),
            ..outer
        };
        // `id` can be anything's. Among versions, and beside a parent, it is a version's.
        let among_versions = holds_versions(outer.key) || is_file_name(outer.key) || outer.parent.is_some();
        let id = marks
            .version
            .or_else(|| marks.id.filter(|_| among_versions && marks.parent.is_some()));
        let Some(id) = id else {
            let orphaned = marks.parent.is_some_and(|(rank, _)| rank == 0);
            return self.no_version(fields, named.as_deref(), orphaned, place);
        };
        let Some(version) = version(fields, &marks, id) else {
            self.unread += 1;
            self.fields(fields, Place { parent: None, ..place });
            return true;
        };

        // It is entered before those built on it.
        let own_id = version.id.clone();
        let entered = self.enter(version, place);
        for (name, node) in fields.iter_mut().filter(|(_, node)| node.is_container()) {
            let hangs = entered.is_some() && name.field == Field::Children;
            let place = Place {
                parent: hangs.then_some(&own_id),
                ..place
            };
            if !self.field(name, node, place) && !node.is_empty() {
                let version = entered.and_then(|(image, index)| self.images.get_mut(image)?.versions.get_mut(index));
                if let Some(version) = version {
                    version.extra.insert(name.text.to_string(), node.to_value());
                }
            }
        }
        true
    }

    /// Reads an object that is no version itself.
    #[inline]
    fn no_version(&mut self, fields: &mut Fields<'_>, named: Option<&str>, orphaned: bool, place: Place<'_>) -> bool {
        if let Some(name) = named.filter(|_| !place.presets) {
            self.image(name);
        }
        let found = self.fields(fields, place);
        // A version all the same, by where it stands or what it has, but one that names no id.
        let nameless = place.item && holds_versions(place.key) && named.is_none() && !found;
        if (nameless && !fields.is_empty()) || orphaned {
            self.unread += 1;
            return true;
        }
        found
    }

    #[inline]
    fn fields(&mut self, fields: &mut Fields<'_>, place: Place<'_>) -> bool {
        fields
            .iter_mut()
            .fold(false, |found, (name, node)| self.field(name, node, place) | found)
    }

    #[inline]
    fn field(&mut self, name: &Name<'_>, node: &mut Node<'_>, place: Place<'_>) -> bool {
        let place = place.under(&name.text);
        if node.is_null() || node.is_empty() {
            self.nothing(place);
            return false;
        }
        let found = self.walk(node, place);
        if !found && node.is_container() && is_file_name(&name.text) && !place.presets {
            self.image(&name.text);
        }
        found
    }

    /// Notes that where versions could stand there are none.
    #[inline]
    fn nothing(&mut self, place: Place<'_>) {
        if place.presets {
            return;
        }
        let of = if is_file_name(place.key) {
            Some(place.key)
        } else {
            place.named.or(place.file).filter(|_| holds_versions(place.key))
        };
        if let Some(name) = of {
            let image = self.image(name);
            if let Some(image) = self.images.get_mut(image) {
                image.listed = true;
            }
        } else if holds_versions(place.key) || matches!(place.key, "images" | "photos") {
            self.is_history = true;
        }
    }

    /// Where a photo is in the list; it is entered if it is not.
    #[inline]
    fn image(&mut self, name: &str) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = self.images.len();
        self.by_name.insert(name.to_owned(), index);
        self.images.push(Found {
            file_name: name.to_owned(),
            ..Found::default()
        });
        index
    }

    /// Enters a version that stands at a place. Says where: the photo, and where among its versions. Counts it if it is
    /// not told what photo it is of.
    #[inline]
    fn enter(&mut self, mut version: Version, place: Place<'_>) -> Option<(usize, usize)> {
        let Some(name) = place.image(&version.id) else {
            self.unread += 1;
            return None;
        };
        if let (None, Some(parent)) = (&version.parent, place.parent) {
            version.parent = Some(parent.clone());
            version.parent_told = true;
        }
        let index = self.image(name);
        let image = self.images.get_mut(index)?;
        image.listed = true;
        image.versions.push(version);
        Some((index, image.versions.len() - 1))
    }
}

/// The version that an object is, without what hangs from it and where it hangs.
#[inline]
fn version(fields: &Fields<'_>, marks: &Marks<'_, '_>, id: &Node<'_>) -> Option<Version> {
    let (parent, parent_told) = match Parent::of(marks) {
        Parent::Told(parent) => (parent, true),
        Parent::NotTold => (None, false),
        Parent::Unreadable => return None,
    };
    let mut version = Version {
        id: id.version_id()?,
        parent,
        parent_told,
        instruction: None,
        preset: None,
        status: None,
        url: None,
        created_at: None,
        extra: Map::new(),
    };
    for (name, node) in fields.iter().filter(|(_, node)| !node.is_container()) {
        let field = name.field;
        let used = std::ptr::eq(node, id) || marks.parent.is_some_and(|(_, parent)| std::ptr::eq(node, parent));
        let named = field == Field::File || (field == Field::Image && node.text() == marks.named);
        if used || named || node.is_null() {
            continue;
        }
        let slot = match field {
            Field::Instruction => &mut version.instruction,
            Field::Preset => &mut version.preset,
            Field::Url => &mut version.url,
            Field::Created => &mut version.created_at,
            _ => &mut None,
        };
        let text = match (field, node) {
            (Field::Created, Node::Number(number)) => Some(number.to_string()),
            _ => node.text().map(str::to_owned),
        };
        match (field, text) {
            (Field::Status, Some(word)) if version.status.is_none() => {
                version.status = Some(EnhancementStatus::of(&word));
            }
            (Field::Instruction | Field::Preset | Field::Url | Field::Created, Some(text)) if slot.is_none() => {
                // An empty text says as much as none.
                *slot = Some(text).filter(|text| !text.is_empty());
            }
            _ => {
                version.extra.insert(name.text.to_string(), node.to_value());
            }
        }
    }
    Some(version)
}

// ---- the tree ----

/// JSON, borrowed from its text where it can be.
enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// What stands where an id is expected, as it is spelt: a number may be larger than any type.
    Id(&'a str),
    List(Vec<Node<'a>>),
    Object(Vec<(Name<'a>, Node<'a>)>),
    /// An object that is a version and holds no other: most of what a history is. It takes less room than its fields,
    /// and is moved out when its place is known.
    Version(Option<Box<Leaf>>),
}

struct Leaf {
    /// The photo's name, if it is among its fields.
    named: Option<Box<str>>,
    version: Version,
}

struct Name<'a> {
    text: Cow<'a, str>,
    field: Field,
}

impl<'a> Node<'a> {
    #[inline]
    fn object(fields: Vec<(Name<'a>, Node<'a>)>) -> Self {
        let leaf = || {
            let marks = Marks::of(&fields);
            let id = marks
                .version
                .filter(|_| !fields.iter().any(|(_, node)| node.is_container()))?;
            Some(Box::new(Leaf {
                version: version(&fields, &marks, id)?,
                named: marks.named.map(Box::from),
            }))
        };
        match leaf() {
            None => Self::Object(fields),
            leaf => Self::Version(leaf),
        }
    }

    #[inline]
    fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Id("null"))
    }

    #[inline]
    fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Object(_) | Self::Version(_))
    }

    #[inline]
    fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Object(fields) => fields.is_empty(),
            _ => false,
        }
    }

    #[inline]
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Id("\"\"") => Some(""),
            _ => None,
        }
    }

    /// The photo's name in a field `image`, which may be an object, or a picture's address.
    #[inline]
    fn image_name(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_ref()).filter(|text| !text.contains("://")),
            Self::Object(fields) => fields
                .iter()
                .find(|(name, _)| name.field == Field::File || name.text == "name")
                .and_then(|(_, node)| node.text()),
            Self::Version(Some(leaf)) => leaf.named.as_deref().or(leaf.version.extra.get("name")?.as_str()),
            _ => None,
        }
    }

    /// The id, if this is one that is known exactly.
    #[inline]
    fn version_id(&self) -> Option<VersionId> {
        match self {
            Self::Id(raw) => VersionId::from_json(raw),
            Self::Text(text) if !text.is_empty() => Some(VersionId::from(text.as_ref())),
            Self::Number(number) => match number.as_i64() {
                Some(n) => Some(VersionId::from(n)),
                None => number.as_u64().map(VersionId::from),
            },
            _ => None,
        }
    }

    /// The id that this is, or that this version has.
    #[inline]
    fn any_id(&self) -> Option<VersionId> {
        match self {
            Self::Version(leaf) => Some(leaf.as_ref()?.version.id.clone()),
            Self::Object(fields) => {
                let marks = Marks::of(fields);
                marks.version.or(marks.id)?.version_id()
            }
            other => other.version_id(),
        }
    }

    #[inline]
    fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.to_string()),
            Self::Id(raw) => serde_json::from_str(raw).unwrap_or_default(),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Version(_) => Value::Null,
            Self::Object(fields) => fields
                .iter()
                .map(|(name, node)| (name.text.to_string(), node.to_value()))
                .collect(),
        }
    }
}

/// Reads a [`Node`] of at most this depth.
#[derive(Clone, Copy)]
struct Seed {
    depth: usize,
}

impl Seed {
    #[inline]
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Node<'de>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// How `serde_json` presents a number if any crate of the program has its `arbitrary_precision` on.
const NUMBER: &str = "$serde_json::private::Number";

impl<'de> Visitor<'de> for Seed {
    type Value = Node<'de>;

    #[inline]
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    #[inline]
    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    #[inline]
    fn visit_bool<E>(self, b: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(b))
    }

    #[inline]
    fn visit_i64<E>(self, n: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(n.into()))
    }

    #[inline]
    fn visit_u64<E>(self, n: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(n.into()))
    }

    #[inline]
    fn visit_f64<E>(self, n: f64) -> Result<Node<'de>, E> {
        Ok(Number::from_f64(n).map_or(Node::Null, Node::Number))
    }

    #[inline]
    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node<'de>, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        let inner = self.inner()?;
        let mut fields = Vec::new();
        while let Some(name) = map.next_key_seed(Text)? {
            if name == NUMBER {
                let number: String = map.next_value()?;
                return serde_json::from_str(&number)
                    .map(Node::Number)
                    .map_err(A::Error::custom);
            }
            let field = Field::of(&name);
            let node = if field.is_id() {
                Node::Id(map.next_value::<&RawValue>()?.get())
            } else {
                map.next_value_seed(inner)?
            };
            if fields.is_empty() {
                // As many as a version is likely to have.
                fields.reserve(8);
            }
            fields.push((Name { text: name, field }, node));
        }
        Ok(Node::object(fields))
    }
}

/// Reads a name, borrowed if it holds no escape.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    #[inline]
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    #[inline]
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
}
