//! The smallest useful program: applies one prompt to one image, and saves the picture.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use imagen_ai::{Client, Error};

const HELP: &str = "\
Applies one prompt to one image of a finished project, and saves the picture.
IMAGEN_API_KEY holds the key. Costs credits each time.
usage: prompt [--smart] PROJECT IMAGE INSTRUCTION OUT.jpg
  --smart   the project is a Smart Editing one
  IMAGE     the name of the finished JPEG: DSC_0001.JPEG
  OUT.jpg   where to save the picture; it must not be there yet";

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let is_smart = words.first().is_some_and(|word| word == "--smart");
    if is_smart {
        words.remove(0);
    }
    let has_option = words.iter().any(|word| word.starts_with("--"));
    let [project, image, instruction, out] = words.as_slice() else {
        return usage();
    };
    if has_option {
        return usage();
    }
    match prompt(is_smart, project, image, instruction, out.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{HELP}");
    ExitCode::from(2)
}

fn prompt(
    is_smart: bool,
    project: &str,
    image: &str,
    instruction: &str,
    out: &Path,
) -> Result<(), Error> {
    // Before the edit is paid for.
    if out.exists() {
        let exists = std::io::ErrorKind::AlreadyExists;
        return Err(Error::io(out, exists.into()));
    }
    let folder = out.with_file_name(".");
    fs::metadata(&folder).map_err(|e| Error::io(&folder, e))?;

    let client = Client::from_env()?;
    let project = if is_smart {
        client.smart_project(project)
    } else {
        client.project(project)
    };
    let edit = project.image(image).copilot(instruction)?;
    let saved = client.download(&edit).to_file(out)?;
    println!("{}: {} bytes", saved.path.display(), saved.bytes);
    println!("version {}", edit.version()?);
    Ok(())
}
