//! Chains of edits: what they send, what they remember, and that every edit is made once whatever
//! the network does.

pub(crate) mod network;
mod recovery;
mod kept;

use imagen_ai::{
    Chain, CopilotEdit, CopilotRequest, DownloadLink, EnhanceRequest, Error, Preset, Recovery,
    Result, Step, VersionId,
};
use serde_json::json;

use crate::killed::{PHOTO, photo_at};
use crate::support::refused;
use crate::support::simulator::{READY, Received, Simulator};
use crate::support::wire::Wire;

use network::{NONE, behind, image_behind, parents, sent};

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T>, field: &str, word: &str) {
    let text = refused(result, field);
    assert!(text.contains(word), "{text}");
}

fn id(number: u64) -> VersionId {
    number.into()
}

/// The ids of all versions that the simulator has.
fn ids(simulator: &Simulator) -> Vec<u64> {
    let versions = simulator.versions(READY, PHOTO);
    versions.iter().map(|version| version.id).collect()
}

/// The version that was found.
#[track_caller]
fn applied(recovery: Result<Recovery>) -> Option<VersionId> {
    match recovery {
        Ok(Recovery::Applied(Step { version_id, .. })) => version_id,
        other => panic!("{other:?}"),
    }
}

/// A simulator, and a chain on it that has made these edits.
fn chain_of(edits: &[&str]) -> (Simulator, Chain) {
    let simulator = Simulator::start();
    let mut chain = photo_at(&simulator.base_url()).chain();
    for edit in edits {
        chain.copilot(*edit).unwrap();
    }
    (simulator, chain)
}

#[test]
fn each_edit_builds_on_the_one_before() {
    let (simulator, mut chain) = chain_of(&[]);
    assert_eq!(chain.current(), None);
    assert!(chain.path().is_empty());

    let sky = chain.copilot("make the sky more blue").unwrap();
    assert_eq!(chain.current(), Some(sky.version().unwrap()));
    chain.enhance("virtual_staging").unwrap();
    let brighten = CopilotEdit::Instruction("brighten".into());
    chain.apply(brighten).unwrap();

    assert_eq!(parents(&simulator), ["null", "123", "124"]);
    assert_eq!(chain.path(), [id(123), id(124), id(125)]);
    let bodies: Vec<_> = simulator.requests().iter().map(Received::json).collect();
    assert_eq!(bodies.len(), 3, "the history is not read");
    assert_eq!(bodies[1]["tool_id"], "virtual_staging");
    assert_eq!(bodies[2]["instruction"], "brighten");
}

#[test]
fn a_step_is_a_link_and_its_query_is_not_shown() {
    let (_simulator, mut chain) = chain_of(&[]);
    let sky = chain.copilot("make the sky more blue").unwrap();
    for link in [DownloadLink::from(&sky), DownloadLink::from(sky.clone())] {
        let url = link.download_link.unwrap();
        assert!(url.as_str().contains("Signature="));
    }
    assert!(!format!("{chain:?} {sky:?}").contains("Signature="));
}

#[test]
fn a_chain_takes_what_an_image_takes() {
    let (simulator, mut chain) = chain_of(&[]);
    let preset: Preset =
        serde_json::from_value(json!({"enhancement_type": "virtual_staging"})).unwrap();
    let text = "make the sky more blue".to_owned();

    chain.copilot(&text).unwrap();
    chain.copilot(text).unwrap();
    chain.enhance(&preset).unwrap();
    chain.enhance(preset).unwrap();

    assert_eq!(parents(&simulator), ["null", "123", "124", "125"]);
}

#[test]
fn a_text_is_applied_as_a_prompt_and_a_preset_as_a_preset() {
    let (simulator, mut chain) = chain_of(&[]);
    let preset: Preset =
        serde_json::from_value(json!({"enhancement_type": "virtual_staging"})).unwrap();
    let edit = CopilotEdit::from(&preset);

    chain.apply("make the sky more blue").unwrap();
    chain.apply(&edit).unwrap();
    chain.apply(preset).unwrap();

    let requests = simulator.requests();
    let paths: Vec<&str> = requests
        .iter()
        .map(|request| request.path.as_str())
        .collect();
    let calls: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.rsplit('/').next())
        .collect();
    assert_eq!(calls, ["copilot", "enhance", "enhance"]);
}

