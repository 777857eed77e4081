//! The rules by which a history is read: see the docs of [`History`](super::History).

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::mem;

use serde_json::{Map, Number, Value};

use super::{ImageHistory, Version};
use crate::profile::ImageType;
use crate::types::{EnhancementStatus, VersionId};

type Object = Map<String, Value>;

/// The fields that name an image, the first one first.
const NAMES: [&str; 4] = ["file_name", "filename", "image_name", "image"];

/// An id that is longer, in bytes, is kept once. Those of the service are numbers.
const LONG_ID: usize = 64;

/// What was read so far.
///
/// Time and memory are linear in the answer, even if many values share one long name or one long
/// parent id. A name is looked up once, where it stands, and is passed on as a [`Place`]. Equal
/// long ids are one allocation, so that comparing them costs nothing.
#[derive(Default)]
pub(super) struct Reader {
    /// The images that were named, in the order of their places.
    images: Vec<ImageHistory>,
    places: HashMap<String, Place>,
    long_ids: HashSet<VersionId>,
    /// Room for the digits of one id at a time: most of a history is ids.
    digits: String,
    unread: usize,
}

/// The index of an image in [`Reader::images`].
type Place = usize;

/// What the values around a value say about it.
#[derive(Clone, Copy, Default)]
struct Around<'v> {
    /// The nearest image that a field names.
    field: Option<Place>,
    /// The nearest image that a key names.
    key: Option<Place>,
    /// The nearest version, if its id can be read.
    version: Option<&'v VersionId>,
}

impl Around<'_> {
    /// Returns the image. A field counts more than a key, at any distance.
    fn image(&self) -> Option<Place> {
        self.field.or(self.key)
    }
}

impl Reader {
    /// Reads a value and everything in it.
    pub(super) fn read(&mut self, json: Value) {
        self.walk("", json, Around::default());
    }

    /// Returns the images that are listed, sorted by their names, and how many versions could not
    /// be placed.
    pub(super) fn finish(self) -> (Vec<ImageHistory>, usize) {
        let mut images = self.images;
        images.retain(|image| image.is_listed);
        images.sort_unstable_by(|one, other| one.file_name.cmp(&other.file_name));
        (images, self.unread)
    }

    /// Reads the value under a key. The items of a list have the key `""`.
    fn walk(&mut self, key: &str, value: Value, around: Around<'_>) {
        match value {
            Value::Array(items) => self.walk_list(key, items, around),
            Value::Object(object) => self.walk_object(key, object, around),
            _ => {}
        }
    }

    fn walk_list(&mut self, key: &str, items: Vec<Value>, around: Around<'_>) {
        let key = self.image_in_key(key);
        let here = Around {
            key: key.or(around.key),
            ..around
        };
        if items.is_empty() {
            self.mark_listed(key, here);
        }
        for item in items {
            self.walk("", item, here);
        }
    }

    fn walk_object(&mut self, key: &str, mut object: Object, around: Around<'_>) {
        let key = self.image_in_key(key);
        let field = self.image_in_field(&mut object);
        let here = Around {
            field: field.or(around.field),
            key: key.or(around.key),
            ..around
        };

        let version_id = object.remove("version_id");
        let own_id = version_id.as_ref().and_then(|id| self.id(id));
        let mut inside = here;
        if version_id.is_some() {
            self.add_version(own_id.as_ref(), &mut object, here);
            inside.version = own_id.as_ref();
        } else if has_only_empty_lists(&object) {
            self.mark_listed(field.or(key), here);
        }

        for (key, value) in object {
            self.walk(&key, value, inside);
        }
    }

    /// Returns the image that a key names: the key ends like a photo's file.
    fn image_in_key(&mut self, key: &str) -> Option<Place> {
        let (_, extension) = key.rsplit_once('.')?;
        ImageType::of_extension(extension)?;
        Some(self.place(key))
    }

    /// Returns the image that a field of the object names.
    fn image_in_field(&mut self, object: &mut Object) -> Option<Place> {
        let name = take_text(object, &NAMES)?;
        // A preset may have an image of its own.
        let is_preset =
            object.contains_key("enhancement_type") && !object.contains_key("version_id");
        if is_preset {
            return None;
        }
        Some(self.place(&name))
    }

    fn place(&mut self, name: &str) -> Place {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.images.len();
        self.images.push(ImageHistory::of(name));
        self.places.insert(name.to_owned(), place);
        place
    }

    /// Marks the image that is named beside an empty list as listed.
    fn mark_listed(&mut self, named: Option<Place>, around: Around<'_>) {
        // A field farther out counts more than the key of the list: it is another image's.
        if named != around.image() {
            return;
        }
        if let Some(image) = named.and_then(|place| self.images.get_mut(place)) {
            image.is_listed = true;
        }
    }

    /// Reads an id: a string that is not empty, or an integer of 64 bits.
    fn id(&mut self, json: &Value) -> Option<VersionId> {
        let id = match json {
            Value::Number(number) if number.is_u64() || number.is_i64() => self.number(number),
            Value::String(text) if !text.is_empty() => VersionId::of_string(text),
            _ => return None,
        };
        if id.len() <= LONG_ID {
            return Some(id);
        }
        if let Some(known) = self.long_ids.get(&id) {
            return Some(known.clone());
        }
        self.long_ids.insert(id.clone());
        Some(id)
    }

    fn number(&mut self, number: &Number) -> VersionId {
        self.digits.clear();
        // Writing to a string cannot fail.
        _ = write!(self.digits, "{number}");
        VersionId::of_json(self.digits.as_str())
    }

    /// Adds a version to its image, unless that has one with this id. A version whose id or image
    /// is not known is counted.
    fn add_version(&mut self, id: Option<&VersionId>, object: &mut Object, around: Around<'_>) {
        let (Some(id), Some(place)) = (id, around.image()) else {
            self.unread += 1;
            return;
        };
        let version = self.version(id.clone(), object, around.version);
        if let Some(image) = self.images.get_mut(place) {
            image.add(version);
        }
    }

    fn version(
        &mut self,
        id: VersionId,
        object: &mut Object,
        outer: Option<&VersionId>,
    ) -> Version {
        let field = object
            .get("parent_version_id")
            .or_else(|| object.get("parent_id"));
        let parent = match field {
            Some(field) => self.id(field),
            None => outer.cloned(),
        };
        let is_root = field.is_some_and(Value::is_null);
        Version {
            id,
            parent_told: is_root || parent.is_some(),
            parent,
            instruction: take_text(object, &["instruction", "prompt"]),
            preset: take_text(object, &["tool_id", "enhancement_type"]),
            status: take_text(object, &["status"]).map(EnhancementStatus::from),
            url: take_text(object, &["enhanced_image_url", "url"])
                .and_then(|url| url.try_into().ok()),
            created_at: take_text(object, &["created_at"]),
        }
    }
}

/// Takes the first of these fields that holds a text.
fn take_text(object: &mut Object, names: &[&str]) -> Option<String> {
    for name in names {
        if let Some(Value::String(text)) = object.get_mut(*name)
            && !text.is_empty()
        {
            return Some(mem::take(text));
        }
    }
    None
}

/// Whether an object is empty, or has lists and all of them are empty.
fn has_only_empty_lists(object: &Object) -> bool {
    let mut lists = object.values().filter_map(Value::as_array).peekable();
    let has_list = lists.peek().is_some();
    object.is_empty() || (has_list && lists.all(Vec::is_empty))
}
