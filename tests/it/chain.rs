//! Chains of edits: what they send, what they remember, and that every edit is applied once whatever the network does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imagen_ai::{Client, CopilotRequest, Edit, Error, Image, Recovery, RetryPolicy, VersionId, Wait};

use crate::support::address_of;
use crate::support::canned::Canned;
use crate::support::faulty::{End, Fate, Faulty, Reply, Request};
use crate::support::simulator::{self, I2I, READY, Received, Simulator};

const PHOTO: &str = "DSC_0001.JPEG";

fn photo(simulator: &Simulator) -> Image {
    photo_at(&simulator.base_url(), READY)
}

fn photo_at(base_url: &str, project: &str) -> Image {
    let retry = RetryPolicy {
        base_delay: Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    let client = Client::builder("sim-key-0123456789").base_url(base_url).retry(retry);
    client.build().unwrap().project(project).image(PHOTO)
}

/// The parent that each edit so far was sent with, as JSON.
fn parents(simulator: &Simulator) -> Vec<String> {
    let edits = simulator
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST");
    edits
        .map(|request| request.json()["parent_version_id"].to_string())
        .collect()
}

fn questions(simulator: &Simulator) -> usize {
    let requests = simulator.requests().into_iter();
    requests.filter(|request| request.path.ends_with("/ai-tools")).count()
}

fn edits_sent(network: &Faulty) -> usize {
    let requests = network.received().into_iter();
    requests.filter(|request| request.method() == "POST").count()
}

fn is_invalid(error: &Error, field: &str, word: &str) -> bool {
    matches!(error, Error::InvalidInput { field: f, message } if *f == field && message.contains(word))
}

// ---- going on ----

#[test]
fn each_edit_builds_on_the_one_before() {
    let simulator = Simulator::start();
    let mut chain = photo(&simulator).chain();
    assert_eq!(chain.current(), None);

    let sky = chain.copilot("make the sky more blue").unwrap();
    assert_eq!(chain.current(), Some(sky.version().unwrap()));
    let tools = chain.image().project().ai_tools().unwrap();
    chain.enhance(&tools.prompts[0]).unwrap();
    chain.copilot("brighten the interior").unwrap();

    assert_eq!(parents(&simulator), ["null", "123", "124"]);
    let steps = chain.steps();
    assert_eq!(steps[0].edit, Edit::Instruction("make the sky more blue".into()));
    assert_eq!(steps[1].edit, Edit::Preset("virtual_staging".into()));
    assert_eq!(steps[2].parent, Some(124.into()));
    assert_eq!(steps[2].version, Some(125.into()));
    assert!(
        steps
            .iter()
            .all(|step| step.url.as_ref().unwrap().contains("Signature"))
    );
    assert!(!format!("{chain:?}").contains("Signature="), "{chain:?}");
}

#[test]
fn a_branch_begins_with_the_next_edit_and_not_before() {
    let simulator = Simulator::start();
    let mut chain = photo(&simulator).chain();
    for edit in ["a", "b", "c"] {
        chain.copilot(edit).unwrap();
    }
    chain.branch_from(123);
    assert_eq!(simulator.versions(READY, PHOTO).len(), 3);
    assert_eq!(chain.current(), Some(&123.into()));

    chain.copilot("d").unwrap();
    let left: Vec<_> = simulator
        .versions(READY, PHOTO)
        .iter()
        .map(|version| version.id)
        .collect();
    assert_eq!(left, [123, 126]);
    assert_eq!(chain.steps().len(), 4);

    let mut other = photo(&simulator).chain_from(126);
    other.copilot("e").unwrap();
    assert_eq!(parents(&simulator).last().unwrap(), "126");
}

#[test]
fn resume_goes_on_from_the_newest_version_or_the_unedited_photo() {
    let simulator = Simulator::start();
    let photo = photo(&simulator);
    assert_eq!(photo.resume().unwrap().current(), None);
    photo.chain().copilot("a").unwrap();
    photo.chain_from(123).copilot("b").unwrap();
    assert_eq!(photo.resume().unwrap().current(), Some(&124.into()));
}

#[test]
fn resume_never_takes_silence_for_an_unedited_photo() {
    for (history, current) in [
        (r#"{"images":[]}"#, Ok(None)),
        (r#"[]"#, Ok(None)),
        (r#"{}"#, Ok(None)),
        (r#"{"DSC_0001.JPEG":[]}"#, Ok(None)),
        (r#"{"other.jpg":[{"version_id":1}]}"#, Ok(None)),
        (
            r#"{"DSC_0001.JPEG":[{"version_id":1,"parent_id":null},{"version_id":2,"parent_id":1}]}"#,
            Ok(Some(2)),
        ),
        (r#"{"prompts":[]}"#, Err("does not tell")),
        (r#"{"photos":[{"file_name":"DSC_0001.JPEG"}]}"#, Err("does not tell")),
        (
            r#"{"DSC_0001.JPEG":[{"version_id":1},{"version_id":true}]}"#,
            Err("does not tell"),
        ),
        (
            r#"{"images":{"DSC_0001.JPEG":{"1":{"parent_version_id":null}}}}"#,
            Err("does not tell"),
        ),
        (r#"{"dsc_0001.jpeg":[{"version_id":1}]}"#, Err("lower case")),
    ] {
        let server = Canned::new(200, history);
        let resumed = server.client().project(READY).image(PHOTO).resume();
        match (resumed, current) {
            (Ok(chain), Ok(version)) => {
                assert_eq!(chain.current().cloned(), version.map(VersionId::from), "{history}");
            }
            (Err(Error::InvalidInput { message, .. }), Err(word)) => assert!(message.contains(word), "{message}"),
            (other, _) => panic!("{history}: {other:?}"),
        }
    }
}

#[test]
fn an_error_leaves_the_chain_where_it_was() {
    let simulator = Simulator::start();
    let mut chain = photo(&simulator).chain();
    chain.copilot("a").unwrap();
    let before = chain.state().clone();

    assert!(is_invalid(&chain.copilot(" ").unwrap_err(), "instruction", "empty"));
    assert!(is_invalid(&chain.enhance("").unwrap_err(), "tool_id", "empty"));
    let own_parent = CopilotRequest::new("b").parent(123);
    assert!(is_invalid(
        &chain.copilot(own_parent).unwrap_err(),
        "parent_version_id",
        "branch_from"
    ));
    assert!(matches!(chain.copilot("a dragon").unwrap_err(), Error::Api(_)));
    simulator.fail_photo(READY, PHOTO, 200, serde_json::json!({"status": "FAILED"}));
    assert!(matches!(chain.copilot("b").unwrap_err(), Error::EnhancementFailed(_)));
    simulator.mend_photo(READY, PHOTO);
    assert_eq!(chain.state(), &before);

    chain.copilot("b").unwrap();
    assert_eq!(parents(&simulator).last().unwrap(), "123");
}

#[test]
fn reset_forgets_only_what_the_service_has_discarded() {
    let simulator = Simulator::start();
    let mut chain = photo(&simulator).chain();
    chain.copilot("a").unwrap();
    simulator.set_exported(READY, false);
    chain.reset().unwrap_err();
    assert_eq!((chain.current(), chain.steps().len()), (Some(&123.into()), 1));

    simulator.set_exported(READY, true);
    chain.reset().unwrap();
    assert_eq!(chain.state(), photo(&simulator).chain().state());
    chain.copilot("b").unwrap();
    assert_eq!(parents(&simulator), ["null", "null"]);
}

#[test]
fn a_kept_state_goes_on_tomorrow_and_holds_no_secret() {
    let simulator = Simulator::start();
    let photo = photo(&simulator);
    let mut chain = photo.chain();
    chain.copilot("a").unwrap();
    chain.branch_from(VersionId::from("text"));
    chain.branch_from(u64::MAX);
    chain.branch_from(123);
    let kept = serde_json::to_string(chain.state()).unwrap();
    assert!(!kept.contains(simulator.key()) && !kept.contains("://"), "{kept}");

    let state: imagen_ai::ChainState = serde_json::from_str(&kept).unwrap();
    assert_eq!(state.known, chain.state().known);
    let mut chain = photo.continue_chain(state.clone()).unwrap();
    chain.copilot("b").unwrap();
    assert_eq!(parents(&simulator), ["null", "123"]);
    assert_eq!(chain.steps().len(), 2);

    let other = photo.project().image("DSC_0002.JPEG");
    assert!(is_invalid(
        &other.continue_chain(state.clone()).unwrap_err(),
        "state",
        PHOTO
    ));
    let project = photo.project().client().i2i_project(READY);
    project.image(PHOTO).continue_chain(state.clone()).unwrap_err();
    let project = photo.project().client().project(I2I);
    project.image(PHOTO).continue_chain(state).unwrap_err();
    let newer = kept.replace(r#""format":1"#, r#""format":2"#);
    let newer = photo.continue_chain(serde_json::from_str(&newer).unwrap()).unwrap_err();
    assert!(is_invalid(&newer, "state", "form"));
}

// ---- after a failure ----

/// A simulator behind a network that does to the edits, in order, what the fates say, and then no more harm.
fn behind(fates: impl IntoIterator<Item = Fate>) -> (Simulator, Faulty) {
    let simulator = Simulator::start();
    let mut fates: Vec<Fate> = fates.into_iter().collect();
    fates.reverse();
    let network = Faulty::proxy(address_of(&simulator), move |request| match request.method() {
        "POST" => fates.pop().unwrap_or(Fate::Pass),
        _ => Fate::Pass,
    });
    (simulator, network)
}

fn photo_behind(network: &Faulty) -> Image {
    photo_at(&format!("{}/v1", network.url()), READY)
}

#[test]
fn after_an_unknown_outcome_nothing_is_built_until_it_is_known() {
    let (simulator, network) = behind([
        Fate::Pass,
        Fate::LoseAfter,
        Fate::LoseBefore,
        Fate::Pass,
        Fate::LoseBefore,
    ]);
    let mut chain = photo_behind(&network).chain();
    chain.copilot("a").unwrap();
    assert!(is_invalid(&chain.recover().unwrap_err(), "chain", "nothing to recover"));

    assert!(matches!(chain.copilot("b").unwrap_err(), Error::OutcomeUnknown(_)));
    assert!(is_invalid(&chain.copilot("b").unwrap_err(), "chain", "recover"));
    assert_eq!(chain.current(), Some(&123.into()));
    // It is known tomorrow too that something is to be found out.
    let kept = serde_json::to_string(chain.state()).unwrap();
    let mut chain = photo_behind(&network)
        .continue_chain(serde_json::from_str(&kept).unwrap())
        .unwrap();
    assert!(is_invalid(&chain.copilot("b").unwrap_err(), "chain", "recover"));
    assert_eq!(chain.recover().unwrap(), Recovery::Applied(124.into()));
    assert_eq!(chain.current(), Some(&124.into()));
    let found = chain.steps().last().unwrap();
    assert_eq!(
        (&found.edit, &found.parent),
        (&Edit::Instruction("b".into()), &Some(123.into()))
    );
    assert!(found.url.is_some());

    assert!(matches!(chain.copilot("c").unwrap_err(), Error::OutcomeUnknown(_)));
    assert_eq!(chain.recover().unwrap(), Recovery::NotApplied);
    assert_eq!(chain.current(), Some(&124.into()));
    chain.copilot("c").unwrap();

    chain.copilot("d").unwrap_err();
    chain.assume_not_applied();
    chain.copilot("d").unwrap();
    assert_eq!(parents(&simulator), ["null", "123", "124", "125"]);
}

#[test]
fn a_history_that_cannot_be_asked_changes_nothing() {
    let server = Faulty::each(|request| match request.method() {
        "POST" => End::Close.after_request(),
        _ => Reply::status(403),
    });
    let photo = photo_at(&server.url(), READY);
    // What was there before is to be looked at first, and so nothing is sent.
    let mut chain = photo.chain().recovering(short());
    assert_eq!(chain.copilot("a").unwrap_err().status(), Some(403));
    assert_eq!(chain.state(), photo.chain().state());
    assert!(server.received().iter().all(|request| request.method() == "GET"));

    let mut chain = photo.chain();
    assert!(matches!(chain.copilot("a").unwrap_err(), Error::OutcomeUnknown(_)));
    let before = chain.state().clone();
    assert!(before.pending.is_some());
    assert_eq!(chain.recover().unwrap_err().status(), Some(403));
    assert_eq!(chain.state(), &before);
}

#[test]
fn a_first_edit_is_not_confused_with_what_was_there_before() {
    // The same edit, made before by someone else: without a look at the history before, the two look alike.
    let (simulator, network) = behind([Fate::Pass, Fate::LoseBefore, Fate::LoseBefore, Fate::LoseAfter]);
    photo_behind(&network).chain().copilot("a").unwrap();

    let mut chain = photo_behind(&network).chain();
    chain.copilot("a").unwrap_err();
    match chain.recover().unwrap() {
        Recovery::CannotTell { candidates } => assert_eq!(candidates[0].id, 123.into()),
        other => panic!("{other:?}"),
    }
    chain.copilot("a").unwrap_err();

    let mut chain = photo_behind(&network).chain().recovering(short());
    chain.copilot("a").unwrap();
    // Lost before, sent again and lost after: this chain's own is the second version.
    assert_eq!(chain.current(), Some(&124.into()));
    assert_eq!(simulator.versions(READY, PHOTO).len(), 1);
}

#[test]
fn a_success_without_a_picture_may_be_a_version_all_the_same() {
    for (recovering, answer) in [
        (false, r#"{"status":"SUCCESS","version_id":9}"#),
        (true, r#"{"version_id":9}"#),
    ] {
        let simulator = Arc::new(Simulator::start());
        let server = in_process(&simulator, move |request, simulated| match request.method() {
            "POST" => {
                simulated(request);
                Reply::json(answer)
            }
            _ => simulated(request),
        });
        let mut chain = photo_behind(&server).resume().unwrap();
        if recovering {
            chain = chain.recovering(short());
            let step = chain.copilot("a").unwrap();
            assert_eq!(Some(step.version().unwrap()), chain.current());
        } else {
            let error = chain.copilot("a").unwrap_err();
            assert!(
                matches!(&error, Error::EnhancementFailed(e) if e.version_id == Some(9.into())),
                "{error}"
            );
            assert!(
                error
                    .to_string()
                    .contains("no enhanced_image_url came (status SUCCESS)"),
                "{error}"
            );
            assert!(is_invalid(&chain.copilot("b").unwrap_err(), "chain", "recover"));
            assert!(matches!(chain.recover().unwrap(), Recovery::Applied(_)));
        }
        assert_eq!(parents(&simulator), ["null"]);
        assert_eq!(simulator.versions(READY, PHOTO).len(), 1);
    }

    // One that is no version has been answered all the same, and is not sent again.
    let server = in_process(&Arc::new(Simulator::start()), |request, simulated| {
        match request.method() {
            "POST" => Reply::json(r#"{"status":"REJECTED"}"#),
            _ => simulated(request),
        }
    });
    let mut chain = photo_behind(&server).resume().unwrap().recovering(short());
    assert!(matches!(chain.copilot("a").unwrap_err(), Error::EnhancementFailed(_)));
    assert_eq!(chain.recover().unwrap(), Recovery::NotApplied);
    assert_eq!(edits_sent(&server), 1);
}

#[test]
fn a_result_without_a_version_stops_the_chain_until_it_is_found() {
    let simulator = Arc::new(Simulator::start());
    let nameless = Arc::new(Mutex::new(true));
    let server = in_process(&simulator, {
        let nameless = Arc::clone(&nameless);
        move |request, answer| {
            let answer = answer(request);
            match request.method() {
                "POST" if *nameless.lock().unwrap() => {
                    Reply::json(r#"{"status":"SUCCESS","version_id":null,"enhanced_image_url":"https://s3/x?sig=1"}"#)
                }
                _ => answer,
            }
        }
    });
    let mut chain = photo_behind(&server).resume().unwrap();
    let step = chain.copilot("a").unwrap();
    assert_eq!(step.version, None);
    step.version().unwrap_err();
    assert!(is_invalid(
        &chain.copilot("b").unwrap_err(),
        "version_id",
        "start over from the unedited photo"
    ));
    assert_eq!(parents(&simulator), ["null"]);

    assert_eq!(chain.recover().unwrap(), Recovery::Applied(123.into()));
    assert_eq!(chain.steps().len(), 1);
    assert_eq!(chain.steps()[0].version, Some(123.into()));
    let mut chain = chain.recovering(short());
    assert_eq!(chain.copilot("b").unwrap().version, Some(124.into()));
    assert_eq!(parents(&simulator), ["null", "123"]);

    // One that the service applied, as it says, is not sent again because the history does not show it.
    simulator.fail_photo(READY, PHOTO, 200, serde_json::json!({}));
    assert_eq!(chain.copilot("c").unwrap().version, None);
    assert_eq!(chain.recover().unwrap(), Recovery::CannotTell { candidates: vec![] });
    chain.branch_from(124);
    simulator.mend_photo(READY, PHOTO);
    *nameless.lock().unwrap() = false;
    chain.copilot("d").unwrap();
}

#[test]
fn an_edit_that_turns_up_seconds_later_is_waited_for() {
    let (simulator, network) = behind([Fate::Late(Duration::from_secs(2))]);
    let wait = Wait {
        first: Duration::from_millis(300),
        total: Duration::from_secs(20),
        ..Wait::default()
    };
    let began = Instant::now();
    let mut chain = photo_behind(&network).chain().recovering(wait);
    assert_eq!(chain.copilot("a").unwrap().version, Some(123.into()));
    assert!((2..10).contains(&began.elapsed().as_secs()));
    assert_eq!(simulator.versions(READY, PHOTO).len(), 1);
}

#[test]
fn faults_of_a_real_network_are_recovered_from_in_time() {
    let fates = [
        Fate::LoseAfter,
        Fate::LoseBefore,
        Fate::Pass,
        Fate::Late(Duration::from_millis(20)),
        Fate::StatusAfter(504, r#"{"message":"Endpoint request timed out"}"#.into()),
        Fate::Status(502, "<html>".into()),
        Fate::LoseAfter,
        Fate::TruncateAfter(10),
        Fate::LoseBefore,
        Fate::LoseBefore,
    ];
    let (simulator, network) = behind(fates);
    let wait = Wait {
        first: Duration::from_millis(20),
        total: Duration::from_millis(500),
        ..Wait::default()
    };
    let mut chain = photo_behind(&network).chain().recovering(wait);
    for edit in 0..8 {
        chain.copilot(format!("edit {}", edit / 2)).unwrap();
    }
    network.settle();
    assert_in_order(&simulator, 8, |edit| format!("edit {}", edit / 2));
}

#[test]
fn an_edit_is_sent_three_times_at_most_and_a_history_that_tells_nothing_ends_nothing() {
    let (simulator, network) = behind(vec![Fate::LoseBefore; 4]);
    let mut chain = photo_behind(&network).chain().recovering(short());
    assert!(matches!(chain.copilot("a").unwrap_err(), Error::OutcomeUnknown(_)));
    assert_eq!(edits_sent(&network), 3);
    assert!(is_invalid(&chain.copilot("a").unwrap_err(), "chain", "recover"));
    assert_eq!(chain.recover().unwrap(), Recovery::NotApplied);
    chain.copilot("a").unwrap();
    assert_eq!(simulator.versions(READY, PHOTO).len(), 1);

    let silent = in_process(&Arc::new(Simulator::start()), |request, _| match request.method() {
        "POST" => End::Close.after_request(),
        _ => Reply::json(r#"{"prompts":[]}"#),
    });
    let mut chain = photo_behind(&silent).chain().recovering(short());
    assert!(matches!(chain.copilot("a").unwrap_err(), Error::OutcomeUnknown(_)));
    assert_eq!(edits_sent(&silent), 1, "what cannot be told is not sent again");
    assert_eq!(chain.recover().unwrap(), Recovery::CannotTell { candidates: vec![] });
}

#[test]
fn a_look_at_the_history_is_taken_once_and_only_where_it_is_needed() {
    let simulator = Simulator::start();
    let mut plain = photo(&simulator).chain();
    plain.copilot("a").unwrap();
    plain.copilot("b").unwrap();
    assert_eq!(questions(&simulator), 0);
    let mut chain = photo(&simulator).chain_from(124).recovering(short());
    assert!(is_invalid(&chain.copilot("").unwrap_err(), "instruction", "empty"));
    assert_eq!(questions(&simulator), 0);
    chain.copilot("c").unwrap();
    chain.copilot("d").unwrap();
    assert_eq!(questions(&simulator), 1);
}

// ---- a thousand bad days ----

/// Three questions, a millisecond apart.
fn short() -> Wait {
    Wait {
        first: Duration::from_millis(1),
        factor: 1.0,
        longest: Duration::from_millis(1),
        total: Duration::from_millis(2),
    }
}
const QUESTIONS: u64 = 3;

/// The simulator behind raw TCP: what mockito does for one request takes longer than all the rest. What becomes of a
/// request is decided with the simulator's way to answer it at hand, to be used when and if it arrives.
fn in_process(
    simulator: &Arc<Simulator>,
    mut network: impl FnMut(&Request, &dyn Fn(&Request) -> Reply) -> Reply + Send + 'static,
) -> Faulty {
    let simulator = Arc::clone(simulator);
    let answer = move |request: &Request| {
        let (path, query) = match request.path().split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (request.path(), None),
        };
        let headers = request.headers.iter();
        let (status, body) = simulator.answer(Received {
            method: request.method().to_owned(),
            path: path.to_owned(),
            query,
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.clone()))
                .collect(),
            body: request.body.clone(),
        });
        Reply::status(status)
            .header("Content-Type", "application/json")
            .body(body)
    };
    Faulty::each(move |request| network(request, &answer))
}

/// The versions are exactly these edits, each built on the one before; and nothing else was ever applied, since the
/// numbers have no gap.
fn assert_in_order(simulator: &Simulator, count: usize, text: impl Fn(usize) -> String) {
    let versions = simulator.versions(READY, PHOTO);
    assert_eq!(versions.len(), count, "{versions:#?}");
    for (index, version) in versions.iter().enumerate() {
        assert_eq!(version.id, 123 + index as u64, "{versions:#?}");
        assert_eq!(version.parent, (index > 0).then(|| version.id - 1));
        assert_eq!(version.edit, simulator::Edit::Instruction(text(index)));
    }
}

/// A fixed sequence of numbers that looks random (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// Every fault hits in any order: an answer lost before the edit is applied, after it, or an edit applied late. Late is
/// counted in questions to the history, not in time, so that a slow machine changes nothing.
#[test]
fn twenty_edits_are_applied_once_each_through_a_thousand_bad_days() {
    const DAYS: u64 = 1000;
    const WORKERS: u64 = 8;
    static LOST: AtomicU64 = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                for day in (worker..DAYS).step_by(WORKERS as usize) {
                    a_bad_day(day, &LOST);
                }
            });
        }
    });
    // The faults did happen: three edits in five, on an average day.
    assert!(LOST.load(Ordering::Relaxed) > DAYS * 20 / 2);
}

fn a_bad_day(seed: u64, lost: &'static AtomicU64) {
    const EDITS: usize = 20;
    // One of its own: what it remembers only grows.
    let simulator = Arc::new(Simulator::start());
    // Half the days the chain recovers by itself; the other half a program asks it to.
    let by_itself = seed % 2 == 0;
    // Some days all edits are alike, so that only the parents tell them apart.
    let alike = seed % 4 < 2;
    let text = move |edit: usize| {
        if alike {
            "a little brighter".to_owned()
        } else {
            format!("edit {edit}")
        }
    };

    let mut dice = Dice(seed);
    let mut late: Option<(Request, u64)> = None;
    let network = in_process(&simulator, move |request, answer| {
        if request.method() == "GET" {
            // The first question that finds its time over, or the last that a chain asks, comes after the edit.
            if let Some((edit, 1)) = &late {
                answer(edit);
                late = None;
            }
            if let Some((_, questions)) = &mut late {
                *questions -= 1;
            }
            return answer(request);
        }
        assert!(late.is_none(), "sent again while the first may still come");
        let fate = dice.roll(5);
        lost.fetch_add(u64::from(fate > 1), Ordering::Relaxed);
        match fate {
            0 | 1 => return answer(request),
            2 => {}
            3 => drop(answer(request)),
            _ => late = Some((request.clone(), if by_itself { 1 + dice.roll(QUESTIONS) } else { 1 })),
        }
        End::Close.after_request()
    });

    let photo = photo_behind(&network);
    let mut chain = if by_itself {
        photo.chain().recovering(short())
    } else {
        photo.resume().unwrap()
    };
    for edit in 0..EDITS {
        loop {
            match chain.copilot(text(edit)) {
                Ok(_) => break,
                Err(Error::OutcomeUnknown(_)) => match chain.recover().unwrap() {
                    Recovery::Applied(_) => break,
                    Recovery::NotApplied => {}
                    other => panic!("day {seed}, edit {edit}: {other:?}"),
                },
                Err(other) => panic!("day {seed}, edit {edit}: {other}"),
            }
        }
    }
    drop(network);
    assert_in_order(&simulator, EDITS, text);
    let ids: Vec<_> = chain.steps().iter().map(|step| step.version.clone()).collect();
    assert_eq!(ids, (123..143).map(|id| Some(VersionId::from(id))).collect::<Vec<_>>());
}
