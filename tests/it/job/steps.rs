//! Photos, the edit and the export of a job.

use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use imagen_ai::ProjectKind::{ProfileBased, Smart};
use imagen_ai::{
    EditOptions, Error, JobStep, Photo, ProgressCallback, ProjectStatus, StepState, UploadOptions,
    Wait, WaitReason,
};

use super::{Desk, LONG, SHORT, assert_refused, assert_unknown, count};
use crate::chain::network::in_process;
use crate::support::script::{End, Script, Turn};
use crate::support::simulator::{READY, Simulator};

/// A simulator behind a network that loses the first call whose path ends so, before it arrives or
/// after it was carried out.
fn losing(end: &'static str, is_carried_out: bool) -> (Arc<Simulator>, Script) {
    let mut is_lost = false;
    in_process(move |request, answer| {
        if is_lost || request.method() != "POST" || !request.path().ends_with(end) {
            return answer(request);
        }
        is_lost = true;
        if is_carried_out {
            drop(answer(request));
        }
        End::Close.after_request()
    })
}

fn desk_behind(network: &Script) -> Desk {
    Desk::new(&format!("{}/v1", network.url()), ProfileBased)
}

#[test]
fn photos_that_have_arrived_are_not_sent_again() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let first = desk.upload(&mut desk.open()).unwrap();
    assert_eq!(count(&simulator, "PUT", ""), 5);
    // Another photo in the place of the first.
    fs::write(&desk.photos()[0], "another photo").unwrap();

    let second = desk.upload(&mut desk.open()).unwrap();

    assert_eq!(count(&simulator, "PUT", ""), 6);
    assert_eq!(second[1..], first[1..]);
    assert_eq!(second[0].bytes, 13);
    assert_eq!(desk.open().report().photos, 5);
}

#[test]
fn photos_that_have_arrived_are_told_of_as_ended() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    simulator.fail_next("PUT", "DSC_0002.NEF", 400, "no", 1);
    desk.upload(&mut desk.open()).unwrap_err();
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let progress = ProgressCallback::new(move |p| {
        assert_eq!(p.items, 5);
        if let Some(ended) = p.ended {
            list.lock()
                .unwrap()
                .push((p.index, ended.is_ok(), p.items_done));
        }
        ControlFlow::Continue(())
    });
    let options = UploadOptions {
        progress: Some(progress),
        ..UploadOptions::default()
    };

    let outcomes = desk.open().upload(desk.photos(), &options).unwrap();

    outcomes.all().unwrap();
    let expected = [0, 2, 3, 4, 1].into_iter().zip(1..);
    let expected: Vec<_> = expected.map(|(index, done)| (index, true, done)).collect();
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn a_photo_that_failed_is_sent_by_the_next_run_alone() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    simulator.fail_next("PUT", "DSC_0002.NEF", 400, "no", 1);
    let mut job = desk.open();
    desk.upload(&mut job).unwrap_err();
    let edit = job.edit(&desk.options(), &LONG);
    assert_refused(edit, "job", "\"DSC_0002.NEF\" has not arrived");
    drop(job);
    let before = count(&simulator, "PUT", "");
    simulator.clear_requests();

    let mut job = desk.uploaded();

    assert!(before > 0);
    assert_eq!(
        count(&simulator, "PUT", "DSC_0002.NEF"),
        count(&simulator, "PUT", "")
    );
    job.edit(&desk.options(), &LONG).unwrap();
}

#[test]
fn no_photo_is_opened_once_the_edit_began() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let first = desk.upload(&mut desk.open()).unwrap();
    desk.open().edit(&desk.options(), &LONG).unwrap();
    for photo in desk.photos() {
        fs::remove_file(photo).unwrap();
    }
    simulator.clear_requests();

    let mut job = desk.open();

    assert_eq!(desk.upload(&mut job).unwrap(), first);
    let others = [
        Photo::bytes("DSC_0005.NEF", "x"),
        Photo::file("DSC_0009.NEF"),
    ];
    let outcomes = job.upload(others, &UploadOptions::default()).unwrap();
    let mut outcomes = outcomes.into_iter();
    assert_eq!(outcomes.next().unwrap().unwrap(), first[4]);
    assert_refused(
        outcomes.next().unwrap(),
        "photos",
        "the edit began without it",
    );
    assert!(simulator.requests().is_empty());
}

