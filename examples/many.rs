//! One prompt on all photos of a project, a few at a time.

use std::process::ExitCode;
use std::time::Duration;

use imagen_ai::{Client, Error, Project, parallel};
use imagen_ai_simulator::ProjectSpec;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

mod common;

const HELP: &str = "\
Applies one prompt to all photos of a finished project, six at a time.
usage: many                                 on a simulator inside the program
       many [--smart] PROJECT INSTRUCTION   on the real service, with IMAGEN_API_KEY: costs credits for every photo
  --smart   the project is a Smart Editing one
The exit status is 1 when any photo failed.";

fn main() -> Result<ExitCode, Error> {
    let arguments = common::Arguments::read(HELP);
    match (common::has_key(), arguments.words.as_slice()) {
        (false, []) => {
            let (simulator, client) = common::simulator(Duration::from_millis(200));
            simulator.add_project(ProjectSpec::profile_based("wedding").image_count(24));
            let timeout = json!({"message": "Endpoint request timed out"});
            simulator.fail_image("wedding", "DSC_0005.JPEG", 504, timeout);
            simulator.fail_image("wedding", "DSC_0011.JPEG", 200, json!({"status": "FAILED"}));
            simulator.fail_image(
                "wedding",
                "DSC_0018.JPEG",
                422,
                json!({"detail": "Unsupported image."}),
            );
            all(&client.project("wedding"), "make the sky more blue")
        }
        (true, [project, instruction]) => all(
            &arguments.project(&Client::from_env()?, project),
            instruction,
        ),
        _ => arguments.refuse(),
    }
}

fn all(project: &Project, instruction: &str) -> Result<ExitCode, Error> {
    let photos = project.images()?;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} photos {elapsed}")
        .expect("a proper template");
    let bar = ProgressBar::new(photos.len() as u64).with_style(style);
    let edits = parallel(&photos, 6, |photo| {
        let edit = photo.copilot(instruction);
        bar.inc(1);
        edit
    });
    bar.finish_and_clear();

    let (mut failed, mut unknown) = (0, Vec::new());
    for (photo, edit) in photos.iter().zip(edits) {
        match edit {
            Ok(edit) => println!("{}: version {}", photo.file_name(), edit.version()?),
            Err(e) => {
                println!("{}: {}", photo.file_name(), e.summary());
                failed += 1;
                unknown.extend(matches!(e, Error::OutcomeUnknown(_)).then_some(photo.file_name()));
            }
        }
    }
    println!(
        "\n{} photos edited, {failed} failed.",
        photos.len() - failed
    );
    if !unknown.is_empty() {
        println!(
            "These may have been edited and paid for. Look at Image::history() before you send them again:"
        );
        println!("  {}", unknown.join(", "));
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}
