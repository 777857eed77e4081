//! From a job's images to finished files.

use std::fs;

use imagen_ai::{
    BatchOptions, DownloadOptions, Downloaded, Error, Job, JobStep, Outcomes, Result, StepState,
};

use super::{Desk, SHORT, assert_refused, count};
use crate::chain::network::in_process;
use crate::support::script::{End, Turn};
use crate::support::simulator::Simulator;

fn finish(desk: &Desk, job: &mut Job) -> Result<Outcomes<Downloaded>> {
    job.finalize_to(desk.out(), &DownloadOptions::default())
}

#[test]
fn nothing_is_finalized_while_an_image_failed() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    let image = job.project().image("DSC_0001.JPEG");
    job.chain(&image).unwrap().copilot("a dragon").unwrap_err();
    assert_refused(
        finish(&desk, &mut job),
        "job",
        "\"DSC_0001.JPEG\" has an edit that failed",
    );
    drop(job);

    let mut job = desk.open();
    assert_refused(
        finish(&desk, &mut job),
        "job",
        "\"DSC_0001.JPEG\" has an edit that failed",
    );
    assert_eq!(count(&simulator, "POST", "/finalize"), 0);
    let row = job.report().steps.pop().unwrap();
    assert_eq!(row.state, StepState::Failed);
    job.assume_not_done(&row.step).unwrap();

    finish(&desk, &mut job).unwrap().all().unwrap();
}

#[test]
fn nothing_is_finalized_while_an_image_cannot_be_told_or_was_not_begun() {
    let mut is_lost = false;
    let (simulator, network) = in_process(move |request, answer| {
        if is_lost || !request.path().ends_with("/copilot") {
            return answer(request);
        }
        is_lost = true;
        End::Close.after_request()
    });
    let desk = Desk::new(&format!("{}/v1", network.url()), Default::default());
    let mut job = desk.exported();
    let image = job.project().image("DSC_0001.JPEG");
    job.chain(&image).unwrap().copilot("one").unwrap_err();
    let finalize = finish(&desk, &mut job);
    assert_refused(
        finalize,
        "job",
        "\"DSC_0001.JPEG\" has an edit whose outcome is not known",
    );
    let row = job.report().steps.pop().unwrap();
    job.assume_not_done(&row.step).unwrap();

    simulator.fail_next("POST", "/copilot", 401, "no", 1);
    let images = job.project().images().unwrap();
    let options = BatchOptions {
        threads: 1,
        ..BatchOptions::default()
    };
    let batch = job.copilot_each(images.clone(), ["one"], &options).unwrap();
    assert_eq!(batch.errors().count(), 5);
    let finalize = finish(&desk, &mut job);
    assert_refused(finalize, "job", "not all edits of");
    assert_eq!(count(&simulator, "POST", "/finalize"), 0);

    job.copilot_each(images, ["one"], &options)
        .unwrap()
        .all()
        .unwrap();
    finish(&desk, &mut job).unwrap().all().unwrap();
}

#[test]
fn nothing_is_finalized_after_a_batch_that_could_not_begin() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    let images = job.project().images().unwrap();
    simulator.fail_next("GET", "/ai-tools", 403, "no", 1);
    let batch = job.copilot_each(images, ["one"], &BatchOptions::default());
    assert_eq!(batch.unwrap_err().status(), Some(403));

    let finalize = finish(&desk, &mut job);

    assert_refused(finalize, "job", "not all edits of");
}

#[test]
fn nothing_that_costs_is_sent_after_the_finalizing() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    let image = job.project().image("DSC_0001.JPEG");
    let mut chain = job.chain(&image).unwrap();
    chain.copilot("one").unwrap();
    finish(&desk, &mut job).unwrap().all().unwrap();

    assert_refused(chain.copilot("two"), "job", "finalized");
    drop(chain);
    drop(job);
    let mut job = desk.open();
    let asked = count(&simulator, "GET", "/ai-tools");
    let options = BatchOptions::default();
    // With a step more, with another one, and with those that were made.
    let batch = job.copilot_each([&image], ["one", "two"], &options);
    assert_refused(batch, "job", "finalized");
    let batch = job.copilot_each([&image], ["two"], &options);
    assert_refused(batch, "job", "finalized");
    let batch = job.copilot_each([&image], ["one"], &options);
    batch.unwrap().all().unwrap();
    assert_eq!(count(&simulator, "POST", "/copilot"), 1);
    assert_eq!(count(&simulator, "GET", "/ai-tools"), asked);
    assert_eq!(job.report().steps.last().unwrap().step, JobStep::Finalize);
}

