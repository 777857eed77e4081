//! Histories: nobody has published their shape, so the rules in the docs of `History` read any, and
//! count what they cannot.

mod draw;
mod linear;

use imagen_ai::{
    ApiErrorKind, DownloadLink, EnhanceRequest, EnhancementStatus, Error, History, ImageHistory,
    Result, Version, VersionId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::simulator::{READY, Simulator};
use crate::support::wire::Wire;
use crate::support::{client_of, refused};

fn read(json: Value) -> History {
    History::from_json(json.to_string()).unwrap()
}

/// The history of `a.jpg`, which must be the only image and without anything unread.
#[track_caller]
fn image(json: Value) -> ImageHistory {
    let history = read(json);
    assert_eq!(history.images().len(), 1, "{}", history.raw());
    assert_eq!(history.unread(), 0, "{}", history.raw());
    history.get("a.jpg").expect("listed").clone()
}

/// The only version, of `a.jpg`, that has these fields.
#[track_caller]
fn one(fields: Value) -> Version {
    image(json!({ "a.jpg": [fields] })).versions()[0].clone()
}

fn version(id: u64, parent: Value) -> Value {
    json!({"version_id": id, "parent_version_id": parent, "instruction": "x"})
}

fn ids<'a>(versions: impl IntoIterator<Item = &'a Version>) -> Vec<String> {
    versions
        .into_iter()
        .map(|version| version.id.to_string())
        .collect()
}

/// The id that is this string.
fn string(id: &str) -> VersionId {
    serde_json::from_value(id.into()).unwrap()
}

/// `1<- 2<-1 3<-?`: each version with its parent, `?` for one that is unknown, sorted.
fn tree(image: &ImageHistory) -> String {
    let mut tree: Vec<_> = image.versions().iter().map(edge).collect();
    tree.sort();
    tree.join(" ")
}

fn edge(version: &Version) -> String {
    let id = &version.id;
    match (&version.parent, version.parent_told) {
        (Some(parent), true) => format!("{id}<-{parent}"),
        (None, true) => format!("{id}<-"),
        (None, false) => format!("{id}<-?"),
        (Some(_), false) => panic!("{version:?}"),
    }
}

// How it is read.

/// Version 1, version 2 and 4 on it, and version 3 on 2, in many shapes.
fn shapes() -> Vec<Value> {
    let versions = [
        version(1, json!(null)),
        version(2, json!(1)),
        version(3, json!(2)),
        version(4, json!(1)),
    ];
    let list = json!(versions);
    let by_id = json!({
        "1": versions[0], "2": versions[1], "3": versions[2], "4": versions[3],
    });
    let with_name = |key: &str| {
        let mut versions = versions.clone();
        for version in &mut versions {
            version[key] = json!("a.jpg");
        }
        json!(versions)
    };
    let nested = json!({"version_id": 1, "parent_id": null, "children": [
        {"version_id": 2, "next": {"version_id": 3, "children": []}},
        {"version_id": 4},
    ]});
    let preset = json!({"enhancement_type": "x", "image": "z.jpg", "tags": []});
    vec![
        json!({"images": [{"file_name": "a.jpg", "versions": list}]}),
        json!({"prompts": [preset], "images": [{"filename": "a.jpg", "history": list}]}),
        json!({"a.jpg": list}),
        json!({"data": {"history": {"a.jpg": {"versions": list}}}, "total": 3}),
        with_name("image_name"),
        json!({"versions": with_name("image")}),
        json!({"adjustments": [{"image": {"file_name": "a.jpg", "id": 7}, "a.jpg": {"edits": list}}]}),
        json!({"a.jpg": by_id}),
        json!({"file_name": "a.jpg", "outputs": {"b.jpg": by_id}}),
        json!({"a.jpg": nested}),
        json!([{"file_name": "a.jpg", "tree": [nested]}]),
        json!({"a.jpg": {"current": version(4, json!(1)), "versions": list, "all": list}}),
    ]
}

