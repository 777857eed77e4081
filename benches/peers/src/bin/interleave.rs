//! `interleave ROUNDS COMMAND [COMMAND …]`: runs shell commands in turn, so that a machine that slows down slows all of
//! them, and none always comes after the same one. Prints the median of each, in seconds, one a line.

use std::process::{Command, Stdio};
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .expect("usage: interleave ROUNDS COMMAND …");
    let commands: Vec<String> = arguments.collect();
    let mut times = vec![Vec::new(); commands.len()];
    for round in 0..rounds {
        for turn in 0..commands.len() {
            let place = (round + turn) % commands.len();
            let command = &commands[place];
            let began = Instant::now();
            let status = Command::new("sh")
                .args(["-c", command])
                .stdout(Stdio::null())
                .status()
                .expect("sh runs");
            assert!(status.success(), "{command}: {status}");
            times[place].push(began.elapsed().as_secs_f64());
        }
    }
    for times in &mut times {
        times.sort_by(f64::total_cmp);
        println!("{:.6}", times[times.len() / 2]);
    }
}
