//! Waiting for a project.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use imagen_ai::{
    Client, Error, Project, ProjectInfo, ProjectStatus, Result, RetryPolicy, Wait, WaitReason,
};

use crate::support::canned::{Canned, KEY};
use crate::support::faulty::End::Close;
use crate::support::faulty::{Faulty, Reply};
use crate::support::simulator::{
    FAILED, IN_PROGRESS, NOT_EXPORTED, READY, SMART, Simulator, Status,
};
use crate::support::{client_of, ms};

const QUICK: Wait = Wait {
    first: ms(1),
    factor: 1.2,
    longest: ms(5),
    total: Duration::from_secs(20),
};
const BRIEF: Wait = Wait {
    total: ms(20),
    ..QUICK
};
const READY_NOW: &str = r#"{"status":"Completed","export_status":"Completed"}"#;

/// A project of a client that tries once.
fn project_on(server: &Faulty) -> Project {
    let client = Client::builder(KEY)
        .base_url(server.url())
        .retry(RetryPolicy::none());
    client.build().unwrap().project("p")
}

/// What a short wait for a project says of which the service says this.
fn said(status: &str, export: &str) -> Option<WaitReason> {
    let server = Canned::new(
        200,
        format!(r#"{{"status":{status},"export_status":{export}}}"#),
    );
    let result = server.client().project("p").wait_until_completed(&BRIEF);
    result.err().map(|error| reason(Err(error)))
}

#[track_caller]
fn reason(result: Result<ProjectInfo>) -> WaitReason {
    match result.unwrap_err() {
        Error::WaitFailed(e) => {
            assert!(e.status.is_some() && e.waited_for == "project", "{e}");
            e.reason
        }
        e => panic!("{e}"),
    }
}

#[test]
fn a_project_is_asked_for_until_it_is_completed() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    simulator.set_exported(IN_PROGRESS, true);
    simulator.complete_after(IN_PROGRESS, 3);
    let mut seen = Vec::new();
    let project = client.project(IN_PROGRESS);
    let info = project.wait_until_completed_with(&QUICK, |poll| {
        seen.push(poll.as_ref().unwrap().status.clone());
        ControlFlow::Continue(())
    });
    assert_eq!(info.unwrap().status, ProjectStatus::Completed);
    let (busy, done) = (ProjectStatus::InProgress, ProjectStatus::Completed);
    assert_eq!(seen, [busy.clone(), busy.clone(), busy, done]);

    for ready in [client.project(READY), client.smart_project(SMART)] {
        simulator.clear_requests();
        ready.wait_until_completed(&Wait::default()).unwrap();
        assert_eq!(simulator.requests().len(), 1);
    }
}

