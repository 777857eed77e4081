//! The same edits on many images.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use imagen_ai::{
    ApiErrorKind, BatchOptions, CopilotEdit, Edited, Error, Image, Job, Outcomes, ProgressCallback,
    Result, StepState, TransferReason,
};

use super::{Desk, LONG, SHORT, assert_refused, count};
use crate::chain::network::{in_process, listing};
use crate::support::lock;
use crate::support::script::{End, Request, Script, Turn};
use crate::support::simulator::{READY, Simulator};

/// A job on the finished project.
fn ready(desk: &Desk) -> Job {
    desk.client.project(READY).open_job(desk.file()).unwrap()
}

fn images(job: &Job) -> Vec<Image> {
    (1..=3)
        .map(|number| job.project().image(format!("DSC_000{number}.JPEG")))
        .collect()
}

/// One image after the other, so that it is known which one comes first.
fn in_order() -> BatchOptions {
    BatchOptions {
        threads: 1,
        wait: SHORT,
        ..BatchOptions::default()
    }
}

/// Edits the images of a job in a run of its own.
fn run(desk: &Desk, edits: &[&str]) -> Result<Outcomes<Edited>> {
    let mut job = ready(desk);
    let images = images(&job);
    job.copilot_each(images, edits.iter().copied(), &in_order())
}

fn all(desk: &Desk, edits: &[&str]) -> Vec<Edited> {
    run(desk, edits).unwrap().all().unwrap()
}

fn texts(simulator: &Simulator, image: &str) -> Vec<String> {
    let versions = simulator.versions(READY, image).into_iter();
    let text = |edit| match edit {
        crate::support::simulator::CopilotEdit::Instruction(text) => text,
        crate::support::simulator::CopilotEdit::Preset(tool_id) => tool_id,
    };
    versions.map(|version| text(version.edit)).collect()
}

fn is_edit(request: &Request) -> bool {
    request.method() == "POST" && request.path().contains("/images/")
}

fn desk_behind(network: &Script) -> Desk {
    Desk::new(&format!("{}/v1", network.url()), Default::default())
}

#[test]
fn each_edit_is_made_once_and_builds_on_the_one_before() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let first = all(&desk, &["one"]);
    let again = all(&desk, &["one"]);
    assert_eq!(count(&simulator, "POST", "/copilot"), 3);
    assert_eq!(again[0].steps[0].version_id, first[0].steps[0].version_id);
    assert!(first[0].steps[0].url.is_some() && again[0].steps[0].url.is_none());

    let more = all(&desk, &["one", "two"]);

    assert_eq!(more[1].file_name, "DSC_0002.JPEG");
    assert_eq!(more[1].steps.len(), 2);
    assert_eq!(count(&simulator, "POST", "/copilot"), 6);
    for image in ["DSC_0001.JPEG", "DSC_0002.JPEG", "DSC_0003.JPEG"] {
        assert_eq!(texts(&simulator, image), ["one", "two"]);
        let versions = simulator.versions(READY, image);
        assert_eq!(versions[0].parent, None);
        assert_eq!(versions[1].parent, Some(versions[0].id));
    }
}

#[test]
fn images_can_be_left_out_added_and_reordered() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = ready(&desk);
    let [one, two, three] = images(&job).try_into().unwrap();
    let mut edit = |images: &[&Image]| {
        let images = images.iter().copied().cloned();
        let edits = [CopilotEdit::Preset("virtual_staging".into())];
        let batch = job.copilot_each(images, edits, &in_order()).unwrap();
        batch.all().unwrap()
    };

    edit(&[&one, &two]);
    edit(&[&three]);
    let edited = edit(&[&three, &two, &one]);

    assert_eq!(edited[0].file_name, "DSC_0003.JPEG");
    assert_eq!(count(&simulator, "POST", "/enhance"), 3);
}

#[test]
fn edits_that_do_not_begin_with_those_of_the_file_are_refused() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    all(&desk, &["one", "two"]);
    simulator.clear_requests();
    for edits in [&["one"][..], &["two", "one"], &["one", "three"], &[]] {
        assert_refused(run(&desk, edits), "edits", "do not begin with those");
    }
    assert_refused(run(&desk, &["one", "two", " "]), "instruction", "");
    assert!(simulator.requests().is_empty());
}

