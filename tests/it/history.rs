//! Histories: nobody has published their shape, so every shape that is plausible is read, and the others do no harm.

use std::cell::Cell;

use imagen_ai::{EnhancementStatus, Error, History, HistoryProblem, ImageHistory, VersionId};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::properties::check;
use crate::support::canned::Canned;
use crate::support::client_of;
use crate::support::simulator::{READY, Simulator};

fn read(json: Value) -> History {
    History::from_json(json.to_string()).unwrap()
}

fn ids<'a>(versions: impl IntoIterator<Item = &'a imagen_ai::Version>) -> Vec<String> {
    versions.into_iter().map(|version| version.id.to_string()).collect()
}

/// `1<- 2<-1 3<-2`: each version with its parent, `?` for one that was not told.
fn tree(image: &ImageHistory) -> String {
    let line = image
        .versions()
        .iter()
        .map(|version| match (&version.parent, version.parent_told) {
            (Some(parent), _) => format!("{}<-{parent}", version.id),
            (None, true) => format!("{}<-", version.id),
            (None, false) => format!("{}<-?", version.id),
        });
    line.collect::<Vec<_>>().join(" ")
}

// ---- shapes ----

#[test]
fn the_same_tree_is_read_from_every_shape() {
    let v = |id: u64, parent: Value| json!({"version_id": id, "parent_version_id": parent, "instruction": "x"});
    let list = || json!([v(1, Value::Null), v(2, json!(1)), v(3, json!(2)), v(4, json!(1))]);
    let nested = |name: &str| {
        json!({"version_id": 1, "instruction": "x", name: [
            {"version_id": 2, "instruction": "x", name: [{"version_id": 3, "instruction": "x", name: []}]},
            {"version_id": 4, "instruction": "x"},
        ]})
    };
    let with = |key: &str, mut of: Value| {
        of.as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|v| v[key] = json!("a.jpg"));
        of
    };
    let renamed = |from: &str, to: &str| list().to_string().replace(from, to).parse::<Value>().unwrap();
    let shapes = [
        (
            "images with versions",
            json!({"images": [{"file_name": "a.jpg", "versions": list()}]}),
        ),
        (
            "mixed with presets",
            json!({
                "prompts": [{"enhancement_type": "x", "label": "y", "image": "z.jpg", "versions": []}],
                "images": [{"filename": "a.jpg", "history": list()}],
            }),
        ),
        ("a map by name", json!({"a.jpg": list()})),
        (
            "a map by name, deeper",
            json!({"data": {"history": {"a.jpg": {"versions": list()}}}}),
        ),
        ("a flat list", with("image_name", list())),
        ("a flat list under a name", json!({"versions": with("image", list())})),
        (
            "the name in an object",
            json!({"adjustments": [{"image": {"name": "a.jpg", "id": 7}, "edits": list()}]}),
        ),
        (
            "maps by version",
            json!({"a.jpg": {"1": v(1, Value::Null), "2": v(2, json!(1)), "3": v(3, json!(2)),
            "4": v(4, json!(1))}}),
        ),
        ("versions in their parents", json!({"a.jpg": nested("children")})),
        (
            "versions in their parents, in a list",
            json!([{"file_name": "a.jpg", "tree": [nested("branches")]}]),
        ),
        (
            "camel case",
            json!([{"fileName": "a.jpg", "versions":
            renamed("parent_version_id", "parentVersionId").to_string().replace("version_id", "versionId")
                .parse::<Value>().unwrap()}]),
        ),
        (
            "other words",
            json!({"a.jpg": renamed("parent_version_id", "parent").to_string()
            .replace("instruction", "prompt").parse::<Value>().unwrap()}),
        ),
        (
            "plain ids",
            json!([{"file_name": "a.jpg", "versions": renamed("parent_version_id", "parent_id").to_string()
            .replace("version_id", "id").parse::<Value>().unwrap()}]),
        ),
        (
            "the parent as an object",
            json!({"a.jpg": [v(1, Value::Null),
            {"version_id": 2, "parent": {"version_id": 1}, "instruction": "x"},
            {"version_id": 3, "parent": {"version_id": 2}, "instruction": "x"},
            {"version_id": 4, "parent": {"version_id": 1}, "instruction": "x"}]}),
        ),
        (
            "each listed twice",
            json!({"a.jpg": {"current": v(4, json!(1)), "versions": list(), "all": list()}}),
        ),
        ("under a name without an end", json!({"images": {"DSC_1": list()}})),
    ];
    for (shape, json) in shapes {
        let history = read(json);
        assert_eq!(history.unread(), 0, "{shape}");
        assert_eq!(history.images().len(), 1, "{shape}: {history}");
        let image = &history.images()[0];
        let name = if shape.contains("without an end") {
            "DSC_1"
        } else {
            "a.jpg"
        };
        assert_eq!(image.file_name(), name, "{shape}");
        assert_eq!(image.problems(), [], "{shape}");
        let mut lines: Vec<_> = tree(image).split(' ').map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["1<-", "2<-1", "3<-2", "4<-1"], "{shape}");
        assert!(
            image.versions().iter().all(|v| v.instruction.as_deref() == Some("x")),
            "{shape}"
        );
        assert_eq!(ids(image.latest()), ["4"], "{shape}");
        assert_eq!(ids(image.path_to(3)), ["1", "2", "3"], "{shape}");
        let mut children = ids(image.children_of(1));
        children.sort();
        assert_eq!(children, ["2", "4"], "{shape}");
        assert_eq!(ids(image.roots()), ["1"], "{shape}");
    }
}

