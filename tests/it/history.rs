//! Histories: nobody has published their shape, so the rules in the docs of `History` read any, and
//! count what they cannot.

use imagen_ai::{
    ApiErrorKind, DownloadLink, EnhanceRequest, EnhancementStatus, Error, History, ImageHistory,
    Version,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::canned::Canned;
use crate::support::simulator::{READY, Simulator};
use crate::support::{client_of, refused};

fn read(json: Value) -> History {
    History::from_json(json.to_string()).unwrap()
}

/// The history of `a.jpg`.
fn photo(json: Value) -> ImageHistory {
    let history = read(json);
    assert_eq!(
        (history.images().len(), history.unread()),
        (1, 0),
        "{}",
        history.raw()
    );
    history.find("a.jpg").expect("listed").clone()
}

fn ids<'a>(versions: impl IntoIterator<Item = &'a Version>) -> Vec<String> {
    versions
        .into_iter()
        .map(|version| version.id.to_string())
        .collect()
}

/// `1<- 2<-1 3<-?`: each version with its parent, `?` for one that is unknown, sorted.
fn tree(image: &ImageHistory) -> String {
    let edge = |version: &Version| match (&version.parent, version.parent_told) {
        (Some(parent), true) => format!("{}<-{parent}", version.id),
        (None, true) => format!("{}<-", version.id),
        (None, false) => format!("{}<-?", version.id),
        (Some(_), false) => panic!("{version:?}"),
    };
    let mut tree: Vec<_> = image.versions().iter().map(edge).collect();
    tree.sort();
    tree.join(" ")
}

fn version(id: u64, parent: Value) -> Value {
    json!({"version_id": id, "parent_version_id": parent, "instruction": "x"})
}

#[test]
fn the_same_tree_is_read_from_every_shape() {
    let parents = [json!(null), json!(1), json!(2), json!(1)];
    let list = || {
        (1..)
            .zip(&parents)
            .map(|(id, parent)| version(id, parent.clone()))
            .collect::<Value>()
    };
    let with_name = |key: &str| {
        let mut list = list();
        let versions = list.as_array_mut().unwrap();
        versions
            .iter_mut()
            .for_each(|version| version[key] = json!("a.jpg"));
        list
    };
    let nested = json!({"version_id": 1, "parent_id": null, "children": [
        {"version_id": 2, "next": {"version_id": 3, "children": []}}, {"version_id": 4},
    ]});
    let by_id = json!({"1": list()[0], "2": list()[1], "3": list()[2], "4": list()[3]});
    for shape in [
        json!({"images": [{"file_name": "a.jpg", "versions": list()}]}),
        json!({"prompts": [{"enhancement_type": "x", "image": "z.jpg", "tags": []}], "images": [{"filename": "a.jpg", "history": list()}]}),
        json!({"a.jpg": list()}),
        json!({"data": {"history": {"a.jpg": {"versions": list()}}}, "total": 3}),
        with_name("image_name"),
        json!({"versions": with_name("image")}),
        json!({"adjustments": [{"image": {"file_name": "a.jpg", "id": 7}, "a.jpg": {"edits": list()}}]}),
        json!({"a.jpg": by_id}),
        json!({"file_name": "a.jpg", "outputs": {"b.jpg": by_id}}),
        json!({"a.jpg": nested}),
        json!([{"file_name": "a.jpg", "tree": [nested]}]),
        json!({"a.jpg": {"current": version(4, json!(1)), "versions": list(), "all": list()}}),
    ] {
        let image = photo(shape.clone());
        assert_eq!(tree(&image), "1<- 2<-1 3<-2 4<-1", "{shape}");
        assert_eq!(ids(image.latest()), ["4"], "{shape}");
        assert_eq!(ids(image.path_to(3)), ["1", "2", "3"], "{shape}");
        let mut children = ids(image.children(Some(&1.into())));
        children.sort();
        assert_eq!(children, ["2", "4"], "{shape}");
        assert_eq!(ids(image.children(None)), ["1"], "{shape}");
        assert!(image.is_listed());
    }
}

