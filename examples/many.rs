//! One prompt on all images of a project, a few at a time.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, process};

use imagen_ai::{BatchOptions, Client, Edited, Error, ProgressCallback, Project};
use imagen_ai_simulator::{ProjectSpec, Simulator};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

mod common;

const HELP: &str = "\
Applies one prompt to all images of a finished project, six at a time.
usage: many                                      on a simulator inside the program
       many [--smart] PROJECT INSTRUCTION [JOB]  on the real service, with IMAGEN_API_KEY
Costs credits for every image, once: JOB is a file that remembers what was done (default:
PROJECT.imagen-job in this folder). Run it again after a failure, and only the rest is done.
Each image starts from its unedited state; versions that it has already are dropped.
  --smart   the project is a Smart Editing one
The exit status is 1 when any image failed.";

fn main() -> Result<ExitCode, Error> {
    let arguments = common::Arguments::read(HELP);
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    match (common::has_key(), words.as_slice()) {
        (false, []) => on_the_simulator(),
        (true, [project, instruction]) => {
            let job = PathBuf::from(format!("{project}.imagen-job"));
            let project = arguments.project(&Client::from_env()?, project);
            edit_all(&project, instruction, &job)
        }
        (true, [project, instruction, job]) => {
            let project = arguments.project(&Client::from_env()?, project);
            edit_all(&project, instruction, job.as_ref())
        }
        _ => arguments.refuse(),
    }
}

fn edit_all(project: &Project, instruction: &str, path: &Path) -> Result<ExitCode, Error> {
    let images = project.images()?;
    let mut job = project.open_job(path)?;
    println!("{} images, job {}", images.len(), path.display());

    let bar = bar(images.len());
    let options = BatchOptions {
        threads: 6,
        progress: Some(progress_on(&bar)),
        ..BatchOptions::default()
    };
    let edits = job.copilot_each(&images, [instruction], &options)?;
    bar.finish_and_clear();

    let failed = edits.errors().count();
    for (image, edit) in images.iter().zip(edits) {
        let name = image.file_name();
        match edit {
            Ok(edited) => println!("{name}: {}", versions(&edited)),
            Err(e) => println!("{name}: {}", e.summary()),
        }
    }
    println!(
        "\n{} images edited, {failed} failed.",
        images.len() - failed
    );
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    println!("Run it again to try those that failed.");
    Ok(ExitCode::FAILURE)
}

fn versions(edited: &Edited) -> String {
    match edited.steps.last().map(|step| &step.version_id) {
        Some(Some(version)) => format!("version {version}"),
        _ => "edited".to_owned(),
    }
}

fn bar(images: usize) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} images {elapsed}";
    let style = ProgressStyle::with_template(template).expect("a proper template");
    ProgressBar::new(images as u64).with_style(style)
}

fn progress_on(bar: &ProgressBar) -> ProgressCallback {
    let bar = bar.clone();
    ProgressCallback::new(move |p| {
        bar.set_position(p.items_done as u64);
        ControlFlow::Continue(())
    })
}

/// Three of the images fail.
fn on_the_simulator() -> Result<ExitCode, Error> {
    let (simulator, client) = common::simulator(Duration::from_millis(200));
    simulator.add_project(ProjectSpec::profile_based("wedding").image_count(24));
    fail_three(&simulator);
    println!("Three of its images fail on purpose, in every run.");
    let name = format!("imagen-many-{}.job", process::id());
    edit_all(
        &client.project("wedding"),
        "make the sky more blue",
        &env::temp_dir().join(name),
    )
}

fn fail_three(simulator: &Simulator) {
    for (image, status, body) in [
        ("DSC_0005.JPEG", 403, json!({"message": "Forbidden"})),
        ("DSC_0011.JPEG", 200, json!({"status": "FAILED"})),
        (
            "DSC_0018.JPEG",
            422,
            json!({"detail": "Unsupported image."}),
        ),
    ] {
        simulator.fail_image("wedding", image, status, body);
    }
}