#[test]
fn an_image_is_edited_by_one_at_a_time() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = ready(&desk);
    let images = images(&job);
    let chain = job.chain(&images[1]).unwrap();
    assert_refused(job.chain(&images[1]), "image", "DSC_0002.JPEG");
    let batch = job.copilot_each(images.clone(), ["one"], &in_order());
    assert_refused(batch, "image", "works on \"DSC_0002.JPEG\" already");
    drop(chain);
    let twice = [images[0].clone(), images[0].clone()];
    let batch = job.copilot_each(twice, ["one"], &in_order());
    assert_refused(batch, "image", "\"DSC_0001.JPEG\" is given twice");
    let other = desk.client.project("other").image("a.jpg");
    let batch = job.copilot_each([other.clone()], ["one"], &in_order());
    assert_refused(batch, "image", "another project");
    assert_refused(job.chain(&other), "image", "another project");
    assert!(simulator.requests().is_empty());

    // Nothing holds the images that the refused batches had taken.
    let batch = job.copilot_each(images, ["one"], &in_order()).unwrap();
    batch.all().unwrap();
}

#[test]
fn an_image_that_was_refused_is_sent_again_by_the_next_run() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    simulator.fail_image(READY, "DSC_0002.JPEG", 400, "too dark".into());
    let outcomes = run(&desk, &["one"]).unwrap();
    let failed: Vec<_> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false]);
    let report = ready(&desk).report();
    assert_eq!(report.steps[1].state, StepState::Failed);
    assert!(
        report
            .to_string()
            .contains("\"DSC_0002.JPEG\", \"one\": failed")
    );

    simulator.mend_image(READY, "DSC_0002.JPEG");
    all(&desk, &["one"]);

    assert_eq!(texts(&simulator, "DSC_0002.JPEG"), ["one"]);
}

#[test]
fn what_every_image_would_meet_ends_the_batch() {
    for (status, kind) in [
        (401, ApiErrorKind::Unauthorized),
        (429, ApiErrorKind::RateLimited),
    ] {
        let simulator = Simulator::start();
        let mut desk = Desk::of(&simulator);
        desk.client = imagen_ai::Client::builder(simulator.key())
            .base_url(simulator.base_url())
            .retry(imagen_ai::RetryPolicy::none())
            .build()
            .unwrap();
        simulator.fail_next("POST", "DSC_0002.JPEG/copilot", status, "no", 1);

        let outcomes = run(&desk, &["one"]).unwrap();

        let kinds: Vec<_> = outcomes
            .iter()
            .map(|outcome| outcome.as_ref().err().and_then(Error::api_kind))
            .collect();
        assert_eq!(kinds, [None, Some(kind), Some(kind)]);
        assert_eq!(count(&simulator, "POST", "DSC_0003.JPEG/copilot"), 0);
        all(&desk, &["one"]);
        assert_eq!(count(&simulator, "POST", "DSC_0001.JPEG/copilot"), 1);
    }
}

#[test]
fn a_network_that_is_gone_ends_the_batch() {
    // The history comes, and the port is closed then.
    let network = Script::of([listing("[]").header("Connection", "close").leave()]);
    let desk = desk_behind(&network);

    let outcomes = run(&desk, &["one"]).unwrap();

    let mut errors = outcomes.errors();
    assert_eq!(outcomes.errors().count(), 3);
    assert!(errors.all(|e| matches!(e, Error::Network(_))));
    assert!(
        ready(&desk).report().steps.len() < 3,
        "the others were not sent"
    );
}

#[test]
fn lost_answers_are_looked_for_together() {
    let mut lost = 0;
    let (simulator, network) = in_process(move |request, answer| {
        if !is_edit(request) || lost == 3 {
            return answer(request);
        }
        lost += 1;
        drop(answer(request));
        End::Close.after_request()
    });
    let desk = desk_behind(&network);

    let edited = all(&desk, &["one", "two"]);

    assert!(edited.iter().all(|image| image.steps.len() == 2));
    assert_eq!(count(&simulator, "POST", "/copilot"), 6);
    assert_eq!(count(&simulator, "GET", "/ai-tools"), 2);
}