#[test]
fn every_field_that_the_docs_name_is_understood() {
    let one = |fields: Value| photo(json!({ "a.jpg": [fields] })).versions()[0].clone();
    for parent in ["parent_version_id", "parent_id"] {
        assert_eq!(
            one(json!({"version_id": 2, parent: 1})).parent,
            Some(1.into())
        );
        assert!(one(json!({"version_id": 2, parent: null})).parent_told);
    }
    for name in ["file_name", "filename", "image_name", "image"] {
        photo(json!({"version_id": 1, name: "a.jpg"}));
        photo(json!({name: "a.jpg", "edits": [{"version_id": 1}]}));
    }
    for field in ["instruction", "prompt"] {
        assert_eq!(
            one(json!({"version_id": 1, field: "x"}))
                .instruction
                .as_deref(),
            Some("x")
        );
    }
    for field in ["tool_id", "enhancement_type"] {
        photo(json!({"version_id": 1, field: "x", "file_name": "a.jpg"}));
        assert_eq!(
            one(json!({"version_id": 1, field: "x"})).preset.as_deref(),
            Some("x")
        );
    }
    for field in ["enhanced_image_url", "url"] {
        let version = one(json!({"version_id": 1, field: "https://s3/1?sig=SECRET"}));
        assert!(!format!("{version:?}").contains("SECRET"));
        let link = DownloadLink::from(&version).download_link.unwrap();
        assert_eq!(link.as_str(), "https://s3/1?sig=SECRET");
    }
    let failed =
        one(json!({"version_id": "v", "status": "failure", "created_at": "2026-01-31T12:00:00Z"}));
    assert_eq!(failed.status, Some(EnhancementStatus::Failed));
    assert_eq!(failed.created_at.as_deref(), Some("2026-01-31T12:00:00Z"));
    // What is empty, or of another type, is absent, and then the other name counts.
    let odd = json!({"version_id": 1, "instruction": "", "prompt": "x", "tool_id": 7, "status": {}, "url": null,
        "created_at": 1.5, "parent_id": true});
    let odd = one(odd);
    assert_eq!(odd.instruction.as_deref(), Some("x"));
    assert_eq!(
        (odd.preset, odd.status, odd.url, odd.created_at),
        (None, None, None, None)
    );
    assert_eq!((odd.parent, odd.parent_told), (None, false));
}

#[test]
fn ids_are_exact_or_unread() {
    let history = History::from_json(
        r#"{"a.jpg":[{"version_id":9007199254740993,"parent_id":null},{"version_id":"1","parent_id":"\u00e9"},
            {"version_id":18446744073709551615,"parent_id":9007199254740993},{"version_id":-9223372036854775808},
            {"version_id":1,"parent_id":123456789012345678901234567890},{"version_id":1,"instruction":"the second one"},
            {"version_id":18446744073709551616},{"version_id":1.5},{"version_id":1e3},{"version_id":""},
            {"version_id":null},{"version_id":true},{"version_id":[1]},{"version_id":{"a":1},"x":{"version_id":"n"}}]}"#,
    )
    .unwrap();
    let image = history.find("a.jpg").unwrap();
    let tree = tree(image);
    let exact = "-9223372036854775808<-? 18446744073709551615<-9007199254740993 1<-? 1<-é 9007199254740993<- n<-?";
    assert_eq!((tree.as_str(), history.unread()), (exact, 8));
    assert_eq!(image.get(string("1")).unwrap().parent, Some(string("é")));
    assert_eq!(image.get(1).unwrap().instruction, None, "the first stands");
    assert_eq!(ids(image.path_to(18446744073709551615_u64)).len(), 2);
    assert!(image.get(2).is_none() && image.path_to(2).is_empty());
}

