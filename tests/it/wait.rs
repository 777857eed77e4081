//! Waiting for a project.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use imagen_ai::{Client, Error, NotReadyReason, Project, ProjectStatus, RetryPolicy, Wait};
use serde_json::json;

use crate::support::canned::{Canned, KEY};
use crate::support::faulty::{Fate, Faulty, Reply};
use crate::support::simulator::{FAILED, I2I, IN_PROGRESS, NOT_EXPORTED, READY, Simulator, Status};
use crate::support::{address_of, client_of, ms};

const QUICK: Wait = Wait {
    first: Duration::from_millis(1),
    factor: 1.2,
    longest: Duration::from_millis(5),
    total: Duration::from_secs(20),
};

/// A project of a client that tries once.
fn project_on(server: &Faulty) -> Project {
    let client = Client::builder(KEY).base_url(server.url()).retry(RetryPolicy::none());
    client.build().unwrap().project("p")
}

/// A project of which the service says this.
fn said(status: &str, export: &str) -> (Canned, Project) {
    let body = format!(r#"{{"status":{status},"export_status":{export},"message":"Bad RAW https://s3/?sig=SECRET"}}"#);
    let server = Canned::new(200, body);
    let project = server.client().project("p");
    (server, project)
}

#[track_caller]
fn reason(result: Result<imagen_ai::ProjectInfo, Error>) -> NotReadyReason {
    match result.unwrap_err() {
        Error::NotReady(e) => {
            assert!(e.info.is_some(), "{e}");
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
    let info = client
        .project(IN_PROGRESS)
        .wait_until_completed_with(&QUICK, |poll| {
            seen.push(poll.as_ref().unwrap().status.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(info.status, ProjectStatus::Completed);
    let (busy, done) = (ProjectStatus::InProgress, ProjectStatus::Completed);
    assert_eq!(seen, [busy.clone(), busy.clone(), busy, done]);

    for ready in [client.project(READY), client.i2i_project(I2I)] {
        simulator.clear_requests();
        ready.wait_until_completed(&Wait::default()).unwrap();
        assert_eq!(simulator.requests().len(), 1);
    }
}

#[test]
fn passing_failures_are_survived_and_others_are_not() {
    let simulator = Simulator::start();
    simulator.set_exported(IN_PROGRESS, true);
    simulator.complete_after(IN_PROGRESS, 1);
    let mut fates = vec![
        Fate::Status(503, String::new()),
        Fate::LoseBefore,
        Fate::Pass,
        Fate::LoseAfter,
        Fate::TruncateAfter(10),
        Fate::Status(429, String::new()),
    ];
    let network = Faulty::proxy(address_of(&simulator), move |_| {
        if fates.is_empty() { Fate::Pass } else { fates.remove(0) }
    });
    let mut failures = 0;
    let client = Client::builder(simulator.key()).base_url(format!("{}/v1", network.url()));
    let client = client.retry(RetryPolicy::none()).build().unwrap();
    let info = client.project(IN_PROGRESS).wait_until_completed_with(&QUICK, |poll| {
        failures += usize::from(poll.is_err());
        ControlFlow::Continue(())
    });
    assert_eq!(info.unwrap().status, ProjectStatus::Completed);
    assert_eq!((failures, network.requests()), (5, 7));

    let error = client.project("unknown").wait_until_completed(&QUICK).unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert_eq!(network.requests(), 8);
}

#[test]
fn a_failed_project_ends_the_wait_at_once_with_what_the_service_says() {
    let simulator = Simulator::start();
    let error = client_of(&simulator)
        .project(FAILED)
        .wait_until_completed(&Wait::default())
        .unwrap_err();
    assert!(!error.is_safe_to_retry());
    let Error::NotReady(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.reason, NotReadyReason::Failed);
    assert_eq!(error.info.unwrap().status, ProjectStatus::Failed);
    assert_eq!(simulator.requests().len(), 1);

    let (_server, project) = said("\"Failed\"", "null");
    let error = project.wait_until_completed(&Wait::default()).unwrap_err();
    let text = error.to_string();
    assert_eq!(
        text,
        "project \"p\": the service says that it failed (status Failed): Bad RAW https://s3/?[redacted]"
    );
    assert!(!format!("{error:?}").contains("SECRET"));
}

/// What a profile-based project needs beside being completed.
#[test]
fn a_project_that_is_not_exported_is_told_apart() {
    let simulator = Simulator::start();
    let client = client_of(&simulator);
    let result = client.project(NOT_EXPORTED).wait_until_completed(&Wait::default());
    assert_eq!(reason(result), NotReadyReason::NotExported);
    assert_eq!(simulator.requests().len(), 1);

    for (export, expected) in [
        ("\"Completed\"", None),
        ("\"Exported\"", None),
        ("\"Failed\"", Some(NotReadyReason::Failed)),
        ("\"Pending\"", Some(NotReadyReason::TimedOut)),
        ("\"In Progress\"", Some(NotReadyReason::TimedOut)),
        ("null", Some(NotReadyReason::NotExported)),
        ("7", Some(NotReadyReason::NotExported)),
    ] {
        let (_server, project) = said("\"Completed\"", export);
        let result = project.wait_until_completed(&Wait {
            total: Duration::from_millis(20),
            ..QUICK
        });
        assert_eq!(result.map_err(|e| reason(Err(e))).err(), expected, "{export}");
    }
    // Nor is one that is not even begun, or is said to be what nobody has heard of.
    for status in ["Pending", "Queued"] {
        let (_server, project) = said(&format!("{status:?}"), "\"Completed\"");
        let result = project.wait_until_completed(&Wait {
            total: Duration::from_millis(20),
            ..QUICK
        });
        assert_eq!(reason(result), NotReadyReason::TimedOut, "{status}");
    }
    // A Smart Editing project has no export.
    let server = Canned::new(200, r#"{"status":"Completed"}"#);
    assert!(server.client().i2i_project("p").wait_until_completed(&QUICK).is_ok());
}

#[test]
fn the_wait_ends_when_its_time_is_over_or_the_callback_says_so() {
    let simulator = Simulator::start();
    let project = client_of(&simulator).project(IN_PROGRESS);
    let began = Instant::now();
    let result = project.wait_until_completed(&Wait {
        total: Duration::from_millis(100),
        ..QUICK
    });
    assert_eq!(reason(result), NotReadyReason::TimedOut);
    assert!(
        (100..10_000).contains(&began.elapsed().as_millis()),
        "{:?}",
        began.elapsed()
    );
    // The pause is cut, so that the last question comes when the time is over.
    let began = Instant::now();
    let wait = Wait {
        total: Duration::from_millis(100),
        ..Wait::default()
    };
    assert_eq!(reason(project.wait_until_completed(&wait)), NotReadyReason::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(8));

    let mut polls = 0;
    let result = project.wait_until_completed_with(&QUICK, |_| {
        polls += 1;
        if polls == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((reason(result), polls), (NotReadyReason::Stopped, 3));

    // An answer that ends the wait anyway is the result.
    simulator.set_status(IN_PROGRESS, Status::Completed);
    simulator.set_exported(IN_PROGRESS, true);
    assert!(
        project
            .wait_until_completed_with(&QUICK, |_| ControlFlow::Break(()))
            .is_ok()
    );

    // When nothing but failures came, the last of them is the error.
    let down = Faulty::start([Reply::status(503)]);
    let error = project_on(&down)
        .wait_until_completed(&Wait {
            total: Duration::from_millis(20),
            ..QUICK
        })
        .unwrap_err();
    assert_eq!(error.status(), Some(503));
}

#[test]
fn the_pauses_grow_to_the_longest() {
    let server = Canned::new(200, json!({"status": "In Progress"}).to_string());
    let wait = Wait {
        first: ms(20),
        factor: 2.0,
        longest: ms(80),
        total: ms(500),
    };
    let mut times = Vec::new();
    let result = server.client().project("p").wait_until_completed_with(&wait, |_| {
        times.push(Instant::now());
        ControlFlow::Continue(())
    });
    assert_eq!(reason(result), NotReadyReason::TimedOut);
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The last one is what is left of the time.
    let least = [20, 40, 80, 80, 80, 80, 80, 40].map(ms);
    assert_eq!(pauses.len(), least.len(), "{pauses:?}");
    assert!(
        pauses.iter().zip(least).all(|(pause, least)| *pause >= least),
        "{pauses:?}"
    );
}

#[test]
fn a_service_that_names_a_time_is_not_asked_before() {
    let ready = r#"{"status":"Completed","export_status":"Completed"}"#;
    let server = Faulty::start([Reply::status(429).header("Retry-After", "1"), Reply::json(ready)]);
    let began = Instant::now();
    project_on(&server).wait_until_completed(&QUICK).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
}

/// As a gateway shows it while it is being repaired.
#[test]
fn a_page_where_json_should_be_is_asked_again() {
    let ready = r#"{"status":"Completed","export_status":"Completed"}"#;
    let server = Faulty::start([Reply::html(200, "<h1>Back soon</h1>"), Reply::json(ready)]);
    project_on(&server).wait_until_completed(&QUICK).unwrap();
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_service_that_names_too_long_a_time_does_not_outlast_the_wait() {
    let server = Faulty::start([Reply::status(429).header("Retry-After", "3600")]);
    let project = project_on(&server);
    let wait = Wait {
        total: Duration::from_millis(100),
        ..QUICK
    };
    let began = Instant::now();
    assert_eq!(project.wait_until_completed(&wait).unwrap_err().status(), Some(429));
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(server.requests(), 2);
}
