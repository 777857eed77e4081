//! Chains that are saved in a file.

use std::fs;
use std::path::{Path, PathBuf};

use imagen_ai::{CopilotEdit, Error, Result, VersionId};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::network::Fate::{Late, LoseAfter, Pass};
use super::network::{LONG, NONE, behind, image_behind, in_process, parents};
use super::{applied, assert_refused, id, ids};
use crate::killed::{PHOTO, photo_at};
use crate::support::script::Turn;
use crate::support::simulator::{READY, SMART};

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("edits.json")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_saved_chain_goes_on_tomorrow_and_its_file_holds_no_secret() {
    let (simulator, network) = behind([Pass, LoseAfter]);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    let open = || image.chain_saved_in(file(&folder)).unwrap();
    assert!(open().path().is_empty());
    open().copilot("a").unwrap();
    assert!(matches!(open().copilot("b"), Err(Error::OutcomeUnknown(_))));
    let text = fs::read_to_string(file(&folder)).unwrap();
    assert!(
        !text.contains(simulator.key()) && !text.contains("://"),
        "{text}"
    );
    // What is out is known tomorrow too, and what was known before.
    assert_eq!(
        open().pending().unwrap().edit,
        CopilotEdit::Instruction("b".into())
    );
    assert_refused(open().copilot("b"), "chain", "recover");
    assert_eq!(applied(open().recover(&NONE)), Some(id(124)));
    let mut chain = open();
    assert_eq!(
        (chain.path(), chain.pending()),
        (&[id(123), id(124)][..], None)
    );
    chain.undo().unwrap();
    assert_eq!(open().path(), [id(123)]);
    chain
        .branch_from("text".parse::<VersionId>().unwrap())
        .unwrap();
    assert_eq!(open().path(), ["text".parse::<VersionId>().unwrap()]);
    chain.branch_from(u64::MAX).unwrap();
    chain.reset().unwrap();
    assert!(open().path().is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_not_of_this_chain_is_refused_and_stays() {
    let folder = TempDir::new().unwrap();
    let image = photo_at("http://127.0.0.1:9/v1");
    let path = file(&folder);
    image.chain_saved_in(&path).unwrap();
    let saved = fs::read_to_string(&path).unwrap();
    let client = image.project().client();
    for (other, word) in [
        (image.project().image("DSC_0002.JPEG"), PHOTO),
        (client.smart_project(READY).image(PHOTO), "I2I"),
        (client.project(SMART).image(PHOTO), SMART),
    ] {
        assert_refused(other.chain_saved_in(&path), "path", word);
    }
    for (text, word) in [
        (saved.replace("form 1:", "form 2:"), "form 2"),
        (r#"{"form": 2, "all": "new"}"#.to_owned(), "form 1"),
        (saved[..saved.len() / 2].to_owned(), "cut short"),
        (String::new(), "cut short"),
        (saved.replace("form", "f\u{ff}rm"), "no saved chain"),
    ] {
        let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect(); // U+FF is no UTF-8 then
        fs::write(&path, &bytes).unwrap();
        assert_refused(image.chain_saved_in(&path), "path", word);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let error = image.chain_saved_in(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Io { path, .. } if path == folder.path()));
}

#[test]
fn what_cannot_be_written_is_not_sent_and_an_answer_is_kept_all_the_same() {
    let top = TempDir::new().unwrap();
    let (folder, moved) = (top.path().join("here"), top.path().join("moved"));
    fs::create_dir(&folder).unwrap();
    let (from, to) = (folder.clone(), moved.clone());
    let (simulator, server) = in_process(move |request, answer| {
        if request.method() == "POST" {
            fs::rename(&from, &to).unwrap();
        }
        answer(request)
    });
    let path = folder.join("edits.json");
    let mut chain = image_behind(&server).chain_saved_in(&path).unwrap();
    assert_eq!(chain.copilot("a").unwrap().version_id, Some(id(123)));
    let is_io = |result: Result<()>| matches!(&result, Err(Error::Io { path: named, .. }) if *named == folder);
    assert!(is_io(chain.copilot("b").map(drop)));
    assert!(
        is_io(chain.undo()) && is_io(chain.branch_from(7)) && is_io(chain.assume_not_applied())
    );
    assert_eq!(parents(&simulator), ["null"]);
    assert_eq!((chain.path(), chain.pending()), (&[id(123)][..], None));
    // The file that was left behind knows of the first edit only that it is out. The next edit
    // writes what came of it.
    fs::rename(&moved, &folder).unwrap();
    assert_eq!(read(&path)["chain"]["pending"]["edit"]["instruction"], "a");
    chain.copilot("b").unwrap();
    let saved = read(&moved.join("edits.json"));
    assert_eq!(saved["chain"]["path"], json!([123]));
    assert_eq!(saved["chain"]["pending"]["edit"]["instruction"], "b");
    assert!(is_io(chain.reset()), "the service has discarded them");
}

#[test]
fn what_the_service_says_it_made_is_known_tomorrow() {
    let (_simulator, network) = in_process(|request, simulated| {
        let answer = simulated(request);
        match request.method() {
            "POST" => Turn::json("<html>"),
            _ => answer,
        }
    });
    let folder = TempDir::new().unwrap();
    let image = image_behind(&network);
    let mut chain = image.chain_saved_in(file(&folder)).unwrap();
    chain.copilot("a").unwrap_err();

    let mut chain = image.chain_saved_in(file(&folder)).unwrap();

    assert!(chain.pending().unwrap().made);
    assert_eq!(applied(chain.recover(&NONE)), Some(id(123)));
}

/// The clock may have been wrong then or now, so that no time in the file counts.
#[test]
fn the_wait_for_an_edit_of_a_killed_process_counts_from_the_opening() {
    let (simulator, network) = behind([Late(4)]);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    let path = file(&folder);
    let mut chain = image.chain_saved_in(&path).unwrap();
    chain.copilot("a").unwrap_err();
    drop(chain);
    let mut saved = read(&path);
    saved["chain"]["pending"]["sent"] = json!({"secs_since_epoch": 1, "nanos_since_epoch": 0});
    fs::write(&path, saved.to_string()).unwrap();

    let mut chain = image.chain_saved_in(&path).unwrap();

    assert_eq!(applied(chain.recover(&LONG)), Some(id(123)));
    assert_eq!(ids(&simulator), [123]);
}