#[test]
fn passing_failures_are_survived_and_others_are_not() {
    let busy = || Reply::json(r#"{"status":"In Progress"}"#);
    let server = Faulty::start([
        Reply::status(503),
        // As a gateway shows it while it is being repaired.
        Reply::html(200, "<h1>Back soon</h1>"),
        Close.after_request(),
        busy(),
        busy().cut_body(10, Close),
        Reply::status(429),
        Reply::json(READY_NOW),
        Reply::status(404),
    ]);
    let (project, mut failures) = (project_on(&server), 0);
    let info = project.wait_until_completed_with(&QUICK, |poll| {
        failures += usize::from(poll.is_err());
        ControlFlow::Continue(())
    });
    assert_eq!(info.unwrap().status, ProjectStatus::Completed);
    assert_eq!((failures, server.requests()), (5, 7));
    let error = project.wait_until_completed(&QUICK).unwrap_err();
    assert_eq!((error.status(), server.requests()), (Some(404), 8));
}

#[test]
fn a_failed_project_ends_the_wait_at_once() {
    let simulator = Simulator::start();
    let error = client_of(&simulator)
        .project(FAILED)
        .wait_until_completed(&Wait::default())
        .unwrap_err();
    assert!(!error.is_safe_to_retry());
    let sentence = format!(
        "project {FAILED:?}: waited for the project, and the service says that it failed (status Failed)"
    );
    assert_eq!(
        (error.to_string(), format!("{error:?}")),
        (sentence.clone(), sentence)
    );
    assert_eq!(reason(Err(error)), WaitReason::Failed);
    assert_eq!(simulator.requests().len(), 1);
}

/// What a profile-based project needs beside being completed.
#[test]
fn a_project_that_is_not_exported_is_told_apart() {
    let simulator = Simulator::start();
    let project = client_of(&simulator).project(NOT_EXPORTED);
    let result = project.wait_until_completed(&Wait::default());
    assert_eq!(reason(result), WaitReason::NotExported);
    assert_eq!(simulator.requests().len(), 1);

    for (export, expected) in [
        ("\"Completed\"", None),
        ("\"Exported\"", None),
        ("\"Failed\"", Some(WaitReason::Failed)),
        ("\"Pending\"", Some(WaitReason::TimedOut)),
        ("\"In Progress\"", Some(WaitReason::TimedOut)),
        ("null", Some(WaitReason::NotExported)),
        ("7", Some(WaitReason::NotExported)),
    ] {
        assert_eq!(said("\"Completed\"", export), expected, "{export}");
    }
    // Nor is one that is not even begun, or is said to be what nobody has heard of.
    for status in ["\"Pending\"", "\"Queued\""] {
        assert_eq!(
            said(status, "\"Completed\""),
            Some(WaitReason::TimedOut),
            "{status}"
        );
    }
    // What nobody has heard of is shown on one printable line.
    let server = Canned::new(200, r#"{"status":"\u001b[31mOdd\n"}"#);
    let error = server
        .client()
        .project("p")
        .wait_until_completed(&BRIEF)
        .unwrap_err();
    assert!(
        error.to_string().ends_with("(status \u{fffd}[31mOdd)"),
        "{error}"
    );
    // A Smart Editing project has no export.
    let server = Canned::new(200, r#"{"status":"Completed"}"#);
    assert!(
        server
            .client()
            .smart_project("p")
            .wait_until_completed(&QUICK)
            .is_ok()
    );
}

#[test]
fn the_wait_ends_when_its_time_is_over_or_the_callback_says_so() {
    let simulator = Simulator::start();
    let project = client_of(&simulator).project(IN_PROGRESS);
    // The pause is cut, so that the last question comes when the time is over.
    let total = ms(100);
    for wait in [
        Wait { total, ..QUICK },
        Wait {
            total,
            ..Wait::default()
        },
    ] {
        let began = Instant::now();
        assert_eq!(
            reason(project.wait_until_completed(&wait)),
            WaitReason::TimedOut
        );
        assert!(
            (100..8_000).contains(&began.elapsed().as_millis()),
            "{:?}",
            began.elapsed()
        );
    }
    let mut polls = 0;
    let result = project.wait_until_completed_with(&QUICK, |_| {
        polls += 1;
        if polls == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((reason(result), polls), (WaitReason::Stopped, 3));
    // An answer that ends the wait anyway is the result.
    simulator.set_status(IN_PROGRESS, Status::Completed);
    simulator.set_exported(IN_PROGRESS, true);
    let result = project.wait_until_completed_with(&QUICK, |_| ControlFlow::Break(()));
    assert!(result.is_ok());
    // When nothing but failures came, the last of them is the error.
    let down = Faulty::start([Reply::status(503)]);
    let error = project_on(&down).wait_until_completed(&BRIEF).unwrap_err();
    assert_eq!(error.status(), Some(503));
}

#[test]
fn a_service_that_names_a_time_is_not_asked_before_and_does_not_outlast_the_wait() {
    let server = Faulty::start([
        Reply::status(429).header("Retry-After", "1"),
        Reply::json(READY_NOW),
    ]);
    let began = Instant::now();
    project_on(&server).wait_until_completed(&QUICK).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));

    let server = Faulty::start([Reply::status(429).header("Retry-After", "3600")]);
    let wait = Wait {
        total: ms(100),
        ..QUICK
    };
    let error = project_on(&server).wait_until_completed(&wait).unwrap_err();
    assert_eq!((error.status(), server.requests()), (Some(429), 2));
    assert!(began.elapsed() < Duration::from_secs(10));
}
