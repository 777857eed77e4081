//! Finding out what became of an edit whose answer was lost.

use std::iter;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;

use imagen_ai::{Error, ProgressCallback, Recovery, Wait, WaitReason};
use tempfile::TempDir;

use super::kept::kept;
use super::network::Fate::{Late, LoseAfter, LoseBefore, Pass};
use super::network::{LONG, NONE, behind, image_behind, in_process, listing, sent, wait};
use super::{applied, assert_refused, id, ids};
use crate::killed::{Dice, PHOTO, assert_in_order};
use crate::support::script::{End, Script, Turn};
use crate::support::side_by_side;
use crate::support::simulator::Simulator;

#[test]
fn an_edit_that_was_not_made_can_be_sent_again() {
    let (simulator, network) = behind([LoseBefore]);
    let mut chain = image_behind(&network).chain();
    let error = chain.copilot("a").unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error}");

    assert_eq!(chain.recover(&NONE).unwrap(), Recovery::NotApplied);

    chain.copilot("a").unwrap();
    assert_eq!(ids(&simulator), [123]);
}

#[test]
fn a_recovering_chain_finds_an_edit_by_itself() {
    let (simulator, network) = behind([LoseAfter]);
    let mut chain = image_behind(&network).chain().recovering(NONE);

    let found = chain.copilot("a").unwrap();

    assert!(found.url.is_some());
    assert_eq!(chain.current(), Some(&id(123)));
    assert_eq!(ids(&simulator), [123]);
    assert_eq!(sent(&network, "POST"), 1);
}

#[test]
fn a_recovering_chain_says_that_an_edit_was_not_made_and_sends_nothing_again() {
    let (_simulator, network) = behind([Pass, LoseBefore]);
    let mut chain = image_behind(&network).chain().recovering(NONE);
    chain.copilot("a").unwrap();

    let error = chain.copilot("b").unwrap_err();

    assert!(error.is_safe_to_retry());
    let Error::Network(error) = error else {
        panic!("{error}")
    };
    assert!(error.advice.contains("not made"), "{error}");
    assert_eq!(sent(&network, "POST"), 2);
    assert_eq!(chain.pending(), None);
}

#[test]
fn an_edit_that_comes_late_is_waited_for() {
    let (simulator, network) = behind([Late(3)]);
    let mut chain = image_behind(&network).chain().recovering(LONG);

    assert_eq!(chain.copilot("a").unwrap().version_id, Some(id(123)));

    assert_eq!(ids(&simulator), [123]);
}

#[test]
fn what_was_there_before_is_looked_at_before_anything_is_sent() {
    let server = Script::of([Turn::status(403)]);
    let mut chain = image_behind(&server).chain().recovering(NONE);

    let error = chain.copilot("a").unwrap_err();

    assert_eq!(error.status(), Some(403));
    assert_eq!(sent(&server, "POST"), 0);
    assert_eq!(chain.pending(), None);
}

#[test]
fn a_history_that_cannot_be_asked_decides_nothing() {
    let server = Script::each(|request| match request.method() {
        "POST" => End::Close.after_request(),
        _ => Turn::status(403),
    });
    let mut chain = image_behind(&server).chain();
    let error = chain.copilot("a").unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error}");

    let error = chain.recover(&LONG).unwrap_err();

    assert_eq!(error.status(), Some(403));
    assert!(chain.pending().is_some());
    chain.branch_from(7).unwrap();
    assert_eq!(chain.path(), [id(7)]);
}

#[test]
fn a_page_in_place_of_the_history_is_no_reason_to_stop_asking() {
    let mut questions = 0;
    let (_simulator, network) = in_process(move |request, simulated| {
        if request.method() == "POST" {
            drop(simulated(request));
            return End::Close.after_request();
        }
        questions += 1;
        match questions {
            2 | 3 => Turn::json("<html>"),
            _ => simulated(request),
        }
    });
    let mut chain = image_behind(&network).chain().recovering(LONG);

    assert_eq!(chain.copilot("a").unwrap().version_id, Some(id(123)));

    assert_eq!(sent(&network, "GET"), 4);
}

/// Two edits alike: without a look at the history before, the one of someone else looks like this
/// one.
#[test]
fn a_chain_that_did_not_look_before_cannot_tell_that_an_edit_was_made() {
    let (_simulator, network) = behind([Pass, LoseBefore]);
    let image = image_behind(&network);
    image.chain().copilot("a").unwrap();

    let mut chain = image.chain();
    chain.copilot("a").unwrap_err();

    let Recovery::CannotTell { candidates } = chain.recover(&NONE).unwrap() else {
        panic!("{chain:?}")
    };
    assert_eq!(candidates[0].id, id(123));
}

