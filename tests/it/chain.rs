//! Chains of edits: what they send, what they remember and save, and that every edit is made once
//! whatever the network does.

use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use imagen_ai::{
    CopilotEdit, CopilotRequest, DownloadLink, EnhanceRequest, Error, Image, Recovery, Result,
    Step, VersionId, Wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::killed::{Dice, PHOTO, assert_in_order, photo_at};
use crate::support::canned::Canned;
use crate::support::faulty::{End, Faulty, Reply, Request};
use crate::support::simulator::{READY, Received, SMART, Simulator};
use crate::support::{refused, side_by_side};

fn photo_behind(network: &Faulty) -> Image {
    photo_at(&format!("{}/v1", network.url()))
}

/// What becomes of an edit and of the answer to it.
#[derive(Clone, Copy)]
enum Fate {
    Pass,
    LoseBefore,
    LoseAfter,
    /// The answer is lost, and the edit is made as the history is asked for so many times more.
    Late(u32),
}
use Fate::{Late, LoseAfter, LoseBefore, Pass};

/// A simulator behind a network that does to the edits, in order, what the fates say, and then no
/// more harm.
fn behind(
    fates: impl IntoIterator<Item = Fate, IntoIter: Send + 'static>,
) -> (Arc<Simulator>, Faulty) {
    let (mut fates, mut late) = (fates.into_iter(), None);
    in_process(move |request, answer| {
        if request.method() == "GET" {
            late = late.take().and_then(|(edit, left)| match left {
                1 => Some(answer(&edit)).and(None),
                _ => Some((edit, left - 1)),
            });
            return answer(request);
        }
        assert!(late.is_none(), "sent again while the first may still come");
        match fates.next().unwrap_or(Pass) {
            Pass => return answer(request),
            LoseBefore => {}
            LoseAfter => drop(answer(request)),
            Late(questions) => late = Some((request.clone(), questions)),
        }
        End::Close.after_request()
    })
}

/// A simulator behind raw TCP. What becomes of a request is decided with the simulator's way to
/// answer it at hand.
fn in_process(
    mut network: impl FnMut(&Request, &dyn Fn(&Request) -> Reply) -> Reply + Send + 'static,
) -> (Arc<Simulator>, Faulty) {
    let simulator = Arc::new(Simulator::start());
    let service = Arc::clone(&simulator);
    let answer = move |request: &Request| {
        let (path, query) = request
            .path()
            .split_once('?')
            .unwrap_or((request.path(), ""));
        let headers = request.headers.iter();
        let (status, body) = service.answer(Received {
            method: request.method().to_owned(),
            path: path.to_owned(),
            query: (!query.is_empty()).then(|| query.to_owned()),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.clone()))
                .collect(),
            body: request.body.clone(),
        });
        Reply::status(status)
            .header("Content-Type", "application/json")
            .body(body)
    };
    (
        simulator,
        Faulty::each(move |request| network(request, &answer)),
    )
}

/// The parent that each edit so far was sent with, as JSON.
fn parents(simulator: &Simulator) -> Vec<String> {
    let requests = simulator
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST");
    requests
        .map(|edit| edit.json()["parent_version_id"].to_string())
        .collect()
}

fn sent(network: &Faulty, method: &str) -> usize {
    network
        .received()
        .iter()
        .filter(|request| request.method() == method)
        .count()
}

fn ids(simulator: &Simulator) -> Vec<u64> {
    simulator
        .versions(READY, PHOTO)
        .iter()
        .map(|version| version.id)
        .collect()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T>, field: &str, word: &str) {
    let text = refused(result, field);
    assert!(text.contains(word), "{text}");
}

