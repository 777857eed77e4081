//! How a job is opened, and how it comes by its project.

use std::fs;

use imagen_ai::ProjectKind::{ProfileBased, Smart};
use imagen_ai::{Client, Error, ProjectKind};

use super::{Desk, NAME, assert_refused, count};
use crate::chain::network::in_process;
use crate::support::script::{End, Request};
use crate::support::simulator::{READY, Simulator};

#[test]
fn a_name_that_is_taken_is_refused_and_the_file_serves_another_one() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    for taken in ["12 Elm Street", "Harbour loft"] {
        let job = match taken {
            "12 Elm Street" => desk.client.open_job(desk.file(), taken),
            _ => desk.client.open_smart_job(desk.file(), taken),
        };
        assert_refused(job, "name", "Project::open_job()");
    }
    assert_eq!(count(&simulator, "POST", "/projects/"), 0);

    desk.open();

    assert_eq!(count(&simulator, "POST", "/projects/"), 1);
}

#[test]
fn a_file_is_of_one_job() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    drop(desk.open());
    let before = fs::read(desk.file()).unwrap();

    let client = &desk.client;
    assert_refused(
        client.open_job(desk.file(), "Miller"),
        "path",
        "\"Smith wedding\", not of a new project \"Miller\"",
    );
    assert_refused(
        client.open_smart_job(desk.file(), NAME),
        "path",
        "profile-based, not smart",
    );
    assert_refused(
        client.project(READY).open_job(desk.file()),
        "path",
        "not of the project with the id",
    );
    let elsewhere = Client::builder("key").base_url("http://127.0.0.1:9/v1");
    assert_refused(
        elsewhere.build().unwrap().open_job(desk.file(), NAME),
        "path",
        "not at \"http://127.0.0.1:9/v1\"",
    );
    assert_eq!(fs::read(desk.file()).unwrap(), before);
}

#[test]
fn a_second_handle_is_refused_until_the_last_of_the_first_is_dropped() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let job = desk.open();
    let words = "another process or another handle works on this job";
    assert_refused(desk.try_open(), "path", words);

    let chain = job.chain(&job.project().image("a.jpg")).unwrap();
    drop(job);
    assert_refused(desk.try_open(), "path", words);

    drop(chain);
    desk.open();
}

#[test]
fn a_name_that_is_none_makes_no_file() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    for name in ["", " ", ".."] {
        assert_refused(desk.client.open_job(desk.file(), name), "name", "");
    }
    assert_refused(
        desk.client.project("").open_job(desk.file()),
        "project_uuid",
        "",
    );
    assert!(!desk.file().exists());
    assert!(simulator.requests().is_empty());
}

/// What becomes of the first call that makes the project.
#[derive(Clone, Copy, PartialEq)]
enum Lost {
    /// Neither it nor the next one arrives.
    Before,
    /// It is carried out, and its answer is lost; the next one does not arrive.
    After,
}

fn is_create(request: &Request) -> bool {
    request.method() == "POST" && request.path().ends_with("projects/")
}

#[test]
fn a_project_whose_answer_was_lost_is_made_once() {
    for kind in [ProfileBased, Smart] {
        for lost in [Lost::Before, Lost::After] {
            let mut calls = 0;
            let (simulator, network) = in_process(move |request, answer| {
                let is_create = is_create(request);
                calls += u32::from(is_create);
                if !is_create || calls > 2 {
                    return answer(request);
                }
                if lost == Lost::After && calls == 1 {
                    drop(answer(request));
                }
                End::Close.after_request()
            });
            let before = simulator.projects().len();
            let desk = Desk::new(&format!("{}/v1", network.url()), kind);
            let error = desk.try_open().unwrap_err();
            assert!(matches!(error, Error::OutcomeUnknown(_)), "{error}");

            let job = desk.open();

            assert_eq!(simulator.projects().len(), before + 1);
            let uuid = job.project().uuid().to_owned();
            drop(job);
            assert_eq!(desk.open().project().uuid(), uuid);
        }
    }
}

#[test]
fn a_project_with_photos_is_not_taken_for_one_whose_answer_was_lost() {
    for (kind, path) in [(ProfileBased, "/projects/"), (Smart, "/i2i/projects/")] {
        not_taken(kind, path);
    }
}

fn not_taken(kind: ProjectKind, path: &str) {
    let mut calls = 0;
    let (simulator, network) = in_process(move |request, answer| {
        let is_create = is_create(request);
        calls += u32::from(is_create);
        if !is_create || calls > 2 {
            return answer(request);
        }
        End::Close.after_request()
    });
    let desk = Desk::new(&format!("{}/v1", network.url()), kind);
    desk.try_open().unwrap_err();
    // Somebody else's.
    let theirs = Desk::new(&simulator.base_url(), kind);
    drop(theirs.uploaded());

    for _ in 0..2 {
        let error = desk.try_open().unwrap_err();

        assert!(matches!(error, Error::OutcomeUnknown(_)), "{error}");
        assert!(error.to_string().contains("Project::open_job()"), "{error}");
        assert_eq!(error.context().unwrap().path, path);
    }
}

#[test]
fn a_project_that_is_refused_can_be_asked_for_again() {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    let before = simulator.projects().len();
    simulator.fail_next("POST", "/projects/", 401, "no", 1);
    let error = desk.try_open().unwrap_err();
    assert_eq!(error.status(), Some(401));

    desk.open();

    assert_eq!(simulator.projects().len(), before + 1);
}