#[test]
fn every_word_that_the_docs_name_is_understood() {
    let one_photo = |json: Value| {
        let history = read(json);
        assert_eq!((history.images().len(), history.unread()), (1, 0), "{}", history.raw());
        history
            .image("a.jpg")
            .unwrap_or_else(|e| panic!("{}: {e}", history.raw()))
            .clone()
    };
    let mut trees = Vec::new();
    for id in ["version_id", "versionId"] {
        trees.push(json!({"a.jpg": [{id: 1, "parent_id": null}, {id: 2, "parent_id": 1}]}));
    }
    for parent in [
        "parent_version_id",
        "parentVersionId",
        "parent_id",
        "parentId",
        "parent_version",
        "parentVersion",
        "parent",
    ] {
        trees.push(json!({"a.jpg": [{"version_id": 1, parent: null}, {"version_id": 2, parent: 1}]}));
    }
    for children in ["children", "child", "branches", "next", "descendants"] {
        trees.push(json!({"a.jpg": [{"version_id": 1, children: [{"version_id": 2}]}]}));
    }
    for list in [
        "versions",
        "version_history",
        "versionHistory",
        "history",
        "edits",
        "revisions",
        "a.jpg",
    ] {
        let versions = json!([{"id": 1, "parent_id": null}, {"id": 2, "parent_id": 1}]);
        trees.push(json!({"file_name": "a.jpg", list: versions}));
    }
    for name in ["file_name", "fileName", "filename", "image_name", "imageName", "image"] {
        let versions = json!([{"version_id": 1, "parent_id": null}, {"version_id": 2, "parent_id": 1}]);
        trees.push(json!({"images": [{name: "a.jpg", "versions": versions}]}));
    }
    for json in trees {
        assert_eq!(tree(&one_photo(json.clone())), "1<- 2<-1", "{json}");
    }
    type Read = fn(&imagen_ai::Version) -> Option<&str>;
    let fields: [(&[&str], Read); 4] = [
        (&["instruction", "prompt"], |version| version.instruction.as_deref()),
        (
            &["tool_id", "toolId", "enhancement_type", "enhancementType", "preset"],
            |version| version.preset.as_deref(),
        ),
        (
            &["enhanced_image_url", "enhancedImageUrl", "image_url", "imageUrl", "url"],
            |version| version.url.as_deref(),
        ),
        (&["created_at", "createdAt", "created", "timestamp"], |version| {
            version.created_at.as_deref()
        }),
    ];
    for (words, field) in fields {
        for word in words {
            let image = one_photo(json!({"a.jpg": [{"version_id": 1, *word: "x"}]}));
            let version = &image.versions()[0];
            assert_eq!((field(version), version.extra.len()), (Some("x"), 0), "{word}");
        }
    }
}

