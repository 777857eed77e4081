//! Finalizes a project and puts its photos into a folder.
//!
//! `cargo run --example finalize -- FOLDER` starts a simulator of the service inside this process. With a key it uses the
//! real service, and locks the edits of a project of yours in:
//! `IMAGEN_API_KEY=… cargo run --example finalize -- FOLDER PROJECT`

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Mutex;

use imagen_ai::{Client, DownloadOptions, Error, Overwrite, Progress, Project, Wait};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

#[path = "../tests/it/support/simulator.rs"]
mod simulator;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match (
        std::env::var_os("IMAGEN_API_KEY").filter(|key| !key.is_empty()),
        arguments.as_slice(),
    ) {
        (None, [folder]) => on_the_simulator(folder),
        (Some(_), [folder, project]) => {
            Client::from_env().and_then(|client| finalize(&client.project(project), folder))
        }
        _ => {
            eprintln!("usage: finalize FOLDER           without IMAGEN_API_KEY: on a simulator inside the program");
            eprintln!("       finalize FOLDER PROJECT   with IMAGEN_API_KEY: on the real service");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("files that failed: {failed}; run it again for those");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Says how many files failed.
fn finalize(project: &Project, folder: &str) -> Result<usize, Error> {
    println!("Waiting for project {}, and finalizing it …", project.uuid());
    project.wait_until_completed_with(&Wait::default(), |poll| {
        match poll {
            Ok(info) => println!("  status {}", info.status),
            Err(e) => println!("  {e}; asking again"),
        }
        ControlFlow::Continue(())
    })?;

    let bars = Bars::default();
    // What an earlier run brought is not downloaded again.
    let options = DownloadOptions {
        overwrite: Overwrite::Skip,
        ..DownloadOptions::default()
    };
    let options = options.on_progress(move |progress| {
        bars.show(progress);
        ControlFlow::Continue(())
    });
    let files = project.finalize_to(folder, &options)?;

    println!("{:<20} {:>10}  path", "photo", "bytes");
    for file in &files {
        match file {
            Ok(file) => {
                let note = if file.skipped { " (was there)" } else { "" };
                println!(
                    "{:<20} {:>10}  {}{note}",
                    file.file_name,
                    file.bytes,
                    file.path.display()
                );
            }
            Err(e) => println!("{e}"),
        }
    }
    Ok(files.iter().filter(|file| file.is_err()).count())
}

/// A bar for all files, and one for each that is on its way.
#[derive(Default)]
struct Bars {
    screen: MultiProgress,
    shown: Mutex<HashMap<Option<usize>, ProgressBar>>,
}

impl Bars {
    fn show(&self, progress: &Progress<'_>) {
        let mut shown = self.shown.lock().unwrap();
        let all = shown
            .entry(None)
            .or_insert_with(|| self.bar("{bar:40} {pos}/{len} files {msg}"));
        all.set_length(progress.files as u64);
        all.set_position(progress.files_done as u64);
        all.set_message(format!("{:.1} MB", progress.all_bytes as f64 / 1e6));
        let file = shown
            .entry(Some(progress.index))
            .or_insert_with(|| self.bar("{bar:40} {bytes}/{total_bytes} {msg}"));
        file.set_message(progress.file_name.to_owned());
        file.set_length(progress.total.unwrap_or_default());
        file.set_position(progress.bytes);
        if progress.done {
            file.finish_and_clear();
        }
    }

    fn bar(&self, template: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.screen.add(ProgressBar::no_length().with_style(style))
    }
}

fn on_the_simulator(folder: &str) -> Result<usize, Error> {
    let simulator = simulator::Simulator::start();
    println!("IMAGEN_API_KEY is not set: this runs against a simulator inside the program.\n");
    simulator.add_project(simulator::ProjectSpec::regular("wedding").photo_count(24));
    simulator.configure(|settings| settings.jpeg_size = 4_000_000);
    let client = Client::builder(simulator.key())
        .base_url(simulator.base_url())
        .build()?;
    finalize(&client.project("wedding"), folder)
}