#[test]
fn a_request_that_names_a_parent_moves_the_chain_there_first() {
    let (simulator, mut chain) = chain_of(&["a", "b", "c"]);
    let staging = EnhanceRequest::new("virtual_staging");

    chain.copilot(CopilotRequest::new("d").parent(124)).unwrap();
    chain.enhance(staging.parent(123)).unwrap();

    assert_eq!(parents(&simulator), ["null", "123", "124", "124", "123"]);
    assert_eq!(chain.path(), [id(123), id(127)]);
}

#[test]
fn a_request_that_is_refused_does_not_move_the_chain() {
    let (simulator, mut chain) = chain_of(&["a", "b"]);

    let empty = CopilotRequest::new(" ").parent(123);
    assert_refused(chain.copilot(empty), "instruction", "empty");

    assert_eq!(chain.path(), [id(123), id(124)]);
    assert_eq!(simulator.requests().len(), 2);
}

#[test]
fn undo_goes_back_and_sends_nothing() {
    let (simulator, mut chain) = chain_of(&["a", "b", "c"]);

    chain.undo().unwrap();

    assert_eq!(chain.path(), [id(123), id(124)]);
    assert_eq!(ids(&simulator), [123, 124, 125]);
    chain.copilot("d").unwrap();
    assert_eq!(ids(&simulator), [123, 124, 126]);
    assert_eq!(parents(&simulator), ["null", "123", "124", "124"]);
}

#[test]
fn undo_ends_at_the_unedited_image() {
    let (simulator, mut chain) = chain_of(&["a"]);
    chain.undo().unwrap();
    assert_refused(chain.undo(), "chain", "nothing to undo");
    chain.copilot("b").unwrap();
    assert_eq!(parents(&simulator), ["null", "null"]);
}

#[test]
fn branch_from_goes_back_to_a_version_of_the_path() {
    let (simulator, mut chain) = chain_of(&["a", "b", "c"]);
    chain.branch_from(123).unwrap();
    assert_eq!(chain.path(), [id(123)]);
    chain.undo().unwrap();
    chain.copilot("d").unwrap();
    assert_eq!(parents(&simulator), ["null", "123", "124", "null"]);
}

#[test]
fn what_a_version_was_built_on_is_known_where_the_history_tells_it() {
    let (simulator, chain) = chain_of(&["a", "b"]);
    let image = chain.image();

    let mut chain = image.chain_from(124);
    assert_refused(chain.undo(), "chain", "not known");
    chain.copilot("c").unwrap();
    chain.undo().unwrap();
    assert_refused(chain.undo(), "chain", "not known");
    chain.branch_from(123).unwrap();
    assert_refused(chain.undo(), "chain", "not known");

    let mut chain = image.chain_from_latest().unwrap();
    assert_eq!(chain.path(), [id(123), id(124), id(125)]);
    for _ in 0..3 {
        chain.undo().unwrap();
    }
    assert_eq!(chain.current(), None);
    assert_eq!(parents(&simulator), ["null", "123", "124"]);
}