#[test]
fn what_a_version_tells_is_kept() {
    let history = read(json!({"a.jpg": [
        {
            "version_id": "v-1", "parent_version_id": null, "instruction": "sky", "status": "success",
            "enhanced_image_url": "https://s3/1?sig=SECRET", "created_at": "2026-01-31T12:00:00Z",
            "cost": 2, "reviewer": {"name": "Eve", "url": "https://s3/eve?sig=SECRET"}, "children": [],
        },
        {"version_id": "v-2", "parent_version_id": "v-1", "tool_id": "staging", "status": "FAILED", "timestamp": 1.5},
        {"version_id": "v-3", "instruction": "", "status": 7, "url": null},
    ]}));
    let image = history.image("a.jpg").unwrap();
    let first = image.get("v-1").unwrap();
    assert_eq!(first.instruction.as_deref(), Some("sky"));
    assert_eq!(first.status, Some(EnhancementStatus::Success));
    assert_eq!(first.url.as_deref(), Some("https://s3/1?sig=SECRET"));
    assert_eq!(first.created_at.as_deref(), Some("2026-01-31T12:00:00Z"));
    assert_eq!(first.extra["cost"], 2);
    assert_eq!(first.extra["reviewer"]["name"], "Eve");
    assert_eq!(first.extra.len(), 2);
    let second = image.get("v-2").unwrap();
    assert_eq!(
        (second.preset.as_deref(), second.created_at.as_deref()),
        (Some("staging"), Some("1.5"))
    );
    let third = image.get("v-3").unwrap();
    assert!(third.instruction.is_none() && third.url.is_none() && !third.parent_told);
    assert_eq!(third.extra["status"], 7);
    assert!(image.get("v-4").is_none() && image.parent_of("v-1").is_none());
    assert_eq!(image.parent_of("v-2").unwrap().id, "v-1".into());
    assert_eq!(ids(image.latest()), ["v-3"], "a failed version is not the newest");
    for text in [format!("{history:?}"), format!("{image:?}"), format!("{first:?}")] {
        assert!(text.contains("[redacted]") && !text.contains("SECRET"), "{text}");
    }
}

#[test]
fn ids_are_exact_or_not_read() {
    let history = History::from_json(
        r#"{"a.jpg":[
            {"version_id":9007199254740993,"parent_version_id":null},
            {"version_id":18446744073709551615,"parent_version_id":9007199254740993},
            {"version_id":123456789012345678901234567890,"parent_version_id":18446744073709551615},
            {"version_id":-1,"parent":123456789012345678901234567890},
            {"version_id":1.5},{"version_id":1e3},{"version_id":"1"},{"version_id":1},
            {"version_id":""},{"version_id":true},{"version_id":[1]},{"version_id":{"a":1}}]}"#,
    )
    .unwrap();
    let image = history.image("a.jpg").unwrap();
    let exact = [
        "9007199254740993",
        "18446744073709551615",
        "123456789012345678901234567890",
        "1.5",
        "1e3",
        "1",
        "1",
    ];
    assert_eq!(ids(image.versions()), exact);
    let huge: VersionId = serde_json::from_str("123456789012345678901234567890").unwrap();
    assert_eq!(ids(image.path_to(&huge)), exact[..3]);
    // An empty or senseless id, and a parent that cannot be told exactly.
    assert_eq!(history.unread(), 5);
}