/// A history with these versions of the photo.
fn listing(versions: &str) -> Reply {
    Reply::json(format!(r#"{{"{PHOTO}":{versions}}}"#))
}

/// A wait that is over at once: one question.
const NONE: Wait = wait(0, 0);

const fn wait(first: u64, total: u64) -> Wait {
    Wait {
        first: Duration::from_millis(first),
        factor: 1.0,
        longest: Duration::from_millis(first),
        total: Duration::from_millis(total),
        not_begun: Duration::MAX,
        progress: None,
    }
}

fn id(number: u64) -> VersionId {
    number.into()
}

fn made(recovery: Result<Recovery>) -> Option<VersionId> {
    match recovery {
        Ok(Recovery::Applied(Step { version_id, .. })) => version_id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_edit_builds_on_the_one_before() {
    let simulator = Simulator::start();
    let mut chain = photo_at(&simulator.base_url()).chain();
    assert_eq!((chain.current(), chain.path()), (None, &[][..]));

    let sky = chain.copilot("make the sky more blue").unwrap();
    assert_eq!(chain.current(), Some(sky.version().unwrap()));
    chain.enhance("virtual_staging").unwrap();
    chain
        .apply(CopilotEdit::Instruction("brighten".into()))
        .unwrap();

    assert_eq!(parents(&simulator), ["null", "123", "124"]);
    assert_eq!(chain.path(), [id(123), id(124), id(125)]);
    let bodies: Vec<_> = simulator.requests().iter().map(Received::json).collect();
    assert_eq!(bodies[1]["tool_id"], "virtual_staging");
    assert_eq!(bodies[2]["instruction"], "brighten");
    assert!(
        simulator
            .requests()
            .iter()
            .all(|request| request.method == "POST"),
        "the history is not read"
    );

    let link = DownloadLink::from(&sky);
    assert!(link.download_link.unwrap().as_str().contains("Signature="));
    assert!(!format!("{chain:?} {sky:?}").contains("Signature="));
}

#[test]
fn undo_and_branch_from_move_the_chain_and_send_nothing() {
    let simulator = Simulator::start();
    let photo = photo_at(&simulator.base_url());
    let mut chain = photo.chain();
    for edit in ["a", "b", "c"] {
        chain.copilot(edit).unwrap();
    }
    chain.undo().unwrap();
    assert_eq!(
        (chain.path(), ids(&simulator).len()),
        (&[id(123), id(124)][..], 3)
    );
    chain.copilot("d").unwrap();
    assert_eq!(ids(&simulator), [123, 124, 126]);
    chain.branch_from(123).unwrap();
    chain.undo().unwrap();
    assert_refused(chain.undo(), "chain", "nothing to undo");
    chain.copilot("e").unwrap();
    assert_eq!(parents(&simulator), ["null", "123", "124", "124", "null"]);
    // What the first version was built on is not known, but where the history tells it.
    let mut chain = photo.chain_from(127);
    assert_refused(chain.undo(), "chain", "not known");
    chain.copilot("f").unwrap();
    chain.undo().unwrap();
    assert_refused(chain.undo(), "chain", "not known");
    chain.branch_from(128).unwrap();
    assert_refused(chain.undo(), "chain", "not known");

    let mut chain = photo.chain_from_latest().unwrap();
    assert_eq!(chain.path(), [id(127), id(128)]);
    chain.undo().unwrap();
    chain.undo().unwrap();
    assert_eq!(chain.current(), None);
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
        let server = Canned::new(200, history.as_str());
        let chain = server
            .client()
            .project(READY)
            .image(PHOTO)
            .chain_from_latest();
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
fn an_error_leaves_the_chain_where_it_was_and_a_reset_starts_over() {
    let simulator = Simulator::start();
    let mut chain = photo_at(&simulator.base_url()).chain().recovering(NONE);
    assert_refused(chain.copilot(" "), "instruction", "empty");
    assert_refused(chain.enhance(""), "tool_id", "empty");
    assert!(simulator.requests().is_empty());
    chain.copilot("a").unwrap();
    assert!(matches!(chain.copilot("a dragon"), Err(Error::Api(_))));
    simulator.fail_photo(
        READY,
        PHOTO,
        200,
        json!({"status": "FAILED", "version_id": 9}),
    );
    assert!(matches!(
        chain.copilot("b"),
        Err(Error::EnhancementFailed(_))
    ));
    assert_eq!((chain.path(), chain.pending()), (&[id(123)][..], None));

    simulator.mend_photo(READY, PHOTO);
    chain.copilot("b").unwrap();
    let questions = simulator
        .requests()
        .iter()
        .filter(|request| request.method == "GET")
        .count();
    assert_eq!(
        questions, 2,
        "the history is read once, and again after an edit that failed"
    );

    simulator.set_exported(READY, false);
    chain.reset().unwrap_err();
    assert_eq!(chain.path(), [id(123), id(124)]);
    simulator.set_exported(READY, true);
    chain.reset().unwrap();
    assert!(chain.path().is_empty());
    chain.copilot("c").unwrap();
    let parents = parents(&simulator);
    assert_eq!(
        (parents[0].as_str(), &parents[parents.len() - 2..]),
        ("null", &["123".into(), "null".into()][..])
    );
}

#[test]
fn a_failed_version_is_not_taken_for_the_next_edit() {
    // The service names the failed version, and its history tells no status.
    let mut edits = 0;
    let server = Faulty::each(move |request| {
        edits += u32::from(request.method() == "POST");
        match (request.method(), edits) {
            ("POST", 1) => Reply::json(r#"{"status":"FAILED","version_id":9}"#),
            ("POST", _) => End::Close.after_request(),
            (_, 0) => listing("[]"),
            _ => listing(r#"[{"version_id":9,"parent_id":null,"prompt":"a"}]"#),
        }
    });
    let mut chain = photo_behind(&server).chain().recovering(NONE);
    assert!(matches!(
        chain.copilot("a"),
        Err(Error::EnhancementFailed(_))
    ));
    assert!(matches!(chain.copilot("a"), Err(Error::Network(_))));
}

#[test]
fn after_an_unknown_outcome_nothing_is_built_until_it_is_known() {
    let (simulator, network) = behind([Pass, LoseAfter, LoseBefore, Pass, LoseBefore]);
    let mut chain = photo_behind(&network).chain_from_latest().unwrap();
    chain.copilot("a").unwrap();
    assert_refused(chain.recover(&NONE), "chain", "no edit is pending");

    assert!(matches!(chain.copilot("b"), Err(Error::OutcomeUnknown(_))));
    let pending = chain.pending().unwrap();
    assert_eq!(pending.edit, CopilotEdit::Instruction("b".into()));
    assert_eq!((&pending.parent, pending.made), (&Some(id(123)), false));
    assert_refused(chain.copilot("b"), "chain", "recover");
    assert_refused(chain.undo(), "chain", "recover");
    assert_eq!(chain.current(), Some(&id(123)));
    assert_eq!(made(chain.recover(&NONE)), Some(id(124)));
    assert_eq!((chain.current(), chain.pending()), (Some(&id(124)), None));

    assert!(matches!(chain.copilot("c"), Err(Error::OutcomeUnknown(_))));
    assert_eq!(chain.recover(&NONE).unwrap(), Recovery::NotApplied);
    chain.copilot("c").unwrap();

    chain.copilot("d").unwrap_err();
    chain.assume_not_applied().unwrap();
    chain.copilot("d").unwrap();
    assert_eq!(parents(&simulator), ["null", "123", "124", "125"]);
    assert_eq!(ids(&simulator), [123, 124, 125, 126]);
}

#[test]
fn a_recovering_chain_finds_out_by_itself_and_sends_nothing_again() {
    let (simulator, network) = behind([LoseAfter, LoseBefore, Late(3)]);
    let mut chain = photo_behind(&network).chain().recovering(wait(10, 50));
    assert!(chain.copilot("a").unwrap().url.is_some());
    assert_eq!(chain.current(), Some(&id(123)));

    let error = chain.copilot("b").unwrap_err();
    assert!(
        error.is_safe_to_retry()
            && matches!(&error, Error::Network(e) if e.advice.contains("not made"))
    );
    assert_eq!((sent(&network, "POST"), chain.pending()), (2, None));
    // It is waited for until it turns up.
    let mut chain = chain.recovering(wait(20, 20_000));
    assert_eq!(chain.copilot("b").unwrap().version_id, Some(id(124)));
    assert_eq!(ids(&simulator), [123, 124]);
}

#[test]
fn what_was_there_before_is_looked_at_before_anything_is_sent() {
    let server = Faulty::each(|request| match request.method() {
        "POST" => End::Close.after_request(),
        _ => Reply::status(403),
    });
    let photo = photo_behind(&server);
    let mut chain = photo.chain().recovering(wait(1, 2));
    assert_eq!(chain.copilot("a").unwrap_err().status(), Some(403));
    assert_eq!((sent(&server, "POST"), chain.pending()), (0, None));
    // A plain chain does not look. A history that cannot be asked then decides nothing.
    let mut chain = photo.chain();
    assert!(matches!(chain.copilot("a"), Err(Error::OutcomeUnknown(_))));
    assert_eq!(chain.recover(&NONE).unwrap_err().status(), Some(403));
    chain.branch_from(7).unwrap();
    assert_eq!(chain.path(), [id(7)]);
}

#[test]
fn a_first_edit_is_not_confused_with_what_was_there_before() {
    // The same edit, made before by someone else: without a look at the history before, the two
    // look alike.
    let (_simulator, network) = behind([Pass, LoseBefore, LoseBefore, LoseAfter, Pass, LoseBefore]);
    let photo = photo_behind(&network);
    photo.chain().copilot("a").unwrap();

    let mut chain = photo.chain();
    chain.copilot("a").unwrap_err();
    assert!(
        matches!(chain.recover(&NONE), Ok(Recovery::CannotTell { candidates }) if candidates[0].id == id(123))
    );

    let mut chain = photo.chain().recovering(wait(1, 2));
    assert!(matches!(chain.copilot("a"), Err(Error::Network(_))));
    assert_eq!(chain.copilot("a").unwrap().version_id, Some(id(124)));
    // One that was undone is not taken for its repetition.
    chain.copilot("b").unwrap();
    chain.undo().unwrap();
    assert!(matches!(chain.copilot("b"), Err(Error::Network(_))));
}

#[test]
fn what_the_service_says_it_made_is_never_not_applied() {
    let nameless =
        r#"{"status":"SUCCESS","version_id":null,"enhanced_image_url":"https://s3/x?sig=1"}"#;
    for (answer, is_step) in [
        (nameless, true),
        (r#"{"status":"SUCCESS","version_id":9}"#, false),
        ("<html>", false),
    ] {
        let (mut edits, mut page) = (0, true);
        let (_simulator, server) = in_process(move |request, simulated| {
            edits += u32::from(request.method() == "POST");
            match request.method() {
                "POST" if edits == 3 => {}
                "POST" => drop(simulated(request)),
                // A page in place of the history is no reason to stop asking.
                _ if edits == 1 && std::mem::take(&mut page) => return Reply::json("<html>"),
                _ => return simulated(request),
            }
            Reply::json(answer)
        });
        let (photo, folder) = (photo_behind(&server), TempDir::new().unwrap());
        let mut chain = photo.chain_saved_in(file(&folder)).unwrap();
        match chain.copilot("a") {
            Ok(step) if is_step => assert_refused(step.version(), "version_id", "recover"),
            Err(Error::OutcomeUnknown(_)) if !is_step => {}
            other => panic!("{other:?}"),
        }
        let mut chain = photo.chain_saved_in(file(&folder)).unwrap();
        assert!(chain.pending().unwrap().made);
        assert_refused(chain.copilot("b"), "chain", "recover");
        assert_eq!(made(chain.recover(&wait(1, 20_000))), Some(id(123)));
        let mut chain = chain.recovering(wait(1, 2));
        let found = chain.copilot("b").unwrap();
        assert_eq!(found.version_id, Some(id(124)));
        assert_eq!(found.url.unwrap().as_str() == "https://s3/x?sig=1", is_step);

        assert_eq!(chain.copilot("c").is_ok(), is_step);
        assert!(
            matches!(chain.recover(&NONE), Ok(Recovery::CannotTell { candidates }) if candidates.is_empty())
        );
        // A version that is new is taken for the edit.
        chain.branch_from(200).unwrap();
        assert_eq!(chain.path(), [id(123), id(124), id(200)]);
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("edits.json")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_saved_chain_goes_on_tomorrow_and_its_file_holds_no_secret() {
    let (simulator, network) = behind([Pass, LoseAfter]);
    let (photo, folder) = (photo_behind(&network), TempDir::new().unwrap());
    let open = || photo.chain_saved_in(file(&folder)).unwrap();
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
    assert_eq!(made(open().recover(&NONE)), Some(id(124)));
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
    let photo = photo_at("http://127.0.0.1:9/v1");
    let path = file(&folder);
    photo.chain_saved_in(&path).unwrap();
    let saved = fs::read_to_string(&path).unwrap();
    let client = photo.project().client();
    for (other, word) in [
        (photo.project().image("DSC_0002.JPEG"), PHOTO),
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
        assert_refused(photo.chain_saved_in(&path), "path", word);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let error = photo.chain_saved_in(folder.path()).unwrap_err();
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
    let mut chain = photo_behind(&server).chain_saved_in(&path).unwrap();
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
fn the_wait_counts_from_when_the_answer_was_lost() {
    let network = Faulty::each(|request| match request.method() {
        "GET" => listing("[]"),
        _ => End::Close.after_request(),
    });
    let mut chain = photo_behind(&network).chain();
    chain.copilot("a").unwrap_err();
    let wait = wait(10, 50);
    std::thread::sleep(wait.total);

    assert_eq!(chain.recover(&wait).unwrap(), Recovery::NotApplied);

    assert_eq!(sent(&network, "GET"), 1, "the wait was over already");
}

/// The clock may have been wrong then or now, so that no time in the file counts.
#[test]
fn the_wait_for_an_edit_of_a_killed_process_counts_from_the_opening() {
    let (simulator, network) = behind([Late(4)]);
    let (photo, folder) = (photo_behind(&network), TempDir::new().unwrap());
    let path = file(&folder);
    let mut chain = photo.chain_saved_in(&path).unwrap();
    chain.copilot("a").unwrap_err();
    drop(chain);
    let mut saved = read(&path);
    saved["chain"]["pending"]["sent"] = json!({"secs_since_epoch": 1, "nanos_since_epoch": 0});
    fs::write(&path, saved.to_string()).unwrap();

    let mut chain = photo.chain_saved_in(&path).unwrap();

    assert_eq!(made(chain.recover(&wait(10, 20_000))), Some(id(123)));
    assert_eq!(ids(&simulator), [123]);
}

#[test]
fn a_request_that_names_a_parent_moves_the_chain_there_first() {
    let simulator = Simulator::start();
    let mut chain = photo_at(&simulator.base_url()).chain();
    for edit in ["a", "b", "c"] {
        chain.copilot(edit).unwrap();
    }

    chain.copilot(CopilotRequest::new("d").parent(124)).unwrap();
    chain
        .enhance(EnhanceRequest::new("virtual_staging").parent(123))
        .unwrap();

    assert_eq!(parents(&simulator), ["null", "123", "124", "124", "123"]);
    assert_eq!(chain.path(), [id(123), id(127)]);
}

#[test]
fn a_parent_in_a_request_decides_nothing_about_a_pending_edit() {
    let (_simulator, network) = behind([Pass, LoseAfter]);
    let mut chain = photo_behind(&network).chain();
    chain.copilot("a").unwrap();
    chain.copilot("b").unwrap_err();

    let on_the_first = CopilotRequest::new("c").parent(123);

    assert_refused(chain.copilot(on_the_first), "chain", "recover");
    assert!(chain.pending().is_some());
    assert_eq!(sent(&network, "POST"), 2);
}

/// Faults hit in any order: an answer lost before the edit is made, after it, or an edit that is
/// made only when the history is asked for.
#[test]
fn twenty_edits_are_made_once_each_through_a_hundred_bad_days() {
    let lost = AtomicU64::new(0);
    let days: Vec<u64> = (0..100).collect();
    side_by_side(&days, |day| a_bad_day(*day, &lost));
    // The faults did happen: the history was asked for half of the edits at least.
    assert!(lost.into_inner() > 100 * 20 / 2);
}

fn a_bad_day(seed: u64, lost: &AtomicU64) {
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
    let (photo, folder, short) = (photo_behind(&network), TempDir::new().unwrap(), wait(1, 2));
    let mut chain = photo.chain().recovering(short.clone());
    let mut turns = 0..1000;
    while chain.path().len() < EDITS {
        assert!(turns.next().is_some(), "day {seed} has no end");
        if !by_itself {
            chain = photo.chain_saved_in(file(&folder)).unwrap();
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
    lost.fetch_add(sent(&network, "GET") as u64 - 1, Ordering::Relaxed);
    assert_in_order(&simulator, EDITS, text);
    assert_eq!(chain.path(), (123..143).map(id).collect::<Vec<_>>());
}