#[test]
fn a_finalizing_that_was_refused_lets_edits_be_sent() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    simulator.fail_next("POST", "/finalize", 400, "not today", 1);
    finish(&desk, &mut job).unwrap_err();

    let image = job.project().image("DSC_0001.JPEG");
    job.chain(&image).unwrap().copilot("one").unwrap();
}

#[test]
fn a_refusal_after_a_lost_answer_does_not_say_that_nothing_was_finalized() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    simulator.fail_next("POST", "/finalize", 502, "?", 1);
    simulator.fail_next("POST", "/finalize", 409, "it is under way", 1);
    let finalize = finish(&desk, &mut job);
    assert_eq!(finalize.unwrap_err().status(), Some(409));

    let image = job.project().image("DSC_0001.JPEG");
    let edit = job.chain(&image).unwrap().copilot("one");

    assert_refused(edit, "job", "finalized, or may be");
}

#[test]
fn a_reset_that_was_refused_forgets_no_edit_that_failed() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    let image = job.project().image("DSC_0001.JPEG");
    let mut chain = job.chain(&image).unwrap();
    chain.copilot("a dragon").unwrap_err();
    simulator.fail_next("DELETE", "/copilot", 403, "no", 1);
    chain.reset().unwrap_err();

    let finalize = finish(&desk, &mut job);
    assert_refused(finalize, "job", "has an edit that failed");

    chain.reset().unwrap();
    let files = finish(&desk, &mut job);
    assert_eq!(files.unwrap().all().unwrap().len(), 5);
}

#[test]
fn a_finalizing_whose_answer_was_lost_is_sent_again_and_lets_no_edit_be_sent() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    simulator.fail_next("POST", "/finalize", 502, "?", 3);
    finish(&desk, &mut job).unwrap_err();
    let image = job.project().image("DSC_0001.JPEG");
    let edit = job.chain(&image).unwrap().copilot("one");
    assert_refused(edit, "job", "finalized, or may be");
    // It needs no person: the next run sends it again.
    let row = job.report().steps.pop().unwrap();
    assert_eq!(
        (&row.step, row.state),
        (&JobStep::Finalize, StepState::Underway)
    );
    let settled = job.assume_done(&row.step);
    assert_refused(settled, "step", "Job::finalize_to() sends it again");

    desk_finishes(&desk, job);
    assert_eq!(count(&simulator, "POST", "/finalize"), 3 + 1);
}

#[test]
fn a_person_who_knows_that_nothing_was_finalized_can_go_on_with_edits() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    simulator.fail_next("POST", "/finalize", 502, "?", 3);
    finish(&desk, &mut job).unwrap_err();

    job.assume_not_done(&JobStep::Finalize).unwrap();

    let image = job.project().image("DSC_0001.JPEG");
    job.chain(&image).unwrap().copilot("one").unwrap();
}

#[test]
fn a_person_can_go_on_without_an_edit_that_failed_in_a_batch_of_this_run() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let mut job = desk.exported();
    let images = job.project().images().unwrap();
    simulator.fail_next("POST", "DSC_0003.JPEG/copilot", 403, "no", 1);
    let batch = job.copilot_each(images, ["one"], &BatchOptions::default());
    assert_eq!(batch.unwrap().errors().count(), 1);
    let finalize = finish(&desk, &mut job);
    assert_refused(finalize, "job", "not all edits of \"DSC_0003.JPEG\"");
    let rows = job.report().steps;
    let failed = rows.iter().find(|row| row.state == StepState::Failed);

    job.assume_not_done(&failed.unwrap().step).unwrap();

    let files = finish(&desk, &mut job);
    assert_eq!(files.unwrap().all().unwrap().len(), 5);
}