#[test]
fn a_project_that_was_edited_outside_the_job_is_not_edited_again() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.client.project(READY).open_job(desk.file()).unwrap();

    let edit = job.edit(&desk.options(), &LONG);

    assert_refused(edit, "job", "edited outside the job");
    assert_eq!(count(&simulator, "POST", "/edit"), 0);
}

#[test]
fn other_options_are_refused_and_named() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    desk.uploaded().edit(&desk.options(), &LONG).unwrap();
    let other = EditOptions {
        crop: true,
        ..EditOptions::profile(5701)
    };

    let edit = desk.open().edit(&other, &LONG);

    let words = "crop was unset, not true, profile_key was 5700, not 5701";
    assert_refused(edit, "options", words);
    assert_eq!(count(&simulator, "POST", "/edit"), 1);
}

#[test]
fn the_token_of_a_callback_url_is_not_shown() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let with_callback = |url: &str| EditOptions {
        callback_url: Some(url.to_owned()),
        ..desk.options()
    };
    let first = with_callback("https://hook.example/token-one");
    desk.uploaded().edit(&first, &LONG).unwrap();

    let error = desk
        .open()
        .edit(&with_callback("https://hook.example/token-two"), &LONG)
        .unwrap_err();

    let text = format!("{error} {error:#?}");
    assert!(text.contains("another callback_url"), "{text}");
    assert!(!text.contains("token-"), "{text}");
}

#[test]
fn wrong_options_are_refused_before_anything_is_asked_or_written() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.uploaded();
    simulator.clear_requests();
    let wrong = EditOptions {
        crop: true,
        portrait_crop: true,
        ..desk.options()
    };

    assert_refused(job.edit(&wrong, &LONG), "portrait_crop", "crop");

    assert_eq!(simulator.requests().len(), 0);
    assert_eq!(job.report().steps, []);
}

#[test]
fn nothing_is_edited_after_an_upload_that_failed_as_a_whole() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.open();
    let gone = desk.folder.join("gone.NEF");
    let photos = || desk.photos().into_iter();
    job.upload(photos().chain([gone]), &UploadOptions::default())
        .unwrap_err();

    let edit = job.edit(&desk.options(), &LONG);

    assert_refused(edit, "job", "an upload with the photo \"DSC_0001.NEF\"");
    let others = [Photo::bytes("DSC_0009.NEF", "another card")];
    let sent = job.upload(others, &UploadOptions::default());
    sent.unwrap().all().unwrap();
    let edit = job.edit(&desk.options(), &LONG);
    assert_refused(edit, "job", "an upload with the photo \"DSC_0001.NEF\"");
    job.upload(photos(), &UploadOptions::default())
        .unwrap()
        .all()
        .unwrap();
    job.edit(&desk.options(), &LONG).unwrap();
}

#[test]
fn the_callback_can_end_the_looking_while_the_network_is_gone() {
    let mut is_gone = false;
    let (_simulator, network) = in_process(move |request, answer| {
        is_gone |= request.method() == "POST" && request.path().ends_with("/edit");
        if is_gone {
            return End::Close.after_request();
        }
        answer(request)
    });
    let desk = desk_behind(&network);
    let wait = Wait {
        progress: Some(ProgressCallback::new(|p| {
            assert!(p.failure.is_some());
            ControlFlow::Break(())
        })),
        ..LONG
    };

    let error = desk.uploaded().edit(&desk.options(), &wait).unwrap_err();

    let Error::WaitFailed(e) = error else {
        panic!("{error}");
    };
    assert_eq!(e.reason, WaitReason::Stopped);
}