#[test]
fn a_photo_is_listed_with_versions_or_an_empty_list() {
    let history = read(json!({
        "prompts": [{"enhancement_type": "x", "image": "preset.jpg", "tags": []}],
        "images": [
            {"file_name": "a.jpg", "versions": []}, {"image": "b.NEF", "meta": {"width": 1}, "versions": []},
            {"file_name": "no list.jpg"}, {"file_name": "null.jpg", "versions": null},
            {"file_name": "unknown.jpg", "versions": [{"revision": 1}]},
            {"file_name": "unknown too.jpg", "tags": [], "versions": [{"revision": 1}]},
            {"file_name": "f.jpg", "outputs": {"output.jpg": []}}, {"file_name": "e.jpg", "v": [{"version_id": 1}]},
        ],
        "c.jpg": [], "d.jpg": {}, "d.jpeg": {"versions": []}, "null too.jpg": null, "unknown three.jpg": [{"revision": 1}],
        "size.jpg": {"width": 1}, "text.jpg": "x",
    }));
    let mut listed: Vec<_> = history.images().map(ImageHistory::file_name).collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        ["a.jpg", "b.NEF", "c.jpg", "d.jpeg", "d.jpg", "e.jpg"]
    );
    assert!(history.images().all(ImageHistory::is_listed));
    assert!(history.find("A.jpg").is_none() && history.unread() == 0);
}

#[test]
fn only_a_key_that_ends_like_a_photo_is_one() {
    for key in [
        "a.jpg",
        "a.JPEG",
        "a.b.Nef",
        "Straße 1/2.cr3",
        "a.3FR",
        "a.raw",
    ] {
        let history = read(json!({ "images": {key: [{"version_id": 1}]} }));
        assert_eq!(
            (
                history.images().next().unwrap().file_name(),
                history.unread()
            ),
            (key, 0)
        );
    }
    let others = "2026-01-31T10:02:11.123Z anna@example.com jpg a.png a.jpg.xmp v1.2 ";
    for key in others.split(' ') {
        let history = read(json!({ "images": {key: [{"version_id": 1}], "empty": {key: []}} }));
        assert_eq!((history.images().len(), history.unread()), (0, 1), "{key}");
        let history = read(json!({ "a.jpg": {key: [{"version_id": 1}]} }));
        assert_eq!(
            history.images().next().unwrap().file_name(),
            "a.jpg",
            "{key}"
        );
    }
}

#[test]
fn the_newest_is_told_by_numbers_or_by_the_tree() {
    // Each version as its id, its parent, and whether it failed.
    for (versions, newest) in [
        (json!([[10, null], [9, 10], [11, null, "FAILED"]]), "10"),
        (json!([["a", "b"], ["b", null], ["c", "a", "FAILED"]]), "a"),
        (json!([["a", null], ["b", null]]), ""),
        (json!([["7", null], [8, null]]), ""),
        (json!([["a", "b"], ["b", "a"]]), ""),
        (json!([[1, null, "FAILED"]]), ""),
    ] {
        let fields = |v: &Value| json!({"version_id": v[0], "parent_id": v[1], "status": v[2]});
        let image = photo(
            json!({ "a.jpg": versions.as_array().unwrap().iter().map(fields).collect::<Value>() }),
        );
        assert_eq!(ids(image.latest()).join(""), newest, "{versions}");
    }
}

#[test]
fn what_cannot_be_placed_is_counted() {
    for (unread, json) in [
        (1, json!([{"version_id": 1}])),
        (
            2,
            json!({"images": {"versions": [{"version_id": 1, "children": [{"version_id": 2}]}]}}),
        ),
        (
            0,
            json!({"file_name": "a.jpg", "versions": [{"revision": 1}]}),
        ),
        (1, json!({"image": 7, "versions": [{"version_id": 1}]})),
        (
            1,
            json!({"enhancement_type": "x", "image": "a.jpg", "used": [{"version_id": 1}]}),
        ),
    ] {
        let history = read(json.clone());
        assert_eq!(
            (history.unread(), history.images().len()),
            (unread, 0),
            "{json}"
        );
        assert_eq!(history.raw(), json.to_string());
    }
}

#[test]
fn loops_and_missing_parents_end() {
    let image = |versions: Value| photo(json!({ "a.jpg": versions }));
    let v = |id: u64, parent: u64| version(id, json!(parent));
    assert_eq!(ids(image(json!([v(2, 1), v(3, 2)])).path_to(3)), ["2", "3"]);
    assert_eq!(ids(image(json!([v(1, 1)])).path_to(1)), ["1"]);
    let ring = image(json!([
        v(5, 1),
        v(1, 3),
        v(2, 1),
        v(3, 2),
        v(7, 8),
        v(8, 7)
    ]));
    assert_eq!(ids(ring.path_to(5)), ["2", "3", "1", "5"]);
    assert_eq!(ring.to_string().lines().count(), 2 + 6, "{ring}");
}

