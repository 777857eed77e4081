//! The smallest useful program: applies one prompt to one photo, and saves the picture.

use std::process::ExitCode;

use imagen_ai::{Client, Error};

const HELP: &str = "\
Applies one prompt to one photo of a finished project, and saves the picture. IMAGEN_API_KEY holds the key.
usage: prompt [--smart] PROJECT FILE INSTRUCTION [OUT.jpg]
  --smart   the project is a Smart Editing one
  OUT.jpg   where to save the picture; without it only the version is printed";

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let smart = words.first().is_some_and(|word| word == "--smart");
    words.drain(..usize::from(smart));
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [project, file, instruction] if !project.starts_with('-') => {
            prompt(smart, project, file, instruction, None)
        }
        [project, file, instruction, out] if !project.starts_with('-') && !out.starts_with('-') => {
            prompt(smart, project, file, instruction, Some(out))
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn prompt(
    smart: bool,
    project: &str,
    file: &str,
    instruction: &str,
    out: Option<&str>,
) -> Result<(), Error> {
    let client = Client::from_env()?;
    let project = if smart {
        client.smart_project(project)
    } else {
        client.project(project)
    };
    let edit = project.image(file).copilot(instruction)?;
    println!("version {}", edit.version()?);
    if let Some(out) = out {
        let saved = client.download(&edit).to_file(out)?;
        println!("{}: {} bytes", saved.path.display(), saved.bytes);
    }
    Ok(())
}