#[test]
fn the_same_tree_is_read_from_every_shape() {
    for shape in shapes() {
        let image = image(shape.clone());
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
fn a_field_names_the_image_before_any_key() {
    let history = read(json!({"file_name": "a.jpg", "b.jpg": {"c.jpg": [{"version_id": 1}]}}));
    let names: Vec<_> = history.images().map(ImageHistory::file_name).collect();
    assert_eq!(names, ["a.jpg"]);
}

#[test]
fn the_nearest_field_and_the_nearest_key_name_the_image() {
    let history = read(json!({
        "a.jpg": {"x": {"b.jpg": [{"version_id": 1}]}},
        "by field": {"file_name": "c.jpg", "edits": [{"image": "d.jpg", "version_id": 2}]},
    }));
    let names: Vec<_> = history.images().map(ImageHistory::file_name).collect();
    assert_eq!(names, ["b.jpg", "d.jpg"]);
}

#[test]
fn both_names_of_the_parent_are_understood() {
    for parent in ["parent_version_id", "parent_id"] {
        let built = one(json!({"version_id": 2, parent: 1}));
        assert_eq!(built.parent, Some(1.into()));
        assert!(one(json!({"version_id": 2, parent: null})).parent_told);
    }
}

#[test]
fn the_parent_is_the_version_around_unless_that_has_no_id_that_can_be_read() {
    let history = read(
        json!({"a.jpg": {"version_id": 1, "next": {"version_id": true, "next": {
            "version_id": 3, "next": {"version_id": 4},
        }}}}),
    );
    let image = history.get("a.jpg").unwrap();
    assert_eq!(tree(image), "1<-? 3<-? 4<-3");
    assert_eq!(history.unread(), 1);
}

#[test]
fn all_names_of_the_file_name_are_understood() {
    for name in ["file_name", "filename", "image_name", "image"] {
        image(json!({"version_id": 1, name: "a.jpg"}));
        image(json!({name: "a.jpg", "edits": [{"version_id": 1}]}));
    }
}

#[test]
fn all_names_of_what_made_a_version_are_understood() {
    for field in ["instruction", "prompt"] {
        let version = one(json!({"version_id": 1, field: "x"}));
        assert_eq!(version.instruction.as_deref(), Some("x"));
    }
    for field in ["tool_id", "enhancement_type"] {
        let version = one(json!({"version_id": 1, field: "x"}));
        assert_eq!(version.preset.as_deref(), Some("x"));
        image(json!({"version_id": 1, field: "x", "file_name": "a.jpg"}));
    }
}

#[test]
fn both_names_of_the_link_are_understood_and_its_query_is_not_shown() {
    for field in ["enhanced_image_url", "url"] {
        let version = one(json!({"version_id": 1, field: "https://s3/1?sig=SECRET"}));
        assert!(!format!("{version:?}").contains("SECRET"));
        for link in [
            DownloadLink::from(&version),
            DownloadLink::from(version.clone()),
        ] {
            let url = link.download_link.unwrap();
            assert_eq!(url.as_str(), "https://s3/1?sig=SECRET");
        }
    }
}

#[test]
fn status_and_time_are_what_they_say() {
    let version =
        one(json!({"version_id": "v", "status": "failure", "created_at": "2026-01-31T12:00:00Z"}));
    assert_eq!(version.status, Some(EnhancementStatus::Failed));
    assert_eq!(version.created_at.as_deref(), Some("2026-01-31T12:00:00Z"));
}

#[test]
fn what_is_empty_or_of_another_type_is_absent_and_then_the_other_name_counts() {
    let version = one(json!({
        "version_id": 1, "instruction": "", "prompt": "x", "tool_id": 7, "status": {}, "url": null,
        "created_at": 1.5, "parent_id": true,
    }));
    assert_eq!(version.instruction.as_deref(), Some("x"));
    assert_eq!((version.preset, version.status), (None, None));
    assert_eq!((version.url, version.created_at), (None, None));
    assert_eq!((version.parent, version.parent_told), (None, false));
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

    let image = history.get("a.jpg").unwrap();

    let exact = "-9223372036854775808<-? 18446744073709551615<-9007199254740993 1<-? 1<-é 9007199254740993<- n<-?";
    assert_eq!(tree(image), exact);
    assert_eq!(history.unread(), 8);
    let parent = &image.get(string("1")).unwrap().parent;
    assert_eq!(*parent, Some(string("é")));
    assert_eq!(ids(image.path_to(18446744073709551615_u64)).len(), 2);
    assert!(image.get(2).is_none() && image.path_to(2).is_empty());
}

#[test]
fn of_two_versions_with_one_id_the_first_stands() {
    let image = image(json!({"a.jpg": [
        {"version_id": 1, "prompt": "first", "parent_id": null},
        {"version_id": 1, "prompt": "second", "parent_id": 2},
        {"version_id": 2, "parent_id": 1},
    ]}));
    assert_eq!(tree(&image), "1<- 2<-1");
    let first = image.get(1).unwrap();
    assert_eq!(first.instruction.as_deref(), Some("first"));
}

// What is listed, and what is counted.

#[test]
fn an_image_is_listed_with_versions_or_an_empty_list() {
    let history = read(json!({
        "images": [
            {"file_name": "a.jpg", "versions": []},
            {"image": "b.NEF", "meta": {"width": 1}, "versions": []},
            {"file_name": "e.jpg", "v": [{"version_id": 1}]},
        ],
        "c.jpg": [], "d.jpg": {}, "d.jpeg": {"versions": []},
    }));
    let listed: Vec<_> = history.images().map(ImageHistory::file_name).collect();
    let mut expected = ["a.jpg", "b.NEF", "c.jpg", "d.jpeg", "d.jpg", "e.jpg"];
    expected.sort();
    assert_eq!(listed, expected);
    assert!(history.images().all(ImageHistory::is_listed));
    assert!(
        history.get("A.jpg").is_none(),
        "upper and lower case differ"
    );
}

#[test]
fn nothing_else_lists_an_image() {
    let history = read(json!({
        "prompts": [{"enhancement_type": "x", "image": "preset.jpg", "tags": []}],
        "images": [
            {"file_name": "no list.jpg"},
            {"file_name": "null.jpg", "versions": null},
            {"file_name": "unknown.jpg", "versions": [{"revision": 1}]},
            {"file_name": "unknown too.jpg", "tags": [], "versions": [{"revision": 1}]},
            {"file_name": "f.jpg", "outputs": {"output.jpg": []}},
        ],
        "null too.jpg": null, "unknown three.jpg": [{"revision": 1}], "size.jpg": {"width": 1},
        "text.jpg": "x",
    }));
    assert_eq!(history.images().len(), 0, "{history}");
    assert_eq!(history.unread(), 0);
}

#[test]
fn a_key_that_ends_like_a_photo_names_an_image() {
    for key in [
        "a.jpg",
        "a.JPEG",
        "a.b.Nef",
        "Straße 1/2.cr3",
        "a.3FR",
        "a.raw",
    ] {
        let history = read(json!({ "images": {key: [{"version_id": 1}]} }));
        let names: Vec<_> = history.images().map(ImageHistory::file_name).collect();
        assert_eq!(names, [key]);
        assert_eq!(history.unread(), 0);
    }
}

#[test]
fn no_other_key_does() {
    for key in [
        "2026-01-31T10:02:11.123Z",
        "anna@example.com",
        "jpg",
        "a.png",
        "a.jpg.xmp",
        "v1.2",
        "",
    ] {
        let history = read(json!({ "images": {key: [{"version_id": 1}], "empty": {key: []}} }));
        assert_eq!(history.images().len(), 0, "{key}");
        assert_eq!(history.unread(), 1, "{key}");
        image(json!({ "a.jpg": {key: [{"version_id": 1}]} }));
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
        assert_eq!(history.unread(), unread, "{json}");
        assert_eq!(history.images().len(), 0, "{json}");
        assert_eq!(history.raw(), json.to_string());
    }
}

// What is found in it.

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
        let mut list = Vec::new();
        for v in versions.as_array().unwrap() {
            list.push(json!({"version_id": v[0], "parent_id": v[1], "status": v[2]}));
        }
        let image = image(json!({ "a.jpg": list }));
        assert_eq!(ids(image.latest()).join(""), newest, "{versions}");
    }
}