#[test]
fn an_answer_of_any_depth_or_length_is_read_or_a_typed_error() {
    let history = |body: &[u8]| Canned::new(200, body).client().project(READY).history();
    let marked = history(b"\xef\xbb\xbf{\"data\":{\"a.jpg\":[{\"version_id\":7}]}}").unwrap();
    assert_eq!(marked.raw(), r#"{"a.jpg":[{"version_id":7}]}"#);
    let surrogate = history(br#"{"caf\udce9.jpg":[{"version_id":7,"prompt":"\ud83d"}]}"#).unwrap();
    let image = surrogate.find("caf\u{fffd}.jpg").unwrap();
    assert_eq!(image.versions()[0].instruction.as_deref(), Some("\u{fffd}"));
    let deep = |depth| {
        format!(
            "{}1{}",
            r#"{"version_id":1,"children":"#.repeat(depth),
            "}".repeat(depth)
        )
    };
    assert_eq!(History::from_json(deep(127)).unwrap().unread(), 127);
    for body in [
        deep(128).as_bytes(),
        deep(100_000).as_bytes(),
        b"{\"a\":",
        b"<html>",
        b"{\"a.jpg\":\"\xff\"}",
        b"",
    ] {
        assert!(matches!(history(body), Err(Error::Decode(_))));
        if let Ok(text) = std::str::from_utf8(body) {
            refused(History::from_json(text), "json");
        }
    }
    for body in [
        "{\"status\":\"FAILED\"}",
        "{\"error\":{\"message\":\"no\"},\"a.jpg\":[]}",
    ] {
        let error = history(body.as_bytes()).unwrap_err();
        assert!(
            matches!(&error, Error::Api(e) if e.kind == ApiErrorKind::Failed),
            "{error:?}"
        );
    }
    // A tall tree, a broad one and a comb: no recursion, and a drawing that does not grow with the
    // square.
    const LAST: u64 = 10_000;
    for parent in [|id| id - 1, |_| 1, |id| 1.max(id - 2 - id % 2)] {
        let versions = (2..=LAST).map(|id| version(id, json!(parent(id))));
        let all: Vec<_> = [version(1, json!(null))]
            .into_iter()
            .chain(versions)
            .collect();
        let image = photo(json!({ "a.jpg": all }));
        let drawn = image.draw(Some(&1.into()));
        assert!(drawn.len() < LAST as usize * 100 && drawn.contains(&LAST.to_string()));
        assert_eq!(image.path_to(LAST)[0].id, 1.into());
    }
}

#[test]
fn the_service_is_asked_and_its_answer_is_kept_untouched() {
    let simulator = Simulator::start();
    let photo = client_of(&simulator).project(READY).image("DSC_0001.JPEG");
    let sky = photo.copilot("make the sky more blue").unwrap();
    let staged = photo
        .enhance(EnhanceRequest::new("virtual_staging").parent(sky.version().unwrap()))
        .unwrap();
    for envelope in [false, true] {
        simulator.configure(|settings| settings.envelope = envelope);
        let history = photo.project().history().unwrap();
        assert_eq!((history.images().len(), history.unread()), (3, 0));
        assert!(history.raw().parse::<Value>().unwrap()["prompts"].is_array());
        let image = photo.history().unwrap();
        let newest = image.latest().unwrap();
        assert_eq!(
            (Some(&newest.id), &newest.parent),
            (staged.version_id.as_ref(), &sky.version_id)
        );
        assert_eq!(newest.preset.as_deref(), Some("virtual_staging"));
        assert!(newest.created_at.is_some() && newest.url.is_some());
    }
    for (name, is_listed) in [("dsc_0001.jpeg", false), ("DSC_0002.JPEG", true)] {
        let image = photo.project().image(name).history().unwrap();
        assert_eq!((image.file_name(), image.is_listed()), (name, is_listed));
        assert!(image.versions().is_empty() && image.latest().is_none());
    }
    refused(photo.project().image("..").history(), "file_name");
}

#[test]
fn the_tree_is_drawn_for_a_terminal() {
    let v = |id: u64, parent: Value, edit: &str| json!({"version_id": id, "parent_id": parent, "prompt": edit});
    let mut old = v(99, json!(null), "old");
    old["created_at"] = json!("2026-01-31T12:09:07Z");
    let history = read(
        json!({"images": [{"file_name": "DSC_0001.JPEG", "versions": [
        old, v(123, json!(null), "make the sky more blue"), v(124, json!(123), "brighten\u{1b}[2J\nthe \u{202e}room"),
        {"version_id": 125, "parent_id": 124, "tool_id": "virtual_staging", "status": "FAILED"},
        v(126, json!(123), "warm evening light over the roofs, long shadows, lit windows"), v(127, json!(126), ""),
        {"version_id": 3, "prompt": "parent unknown"}, v(4, json!(2), ""), v(5, json!(4), ""),
    ]}, {"file_name": "b\r.jpg", "versions": []}], "x": {"version_id": 1}}),
    );
    let image = history.find("DSC_0001.JPEG").unwrap();
    let tree = "\
DSC_0001.JPEG: 9 version(s)
● unedited
├─○ 99 · 2026-01-31T12:09 · old
● 123 · make the sky more blue
├─○ 124 · brighten�[2J the �room
│ ○ 125 · FAILED · virtual_staging
● 126 · warm evening light over the roofs, long shadows, lit windows
● 127 ← newest
? ○ 3 · parent unknown
? ○ 4
○ 5";
    assert_eq!(image.to_string(), tree, "\n{image}");
    let narrow = format!("{image:20}");
    assert!(narrow.contains("\n● 126 · warm evenin…\n"), "{narrow}");
    assert!(narrow.lines().all(|line| line.chars().count() <= 20));
    let standing = image.draw(Some(&124.into()));
    let lines = "● 123 · make the sky more blue\n├─○ 126 · warm";
    assert!(
        standing.contains(lines) && standing.contains("│ ○ 127 ← newest\n● 124 ← here · bright"),
        "{standing}"
    );
    assert!(image.draw(None).contains("\n● unedited ← here\n"));
    assert_eq!(ids(image.children(None)), ["99", "123"]);
    let list =
        "DSC_0001.JPEG: 9 version(s)\nb .jpg: 0 version(s)\n1 version(s) could not be placed";
    assert_eq!(history.to_string(), list);
    assert_eq!(format!("{history:?}"), "History(2 images, 1 unread)");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Trees whose versions may be unreadable, name a photo, or name any parent: rings and strangers, too.
    #[test]
    fn every_version_is_placed_or_counted(
        trees in vec(vec((any::<bool>(), any::<bool>(), prop::option::of(0..12_u64)), 0..9), 1..5)
    ) {
        let mut id = 0;
        let trees = trees.into_iter().map(|versions| {
            versions.into_iter().rev().fold(json!([]), |inner, (readable, named, parent)| {
                id += 1;
                let mut version = json!({"version_id": if readable { json!(id) } else { json!([id]) }, "next": [inner]});
                if named {
                    version["file_name"] = json!(format!("{}.jpg", id % 3));
                }
                if let Some(parent) = parent {
                    version["parent_id"] = json!(parent);
                }
                version
            })
        });
        let history = read(trees.collect());
        let placed: usize = history.images().map(|image| image.versions().len()).sum();
        prop_assert_eq!(placed + history.unread(), id);
        for image in history.images() {
            for version in image.versions() {
                prop_assert_eq!(image.get(&version.id), Some(version));
                prop_assert_eq!(image.path_to(&version.id).pop(), Some(version));
                prop_assert!(image.children(version.parent.as_ref()).any(|child| child == version) || !version.parent_told);
                prop_assert!(image.draw(Some(&version.id)).contains("← here"));
            }
            prop_assert_eq!(format!("{image:20}").lines().count(), image.versions().len() + 2);
        }
    }
}

/// Returns the id that is this string.
fn string(id: &str) -> imagen_ai::VersionId {
    serde_json::from_value(id.into()).unwrap()
}