#[test]
fn an_edit_that_was_answered_without_its_version_is_made_in_each_run_and_is_finalized() {
    let mut is_first = true;
    let (_simulator, network) = in_process(move |request, answer| {
        if is_first && request.path().ends_with("/copilot") {
            is_first = false;
            return Turn::json(
                r#"{"status":"SUCCESS","enhanced_image_url":"https://s3.example/a"}"#,
            );
        }
        answer(request)
    });
    let desk = Desk::new(&format!("{}/v1", network.url()), Default::default());
    let edit_all = |job: &mut Job| {
        let images = job.project().images().unwrap();
        let options = BatchOptions {
            wait: SHORT,
            ..BatchOptions::default()
        };
        job.copilot_each(images, ["one"], &options).unwrap().all()
    };
    let mut job = desk.exported();
    edit_all(&mut job).unwrap();
    drop(job);

    let mut job = desk.open();
    let edited = edit_all(&mut job).unwrap();

    assert!(edited.iter().all(|image| image.steps.len() == 1));
    let unnamed = edited.iter().filter(|i| i.steps[0].version_id.is_none());
    assert_eq!(unnamed.count(), 1);
    let rows = job.report().steps;
    assert!(rows.iter().all(|row| row.state == StepState::Done));
    desk_finishes(&desk, job);
}

#[test]
fn a_success_that_could_not_be_read_is_not_finalized() {
    let (_simulator, network) = in_process(|request, answer| {
        if request.path().ends_with("/copilot") {
            return Turn::json("<html>");
        }
        answer(request)
    });
    let desk = Desk::new(&format!("{}/v1", network.url()), Default::default());
    let job = desk.exported();
    let image = job.project().image("DSC_0001.JPEG");
    job.chain(&image).unwrap().copilot("one").unwrap_err();
    drop(job);

    let mut job = desk.open();
    let options = BatchOptions {
        wait: SHORT,
        ..BatchOptions::default()
    };
    let batch = job.copilot_each([image], ["one"], &options).unwrap();

    let error = batch.0[0].as_ref().unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error}");
    assert!(error.to_string().contains("could not be read"), "{error}");
    drop(job);
    let finalize = desk
        .open()
        .finalize_to(desk.out(), &DownloadOptions::default());
    assert_refused(finalize, "job", "whose outcome is not known");
}

fn desk_finishes(desk: &Desk, job: Job) {
    drop(job);
    let mut job = desk.open();
    let files = finish(desk, &mut job);
    assert_eq!(files.unwrap().all().unwrap().len(), 5);
}

#[test]
fn files_of_an_earlier_run_are_skipped_and_others_are_not_touched() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    fs::create_dir(desk.out()).unwrap();
    fs::write(desk.out().join("DSC_0003.JPEG"), "a picture of theirs").unwrap();
    for run in 0..2 {
        let mut job = if run == 0 {
            desk.exported()
        } else {
            desk.open()
        };

        let files = finish(&desk, &mut job);

        let files = files.unwrap();
        let errors: Vec<&Error> = files.errors().collect();
        assert!(matches!(errors[..], [Error::Io { .. }]), "{errors:?}");
        for file in files.into_iter().flatten() {
            assert_eq!(file.skipped, run == 1);
        }
    }
    let theirs = fs::read(desk.out().join("DSC_0003.JPEG")).unwrap();
    assert_eq!(theirs, b"a picture of theirs");

    // A file that is gone is written again.
    fs::remove_file(desk.out().join("DSC_0001.JPEG")).unwrap();
    let mut job = desk.open();
    let files = finish(&desk, &mut job);
    let files = files.unwrap().into_iter().flatten();
    let written: Vec<String> = files
        .filter(|file| !file.skipped)
        .map(|file| file.file_name)
        .collect();
    assert_eq!(written, ["DSC_0001.JPEG"]);
}