#[test]
fn an_edit_that_was_not_made_is_sent_again_and_given_up_in_the_end() {
    for (losses, sent) in [(2, 3), (9, 0)] {
        let mut lost = 0;
        let (simulator, network) = in_process(move |request, answer| {
            if !request.path().ends_with("DSC_0002.JPEG/copilot") || lost == losses {
                return answer(request);
            }
            lost += 1;
            End::Close.after_request()
        });
        let desk = desk_behind(&network);

        let outcomes = run(&desk, &["one"]).unwrap();

        if sent == 3 {
            outcomes.all().unwrap();
            continue;
        }
        let error = outcomes.0[1].as_ref().unwrap_err();
        assert!(matches!(error, Error::Network(e) if e.advice.contains("not made")));
        assert!(outcomes.0[2].is_ok());
        assert_eq!(count(&simulator, "POST", "DSC_0002.JPEG/copilot"), 0);
    }
}

#[test]
fn an_edit_that_cannot_be_told_is_not_sent_again_and_stops_no_other_image() {
    let mut is_lost = false;
    let (simulator, network) = in_process(move |request, answer| {
        if is_lost || !is_edit(request) {
            return answer(request);
        }
        is_lost = true;
        drop(answer(request));
        End::Close.after_request()
    });
    // Without a listing before, a new version alone proves nothing for an image with others.
    simulator.configure(|settings| settings.list_unedited = false);
    let desk = desk_behind(&network);
    let edited = all(&desk, &["one"]);
    assert_eq!(edited.len(), 3, "it is the one new version");

    let mut is_lost = false;
    let (simulator, network) = in_process(move |request, answer| {
        if is_lost || !is_edit(request) {
            return answer(request);
        }
        is_lost = true;
        End::Close.after_request()
    });
    simulator.configure(|settings| settings.list_unedited = false);
    let desk = desk_behind(&network);
    for _ in 0..2 {
        let outcomes = run(&desk, &["one"]).unwrap();
        assert!(matches!(outcomes.0[0], Err(Error::OutcomeUnknown(_))));
        assert!(outcomes.0[1].is_ok() && outcomes.0[2].is_ok());
    }
    assert_eq!(count(&simulator, "POST", "DSC_0001.JPEG/copilot"), 0);

    let mut job = ready(&desk);
    let row = job.report().steps[0].clone();
    assert_refused(job.assume_done(&row.step), "step", "lists 0 versions");
    job.assume_not_done(&row.step).unwrap();
    drop(job);
    all(&desk, &["one"]);
    assert_eq!(texts(&simulator, "DSC_0001.JPEG"), ["one"]);
}

