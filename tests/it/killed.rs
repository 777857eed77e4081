//! A chain that a job keeps survives its process being killed at any moment.

use std::env;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::{Chain, Client, Image, Recovery, RetryPolicy, Wait};
use tempfile::TempDir;

use crate::support::simulator::{CopilotEdit, READY, Simulator};
use crate::support::{child, ms};

pub(crate) const PHOTO: &str = "DSC_0001.JPEG";
const EDITS: usize = 10;
const KILLS: u64 = 50;

/// Where the child finds the simulator and its file.
const URL: &str = "IMAGEN_AI_TEST_URL";
const FILE: &str = "IMAGEN_AI_TEST_FILE";

/// How the child says that a person has to decide.
const CANNOT_TELL: i32 = 3;

/// Far longer than the simulator takes for an edit, so that a busy machine changes nothing.
const WAIT: Wait = Wait {
    not_begun: Duration::MAX,
    progress: None,
    first: Duration::from_millis(5),
    factor: 1.5,
    longest: Duration::from_millis(200),
    total: Duration::from_secs(3),
};

pub(crate) fn photo_at(base_url: &str) -> Image {
    let retry = RetryPolicy {
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = Client::builder("sim-key-0123456789")
        .base_url(base_url)
        .retry(retry)
        .build();
    client.unwrap().project(READY).image(PHOTO)
}

/// The image's chain in the job of this file.
fn kept(photo: &Image, file: &Path) -> Chain {
    photo
        .project()
        .open_job(file)
        .unwrap()
        .chain(photo)
        .unwrap()
}

/// The program that is killed: it goes on from the file until all edits are made.
fn edit_all(photo: &Image, file: &Path) {
    let mut chain = kept(photo, file).recovering(WAIT);
    if chain.pending().is_some()
        && let Recovery::CannotTell { .. } = chain.recover(&WAIT).unwrap()
    {
        std::process::exit(CANNOT_TELL);
    }
    while chain.path().len() < EDITS {
        let edit = format!("edit {}", chain.path().len());
        chain.copilot(edit).unwrap();
    }
}

/// Kills children until this many more are killed or all edits are made, and lets the last one end.
/// Returns how many were killed.
fn kill_at_random(test: &str, simulator: &Simulator, kills: u64, dice: &mut Dice) -> u64 {
    let url = simulator.base_url();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("edits.json");
    let mut killed = 0;
    loop {
        let mut command = child::command(test, &[(URL, url.as_ref()), (FILE, file.as_os_str())]);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        // Now and then one has time to wait for an edit that will not come.
        let longest = if dice.roll(10) == 0 { 4000 } else { 200 };
        let was_killed = killed < kills && is_killed_within(&mut child, ms(dice.roll(longest)));
        killed += u64::from(was_killed);
        let status = child.wait().unwrap();
        if status.success() {
            assert_in_order(simulator, EDITS, |edit| format!("edit {edit}"));
            return killed;
        }
        match status.code() {
            Some(CANNOT_TELL) => {
                // What a person would do.
                let mut chain = kept(&photo_at(&url), &file);
                let made = simulator.versions(READY, PHOTO);
                match made.get(chain.path().len()) {
                    Some(version) => chain.branch_from(version.id).unwrap(),
                    None => chain.assume_not_applied().unwrap(),
                }
            }
            // Not every system tells what ended a process.
            _ if was_killed => {}
            code => panic!("the child ended with {code:?}"),
        }
    }
}

/// Kills a process after some time, unless it has ended by then.
pub(crate) fn is_killed_within(child: &mut Child, time: Duration) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        thread::sleep(Duration::from_micros(50));
    }
    let is_alive = child.try_wait().unwrap().is_none();
    is_alive && child.kill().is_ok()
}

/// Runs the test, or in the child the program.
fn ten_edits_and_fifty_kills(test: &str, list_unedited: bool) {
    if child::is_child() {
        let (url, file) = (env::var(URL).unwrap(), env::var_os(FILE).unwrap());
        return edit_all(&photo_at(&url), file.as_ref());
    }
    let mut dice = Dice(u64::from(std::process::id()));
    let mut kills = KILLS;
    while kills > 0 {
        let simulator = Simulator::start_slow(0, ms(100)).unwrap();
        simulator.configure(|settings| settings.list_unedited = list_unedited);
        kills -= kill_at_random(test, &simulator, kills, &mut dice);
    }
}

#[test]
fn each_edit_is_made_once_by_a_program_that_is_killed_fifty_times() {
    ten_edits_and_fifty_kills(
        "killed::each_edit_is_made_once_by_a_program_that_is_killed_fifty_times",
        true,
    );
}

/// The first edit may end as "cannot tell" there.
#[test]
fn the_same_where_a_photo_is_listed_once_it_has_versions() {
    ten_edits_and_fifty_kills(
        "killed::the_same_where_a_photo_is_listed_once_it_has_versions",
        false,
    );
}

/// A fixed sequence of numbers that looks random (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// The versions are exactly these edits, each built on the one before; and nothing else was ever
/// made, since the numbers have no gap.
pub(crate) fn assert_in_order(simulator: &Simulator, count: usize, text: impl Fn(usize) -> String) {
    let versions = simulator.versions(READY, PHOTO);
    assert_eq!(versions.len(), count, "{versions:#?}");
    for (index, version) in versions.iter().enumerate() {
        assert_eq!(version.id, 123 + index as u64, "{versions:#?}");
        assert_eq!(version.parent, (index > 0).then(|| version.id - 1));
        assert_eq!(version.edit, CopilotEdit::Instruction(text(index)));
    }
}
