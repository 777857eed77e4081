//! `examples/prompt.rs` by hand, for the size of the binary and the time of a build.

use std::process::ExitCode;

use imagen_ai_peers::wire::{Answer, Request};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [project, file, instruction] = arguments.as_slice() else {
        eprintln!("usage: prompt PROJECT FILE INSTRUCTION");
        return ExitCode::from(2);
    };
    match run(project, file, instruction) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(project: &str, file: &str, instruction: &str) -> Result<(), Box<dyn std::error::Error>> {
    let key = std::env::var("IMAGEN_API_KEY")?;
    let base = std::env::var("IMAGEN_BASE_URL").unwrap_or_else(|_| "https://api.imagen-ai.com/v1".to_owned());
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
    println!("version {}: {}", answer.version_id, answer.enhanced_image_url);
    Ok(())
}