#[test]
fn a_status_that_repeats_the_key_is_not_shown_and_not_kept() {
    let mut is_lost = false;
    let (simulator, network) = in_process(move |request, answer| {
        if request.method() == "POST" && request.path().ends_with("/edit") {
            is_lost = true;
            return End::Close.after_request();
        }
        if is_lost || request.path().ends_with("/edit/status") {
            return Turn::json(r#"{"status":"sim-key-0123456789"}"#);
        }
        answer(request)
    });
    let desk = desk_behind(&network);
    let wait = Wait {
        progress: Some(ProgressCallback::new(|_| ControlFlow::Break(()))),
        ..LONG
    };

    let stopped = desk.uploaded().edit(&desk.options(), &wait).unwrap_err();
    let unknown = desk.open().edit(&desk.options(), &SHORT).unwrap_err();

    for error in [stopped, unknown] {
        let text = format!("{error} {error:#?}");
        assert!(!text.contains(simulator.key()), "{text}");
    }
    let kept = fs::read_to_string(desk.file()).unwrap();
    assert!(!kept.contains(simulator.key()), "{kept}");
}

#[test]
fn the_export_is_a_step_of_its_own() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let options = EditOptions {
        export: true,
        ..desk.options()
    };
    let edit = desk.uploaded().edit(&options, &LONG);
    assert_refused(edit, "export", "Job::export()");
    assert_eq!(count(&simulator, "POST", "/edit"), 0);
}

#[test]
fn an_edit_whose_answer_was_lost_is_found_by_its_status() {
    let (simulator, network) = losing("/edit", true);
    let desk = desk_behind(&network);

    let status = desk.uploaded().edit(&desk.options(), &LONG).unwrap();

    assert_eq!(status.status, ProjectStatus::Completed);
    assert_eq!(count(&simulator, "POST", "/edit"), 1);
}

#[test]
fn an_edit_that_may_never_have_arrived_is_not_sent_again_until_a_person_says_so() {
    let (simulator, network) = losing("/edit", false);
    let desk = desk_behind(&network);
    assert_unknown(desk.uploaded().edit(&desk.options(), &SHORT));
    assert_unknown(desk.open().edit(&desk.options(), &SHORT));
    assert_eq!(count(&simulator, "POST", "/edit"), 0);
    let mut job = desk.open();
    let step = job.report().steps[0].clone();
    assert_eq!(
        (&step.step, step.state),
        (&JobStep::Edit, StepState::Unknown)
    );
    assert!(job.report().to_string().contains("edit: not known"));

    job.assume_not_done(&step.step).unwrap();
    drop(job);

    desk.open().edit(&desk.options(), &LONG).unwrap();
    assert_eq!(count(&simulator, "POST", "/edit"), 1);
}

#[test]
fn an_edit_that_waits_in_a_queue_is_waited_for_once_a_person_says_that_it_is_there() {
    let (simulator, network) = losing("/edit", true);
    simulator.configure(|settings| settings.pending_polls = 30);
    let desk = desk_behind(&network);
    assert_unknown(desk.uploaded().edit(&desk.options(), &SHORT));
    let mut job = desk.open();

    job.assume_done(&JobStep::Edit).unwrap();
    assert_eq!(job.report().steps[0].state, StepState::Underway);
    drop(job);

    let status = desk.open().edit(&desk.options(), &LONG).unwrap();
    assert_eq!(status.status, ProjectStatus::Completed);
    assert_eq!(count(&simulator, "POST", "/edit"), 1);
}

#[test]
fn an_edit_that_was_accepted_is_waited_for_by_the_next_run() {
    let simulator = Simulator::start();
    simulator.configure(|settings| settings.pending_polls = 30);
    let desk = Desk::of(&simulator);
    let error = desk.uploaded().edit(&desk.options(), &SHORT).unwrap_err();
    let is_over = matches!(&error, Error::WaitFailed(e) if e.reason != WaitReason::Failed);
    assert!(is_over, "{error}");

    desk.open().edit(&desk.options(), &LONG).unwrap();

    assert_eq!(count(&simulator, "POST", "/edit"), 1);
}

