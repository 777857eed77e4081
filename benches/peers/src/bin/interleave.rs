//! `interleave ROUNDS COMMAND [COMMAND …]`: runs shell commands in turn, so that a machine that slows down slows all of
//! them, and prints the median of each, in seconds, one a line.

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
    for _ in 0..rounds {
        for (command, times) in commands.iter().zip(&mut times) {
            let began = Instant::now();
            let status = Command::new("sh")
                .args(["-c", command])
                .stdout(Stdio::null())
                .status()
                .expect("sh runs");
            assert!(status.success(), "{command}: {status}");
            times.push(began.elapsed().as_secs_f64());
        }
    }
    for times in &mut times {
        times.sort_by(f64::total_cmp);
        println!("{:.6}", times[times.len() / 2]);
    }
}
