//! One prompt on all photos of a project, a few at a time.
//!
//! `cargo run --example many` needs nothing: it starts a simulator of the service inside this process, with 24 photos of
//! which a few fail.
//!
//! With a key it uses the real service, and every photo costs credits, in every run again:
//! `IMAGEN_API_KEY=… cargo run --example many -- PROJECT "make the sky more blue"`

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::{Client, Error, Output, Project};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

#[path = "../tests/it/support/simulator.rs"]
mod simulator;

/// How many edits are made at the same time. The service makes each on an open connection, which takes a while.
const THREADS: usize = 6;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match (
        std::env::var_os("IMAGEN_API_KEY").filter(|key| !key.is_empty()),
        arguments.as_slice(),
    ) {
        (None, []) => on_the_simulator(),
        (Some(_), [project, prompt]) => Client::from_env().and_then(|client| all(&client.project(project), prompt)),
        _ => {
            eprintln!("usage: many, or with IMAGEN_API_KEY set: many PROJECT PROMPT");
            return ExitCode::from(2);
        }
    };
    if let Err(e) = done {
        eprintln!("error: {e}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn all(project: &Project, prompt: &str) -> Result<(), Error> {
    // The only list of a project's photos that the service publishes is that of its files.
    let links = project.download_links(Output::Jpeg)?;
    let photos: Vec<String> = links.into_iter().filter_map(|link| link.file_name).collect();

    let bars = MultiProgress::new();
    let all =
        bars.add(ProgressBar::new(photos.len() as u64).with_style(style("{bar:40} {pos}/{len} photos {elapsed}")));
    let (queue, outcomes) = (Mutex::new(photos.into_iter()), Mutex::new(Vec::new()));

    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let bar = bars.add(ProgressBar::new_spinner().with_style(style("{spinner} {msg} {elapsed}")));
                bar.enable_steady_tick(Duration::from_millis(100));
                loop {
                    // In a statement of its own, or the lock would be held for as long as the edit takes.
                    let next = queue.lock().unwrap().next();
                    let Some(photo) = next else { break };
                    bar.set_message(photo.clone());
                    bar.reset_elapsed();
                    let began = Instant::now();
                    let result = project.image(&photo).copilot(prompt);
                    outcomes.lock().unwrap().push((photo, result, began.elapsed()));
                    all.inc(1);
                }
                bar.finish_and_clear();
            });
        }
    });
    all.finish_and_clear();

    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    println!("{:<16} {:>8} {:>8}  result", "photo", "version", "time");
    for (photo, result, time) in &outcomes {
        let version = result.as_ref().ok().and_then(|edit| edit.version_id.as_ref());
        let version = version.map_or("-".to_owned(), |version| version.to_string());
        let result = result
            .as_ref()
            .map_or_else(|e| e.to_string(), |edit| edit.status.to_string());
        println!("{photo:<16} {version:>8} {:>6.2} s  {result}", time.as_secs_f64());
    }
    let failed = outcomes.iter().filter(|(_, result, _)| result.is_err()).count();
    println!("\n{} photos edited, {failed} failed.", outcomes.len() - failed);
    Ok(())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn on_the_simulator() -> Result<(), Error> {
    use simulator::{ProjectSpec, Simulator};
    let simulator = Simulator::start_slow(0, Duration::from_millis(400)).expect("a free port");
    println!("IMAGEN_API_KEY is not set: this runs against a simulator inside the program.\n");
    simulator.add_project(ProjectSpec::regular("wedding").photo_count(24));
    let (gateway, refused) = (
        serde_json::json!({"message": "Endpoint request timed out"}),
        "Unsupported image.",
    );
    simulator.fail_photo("wedding", "DSC_0005.JPEG", 504, gateway);
    simulator.fail_photo("wedding", "DSC_0011.JPEG", 200, serde_json::json!({"status": "FAILED"}));
    simulator.fail_photo("wedding", "DSC_0018.JPEG", 422, serde_json::json!({"detail": refused}));
    let client = Client::builder(simulator.key())
        .base_url(simulator.base_url())
        .build()?;
    all(&client.project("wedding"), "make the sky more blue")
}
