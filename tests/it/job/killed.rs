//! Jobs whose process is killed at random moments, or not the only one.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::{Child, Stdio, exit};
use std::thread;

use imagen_ai::{CopilotEdit, Error, JobStep, ProjectKind, StepState, Wait};

use super::{Desk, NAME, SHORT, count};
use crate::killed::{Dice, is_killed_within};
use crate::support::simulator::{self, Quota, RateLimit, RetryAfter, Simulator};
use crate::support::{child, ms};

const KILLS: u64 = 12;

/// Where the child finds the simulator, its folder, and the kind of its project.
const URL: &str = "IMAGEN_AI_TEST_URL";
const FOLDER: &str = "IMAGEN_AI_TEST_FOLDER";
const KIND: &str = "IMAGEN_AI_TEST_KIND";

/// How the child says that a person has to decide.
const CANNOT_TELL: i32 = 3;
/// How it says that the job is another process's.
pub(super) const LOCKED: i32 = 4;

/// Far longer than the simulator takes for an edit, so that a busy machine changes nothing.
pub(super) const WAIT: Wait = Wait {
    first: ms(5),
    factor: 1.5,
    longest: ms(200),
    total: ms(3000),
    ..SHORT
};

/// The program that is killed.
pub(super) fn program() {
    let url = env::var(URL).unwrap();
    let folder = env::var_os(FOLDER).unwrap();
    let kind: ProjectKind = env::var(KIND).unwrap().parse().unwrap();
    let desk = Desk::at(folder.into(), &url, kind);
    let wait = Wait {
        not_begun: ms(60_000),
        ..WAIT
    };
    match desk.run(&wait) {
        Ok(_) => exit(0),
        Err(Error::OutcomeUnknown(_)) => exit(CANNOT_TELL),
        Err(e) if e.to_string().contains("another process") => exit(LOCKED),
        Err(e) => {
            eprintln!("{e}");
            exit(1)
        }
    }
}

/// Starts it for this desk, with the service at this URL.
pub(super) fn start(test: &str, desk: &Desk, base_url: &str) -> Child {
    let variables = [
        (URL, OsString::from(base_url)),
        (FOLDER, desk.folder.clone().into()),
        (KIND, desk.kind.to_string().into()),
    ];
    let mut command = child::command(test, &variables);
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// A service that is slow, keeps projects pending for a while, and refuses some calls.
fn slow_simulator() -> Simulator {
    let simulator = Simulator::start_slow(0, ms(40)).unwrap();
    simulator.configure(|settings| {
        settings.pending_polls = 3;
        settings.rate_limit = Some(RateLimit {
            quota: Quota::PerSecond {
                edits: 40,
                burst: 2,
            },
            retry_after: RetryAfter::Missing,
        });
    });
    simulator
}

/// Runs the job, and kills it at random moments, until it is done.
fn kill_at_random(test: &str, kind: ProjectKind) {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let simulator = slow_simulator();
    let desk = Desk::new(&simulator.base_url(), kind);
    let mut kills = KILLS;
    loop {
        let mut child = start(test, &desk, &simulator.base_url());
        let was_killed = kills > 0 && is_killed_within(&mut child, ms(dice.roll(500)));
        kills = kills.saturating_sub(1);
        match child.wait().unwrap().code() {
            Some(0) => break,
            Some(CANNOT_TELL) => settle(&desk, &simulator),
            // Not every system tells what ended a process.
            _ if was_killed => {}
            code => panic!("the child ended with {code:?}"),
        }
    }
    assert_done_once(&desk, &simulator);
}

/// What a person would do, who sees all that the service has.
fn settle(desk: &Desk, simulator: &Simulator) {
    let mut job = desk.open();
    let project = job.project().uuid().to_owned();
    for row in job.report().steps {
        let is_there = match &row.step {
            _ if row.state != StepState::Unknown => continue,
            JobStep::Edit => count(simulator, "POST", "/edit") > 0,
            JobStep::Export => count(simulator, "POST", "/export") > 0,
            JobStep::Copilot { image, edit } => has_edit(simulator, &project, image, edit),
            JobStep::Finalize => continue,
        };
        if is_there {
            job.assume_done(&row.step).unwrap();
        } else {
            job.assume_not_done(&row.step).unwrap();
        }
    }
}

fn has_edit(simulator: &Simulator, project: &str, image: &str, edit: &CopilotEdit) -> bool {
    let CopilotEdit::Instruction(text) = edit else {
        return false;
    };
    let versions = simulator.versions(project, image).into_iter();
    let asked = simulator::CopilotEdit::Instruction(text.clone());
    versions
        .map(|version| version.edit)
        .any(|edit| edit == asked)
}

pub(super) fn assert_done_once(desk: &Desk, simulator: &Simulator) {
    let mut projects = simulator.projects().into_iter();
    let project = projects.find(|project| project.name == NAME).unwrap();
    assert!(projects.all(|project| project.name != NAME));
    assert_eq!(count(simulator, "POST", "/edit"), 1);
    let exports = usize::from(desk.kind == ProjectKind::ProfileBased);
    assert_eq!(count(simulator, "POST", "/export"), exports);

    let mut ids = Vec::new();
    for number in 1..=5 {
        let image = format!("DSC_000{number}.JPEG");
        let versions = simulator.versions(&project.id, &image);
        let texts: Vec<_> = versions.iter().map(|version| &version.edit).collect();
        let expected = ["one", "two"].map(|text| simulator::CopilotEdit::Instruction(text.into()));
        assert_eq!(texts, expected.each_ref());
        ids.extend(versions.iter().map(|version| version.id));

        let file = fs::read(desk.out().join(&image)).unwrap();
        let last = versions.last().map(|version| version.id);
        assert_eq!(file, simulator.jpeg(&project.id, &image, last));
    }
    // Nothing else was ever made, since the numbers have no gap.
    ids.sort();
    let first = project.first_version;
    assert_eq!(ids, (first..first + 10).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(desk.out()).unwrap().count(), 5);
}

#[test]
fn a_job_is_done_once_by_a_program_that_is_killed_again_and_again() {
    if child::is_child() {
        return program();
    }
    let test = "job::killed::a_job_is_done_once_by_a_program_that_is_killed_again_and_again";
    thread::scope(|scope| {
        for kind in [ProjectKind::ProfileBased, ProjectKind::Smart] {
            scope.spawn(move || kill_at_random(test, kind));
        }
    });
}

#[test]
fn of_two_processes_one_does_the_job() {
    if child::is_child() {
        return program();
    }
    let test = "job::killed::of_two_processes_one_does_the_job";
    let simulator = slow_simulator();
    let desk = Desk::new(&simulator.base_url(), ProjectKind::ProfileBased);
    let children = [(); 2].map(|()| start(test, &desk, &simulator.base_url()));
    let codes = children.map(|mut child| child.wait().unwrap().code());

    assert!(codes.contains(&Some(0)), "{codes:?}");
    // The second may have come when the first was done.
    let are_right = codes.iter().all(|code| matches!(code, Some(0 | LOCKED)));
    assert!(are_right, "{codes:?}");
    assert_done_once(&desk, &simulator);
}
