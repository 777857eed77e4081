//! `examples/prompt.rs` by hand, for the size of the binary and the time of a build.

use std::fs::File;
use std::process::ExitCode;

use imagen_ai_peers::wire::{Answer, Request};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (words, out) = match words.as_slice() {
        [project, file, instruction] => ([project, file, instruction], None),
        [project, file, instruction, out] => ([project, file, instruction], Some(out)),
        _ => {
            eprintln!("usage: prompt PROJECT FILE INSTRUCTION [OUT.jpg]");
            return ExitCode::from(2);
        }
    };
    match prompt(words, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn prompt(
    [project, file, instruction]: [&String; 3],
    out: Option<&String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let key = std::env::var("IMAGEN_API_KEY")?;
    let base = std::env::var("IMAGEN_BASE_URL")
        .unwrap_or_else(|_| "https://api.imagen-ai.com/v1".to_owned());
    let body = serde_json::to_vec(&Request {
        instruction,
        parent_version_id: None,
        project_source: "REGULAR",
    })?;
    let mut response = ureq::post(format!("{base}/projects/{project}/images/{file}/copilot"))
        .header("x-api-key", key)
        .header("content-type", "application/json")
        .send(&body[..])?;
    let answer: Answer = serde_json::from_slice(&response.body_mut().read_to_vec()?)?;
    println!("version {}", answer.version_id);
    if let Some(out) = out {
        let mut picture = ureq::get(&answer.enhanced_image_url).call()?;
        let bytes = std::io::copy(&mut picture.body_mut().as_reader(), &mut File::create(out)?)?;
        println!("{out}: {bytes} bytes");
    }
    Ok(())
}
