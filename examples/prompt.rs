//! The smallest useful program: `cargo run --example prompt -- PROJECT FILE "make the sky more blue"`.
//!
//! `IMAGEN_API_KEY` holds the key. It prints where the new version can be fetched.

use std::process::ExitCode;

use imagen_ai::{Client, Error};

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

fn run(project: &str, file: &str, instruction: &str) -> Result<(), Error> {
    let edit = Client::from_env()?.project(project).image(file).copilot(instruction)?;
    println!("version {}: {}", edit.version()?, edit.enhanced_image_url);
    Ok(())
}
