//! Fetches an edited picture at build time, once: an edit that is in the photo's history is not paid for again.
//!
//! With `IMAGEN_SIMULATOR_PORT` it asks the simulator (`cargo run --example simulator -- --port 8080`), with
//! `IMAGEN_API_KEY` the real service, for a photo of yours in `IMAGEN_PROJECT` and `IMAGEN_PHOTO`. With neither it warns
//! and builds without the picture, so that nobody needs a key to build the program.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use imagen_ai::{Client, DownloadLink, Error, Overwrite};

fn main() {
    for variable in [
        "IMAGEN_SIMULATOR_PORT",
        "IMAGEN_API_KEY",
        "IMAGEN_BASE_URL",
        "IMAGEN_PROJECT",
        "IMAGEN_PHOTO",
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=edit.txt");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("picture.jpg");
    let client = match client() {
        Ok(Some(client)) => client,
        Ok(None) => {
            println!("cargo::warning=built without the picture: IMAGEN_SIMULATOR_PORT and IMAGEN_API_KEY are not set");
            fs::write(&out, []).expect("OUT_DIR can be written to");
            return;
        }
        Err(e) => fail(&e),
    };
    if let Err(e) = fetch(&client, &out) {
        fail(&e);
    }
}

fn client() -> Result<Option<Client>, Error> {
    // A build should not hang for as long as an edit may take at worst.
    let patience = Duration::from_secs(120);
    if let Ok(port) = env::var("IMAGEN_SIMULATOR_PORT") {
        let url = format!("http://127.0.0.1:{port}/v1");
        return Client::builder("sim-key-0123456789")
            .base_url(url)
            .timeout(patience)
            .build()
            .map(Some);
    }
    if env::var_os("IMAGEN_API_KEY").is_none() {
        return Ok(None);
    }
    Client::builder_from_env()?.timeout(patience).build().map(Some)
}

fn fetch(client: &Client, out: &Path) -> Result<(), Error> {
    let instruction = include_str!("edit.txt").trim();
    let project = client.project(setting("IMAGEN_PROJECT", "65f3a1c2d4e5f6a7b8c9d0e1"));
    let file = setting("IMAGEN_PHOTO", "DSC_0001.JPEG");
    let photo = project.image(&file);

    // The service may leave out a photo that has no versions.
    let history = project.history()?;
    let versions = history.image(&file).map(|image| image.versions()).unwrap_or_default();
    let made = versions
        .iter()
        .find(|version| version.instruction.as_deref() == Some(instruction) && version.url.is_some());
    let link = match made {
        Some(version) => DownloadLink::from(version),
        None => DownloadLink::from(&photo.copilot(instruction)?),
    };
    client.download(link).overwrite(Overwrite::Always).to_file(out)?;
    Ok(())
}

/// What a variable says, or what the simulator has.
fn setting(variable: &str, simulated: &str) -> String {
    match env::var(variable) {
        Ok(value) => value,
        Err(_) if env::var_os("IMAGEN_SIMULATOR_PORT").is_some() => simulated.to_owned(),
        Err(_) => {
            println!("cargo::error={variable} is not set; with IMAGEN_API_KEY it must name what is yours");
            process::exit(1);
        }
    }
}

fn fail(error: &Error) -> ! {
    println!("cargo::error={error}");
    process::exit(1);
}
