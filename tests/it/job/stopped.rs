//! A job whose process is stopped, and goes on later.

use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

use imagen_ai::ProjectKind;

use super::Desk;
use super::killed::{LOCKED, WAIT, assert_done_once, program, start};
use crate::chain::network::in_process;
use crate::support::{BUSY, child, ms};

#[test]
fn a_process_that_is_stopped_keeps_its_job() {
    if child::is_child() {
        return program();
    }
    let test = "job::stopped::a_process_that_is_stopped_keeps_its_job";
    let (arrived, arrival) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (simulator, network) = in_process(move |request, answer| {
        if request.path().ends_with("/copilot") {
            // An edit waits for its answer until both ends of the other channel are gone.
            _ = arrived.send(());
            _ = released.recv();
        }
        answer(request)
    });
    let base_url = format!("{}/v1", network.url());
    let desk = Desk::new(&base_url, ProjectKind::ProfileBased);
    let mut first = start(test, &desk, &base_url);
    arrival.recv_timeout(BUSY).unwrap();
    signal(&first, "-STOP");
    drop(release);

    let second = start(test, &desk, &base_url).wait().unwrap();
    // Longer than the wait for a lost edit.
    thread::sleep(WAIT.total + ms(500));
    let third = start(test, &desk, &base_url).wait().unwrap();
    signal(&first, "-CONT");

    assert_eq!(second.code(), Some(LOCKED));
    assert_eq!(third.code(), Some(LOCKED));
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_done_once(&desk, &simulator);
}

fn signal(child: &Child, signal: &str) {
    // Every shell has `kill`; not every system has it as a program.
    let command = format!("kill {signal} {}", child.id());
    let status = Command::new("sh").args(["-c", &command]).status();
    assert!(status.unwrap().success());
}
