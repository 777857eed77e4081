//! Chains that a job keeps.

use std::fs;

use imagen_ai::{Chain, CopilotEdit, Error, Image, VersionId};
use tempfile::TempDir;

use super::network::Fate::{Late, LoseAfter, Pass};
use super::network::{LONG, NONE, behind, image_behind, in_process, sent};
use super::{applied, assert_refused, id, ids};
use crate::support::script::{End, Turn};

/// The image's chain in the job that is kept in this folder.
pub fn kept(image: &Image, folder: &TempDir) -> Chain {
    let job = image.project().open_job(folder.path().join("edits.job"));
    job.unwrap().chain(image).unwrap()
}

#[test]
fn a_kept_chain_goes_on_tomorrow_and_its_file_holds_no_secret() {
    let (simulator, network) = behind([Pass, LoseAfter]);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    let open = || kept(&image, &folder);
    assert!(open().path().is_empty());
    open().copilot("a").unwrap();
    assert!(matches!(open().copilot("b"), Err(Error::OutcomeUnknown(_))));

    // What is out is known tomorrow too, and what was known before.
    assert_eq!(
        open().pending().unwrap().edit,
        CopilotEdit::Instruction("b".into())
    );
    assert_refused(open().copilot("b"), "chain", "recover");
    assert_eq!(applied(open().recover(&NONE)), Some(id(124)));
    assert_eq!(open().path(), [id(123), id(124)]);
    assert_eq!(open().pending(), None);

    let text = fs::read_to_string(folder.path().join("edits.job")).unwrap();
    // The header names the service.
    assert_eq!(text.matches("://").count(), 1, "{text}");
    assert!(!text.contains(simulator.key()), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn moves_of_a_kept_chain_are_kept() {
    let (_simulator, network) = behind([]);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    let open = || kept(&image, &folder);
    open().copilot("a").unwrap();
    open().copilot("b").unwrap();

    open().undo().unwrap();
    assert_eq!(open().path(), [id(123)]);
    let text: VersionId = "text".parse().unwrap();
    open().branch_from(&text).unwrap();
    assert_eq!(open().path(), [text]);
    open().branch_from(u64::MAX).unwrap();
    open().reset().unwrap();
    assert!(open().path().is_empty());
}

#[test]
fn a_pending_edit_that_a_person_decides_is_decided_tomorrow() {
    let (simulator, network) = behind([LoseAfter, LoseAfter]);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    let open = || kept(&image, &folder);
    open().copilot("a").unwrap_err();
    open().branch_from(123).unwrap();
    assert_eq!(open().path(), [id(123)]);

    open().copilot("b").unwrap_err();
    open().assume_not_applied().unwrap();

    assert_eq!(open().pending(), None);
    assert_eq!(open().path(), [id(123)]);
    assert_eq!(ids(&simulator), [123, 124]);
}

#[test]
fn a_reset_whose_answer_was_lost_leaves_no_edit_to_rely_on() {
    let lost = || End::Close.after_request();
    let refused = || Turn::status(403);
    for (answers, is_reset) in [
        (vec![lost(); 9], true),
        (vec![lost(), refused()], true),
        (vec![refused()], false),
    ] {
        let mut answers = answers.into_iter();
        let (_simulator, network) = in_process(move |request, simulated| {
            let is_reset = request.method() == "DELETE";
            match answers.as_slice() {
                [_, ..] if is_reset => answers.next().unwrap(),
                _ => simulated(request),
            }
        });
        let folder = TempDir::new().unwrap();
        let image = image_behind(&network);
        kept(&image, &folder).copilot("a").unwrap();

        kept(&image, &folder).reset().unwrap_err();

        assert_eq!(kept(&image, &folder).path().is_empty(), is_reset);
    }
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
    kept(&image, &folder).copilot("a").unwrap_err();

    let mut chain = kept(&image, &folder);

    assert!(chain.pending().unwrap().made);
    assert_eq!(applied(chain.recover(&NONE)), Some(id(123)));
}

#[test]
fn the_wait_for_an_edit_of_a_killed_process_counts_from_the_opening() {
    let (simulator, network) = behind([Late(4)]);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    kept(&image, &folder).copilot("a").unwrap_err();

    let mut chain = kept(&image, &folder);

    assert_eq!(applied(chain.recover(&LONG)), Some(id(123)));
    assert_eq!(ids(&simulator), [123]);
}

/// Others may have made versions between two processes.
#[test]
fn a_kept_chain_reads_the_history_before_its_first_edit() {
    let (_simulator, network) = behind([Pass, LoseAfter]);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    kept(&image, &folder).copilot("a").unwrap();
    assert_eq!(sent(&network, "GET"), 1);

    let mut chain = kept(&image, &folder);
    chain.copilot("b").unwrap_err();

    assert_eq!(sent(&network, "GET"), 2);
    assert_eq!(applied(chain.recover(&NONE)), Some(id(124)));
}
