//! A disk that is full at each write of a job's file.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};

use imagen_ai::{Result, UploadOptions};

use super::{Desk, LONG, count};
use crate::support::child;
use crate::support::simulator::Simulator;

/// Where the child finds the simulator and its folder.
const URL: &str = "IMAGEN_AI_TEST_URL";
const FOLDER: &str = "IMAGEN_AI_TEST_FOLDER";

const TEST: &str = "job::full_disk::nothing_is_sent_that_the_disk_could_not_take";

/// The calls that cost, and what announces them in the file.
const PAID: [(&str, &str); 3] = [
    ("/edit", "{\"edit\":{\"sending\""),
    ("/export", "{\"export\":{\"sending\""),
    ("/copilot", "{\"sending\":{\"pending\""),
];

fn run(desk: &Desk) -> Result<()> {
    let mut job = desk.try_open()?;
    let photos = [&desk.photos()[0]];
    job.upload(photos, &UploadOptions::default())?.all()?;
    job.edit(&desk.options(), &LONG)?;
    job.export(&LONG)?;
    let image = job.project().image("DSC_0001.JPEG");
    let mut chain = job.chain(&image)?;
    if chain.pending().is_some() {
        chain.recover(&LONG)?;
    }
    if chain.path().is_empty() {
        chain.copilot("one")?;
    }
    Ok(())
}

/// Runs the program in a process that can write no file longer than this.
fn run_with_room_for(bytes: usize, desk: &Desk, url: &str) {
    let variables = [
        (URL, OsString::from(url)),
        (FOLDER, desk.folder.clone().into()),
    ];
    let child = child::command(TEST, &variables);
    // A write past the limit is an error then, and not the end of the process.
    let mut limited = Command::new("prlimit");
    limited
        .arg(format!("--fsize={bytes}"))
        .args(["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(
            child
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    limited.stdout(Stdio::null()).stderr(Stdio::null());
    assert!(limited.status().unwrap().success());
}

#[test]
fn nothing_is_sent_that_the_disk_could_not_take() {
    if child::is_child() {
        let url = env::var(URL).unwrap();
        let folder = env::var_os(FOLDER).unwrap();
        // What does not fit is an error, whichever.
        _ = run(&Desk::at(folder.into(), &url, Default::default()));
        return;
    }
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);
    run(&desk).unwrap();
    let text = fs::read(desk.file()).unwrap();
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // A part of the line fits.
        a_disk_with_room_for(start + line.len() / 2);
        start += line.len();
    }
}

fn a_disk_with_room_for(bytes: usize) {
    let simulator = Simulator::start();
    let desk = Desk::of(&simulator);

    run_with_room_for(bytes, &desk, &simulator.base_url());

    let text = fs::read_to_string(desk.file()).unwrap();
    assert!(
        text.len() <= bytes && (text.is_empty() || text.ends_with('\n')),
        "{text}"
    );
    for (call, announcement) in PAID {
        let sent = count(&simulator, "POST", call);
        assert!(
            sent == 0 || text.contains(announcement),
            "{bytes}: {call}: {text}"
        );
    }
    // Once there is room, the job comes to its end.
    run(&desk).unwrap();
    for (call, _) in PAID {
        assert_eq!(count(&simulator, "POST", call), 1, "{bytes}: {call}");
    }
}
