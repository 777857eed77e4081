//! Waiting for a project, its edit or its export.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imagen_ai::{
    Client, Error, Progress, ProgressCallback, Project, ProjectStatus, Result, RetryPolicy, Wait,
    WaitFailed, WaitReason,
};
use mockito::Mock;

use crate::support::script::End::Close;
use crate::support::script::{Script, Turn};
use crate::support::wire::{KEY, Wire, assert_all};
use crate::support::{client_at, lock, ms, refused};

const INFO: &str = "/v1/projects/p?get_thumbnail=false";
const SMART_INFO: &str = "/v1/i2i/projects/p?get_thumbnail=false";
const EDIT: &str = "/v1/projects/p/edit/status";
const EXPORT: &str = "/v1/projects/p/export/status";

const READY: &str = r#"{"status":"Completed","export_status":"Completed"}"#;
const PENDING: &str = r#"{"status":"Pending"}"#;
const IN_PROGRESS: &str = r#"{"status":"In Progress"}"#;

/// A wait that asks again at once, for longer than any test takes.
fn quick() -> Wait {
    Wait {
        first: ms(1),
        factor: 1.0,
        longest: ms(1),
        total: Duration::from_secs(300),
        ..Wait::default()
    }
}

/// A wait with a few questions.
fn brief() -> Wait {
    Wait {
        total: ms(5),
        ..quick()
    }
}