#[test]
fn a_chain_that_looked_before_does_not_take_an_old_version_for_its_edit() {
    let (_simulator, network) = behind([Pass, LoseBefore, LoseAfter]);
    let image = image_behind(&network);
    image.chain().copilot("a").unwrap();

    let mut chain = image.chain().recovering(NONE);

    let error = chain.copilot("a").unwrap_err();
    assert!(matches!(error, Error::Network(_)), "{error}");
    assert_eq!(chain.copilot("a").unwrap().version_id, Some(id(124)));
}

#[test]
fn an_edit_that_was_undone_is_not_taken_for_its_repetition() {
    let (_simulator, network) = behind([Pass, LoseBefore]);
    let mut chain = image_behind(&network).chain().recovering(NONE);
    chain.copilot("a").unwrap();
    chain.undo().unwrap();

    let error = chain.copilot("a").unwrap_err();

    assert!(matches!(error, Error::Network(_)), "{error}");
}

#[test]
fn a_version_that_failed_is_not_taken_for_the_next_edit() {
    // The service names the failed version, and its history tells no status.
    let mut edits = 0;
    let server = Script::each(move |request| {
        edits += u32::from(request.method() == "POST");
        match (request.method(), edits) {
            ("POST", 1) => Turn::json(r#"{"status":"FAILED","version_id":9}"#),
            ("POST", _) => End::Close.after_request(),
            (_, 0) => listing("[]"),
            _ => listing(r#"[{"version_id":9,"parent_id":null,"prompt":"a"}]"#),
        }
    });
    let mut chain = image_behind(&server).chain().recovering(NONE);
    let error = chain.copilot("a").unwrap_err();
    assert!(matches!(error, Error::EnhancementFailed(_)), "{error}");

    let error = chain.copilot("a").unwrap_err();

    assert!(matches!(error, Error::Network(_)), "{error}");
}

/// What the service answers to an edit that it makes, without naming the version.
const NAMELESS: &str =
    r#"{"status":"SUCCESS","version_id":null,"enhanced_image_url":"https://s3/x?sig=1"}"#;

/// Makes the edits if they are to be made, and answers them all like this.
fn answering(answer: &'static str, makes: bool) -> (Arc<Simulator>, Script) {
    in_process(move |request, simulated| {
        if request.method() == "GET" {
            return simulated(request);
        }
        if makes {
            drop(simulated(request));
        }
        Turn::json(answer)
    })
}

#[test]
fn a_step_without_a_version_is_pending() {
    let (_simulator, network) = answering(NAMELESS, true);
    let mut chain = image_behind(&network).chain_from_latest().unwrap();

    let step = chain.copilot("a").unwrap();

    assert_refused(step.version(), "version_id", "recover");
    assert!(chain.pending().unwrap().made);
    assert_refused(chain.copilot("b"), "chain", "recover");
    assert_eq!(applied(chain.recover(&NONE)), Some(id(123)));
}

#[test]
fn a_version_that_the_answer_did_not_name_is_found_and_the_answers_link_is_kept() {
    let (_simulator, network) = answering(NAMELESS, true);
    let mut chain = image_behind(&network).chain().recovering(NONE);

    let step = chain.copilot("a").unwrap();

    assert_eq!(step.version_id, Some(id(123)));
    assert_eq!(step.url.unwrap().as_str(), "https://s3/x?sig=1");
}

#[test]
fn a_link_that_the_answer_did_not_have_is_that_of_the_history() {
    for answer in [r#"{"status":"SUCCESS","version_id":9}"#, "<html>"] {
        let (_simulator, network) = answering(answer, true);
        let mut chain = image_behind(&network).chain().recovering(NONE);

        let step = chain.copilot("a").unwrap();

        assert_eq!(step.version_id, Some(id(123)));
        assert!(step.url.unwrap().as_str().contains("Signature="));
    }
}

#[test]
fn what_the_service_says_it_made_is_never_not_applied() {
    for answer in [NAMELESS, r#"{"status":"SUCCESS","version_id":9}"#, "<html>"] {
        let (_simulator, network) = answering(answer, false);
        let mut chain = image_behind(&network).chain_from_latest().unwrap();
        let answered = chain.copilot("a");
        assert_eq!(answered.is_ok(), answer == NAMELESS);
        assert!(chain.pending().unwrap().made);

        let recovery = chain.recover(&NONE).unwrap();

        let nothing = Recovery::CannotTell { candidates: vec![] };
        assert_eq!(recovery, nothing);
        assert!(chain.pending().is_some());
    }
}

#[test]
fn the_callback_is_told_of_each_question_and_can_end_the_wait() {
    let mut questions = 0;
    let network = Script::each(move |request| {
        if request.method() == "POST" {
            return End::Close.after_request();
        }
        questions += 1;
        match questions {
            1 => listing("[]"),
            _ => Turn::status(500),
        }
    });
    let mut chain = image_behind(&network).chain_from_latest().unwrap();
    chain.copilot("a").unwrap_err();
    let wait = Wait {
        progress: Some(ProgressCallback::new(|p| {
            assert_eq!(p.name, PHOTO);
            assert_eq!(p.failure.unwrap().status(), Some(500));
            ControlFlow::Break(())
        })),
        ..LONG
    };

    let error = chain.recover(&wait).unwrap_err();

    let Error::WaitFailed(e) = error else {
        panic!("{error}");
    };
    assert_eq!(e.reason, WaitReason::Stopped);
    assert!(chain.pending().is_some());
}

#[test]
fn the_last_answer_is_returned_and_the_callback_cannot_end_what_is_over() {
    let (_simulator, network) = answering("<html>", false);
    let mut chain = image_behind(&network).chain_from_latest().unwrap();
    chain.copilot("a").unwrap_err();
    let wait = Wait {
        progress: Some(ProgressCallback::new(|_| ControlFlow::Break(()))),
        ..NONE
    };

    let recovery = chain.recover(&wait).unwrap();

    let nothing = Recovery::CannotTell { candidates: vec![] };
    assert_eq!(recovery, nothing);
}

#[test]
fn a_refused_question_ends_the_wait_and_the_callback_is_not_told() {
    let network = Script::each(|request| match request.method() {
        "POST" => End::Close.after_request(),
        _ => Turn::status(403),
    });
    let mut chain = image_behind(&network).chain();
    chain.copilot("a").unwrap_err();
    let wait = Wait {
        progress: Some(ProgressCallback::new(|_| ControlFlow::Break(()))),
        ..LONG
    };

    let error = chain.recover(&wait).unwrap_err();

    assert_eq!(error.status(), Some(403));
}

#[test]
fn the_wait_counts_from_when_the_answer_was_lost() {
    let network = Script::each(|request| match request.method() {
        "GET" => listing("[]"),
        _ => End::Close.after_request(),
    });
    let mut chain = image_behind(&network).chain();
    chain.copilot("a").unwrap_err();
    let wait = wait(10, 50);
    sleep(wait.total);

    assert_eq!(chain.recover(&wait).unwrap(), Recovery::NotApplied);

    assert_eq!(sent(&network, "GET"), 1, "the wait was over already");
}

/// Faults hit in any order: an answer lost before the edit is made, after it, or an edit that is
/// made only when the history is asked for.
#[test]
fn twenty_edits_are_made_once_each_through_a_hundred_bad_days() {
    let lost = AtomicUsize::new(0);
    let days: Vec<u64> = (0..100).collect();
    side_by_side(&days, |day| a_bad_day(*day, &lost));
    // The faults did happen: the history was asked for half of the edits at least.
    assert!(lost.into_inner() > 100 * 20 / 2);
}

fn a_bad_day(seed: u64, lost: &AtomicUsize) {
    const EDITS: usize = 20;
    // Half the days the chain recovers by itself; on the others each edit is made by a new process,
    // as it were.
    let by_itself = seed.is_multiple_of(2);
    // Some days all edits are alike, so that only the parents tell them apart.
    let text = move |edit| format!("edit {}", if seed % 4 < 2 { 0 } else { edit });

    let mut dice = Dice(seed);
    let fates = iter::repeat_with(move || {
        [Pass, Pass, LoseBefore, LoseAfter, Late(1)][dice.roll(5) as usize]
    });
    let (simulator, network) = behind(fates);
    let image = image_behind(&network);
    let folder = TempDir::new().unwrap();
    let short = wait(1, 2);
    let mut chain = image.chain().recovering(short.clone());
    let mut turns = 0..1000;
    while chain.path().len() < EDITS {
        assert!(turns.next().is_some(), "day {seed} has no end");
        if !by_itself {
            // The lock of the job's file ends with the chain before.
            drop(mem::replace(&mut chain, image.chain()));
            chain = kept(&image, &folder);
        }
        if chain.pending().is_some() {
            let recovery = chain.recover(&short).unwrap();
            assert!(
                !matches!(recovery, Recovery::CannotTell { .. }),
                "day {seed}: {recovery:?}"
            );
            continue;
        }
        match chain.copilot(text(chain.path().len())) {
            Err(Error::Network(_)) if by_itself => {}
            Err(Error::OutcomeUnknown(_)) if !by_itself => {}
            result => drop(result.unwrap()),
        }
    }
    lost.fetch_add(sent(&network, "GET") - 1, Ordering::Relaxed);
    assert_in_order(&simulator, EDITS, text);
    assert_eq!(chain.path(), (123..143).map(id).collect::<Vec<_>>());
}
