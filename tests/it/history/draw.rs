//! Trees in a terminal.

use imagen_ai::{History, ImageHistory};
use serde_json::{Value, json};

use super::{ids, image, read, version};

fn edit(id: u64, parent: Value, prompt: &str) -> Value {
    json!({"version_id": id, "parent_id": parent, "prompt": prompt})
}

/// One image with all that can be drawn, an image without versions, and a version without an image.
fn history() -> History {
    let mut old = edit(99, json!(null), "old");
    old["created_at"] = json!("2026-01-31T12:09:07Z");
    let long = "warm evening light over the roofs, long shadows, lit windows";
    let versions = [
        old,
        edit(123, json!(null), "make the sky more blue"),
        edit(124, json!(123), "brighten\u{1b}[2J\nthe \u{202e}room"),
        json!({"version_id": 125, "parent_id": 124, "tool_id": "virtual_staging", "status": "FAILED"}),
        edit(126, json!(123), long),
        edit(127, json!(126), ""),
        json!({"version_id": 3, "prompt": "parent unknown"}),
        edit(4, json!(2), ""),
        edit(5, json!(4), ""),
    ];
    read(json!({
        "images": [
            {"file_name": "DSC_0001.JPEG", "versions": versions},
            {"file_name": "b\r.jpg", "versions": []},
        ],
        "x": {"version_id": 1},
    }))
}

fn drawn() -> ImageHistory {
    history().get("DSC_0001.JPEG").unwrap().clone()
}

#[test]
fn the_way_to_the_newest_goes_straight_down() {
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
    let image = drawn();
    assert_eq!(image.to_string(), tree, "\n{image}");
}

#[test]
fn a_drawing_is_as_wide_as_it_is_told() {
    let narrow = format!("{:20}", drawn());
    assert!(narrow.contains("\n● 126 · warm evenin…\n"), "{narrow}");
    assert!(narrow.lines().all(|line| line.chars().count() <= 20));
}

#[test]
fn the_way_to_where_one_stands_goes_straight_down() {
    let standing = drawn().draw(Some(&124.into()));
    let beside = "● 123 · make the sky more blue\n├─○ 126 · warm";
    assert!(standing.contains(beside), "{standing}");
    let below = "│ ○ 127 ← newest\n● 124 ← here · bright";
    assert!(standing.contains(below), "{standing}");
}

#[test]
fn one_can_stand_at_the_unedited_image() {
    let image = drawn();
    assert!(image.draw(None).contains("\n● unedited ← here\n"));
    assert_eq!(ids(image.children(None)), ["99", "123"]);
    assert_eq!(image.draw(None).matches("← here").count(), 1);
    assert!(!image.to_string().contains("← here"));
}

#[test]
fn a_history_is_shown_as_a_list() {
    let list =
        "DSC_0001.JPEG: 9 version(s)\nb .jpg: 0 version(s)\n1 version(s) could not be placed";
    assert_eq!(history().to_string(), list);
    assert_eq!(format!("{:?}", history()), "History(2 images, 1 unread)");
}

#[test]
fn versions_in_a_circle_are_drawn_once() {
    let v = |id: u64, parent: u64| version(id, json!(parent));
    let ring = [v(5, 1), v(1, 3), v(2, 1), v(3, 2), v(7, 8), v(8, 7)];
    let ring = image(json!({ "a.jpg": ring }));
    assert_eq!(ring.to_string().lines().count(), 2 + 6, "{ring}");
}

/// No recursion, and a drawing that does not grow with the square.
#[test]
fn a_tall_tree_a_broad_one_and_a_comb_are_drawn() {
    const LAST: u64 = 10_000;
    for parent in [|id| id - 1, |_| 1, |id| 1.max(id - 2 - id % 2)] {
        let mut versions = vec![version(1, json!(null))];
        for id in 2..=LAST {
            versions.push(version(id, json!(parent(id))));
        }
        let image = image(json!({ "a.jpg": versions }));

        let drawn = image.draw(Some(&1.into()));

        assert!(drawn.len() < LAST as usize * 100);
        assert!(drawn.contains(&LAST.to_string()));
        assert_eq!(image.path_to(LAST)[0].id, 1.into());
    }
}