/// What a callback was told, a line a call.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// The callback. It ends the wait when it was told so often.
    fn callback(&self, most: usize) -> Option<ProgressCallback> {
        let told = self.clone();
        Some(ProgressCallback::new(move |p| {
            let mut lines = lock(&told.0);
            lines.push(line(p));
            if lines.len() == most {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }))
    }

    fn lines(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

fn line(p: &Progress<'_>) -> String {
    assert_eq!((p.index, p.bytes, p.all_bytes, p.items), (0, 0, 0, 1));
    assert_eq!(p.items_done, usize::from(p.ended.is_some()));
    let status = p.status.map_or("-", ProjectStatus::as_str);
    let percent = p.percent.map_or("-".to_owned(), |p| p.to_string());
    let failure = p.failure.map_or("-".to_owned(), Error::summary);
    let ended = match p.ended {
        None => "goes on".to_owned(),
        Some(Ok(())) => "done".to_owned(),
        Some(Err(e)) => e.summary(),
    };
    format!("{} {status} {percent} {failure} {ended}", p.name)
}

#[track_caller]
fn failed<T: std::fmt::Debug>(result: Result<T>) -> WaitFailed {
    match result.unwrap_err() {
        Error::WaitFailed(failed) => *failed,
        other => panic!("{other}"),
    }
}

/// Answers that come one after the other, each as often as it says. The last one stays.
fn answers(wire: &mut Wire, path: &str, bodies: &[(usize, &str)]) -> Vec<Mock> {
    let mut mocks = Vec::new();
    for (times, body) in bodies {
        mocks.push(wire.answers("GET", path, 200, body).expect(*times).create());
    }
    mocks
}

/// A project of a client that tries once.
fn project_on(script: &Script) -> Project {
    let client = Client::builder(KEY)
        .base_url(script.url())
        .retry(RetryPolicy::none());
    client.build().unwrap().project("p")
}

fn statuses(codes: &[u16]) -> Script {
    Script::of(codes.iter().map(|code| match code {
        200 => Turn::json(READY),
        code => Turn::status(code),
    }))
}

#[test]
fn a_project_is_asked_for_until_it_is_completed_and_each_answer_is_told() {
    let mut wire = Wire::new();
    let asked = answers(&mut wire, INFO, &[(3, IN_PROGRESS), (1, READY)]);
    let told = Told::default();
    let wait = Wait {
        progress: told.callback(usize::MAX),
        ..quick()
    };

    let info = wire.client().project("p").wait_until_completed(&wait);

    assert_eq!(info.unwrap().status, ProjectStatus::Completed);
    let goes_on = "project In Progress - - goes on";
    let done = "project Completed - - done";
    assert_eq!(told.lines(), [goes_on, goes_on, goes_on, done]);
    assert_all(&asked);
}

#[test]
fn what_is_done_already_is_asked_for_once() {
    let mut wire = Wire::new();
    let asked = [
        answers(&mut wire, INFO, &[(1, READY)]),
        answers(&mut wire, SMART_INFO, &[(1, r#"{"status":"Completed"}"#)]),
        answers(&mut wire, EDIT, &[(1, READY)]),
        answers(&mut wire, EXPORT, &[(1, READY)]),
    ];
    let project = wire.client().project("p");
    let house = wire.client().smart_project("p");

    project.wait_until_completed(&Wait::default()).unwrap();
    house.wait_until_completed(&Wait::default()).unwrap();
    project.wait_until_edited(&Wait::default()).unwrap();
    project.wait_until_exported(&Wait::default()).unwrap();

    asked.iter().for_each(|mocks| assert_all(mocks));
}

#[test]
fn an_edit_and_an_export_are_waited_for_alike_and_tell_how_far_they_are() {
    let half = r#"{"status":"In Progress","progress":50}"#;
    let done = r#"{"status":"Completed","progress":100}"#;
    let mut wire = Wire::new();
    let asked = [
        answers(&mut wire, EDIT, &[(1, half), (1, done)]),
        answers(&mut wire, EXPORT, &[(1, half), (1, done)]),
    ];
    let told = Told::default();
    let wait = Wait {
        progress: told.callback(usize::MAX),
        ..quick()
    };
    let project = wire.client().project("p");

    let edited = project.wait_until_edited(&wait).unwrap();
    let exported = project.wait_until_exported(&wait).unwrap();

    assert_eq!(
        (edited.progress, exported.progress),
        (Some(100.0), Some(100.0))
    );
    let expected = [
        "edit In Progress 50 - goes on",
        "edit Completed 100 - done",
        "export In Progress 50 - goes on",
        "export Completed 100 - done",
    ];
    assert_eq!(told.lines(), expected);
    asked.iter().for_each(|mocks| assert_all(mocks));
}

#[test]
fn the_edit_of_a_smart_project_is_the_project_and_an_export_there_is_none() {
    let mut wire = Wire::new();
    let asked = answers(&mut wire, SMART_INFO, &[(2, IN_PROGRESS), (1, READY)]);
    let house = wire.client().smart_project("p");

    let edited = house.wait_until_edited(&quick()).unwrap();

    assert_eq!(edited.status, ProjectStatus::Completed);
    refused(house.wait_until_exported(&quick()), "project_source");
    assert_all(&asked);
}

#[test]
fn temporary_failures_do_not_end_a_wait_and_each_is_told() {
    let busy = || Turn::json(IN_PROGRESS);
    let script = Script::of([
        Turn::status(503),
        // As a gateway shows it while it is being repaired.
        Turn::html(200, "<h1>Back soon</h1>"),
        Close.after_request(),
        busy(),
        busy().cut_body(10, Close),
        Turn::status(429),
        Turn::json(READY),
    ]);
    let told = Told::default();
    let wait = Wait {
        progress: told.callback(usize::MAX),
        ..quick()
    };

    let info = project_on(&script).wait_until_completed(&wait);

    assert_eq!(info.unwrap().status, ProjectStatus::Completed);
    assert_eq!(script.requests().len(), 7);
    let lines = told.lines();
    let is_answer = |line: &&String| line.ends_with(" - goes on") || line.ends_with(" - done");
    assert_eq!(lines.len(), 7);
    assert_eq!(lines.iter().filter(is_answer).count(), 2);
    assert!(lines[0].starts_with("project - - 503") && lines[0].ends_with("goes on"));
    assert!(
        lines[5].starts_with("project In Progress - 429"),
        "{lines:?}"
    );
}

#[test]
fn a_404_is_asked_again_and_three_in_a_row_are_believed() {
    for (codes, is_ok) in [
        (&[404, 404, 200][..], true),
        (&[404, 404, 503, 404, 404, 200], true),
        (&[404, 404, 404], false),
        (&[503, 404, 404, 404], false),
    ] {
        let script = statuses(codes);
        let result = project_on(&script).wait_until_completed(&quick());
        assert_eq!(result.is_ok(), is_ok, "{codes:?}: {result:?}");
        assert_eq!(script.requests().len(), codes.len(), "{codes:?}");
        if let Err(error) = result {
            assert_eq!(error.status(), Some(404), "{codes:?}");
        }
    }
}

#[test]
fn a_permanent_failure_ends_a_wait_at_once_and_is_told() {
    let script = statuses(&[401]);
    let told = Told::default();
    let wait = Wait {
        progress: told.callback(usize::MAX),
        ..quick()
    };

    let error = project_on(&script).wait_until_edited(&wait).unwrap_err();

    assert_eq!((error.status(), script.requests().len()), (Some(401), 1));
    assert_eq!(told.lines(), [format!("edit - - - {}", error.summary())]);
}

#[test]
fn a_failed_project_ends_the_wait_at_once() {
    let mut wire = Wire::new();
    let asked = answers(&mut wire, INFO, &[(1, r#"{"status":"FAILED"}"#)]);

    let error = wire
        .client()
        .project("p")
        .wait_until_completed(&Wait::default())
        .unwrap_err();

    let sentence = "project \"p\": waited for the project, and the service says that it failed (status Failed)";
    assert_eq!(error.to_string(), sentence);
    assert_eq!(format!("{error:?}"), sentence);
    assert!(!error.is_safe_to_retry());
    assert_all(&asked);
}

#[test]
fn a_failed_edit_or_export_says_why_with_the_services_details() {
    let failed_at = |path, body| {
        let mut wire = Wire::new();
        let asked = answers(&mut wire, path, &[(1, body)]);
        let project = wire.client().project("p");
        let failed = match path {
            EDIT => failed(project.wait_until_edited(&quick())),
            _ => failed(project.wait_until_exported(&quick())),
        };
        assert_all(&asked);
        assert_eq!(failed.reason, WaitReason::Failed);
        (failed.waited_for, failed.message)
    };

    let edit = failed_at(EDIT, r#"{"status":"Failed","details":"no faces found"}"#);
    let export = failed_at(EXPORT, r#"{"status":"Failed","details":{"code":7}}"#);

    assert_eq!(edit, ("edit", "no faces found".to_owned()));
    assert_eq!(export, ("export", r#"{"code":7}"#.to_owned()));
}

/// What a profile-based project needs beside being completed.
#[test]
fn a_project_that_is_not_exported_is_told_apart() {
    use WaitReason::{Failed, NotExported, TimedOut};
    for (status, export, expected) in [
        ("\"Completed\"", "\"Completed\"", None),
        ("\"Completed\"", "\"Exported\"", None),
        ("\"Completed\"", "\"Failed\"", Some(Failed)),
        ("\"Completed\"", "\"Pending\"", Some(TimedOut)),
        ("\"Completed\"", "\"In Progress\"", Some(TimedOut)),
        ("\"Completed\"", "null", Some(NotExported)),
        ("\"Completed\"", "7", Some(NotExported)),
        // Nor is one that is not even begun, or is said to be what nobody has heard of.
        ("\"Pending\"", "\"Completed\"", Some(TimedOut)),
        ("\"Queued\"", "\"Completed\"", Some(TimedOut)),
    ] {
        let body = format!(r#"{{"status":{status},"export_status":{export}}}"#);
        let wire = Wire::answering(200, &body);
        let result = wire.client().project("p").wait_until_completed(&brief());
        let reason = result.err().map(|error| failed::<()>(Err(error)).reason);
        assert_eq!(reason, expected, "{body}");
    }
}

#[test]
fn what_the_service_says_is_shown_on_one_printable_line() {
    let wire = Wire::answering(200, r#"{"status":"\u001b[31mOdd\n"}"#);
    let told = Told::default();
    let wait = Wait {
        progress: told.callback(1),
        ..quick()
    };

    let error = wire.client().project("p").wait_until_completed(&wait);

    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("(status \u{fffd}[31mOdd)"), "{error}");
    assert_eq!(told.lines(), ["project \u{fffd}[31mOdd - - goes on"]);
}

#[test]
fn a_wait_ends_with_its_total_and_asks_a_last_time_then() {
    let mut wire = Wire::new();
    let asked = answers(&mut wire, INFO, &[(2, IN_PROGRESS)]);
    let told = Told::default();
    // The first pause would be ten seconds.
    let wait = Wait {
        total: ms(50),
        progress: told.callback(usize::MAX),
        ..Wait::default()
    };
    let began = Instant::now();

    let failed = failed(wire.client().project("p").wait_until_completed(&wait));

    assert!(began.elapsed() >= ms(50));
    assert_eq!(failed.reason, WaitReason::TimedOut);
    assert_eq!(failed.status, Some(ProjectStatus::InProgress));
    let lines = told.lines();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains("not done within the time"), "{lines:?}");
    assert_all(&asked);
}

#[test]
fn after_nothing_but_failures_the_last_one_is_the_error() {
    let script = statuses(&[503]);
    let error = project_on(&script)
        .wait_until_completed(&brief())
        .unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert!(script.requests().len() > 1);
}

#[test]
fn the_callback_ends_a_wait() {
    for path in [INFO, EDIT, EXPORT] {
        let mut wire = Wire::new();
        let asked = answers(&mut wire, path, &[(3, IN_PROGRESS)]);
        let told = Told::default();
        let wait = Wait {
            progress: told.callback(3),
            ..quick()
        };
        let project = wire.client().project("p");

        let failed = match path {
            INFO => failed(project.wait_until_completed(&wait)),
            EDIT => failed(project.wait_until_edited(&wait)),
            _ => failed(project.wait_until_exported(&wait)),
        };

        assert_eq!(failed.reason, WaitReason::Stopped);
        assert_eq!(told.lines().len(), 3);
        assert_all(&asked);
    }
}

#[test]
fn an_answer_that_ends_the_wait_counts_more_than_the_callback() {
    let wire = Wire::answering(200, READY);
    let told = Told::default();
    let wait = Wait {
        progress: told.callback(1),
        ..quick()
    };
    wire.client()
        .project("p")
        .wait_until_completed(&wait)
        .unwrap();
    assert_eq!(told.lines(), ["project Completed - - done"]);
}

#[test]
fn what_was_never_begun_is_not_waited_for_to_the_end() {
    type WaitFor = fn(&Project, &Wait) -> Result<()>;
    let table: [(WaitFor, &str, &str); 4] = [
        (|p, wait| p.wait_until_edited(wait).map(drop), EDIT, PENDING),
        (
            |p, wait| p.wait_until_exported(wait).map(drop),
            EXPORT,
            PENDING,
        ),
        (
            |p, wait| p.wait_until_completed(wait).map(drop),
            INFO,
            PENDING,
        ),
        (
            |p, wait| p.wait_until_completed(wait).map(drop),
            INFO,
            r#"{"status":"Completed","export_status":"Pending"}"#,
        ),
    ];
    for (wait_for, path, body) in table {
        let mut wire = Wire::new();
        // After 0, 1, 2 and 3 ms.
        let asked = answers(&mut wire, path, &[(4, body)]);
        let wait = Wait {
            not_begun: ms(3),
            ..quick()
        };

        let error = wait_for(&wire.client().project("p"), &wait).unwrap_err();

        assert!(error.to_string().contains("Project::edit()"), "{error}");
        assert_eq!(failed::<()>(Err(error)).reason, WaitReason::NotBegun);
        assert_all(&asked);
    }
}

#[test]
fn what_has_begun_once_may_be_pending_again() {
    let mut wire = Wire::new();
    let bodies = [(1, PENDING), (1, IN_PROGRESS), (9, PENDING), (1, READY)];
    let asked = answers(&mut wire, EDIT, &bodies);
    let wait = Wait {
        not_begun: ms(3),
        ..quick()
    };
    wire.client().project("p").wait_until_edited(&wait).unwrap();
    assert_all(&asked);
}

#[test]
fn an_hour_may_pass_before_anything_begins() {
    assert_eq!(Wait::default().not_begun, Duration::from_secs(60 * 60));
    assert_eq!(Wait::for_an_edit().not_begun, Duration::from_secs(60 * 60));
}

#[test]
fn a_service_that_names_a_time_is_not_asked_before() {
    let script = Script::of([
        Turn::status(429).header("Retry-After", "1"),
        Turn::json(READY),
    ]);
    let began = Instant::now();
    project_on(&script).wait_until_completed(&quick()).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(script.requests().len(), 2);
}

#[test]
fn a_refused_question_returns_at_once_and_the_wait_sleeps_itself() {
    let script = Script::of([
        Turn::status(429).header("Retry-After", "1"),
        Turn::json(READY),
    ]);
    let told = Told::default();
    let wait = Wait {
        progress: told.callback(usize::MAX),
        ..quick()
    };
    // A call outside of a wait would be sent again by itself.
    let project = client_at(&script.url(), KEY).project("p");

    project.wait_until_completed(&wait).unwrap();

    let lines = told.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("project - - 429"), "{lines:?}");
    assert_eq!(script.requests().len(), 2);
}

#[test]
fn a_time_that_the_service_names_does_not_outlast_the_wait() {
    let script = Script::of([Turn::status(429).header("Retry-After", "3600")]);
    let error = project_on(&script).wait_until_completed(&brief());
    assert_eq!(error.unwrap_err().status(), Some(429));
    assert_eq!(script.requests().len(), 2);
}
