//! `examples/prompt.rs` by hand, for the size of the binary and the time of a build.

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use imagen_ai_peers::wire::{Answer, Request};

const HELP: &str = "\
Applies one prompt to one image of a finished project, and saves the picture.
IMAGEN_API_KEY holds the key. Costs credits each time.
usage: prompt [--smart] PROJECT IMAGE INSTRUCTION OUT.jpg
  --smart   the project is a Smart Editing one
  IMAGE     the name of the finished JPEG: DSC_0001.JPEG
  OUT.jpg   where to save the picture; it must not be there yet, and its folder must be";

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
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
    let source = if is_smart { "I2I" } else { "REGULAR" };
    match prompt(source, project, image, instruction, out.as_ref()) {
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
    project_source: &str,
    project: &str,
    image: &str,
    instruction: &str,
    out: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    if out.exists() {
        return Err(format!("{}: it is there already", out.display()).into());
    }
    fs::metadata(out.with_file_name("."))?;

    let key = std::env::var("IMAGEN_API_KEY")?;
    let base = std::env::var("IMAGEN_BASE_URL")
        .unwrap_or_else(|_| "https://api.imagen-ai.com/v1".to_owned());
    let body = serde_json::to_vec(&Request {
        instruction,
        parent_version_id: None,
        project_source,
    })?;
    let mut response = ureq::post(format!("{base}/projects/{project}/images/{image}/copilot"))
        .header("x-api-key", key)
        .header("content-type", "application/json")
        .send(&body[..])?;
    let answer: Answer = serde_json::from_slice(&response.body_mut().read_to_vec()?)?;
    let mut picture = ureq::get(&answer.enhanced_image_url).call()?;
    let bytes = std::io::copy(&mut picture.body_mut().as_reader(), &mut File::create(out)?)?;
    println!("{}: {bytes} bytes", out.display());
    println!("version {}", answer.version_id);
    Ok(())
}