#[test]
fn a_chain_from_latest_never_starts_too_early() {
    let listed = |versions| format!(r#"{{"{PHOTO}":[{versions}]}}"#);
    let refused = Err("which version is the newest");
    for (history, expected) in [
        (listed(""), Ok(&[][..])),
        (
            listed(r#"{"version_id":1},{"version_id":2,"parent_id":1}"#),
            Ok(&[1, 2]),
        ),
        (
            listed(r#"{"version_id":2,"parent_id":1},{"version_id":3}"#),
            Ok(&[3]),
        ),
        (listed(r#"{"version_id":1},{"version_id":true}"#), refused),
        (listed(r#"{"version_id":"a"},{"version_id":"b"}"#), refused),
        (r#"{"other.jpg":[{"version_id":1}]}"#.into(), refused),
        (r#"{"dsc_0001.jpeg":[{"version_id":1}]}"#.into(), refused),
        (r#"{"prompts":[]}"#.into(), refused),
    ] {
        let wire = Wire::answering(200, &history);
        let image = wire.client().project(READY).image(PHOTO);
        let chain = image.chain_from_latest();
        match expected {
            Err(words) => assert_refused(chain, "history", words),
            Ok(path) => {
                let path: Vec<_> = path.iter().map(|number| id(*number)).collect();
                assert_eq!(chain.unwrap().path(), path, "{history}");
            }
        }
    }
}

#[test]
fn what_the_service_would_refuse_is_not_sent() {
    let simulator = Simulator::start();
    let image = photo_at(&simulator.base_url());
    let mut chain = image.chain().recovering(NONE);
    assert_refused(chain.copilot(" "), "instruction", "empty");
    assert_refused(chain.enhance(""), "tool_id", "empty");
    assert!(simulator.requests().is_empty());
}

#[test]
fn an_error_leaves_the_chain_where_it_was() {
    let (simulator, mut chain) = chain_of(&["a"]);
    let failed = json!({"status": "FAILED", "version_id": 9});

    assert!(matches!(chain.copilot("a dragon"), Err(Error::Api(_))));
    simulator.fail_image(READY, PHOTO, 200, failed);
    let error = chain.copilot("b").unwrap_err();

    assert!(matches!(error, Error::EnhancementFailed(_)), "{error}");
    assert_eq!(chain.path(), [id(123)]);
    assert_eq!(chain.pending(), None);
    simulator.mend_image(READY, PHOTO);
    chain.copilot("b").unwrap();
    assert_eq!(chain.path(), [id(123), id(124)]);
}

#[test]
fn the_history_is_read_once_and_again_after_an_edit_that_failed() {
    let simulator = Simulator::start();
    let mut chain = photo_at(&simulator.base_url()).chain().recovering(NONE);
    let questions = || {
        let requests = simulator.requests();
        requests
            .iter()
            .filter(|request| request.method == "GET")
            .count()
    };
    chain.copilot("a").unwrap();
    chain.copilot("b").unwrap();
    assert_eq!(questions(), 1);

    let failed = json!({"status": "FAILED", "version_id": 9});
    simulator.fail_image(READY, PHOTO, 200, failed);
    chain.copilot("c").unwrap_err();
    simulator.mend_image(READY, PHOTO);
    chain.copilot("c").unwrap();
    assert_eq!(questions(), 2);
}

#[test]
fn a_reset_starts_over() {
    let (simulator, mut chain) = chain_of(&["a", "b"]);

    simulator.set_exported(READY, false);
    chain.reset().unwrap_err();
    assert_eq!(chain.path(), [id(123), id(124)]);

    simulator.set_exported(READY, true);
    chain.reset().unwrap();
    assert!(chain.path().is_empty());
    chain.copilot("c").unwrap();
    assert_eq!(parents(&simulator), ["null", "123", "null"]);
}

#[test]
fn after_an_unknown_outcome_nothing_is_built_until_it_is_known() {
    let (_simulator, network) = behind([network::Fate::Pass, network::Fate::LoseAfter]);
    let mut chain = image_behind(&network).chain_from_latest().unwrap();
    chain.copilot("a").unwrap();
    assert_refused(chain.recover(&NONE), "chain", "no edit is pending");

    let error = chain.copilot("b").unwrap_err();

    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error}");
    let pending = chain.pending().unwrap();
    assert_eq!(pending.edit, CopilotEdit::Instruction("b".into()));
    assert_eq!(pending.parent, Some(id(123)));
    assert!(!pending.made);
    assert_refused(chain.copilot("b"), "chain", "recover");
    assert_refused(chain.undo(), "chain", "recover");
    assert_eq!(chain.current(), Some(&id(123)));
    assert_eq!(sent(&network, "POST"), 2);

    assert_eq!(applied(chain.recover(&NONE)), Some(id(124)));
    assert_eq!(chain.current(), Some(&id(124)));
    assert_eq!(chain.pending(), None);
}

#[test]
fn a_parent_in_a_request_decides_nothing_about_a_pending_edit() {
    let (_simulator, network) = behind([network::Fate::Pass, network::Fate::LoseAfter]);
    let mut chain = image_behind(&network).chain();
    chain.copilot("a").unwrap();
    chain.copilot("b").unwrap_err();

    let on_the_first = CopilotRequest::new("c").parent(123);
    assert_refused(chain.copilot(on_the_first), "chain", "recover");

    assert!(chain.pending().is_some());
    assert_eq!(sent(&network, "POST"), 2);
}

#[test]
fn a_person_may_decide_that_an_edit_was_not_made() {
    let (simulator, network) = behind([network::Fate::LoseBefore]);
    let mut chain = image_behind(&network).chain();
    chain.copilot("a").unwrap_err();

    chain.assume_not_applied().unwrap();

    assert_eq!(chain.pending(), None);
    chain.copilot("a").unwrap();
    assert_eq!(ids(&simulator), [123]);
}

#[test]
fn a_version_that_a_person_names_is_taken_for_the_pending_edit() {
    let (_simulator, network) = behind([network::Fate::Pass, network::Fate::LoseBefore]);
    let mut chain = image_behind(&network).chain();
    chain.copilot("a").unwrap();
    chain.copilot("b").unwrap_err();

    chain.branch_from(200).unwrap();

    assert_eq!(chain.pending(), None);
    assert_eq!(chain.path(), [id(123), id(200)]);
}