#[test]
fn a_person_can_say_that_the_one_new_version_is_the_edit() {
    // The history tells the version and not its words.
    let mut edits = 0;
    let network = Script::each(move |request| {
        edits += u32::from(is_edit(request));
        match (is_edit(request), edits) {
            (true, _) => End::Close.after_request(),
            (false, 0) => {
                Turn::json(r#"{"DSC_0001.JPEG":[],"DSC_0002.JPEG":[],"DSC_0003.JPEG":[]}"#)
            }
            _ => Turn::json(r#"{"DSC_0001.JPEG":[{"version_id":7}]}"#),
        }
    });
    let desk = desk_behind(&network);
    let mut job = ready(&desk);
    let image = images(&job).swap_remove(0);
    let batch = job.copilot_each([image.clone()], ["one"], &in_order());
    batch.unwrap().all().unwrap_err();
    let row = job.report().steps[0].clone();

    job.assume_done(&row.step).unwrap();
    drop(job);

    let mut job = ready(&desk);
    let batch = job.copilot_each([image], ["one"], &in_order()).unwrap();
    let edited = batch.all().unwrap();
    assert_eq!(edited[0].steps[0].version_id, Some(7.into()));
}

#[test]
fn an_old_version_that_a_person_went_on_from_was_not_made_by_the_lost_edit() {
    let (_simulator, network) = in_process(|request, answer| {
        if is_edit(request) && String::from_utf8_lossy(&request.body).contains("lost") {
            return End::Close.after_request();
        }
        answer(request)
    });
    let desk = desk_behind(&network);
    // Somebody else's edit.
    let theirs = desk.client.project(READY).image("DSC_0001.JPEG");
    let old = theirs.copilot("theirs").unwrap().version_id.unwrap();
    let mut job = ready(&desk);
    let image = images(&job).remove(0);
    let mut chain = job.chain(&image).unwrap();
    chain.copilot("lost").unwrap_err();

    chain.branch_from(&old).unwrap();
    drop(chain);

    assert_eq!(job.report().steps, []);
    let batch = job.copilot_each([image], ["lost"], &in_order());
    assert_refused(batch, "edits", "add new ones at the end");
}

#[test]
fn a_last_edit_without_a_version_is_an_edit_all_the_same() {
    let network = Script::each(|request| {
        if is_edit(request) {
            return Turn::json(
                r#"{"status":"SUCCESS","enhanced_image_url":"https://s3.example/a"}"#,
            );
        }
        listing("[]")
    });
    let desk = desk_behind(&network);

    let ended = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&ended);
    let options = BatchOptions {
        progress: Some(ProgressCallback::new(move |p| {
            lock(&telling).extend(p.ended.map(|ended| ended.is_ok()));
            ControlFlow::Continue(())
        })),
        ..in_order()
    };
    let mut job = ready(&desk);
    let images = images(&job);
    let outcomes = job.copilot_each(images, ["one"], &options).unwrap();
    drop(job);
    let edited = outcomes.all().unwrap();
    assert!(edited[0].steps[0].url.is_some());
    assert_eq!(*lock(&ended), [true; 3]);

    // What comes next would start over from the unedited image.
    let outcomes = run(&desk, &["one", "two"]).unwrap();
    assert!(matches!(outcomes.0[0], Err(Error::OutcomeUnknown(_))));
}

#[test]
fn the_callback_is_told_of_each_image_and_can_end_the_batch() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let options = BatchOptions {
        progress: Some(ProgressCallback::new(move |p| {
            let ended = p.ended.map(|ended| ended.is_ok());
            lock(&telling).push((p.name.to_owned(), ended, p.items_done, p.items));
            if p.items_done == 2 {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })),
        ..in_order()
    };
    let mut job = ready(&desk);
    let images = images(&job);

    let outcomes = job.copilot_each(images, ["one"], &options).unwrap();

    let error = outcomes.0[2].as_ref().unwrap_err();
    assert!(
        matches!(error, Error::Transfer(e) if e.reason == TransferReason::Cancelled),
        "{error}"
    );
    let told = lock(&told).clone();
    let name = |number: u32| format!("DSC_000{number}.JPEG");
    assert_eq!(
        told,
        [
            (name(1), None, 0, 3),
            (name(1), Some(true), 1, 3),
            (name(2), None, 1, 3),
            (name(2), Some(true), 2, 3),
            (name(3), None, 2, 3),
            (name(3), Some(false), 3, 3),
        ]
    );
    assert_eq!(count(&simulator, "POST", "/copilot"), 2);
}

#[test]
fn the_callback_is_told_while_an_edit_is_looked_for_and_can_end_that() {
    let (_simulator, network) = in_process(|request, answer| {
        if is_edit(request) {
            return End::Close.after_request();
        }
        answer(request)
    });
    ends_after(&network, 4);
}

#[test]
fn the_callback_can_end_the_looking_while_the_network_is_gone() {
    let mut is_gone = false;
    let (_simulator, network) = in_process(move |request, answer| {
        is_gone |= is_edit(request);
        if is_gone {
            return End::Close.after_request();
        }
        answer(request)
    });
    ends_after(&network, 2);
}

/// The callback is told so often of an image whose edit is lost, and then ends the looking.
#[track_caller]
fn ends_after(network: &Script, most: usize) {
    let desk = desk_behind(network);
    let told = Arc::new(Mutex::new(0));
    let telling = Arc::clone(&told);
    let options = BatchOptions {
        wait: LONG,
        progress: Some(ProgressCallback::new(move |p| {
            let mut told = lock(&telling);
            *told += usize::from(p.ended.is_none());
            // Once when its edit begins, and then after each question.
            if *told == most {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })),
        ..in_order()
    };
    let mut job = ready(&desk);
    let image = images(&job).remove(0);

    let outcomes = job.copilot_each([image], ["one"], &options).unwrap();

    assert!(matches!(outcomes.0[0], Err(Error::OutcomeUnknown(_))));
    assert_eq!(*lock(&told), most);
}

#[test]
fn an_image_that_has_no_usable_name_is_not_announced() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = ready(&desk);
    let before = std::fs::metadata(desk.file()).unwrap().len();
    let image = job.project().image("x".repeat(2_000));

    let outcome = job.copilot_each([&image], ["one"], &in_order());

    assert_refused(outcome, "file_name", "longer than 1024 bytes");
    assert_refused(job.chain(&image), "file_name", "longer than 1024 bytes");
    assert_eq!(std::fs::metadata(desk.file()).unwrap().len(), before);
}
