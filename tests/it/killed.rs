//! A chain that is saved in a file survives its process being killed at any moment.

use std::env;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use imagen_ai::{Image, Recovery, Wait};
use tempfile::TempDir;

use crate::chain::{Dice, PHOTO, assert_in_order, photo_at};
use crate::support::faulty::{Faulty, Reply};
use crate::support::simulator::{READY, Simulator};
use crate::support::{address_of, child, ms};

const EDITS: usize = 10;
const KILLS: u64 = 50;

/// Where the child finds the simulator and its file.
const URL: &str = "IMAGEN_AI_TEST_URL";
const FILE: &str = "IMAGEN_AI_TEST_FILE";

/// How the child says that a person has to decide.
const CANNOT_TELL: i32 = 3;

/// Far longer than the simulator takes for an edit, so that a busy machine changes nothing.
const WAIT: Wait = Wait {
    first: Duration::from_millis(5),
    factor: 1.5,
    longest: Duration::from_millis(200),
    total: Duration::from_millis(4000),
};

/// The program that is killed: it goes on from the file until all edits are made.
fn edit_all(photo: &Image, file: &Path) {
    let mut chain = photo.chain_saved_in(file).unwrap().recovering(WAIT);
    if chain.pending().is_some() {
        if let Recovery::CannotTell { .. } = chain.recover(&WAIT).unwrap() {
            std::process::exit(CANNOT_TELL);
        }
    }
    while chain.path().len() < EDITS {
        let edit = format!("edit {}", chain.path().len());
        chain.copilot(edit).unwrap();
    }
}

/// Kills children until this many more are killed or all edits are made, and lets the last one end. Returns how many were
/// killed.
fn kill_at_random(test: &str, simulator: &Simulator, url: &str, kills: u64, dice: &mut Dice) -> u64 {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("edits.json");
    let mut killed = 0;
    loop {
        let variables = [(URL, url.as_ref()), (FILE, file.as_os_str())];
        let mut command = child::command(test, &variables);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        if killed < kills {
            thread::sleep(ms(dice.roll(200)));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                killed += 1;
            }
        }
        let status = child.wait().unwrap();
        if status.success() {
            assert_in_order(simulator, EDITS, |edit| format!("edit {edit}"));
            return killed;
        }
        match status.code() {
            None => {}
            Some(CANNOT_TELL) => {
                // What a person would do.
                let mut chain = photo_at(url).chain_saved_in(&file).unwrap();
                let made = simulator.versions(READY, PHOTO);
                match made.get(chain.path().len()) {
                    Some(version) => chain.branch_from(version.id).unwrap(),
                    None => chain.assume_not_applied().unwrap(),
                }
            }
            Some(code) => panic!("the child ended with {code}"),
        }
    }
}

/// Runs the test, or in the child the program. `listen` returns where the program finds the simulator.
fn ten_edits_and_fifty_kills<T>(test: &str, listen: impl Fn(&Arc<Simulator>) -> (T, String)) {
    if child::is_child() {
        let (url, file) = (env::var(URL).unwrap(), env::var_os(FILE).unwrap());
        return edit_all(&photo_at(&url), file.as_ref());
    }
    let mut dice = Dice(u64::from(std::process::id()));
    let mut kills = KILLS;
    while kills > 0 {
        let simulator = Arc::new(Simulator::start_slow(0, ms(100)).unwrap());
        let (_listening, url) = listen(&simulator);
        kills -= kill_at_random(test, &simulator, &url, kills, &mut dice);
    }
}

#[test]
fn each_edit_is_made_once_by_a_program_that_is_killed_fifty_times() {
    let test = "killed::each_edit_is_made_once_by_a_program_that_is_killed_fifty_times";
    ten_edits_and_fifty_kills(test, |simulator| ((), simulator.base_url()));
}

/// The first edit may end as "cannot tell" there.
#[test]
fn the_same_where_a_photo_is_listed_once_it_has_versions() {
    let test = "killed::the_same_where_a_photo_is_listed_once_it_has_versions";
    ten_edits_and_fifty_kills(test, |simulator| {
        let (target, simulator) = (address_of(simulator), Arc::clone(simulator));
        let server = Faulty::each(move |request| {
            let is_unedited = || simulator.versions(READY, PHOTO).is_empty();
            match request.method() {
                "GET" if is_unedited() => Reply::json(r#"{"prompts":[],"images":[]}"#),
                _ => Reply::relay(target),
            }
        });
        let url = format!("{}/v1", server.url());
        (server, url)
    });
}