#[test]
fn photos_without_versions_are_there_with_none() {
    let history = read(json!({
        "prompts": [{"image": "preset.jpg"}, {"icon.png": []}],
        "images": [
            {"file_name": "a.jpg", "versions": []}, {"file_name": "b.jpg"}, {"file_name": "c.jpg", "history": null},
        ],
        "d.jpg": [], "e.jpg": {}, "f.jpg": null, "g.jpg": {"thumbnail": "x"},
    }));
    let mut names: Vec<_> = history.images().iter().map(ImageHistory::file_name).collect();
    names.sort_unstable();
    assert_eq!(names, ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg"]);
    for image in history.images() {
        assert!(image.versions().is_empty() && image.latest().is_none() && image.roots().next().is_none());
        assert_eq!(image.to_string(), format!("{}: no versions", image.file_name()));
    }
    assert_eq!(history.unread(), 0);
}

#[test]
fn a_name_in_another_case_is_no_match_and_the_error_says_so() {
    let history = read(json!({"DSC_1.JPEG": [{"version_id": 1}], "ÄÖ.jpg": []}));
    for (asked, there) in [("dsc_1.jpeg", "DSC_1.JPEG"), ("äö.JPG", "ÄÖ.jpg")] {
        match history.image(asked).unwrap_err() {
            Error::InvalidInput {
                field: "image",
                message,
            } => {
                assert!(message.contains(there) && message.contains("case"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    let missing = history.image("x.jpg").unwrap_err().to_string();
    assert!(missing.contains("x.jpg") && !missing.contains("case"), "{missing}");
}

#[test]
fn the_newest_is_told_by_the_tree_then_by_time_then_by_number() {
    let newest = |versions: Value| ids(read(json!({ "a.jpg": versions })).image("a.jpg").unwrap().latest()).join("");
    // What nothing was built on is newer than what something was, whatever the numbers say.
    assert_eq!(
        newest(json!([{"version_id": 9, "parent_id": null}, {"version_id": 1, "parent_id": 9}])),
        "1"
    );
    let at = |id: Value, time: Value| json!({"version_id": id, "parent_id": null, "created_at": time});
    assert_eq!(
        newest(json!([
            at(json!(3), json!("2026-01-02T00:00:00Z")),
            at(json!(4), json!("2026-01-01T00:00:00Z"))
        ])),
        "3"
    );
    assert_eq!(
        newest(json!([
            at(json!("x"), json!(1_700_000_001)),
            at(json!("y"), json!(1_700_000_000))
        ])),
        "x"
    );
    // Times that cannot be compared as they are written don't count.
    assert_eq!(
        newest(json!([
            at(json!(3), json!("2026-01-01T09:00:00+09:00")),
            at(json!(4), json!("2026-01-01T01:00:00+00:00"))
        ])),
        "4"
    );
    assert_eq!(
        newest(json!([
            at(json!(3), json!("2026-01-02T00:00:00Z")),
            at(json!(4), Value::Null)
        ])),
        "4"
    );
    assert_eq!(newest(json!([{"version_id": "x"}, {"version_id": "y"}])), "y");
    assert_eq!(
        newest(json!([{"version_id": 2, "parent_id": null},
        {"version_id": 3, "parent_id": 2, "status": "failed"}])),
        "2"
    );
}

// ---- what is wrong ----

#[test]
fn what_cannot_be_placed_is_counted() {
    for (json, unread) in [
        (json!([{"version_id": 1}]), 1),
        (
            json!({"images": {"versions": [{"version_id": 1}, {"version_id": 2}]}}),
            2,
        ),
        (
            json!({"a.jpg": [{"version_id": {}, "children": [{"version_id": 1}]}]}),
            1,
        ),
        (json!({"a.jpg": {"1": {"parent_version_id": null}}}), 1),
        (json!({"file_name": "a.jpg", "versions": [{"text": "no id"}]}), 1),
        (json!({"a.jpg": [{"version_id": 1, "parent_id": false}]}), 1),
        (json!({"a.jpg": [{"version_id": null}]}), 0),
        (json!({"prompts": [{"enhancement_type": "x", "id": 1}]}), 0),
        (json!({"DSC_1": {"7": {"version_id": 7}}}), 0),
    ] {
        let history = read(json.clone());
        assert_eq!(history.unread(), unread, "{json}");
        assert_eq!(history.raw(), json.to_string());
    }
    assert!(
        read(json!([{"version_id": 1}]))
            .to_string()
            .contains("1 version could not be placed")
    );
}

#[test]
fn broken_trees_are_read_and_reported() {
    let image = |versions: Value| read(json!({ "a.jpg": versions })).image("a.jpg").unwrap().clone();
    let v = |id: u64, parent: u64| json!({"version_id": id, "parent_version_id": parent});

    let gone = image(json!([v(2, 1), v(3, 2)]));
    let missing = HistoryProblem::MissingParent {
        version: 2.into(),
        parent: 1.into(),
    };
    assert_eq!(gone.problems(), [missing]);
    assert_eq!(ids(gone.path_to(3)), ["2", "3"]);
    assert_eq!(ids(gone.roots()), ["2"]);

    let own = image(json!([v(1, 1)]));
    assert_eq!(own.problems(), [HistoryProblem::Loop { version: 1.into() }]);
    assert_eq!(ids(own.path_to(1)), ["1"]);

    let ring = image(json!([v(5, 1), v(1, 3), v(2, 1), v(3, 2), v(7, 8), v(8, 7)]));
    assert_eq!(ring.problems().len(), 2);
    assert_eq!(ids(ring.path_to(5)).last().unwrap(), "5");
    assert_eq!(ring.roots().count(), 2);
    assert_eq!(
        ring.to_string()
            .lines()
            .filter(|line| line.contains("● ") || line.contains("○ "))
            .count(),
        6
    );
    assert!(ring.latest().is_some());

    let two = image(json!([v(1, 9), v(2, 1), v(3, 1), v(3, 2)]));
    let parents = HistoryProblem::TwoParents {
        version: 3.into(),
        first: Some(1.into()),
        other: Some(2.into()),
    };
    assert!(two.problems().contains(&parents));
    assert!(!two.get(3).unwrap().parent_told);
    let report = two.to_string();
    assert!(
        report.contains("! version 3 is listed as built on 1 and on 2"),
        "{report}"
    );
    assert!(
        report.contains("! version 1 was built on 9, which is not in the history"),
        "{report}"
    );
}

#[test]
fn hostile_and_truncated_answers_end_in_typed_errors() {
    let whole = r#"{"a.jpg":[{"version_id":1,"parent_version_id":null,"x":[1,{"y":"z\u00e9"}]}]}"#;
    for end in 0..whole.len() {
        let error = History::from_json(&whole[..end]).unwrap_err();
        assert!(
            matches!(error, Error::InvalidInput { field: "json", .. }),
            "{end}: {error:?}"
        );
    }
    let deep = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [
        ("[", "]"),
        (r#"{"children":"#, "}"),
        (r#"{"version_id":1,"children":[{"a":"#, "}]}"),
    ] {
        for depth in [200, 100_000] {
            History::from_json(deep(open, close, depth)).unwrap_err();
        }
    }
    History::from_json(deep("[", "]", 127)).unwrap();
    // Under an id everything is skipped, however deep.
    assert_eq!(read(json!({"a.jpg": [{"version_id": 0}]})).unread(), 0);
    let skipped = format!(r#"{{"a.jpg":[{{"version_id":{}}}]}}"#, deep("[", "]", 100_000));
    assert_eq!(History::from_json(skipped).unwrap().unread(), 1);

    for nothing in [
        "null",
        "true",
        "1e999999",
        "\"text\"",
        "{}",
        "[]",
        "[[],{},null]",
        "{\"\":{\"\":[]}}",
    ] {
        if let Ok(history) = History::from_json(nothing) {
            assert!(history.images().is_empty() && history.unread() == 0, "{nothing}");
        }
    }

    // A tall tree, a broad one and a comb: no recursion, and a drawing that does not grow with the square.
    const TALL: u64 = 10_000;
    for parent in [
        |id: u64| id - 1,
        |_| 1,
        |id: u64| {
            if id % 2 == 0 {
                id - 1
            } else {
                id.saturating_sub(2).max(1)
            }
        },
    ] {
        let versions: Vec<_> = (2..=TALL)
            .map(|id| json!({"version_id": id, "parent_id": parent(id)}))
            .collect();
        let mut all = vec![json!({"version_id": 1, "parent_id": null})];
        all.extend(versions);
        let history = read(json!({ "a.jpg": all }));
        let image = history.image("a.jpg").unwrap();
        assert!(image.to_string().len() < TALL as usize * 60);
        assert_eq!(image.path_to(TALL).first().unwrap().id, 1.into());
    }
}

#[test]
fn the_service_is_asked_and_its_answer_is_kept_untouched() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let photo = client.project(READY).image("DSC_0001.JPEG");
    let mut chain = photo.chain();
    chain.copilot("make the sky more blue").unwrap();
    chain.enhance("virtual_staging").unwrap();
    for envelope in [false, true] {
        simulator.configure(|settings| settings.envelope = envelope);
        let history = photo.project().history().unwrap();
        assert_eq!(history.images().len(), 3);
        assert!(serde_json::from_str::<Value>(history.raw()).unwrap()["prompts"].is_array());
        let image = photo.history().unwrap();
        assert_eq!(tree(&image), "123<- 124<-123");
        assert_eq!(image.get(124).unwrap().preset.as_deref(), Some("virtual_staging"));
        assert!(image.get(123).unwrap().created_at.is_some() && image.get(123).unwrap().url.is_some());
    }
    client.project(READY).image("dsc_0001.jpeg").history().unwrap_err();

    for body in [
        "[[[[".repeat(100),
        "{\"a\":".to_owned(),
        "\u{0}".to_owned(),
        "<html>".to_owned(),
    ] {
        let server = Canned::new(200, body);
        let error = server.client().project(READY).history().unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error:?}");
    }
    let server = Canned::new(200, b"{\"a.jpg\":\"\xff\"}".to_vec());
    assert!(matches!(
        server.client().project(READY).history().unwrap_err(),
        Error::Decode(_)
    ));
}

// ---- what a person sees ----

fn drawn() -> History {
    let v = |id: u64, parent: Value, edit: Value| {
        let mut version = json!({"version_id": id, "parent_version_id": parent, "status": "SUCCESS",
            "created_at": format!("2026-01-31T12:{:02}:07Z", id - 90)});
        version
            .as_object_mut()
            .unwrap()
            .extend(edit.as_object().unwrap().clone());
        version
    };
    read(json!({"images": [{"file_name": "DSC_0001.JPEG", "versions": [
        v(99, Value::Null, json!({"instruction": "old"})),
        v(123, Value::Null, json!({"instruction": "make the sky more blue"})),
        v(124, json!(123), json!({"instruction": "brighten the interior\u{1b}[2J\nand remove the lamp\u{202e}"})),
        v(125, json!(124), json!({"tool_id": "virtual_staging", "status": "FAILED"})),
        v(126, json!(123), json!({"instruction": "warm evening light over the roofs, long shadows, lit windows"})),
        v(127, json!(126), json!({})),
    ]}, {"file_name": "b.jpg", "versions": []}, {"file_name": "odd.jpg", "versions": [
        {"version_id": "x", "parent_version_id": "w"}, {"version_id": "y", "prompt": "?"},
    ]}]}))
}

#[test]
fn the_tree_is_drawn_for_a_terminal() {
    let history = drawn();
    let image = history.image("DSC_0001.JPEG").unwrap();
    let wide = "\
DSC_0001.JPEG: 6 versions
● unedited
├─○ 99  \"old\"                                         2026-01-31 12:09
● 123  \"make the sky more blue\"                       2026-01-31 12:33
├─○ 124  \"brighten the interior�[2J and remove the…\"  2026-01-31 12:34
│ ○ 125  virtual_staging                              FAILED  2026-01-31 12:35
● 126  \"warm evening light over the roofs, long sh…\"  2026-01-31 12:36
● 127                                                 2026-01-31 12:37  ← newest";
    assert_eq!(image.to_string(), wide, "\n{image}");
    assert!(wide.lines().all(|line| line.chars().count() <= 80));
    let narrow = format!("{image:50}");
    assert!(
        narrow.contains("● 126  \"warm evening…\"  2026-01-31 12:36"),
        "{narrow}"
    );
    assert!(format!("{image:200}").contains("lit windows\""));
    assert_eq!(
        history.image("odd.jpg").unwrap().to_string(),
        "\
odd.jpg: 2 versions
? ○ x
? ● y  \"?\"  parent not told  ← newest
! version x was built on w, which is not in the history"
    );
    assert_eq!(
        history.to_string(),
        "\
3 photos
DSC_0001.JPEG   6 versions  newest 127
b.jpg          no versions
odd.jpg         2 versions  newest y  \"?\"  (1 problem)"
    );
}

// ---- any tree in any shape ----

/// A photo's versions: id, parent and instruction, parents first.
type Tree = Vec<(VersionId, Option<VersionId>, String)>;

#[derive(Clone, Debug)]
struct Plan {
    images: Vec<Tree>,
    shape: usize,
    words: usize,
    order: u64,
}

fn plans() -> impl Strategy<Value = Plan> {
    let version = (any::<bool>(), any::<u16>(), "[ -~é\u{1f600}]{1,20}");
    let tree = vec(version, 0..25);
    (vec(tree, 0..4), 0..SHAPES, 0..WORDS.len(), any::<u64>()).prop_map(|(trees, shape, words, order)| {
        let mut number = 9_007_199_254_740_990_u64;
        let images = trees.into_iter().map(|versions| {
            let mut tree = Tree::new();
            for (text, parent, instruction) in versions {
                number += 1;
                let id = if text {
                    VersionId::from(format!("v{number}"))
                } else {
                    VersionId::from(number)
                };
                let parent = usize::from(parent) % (tree.len() + 1);
                let parent = parent.checked_sub(1).map(|parent| tree[parent].0.clone());
                tree.push((id, parent, instruction));
            }
            tree
        });
        Plan {
            images: images.collect(),
            shape,
            words,
            order,
        }
    })
}

/// Names of the id, the parent, the photo, the instruction, the list and the children.
const WORDS: [[&str; 6]; 4] = [
    [
        "version_id",
        "parent_version_id",
        "file_name",
        "instruction",
        "versions",
        "children",
    ],
    ["version_id", "parent_id", "filename", "prompt", "history", "branches"],
    [
        "versionId",
        "parentVersionId",
        "imageName",
        "instruction",
        "versionHistory",
        "next",
    ],
    ["version_id", "parent", "image", "prompt", "edits", "descendants"],
];
const SHAPES: usize = 7;

impl Plan {
    fn name(index: usize) -> String {
        ["DSC_0001.JPEG", "versions.jpg", "Straße 1/2.jpeg", "\"#%.png"][index].to_owned()
    }

    fn print(&self) -> Value {
        let [
            id_word,
            parent_word,
            file_word,
            instruction_word,
            list_word,
            children_word,
        ] = WORDS[self.words];
        let version = |(id, parent, instruction): &(VersionId, Option<VersionId>, String)| {
            let mut object = Map::new();
            object.insert(id_word.to_owned(), json!(id));
            object.insert(parent_word.to_owned(), json!(parent));
            object.insert(instruction_word.to_owned(), json!(instruction));
            object.insert("meta".to_owned(), json!({"cost": [1, {"id": 7}]}));
            object
        };
        let flat = |tree: &Tree| {
            let mut list: Vec<Value> = tree.iter().map(|v| version(v).into()).collect();
            if !list.is_empty() {
                let start = self.order as usize % list.len();
                list.rotate_left(start);
            }
            if self.order % 2 == 0 {
                list.reverse();
            }
            Value::from(list)
        };
        fn hang(
            tree: &Tree,
            parent: Option<&VersionId>,
            object: &dyn Fn(usize) -> Map<String, Value>,
            word: &str,
        ) -> Value {
            let children = (0..tree.len()).filter(|index| tree[*index].1.as_ref() == parent);
            let nested = children.map(|index| {
                let mut version = object(index);
                let children = hang(tree, Some(&tree[index].0), object, word);
                version.insert(word.to_owned(), children);
                Value::from(version)
            });
            nested.collect::<Vec<_>>().into()
        }
        let nested = |tree: &Tree| {
            let object = |index: usize| {
                let mut version = version(&tree[index]);
                version.remove(parent_word);
                version
            };
            hang(tree, None, &object, children_word)
        };
        let images = || {
            self.images
                .iter()
                .enumerate()
                .map(|(index, tree)| (Self::name(index), tree))
        };
        let map = |of: &dyn Fn(&Tree) -> Value| Value::Object(images().map(|(name, tree)| (name, of(tree))).collect());
        let list = |of: &dyn Fn(&Tree) -> Value| -> Value {
            images()
                .map(|(name, tree)| json!({file_word: name, list_word: of(tree)}))
                .collect()
        };
        let every = || {
            images()
                .flat_map(|(name, tree)| {
                    let mut versions = flat(tree);
                    let versions = versions.as_array_mut().unwrap();
                    versions.iter_mut().for_each(|version| version[file_word] = json!(name));
                    std::mem::take(versions)
                })
                .collect::<Value>()
        };
        let by_id = |tree: &Tree| -> Value {
            let versions = tree.iter().map(|v| (v.0.to_string(), version(v).into()));
            Value::Object(versions.collect())
        };
        match self.shape {
            0 => json!({"prompts": [{"enhancement_type": "x", "label": "y"}], "images": list(&flat)}),
            1 => map(&flat),
            2 => every(),
            3 => map(&nested),
            4 => json!({"data": {"items": map(&by_id)}, "total": 3}),
            5 => json!([every(), {"photos": list(&flat)}]),
            _ => json!({"adjustments": list(&nested)}),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_back_from_any_shape(plan in plans()) {
        let json = plan.print().to_string();
        let history = History::from_json(json.as_str()).unwrap();
        prop_assert_eq!(history.unread(), 0, "{}", json);
        // A flat list cannot show a photo without versions.
        let shown = |tree: &Tree| plan.shape != 2 || !tree.is_empty();
        prop_assert_eq!(history.images().len(), plan.images.iter().filter(|tree| shown(tree)).count());
        for (index, tree) in plan.images.iter().enumerate().filter(|(_, tree)| shown(tree)) {
            let image = history.image(&Plan::name(index)).unwrap();
            prop_assert_eq!(image.versions().len(), tree.len());
            prop_assert_eq!(image.problems(), []);
            for (id, parent, instruction) in tree {
                let version = image.get(id).unwrap();
                prop_assert_eq!(&version.parent, parent, "{} in {}", id, json);
                prop_assert!(version.parent_told);
                prop_assert_eq!(version.instruction.as_ref(), Some(instruction));
                prop_assert_eq!(version.extra.keys().collect::<Vec<_>>(), ["meta"]);
                prop_assert_eq!(image.parent_of(id).map(|parent| &parent.id), parent.as_ref());
                prop_assert!(parent.as_ref().is_none_or(|p| image.children_of(p).any(|child| &child.id == id)));
                prop_assert_eq!(&image.path_to(id).last().unwrap().id, id);
            }
            prop_assert_eq!(image.to_string().lines().count(), tree.len() + 1 + usize::from(!tree.is_empty()));
        }
    }
}

/// Versions, some of which are in others, with anything beside what they need and all of it in disorder.
fn wild() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 24] = [
        "version_id",
        "id",
        "parent_version_id",
        "parent_id",
        "parent",
        "file_name",
        "image",
        "instruction",
        "preset",
        "status",
        "url",
        "created_at",
        "versions",
        "history",
        "children",
        "branches",
        "next",
        "prompts",
        "images",
        "a.jpg",
        "b.jpg",
        "DSC_1",
        "1",
        "",
    ];
    let id = || prop_oneof![8 => (0..9_u64).prop_map(Value::from), 1 => Just(json!("x")), 1 => Just(Value::Null)];
    let name = || prop::sample::select(&NAMES[..]);
    let leaf = prop_oneof![
        id(),
        any::<bool>().prop_map(Value::from),
        Just(json!("a.jpg")),
        Just(json!("FAILED"))
    ];
    let any_json = leaf.prop_recursive(6, 60, 6, move |inner| {
        let list = vec(inner.clone(), 0..6).prop_map(Value::from);
        let object = vec((name(), inner), 0..5).prop_map(|fields| fields.into_iter().collect());
        prop_oneof![list, object]
    });
    let version = (id(), id(), vec((name(), any_json), 0..4)).prop_map(|(id, parent, fields)| {
        let own = [("version_id", id), ("parent_id", parent)];
        own.into_iter().chain(fields).collect::<Value>()
    });
    vec(version, 0..12).prop_map(Value::from)
}

#[test]
fn no_json_of_any_shape_does_harm() {
    let large = Cell::new(0);
    check(200, wild(), |json| {
        let history = History::from_json(json!({ "c.jpg": json }).to_string()).unwrap();
        let _ = (history.to_string(), format!("{history:?}"));
        for image in history.images() {
            let versions = image.versions();
            large.set(large.get() + usize::from(versions.len() > 4));
            // Each version is a root or one other's child, loops and all.
            let mut found = image.roots().count();
            for version in versions {
                let path = image.path_to(&version.id);
                prop_assert!(path.len() <= versions.len() && path.last().unwrap().id == version.id);
                found += image.children_of(&version.id).count();
            }
            prop_assert_eq!(found, versions.len(), "{}", json);
            prop_assert_eq!(
                image.latest().is_none(),
                versions.iter().all(|v| v.status == Some(EnhancementStatus::Failed))
            );
            for drawn in [image.to_string(), format!("{image:20}")] {
                prop_assert!(drawn.lines().count() > versions.len());
            }
        }
        Ok(())
    });
    assert!(large.get() > 50, "{}", large.get());
}