#[test]
fn a_path_ends_where_parents_are_missing_or_lead_back() {
    let image = |versions: Value| image(json!({ "a.jpg": versions }));
    let v = |id: u64, parent: u64| version(id, json!(parent));
    assert_eq!(ids(image(json!([v(2, 1), v(3, 2)])).path_to(3)), ["2", "3"]);
    assert_eq!(ids(image(json!([v(1, 1)])).path_to(1)), ["1"]);
    let ring = image(json!([v(5, 1), v(1, 3), v(2, 1), v(3, 2)]));
    assert_eq!(ids(ring.path_to(5)), ["2", "3", "1", "5"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Trees whose versions may be unreadable, name an image, or name any parent: rings and
    /// strangers, too.
    #[test]
    fn every_version_is_placed_or_counted(
        trees in vec(vec((any::<bool>(), any::<bool>(), prop::option::of(0..12_u64)), 0..9), 1..5)
    ) {
        let mut id = 0;
        let trees = trees.into_iter().map(|versions| {
            versions.into_iter().rev().fold(json!([]), |inner, (readable, named, parent)| {
                id += 1;
                let own = if readable { json!(id) } else { json!([id]) };
                let mut version = json!({"version_id": own, "next": [inner]});
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
            prop_assert_eq!(history.get(image.file_name()).unwrap().versions(), image.versions());
            for version in image.versions() {
                prop_assert_eq!(image.get(&version.id), Some(version));
                prop_assert_eq!(image.path_to(&version.id).pop(), Some(version));
                let mut siblings = image.children(version.parent.as_ref());
                prop_assert!(siblings.any(|child| child == version) || !version.parent_told);
                prop_assert!(image.draw(Some(&version.id)).contains("← here"));
            }
            let lines = format!("{image:20}").lines().count();
            prop_assert_eq!(lines, image.versions().len() + 2);
        }
    }
}

// The call.

fn asked(answer: &[u8]) -> Result<History> {
    let wire = Wire::answering(200, answer);
    wire.client().project(READY).history()
}

#[test]
fn a_byte_order_mark_and_an_envelope_are_taken_off() {
    let history = asked(b"\xef\xbb\xbf{\"data\":{\"a.jpg\":[{\"version_id\":7}]}}").unwrap();
    assert_eq!(history.raw(), r#"{"a.jpg":[{"version_id":7}]}"#);
    assert_eq!(history.images().len(), 1);
}

#[test]
fn a_lone_surrogate_costs_one_character() {
    let history = asked(br#"{"caf\udce9.jpg":[{"version_id":7,"prompt":"\ud83d"}]}"#).unwrap();
    let image = history.get("caf\u{fffd}.jpg").unwrap();
    assert_eq!(image.versions()[0].instruction.as_deref(), Some("\u{fffd}"));
}

/// So many versions in each other.
fn deep(levels: usize) -> String {
    let opening = r#"{"version_id":1,"children":"#.repeat(levels);
    let closing = "}".repeat(levels);
    format!("{opening}1{closing}")
}

#[test]
fn a_history_may_be_127_levels_deep() {
    assert_eq!(History::from_json(deep(127)).unwrap().unread(), 127);
}

#[test]
fn what_cannot_be_parsed_is_a_typed_error() {
    for body in [
        deep(128).as_bytes(),
        deep(100_000).as_bytes(),
        b"{\"a\":",
        b"<html>",
        b"{\"a.jpg\":\"\xff\"}",
        b"",
    ] {
        let error = asked(body).unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error:?}");
        if let Ok(text) = std::str::from_utf8(body) {
            refused(History::from_json(text), "json");
        }
    }
}

#[test]
fn an_answer_that_says_that_it_failed_is_no_history() {
    for body in [
        "{\"status\":\"FAILED\"}",
        "{\"error\":{\"message\":\"no\"},\"a.jpg\":[]}",
    ] {
        let error = asked(body.as_bytes()).unwrap_err();
        assert_eq!(error.api_kind(), Some(ApiErrorKind::Failed));
    }
}

#[test]
fn the_service_is_asked_and_its_answer_is_kept_untouched() {
    let simulator = Simulator::start();
    let photo = client_of(&simulator).project(READY).image("DSC_0001.JPEG");
    let sky = photo.copilot("make the sky more blue").unwrap();
    let on_it = EnhanceRequest::new("virtual_staging").parent(sky.version().unwrap());
    let staged = photo.enhance(on_it).unwrap();
    for envelope in [false, true] {
        simulator.configure(|settings| settings.envelope = envelope);

        let history = photo.project().history().unwrap();

        assert_eq!((history.images().len(), history.unread()), (3, 0));
        let raw: Value = history.raw().parse().unwrap();
        assert!(raw["prompts"].is_array());
        let image = history.get("DSC_0001.JPEG").unwrap();
        let newest = image.latest().unwrap();
        assert_eq!(Some(&newest.id), staged.version_id.as_ref());
        assert_eq!(newest.parent, sky.version_id);
        assert_eq!(newest.preset.as_deref(), Some("virtual_staging"));
        assert!(newest.created_at.is_some() && newest.url.is_some());
    }
}

#[test]
fn an_image_has_a_history_even_if_it_is_not_listed() {
    let simulator = Simulator::start();
    let project = client_of(&simulator).project(READY);
    for (name, is_listed) in [("dsc_0001.jpeg", false), ("DSC_0002.JPEG", true)] {
        let image = project.image(name).history().unwrap();
        assert_eq!(image.file_name(), name);
        assert_eq!(image.is_listed(), is_listed);
        assert!(image.versions().is_empty() && image.latest().is_none());
    }
}

#[test]
fn the_history_of_one_image_is_that_in_the_history_of_all() {
    let answer =
        r#"{"a.jpg":[{"version_id":1}],"b.jpg":[{"version_id":2}],"c.jpg":[{"version_id":3}]}"#;
    let wire = Wire::answering(200, answer);
    for (name, version) in [("a.jpg", "1"), ("b.jpg", "2"), ("c.jpg", "3")] {
        let image = wire.client().project("p").image(name).history().unwrap();
        assert_eq!(ids(image.versions()), [version]);
    }
}