#[test]
fn an_edit_that_failed_fails_on_each_run_until_a_person_has_it_sent_again() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let job = desk.uploaded();
    simulator.fail_edit(job.project().uuid(), "no light");
    drop(job);
    for _ in 0..2 {
        let error = desk.open().edit(&desk.options(), &LONG).unwrap_err();
        let has_failed = matches!(&error, Error::WaitFailed(e) if e.reason == WaitReason::Failed);
        assert!(has_failed, "{error}");
    }
    assert_eq!(count(&simulator, "POST", "/edit"), 1);
    let mut job = desk.open();
    assert_eq!(job.report().steps[0].state, StepState::Failed);
    assert_refused(job.assume_done(&JobStep::Edit), "step", "not in question");

    job.assume_not_done(&JobStep::Edit).unwrap();
    drop(job);

    desk.open().edit(&desk.options(), &LONG).unwrap();
    assert_eq!(count(&simulator, "POST", "/edit"), 2);
}

#[test]
fn an_edit_that_was_refused_is_sent_by_the_next_run() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    simulator.fail_next("POST", "/edit", 400, "Profile not found.", 1);
    let error = desk.uploaded().edit(&desk.options(), &LONG).unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert!(desk.open().report().steps.is_empty());

    desk.open().edit(&desk.options(), &LONG).unwrap();
}

#[test]
fn an_export_whose_answer_was_lost_is_found_or_left_to_a_person() {
    for is_carried_out in [true, false] {
        let (simulator, network) = losing("/export", is_carried_out);
        let desk = desk_behind(&network);
        let mut job = desk.uploaded();
        job.edit(&desk.options(), &LONG).unwrap();

        let export = job.export(&SHORT);

        let sent = usize::from(is_carried_out);
        assert_eq!(count(&simulator, "POST", "/export"), sent);
        if is_carried_out {
            assert_eq!(export.unwrap().status, ProjectStatus::Completed);
            continue;
        }
        assert_unknown(export);
        assert_unknown(job.export(&SHORT));
        job.assume_not_done(&JobStep::Export).unwrap();
        job.export(&LONG).unwrap();
    }
}

#[test]
fn an_edit_that_cannot_be_told_names_the_call_that_was_sent() {
    for (kind, path) in [(ProfileBased, "/projects/"), (Smart, "/i2i/projects/")] {
        let (_simulator, network) = losing("/edit", false);
        let desk = Desk::new(&format!("{}/v1", network.url()), kind);

        let error = desk.uploaded().edit(&desk.options(), &SHORT).unwrap_err();
        let again = desk.open().edit(&desk.options(), &SHORT).unwrap_err();

        for error in [error, again] {
            let shown = &error.context().unwrap().path;
            assert!(
                shown.starts_with(path) && shown.ends_with("/edit"),
                "{shown}"
            );
        }
    }
}

#[test]
fn a_smart_editing_project_has_no_export() {
    let simulator = Simulator::start();
    let desk = Desk::new(&simulator.base_url(), Smart);
    let mut job = desk.uploaded();
    assert_eq!(job.export(&LONG).unwrap().status, ProjectStatus::Pending);
    job.edit(&desk.options(), &LONG).unwrap();
    assert_eq!(job.export(&LONG).unwrap().status, ProjectStatus::Completed);
    assert_eq!(count(&simulator, "POST", "/export"), 0);
}

#[test]
fn what_was_not_sent_or_is_done_is_not_settled() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.uploaded();
    assert_refused(
        job.assume_not_done(&JobStep::Edit),
        "step",
        "has not sent it",
    );
    job.edit(&desk.options(), &LONG).unwrap();
    assert_refused(
        job.assume_not_done(&JobStep::Edit),
        "step",
        "not in question (done)",
    );
}
