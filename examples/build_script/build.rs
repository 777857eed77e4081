//! Fetches an edited picture at build time, once: an edit that is in the photo's history is not paid for again.
//!
//! A picture that never changes is better committed. This is for one that must not be, or that should follow `edit.txt`.
//!
//! With `IMAGEN_SIMULATOR_PORT` it asks the simulator (`cargo run --example simulator -- --port 8080`), with
//! `IMAGEN_API_KEY`, `IMAGEN_PROJECT` and `IMAGEN_PHOTO` the real service, for a photo of yours. The edit starts from the
//! unedited photo, and the service then drops what else was built on that. When a variable is missing it warns and builds
//! without the picture (or with the one that is there), so that nobody needs a key to build the program, and nobody pays
//! who has not named a photo.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use imagen_ai::{Client, DownloadLink, Error, Image, Overwrite, Wait};

const PORT: &str = "IMAGEN_SIMULATOR_PORT";
const KEY: &str = "IMAGEN_API_KEY";
const PROJECT: &str = "IMAGEN_PROJECT";
const PHOTO: &str = "IMAGEN_PHOTO";

fn main() {
    for variable in [PORT, KEY, "IMAGEN_BASE_URL", PROJECT, PHOTO] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=edit.txt");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("picture.jpg");
    let done = match photo() {
        Ok(Some(photo)) => fetch(&photo, &out),
        Ok(None) => skip(&out),
        Err(e) => Err(e),
    };
    if let Err(e) = done {
        println!("cargo::error={e}");
        process::exit(1);
    }
}

/// The photo that the environment names, if it does.
fn photo() -> Result<Option<Image>, Error> {
    if let Some(port) = variable(PORT) {
        let client = Client::builder("sim-key-0123456789")
            .base_url(format!("http://127.0.0.1:{port}/v1"))
            .build()?;
        let project = variable(PROJECT).unwrap_or("65f3a1c2d4e5f6a7b8c9d0e1".to_owned());
        let photo = variable(PHOTO).unwrap_or("DSC_0001.JPEG".to_owned());
        return Ok(Some(client.project(project).image(photo)));
    }
    let (Some(_), Some(project), Some(photo)) = (variable(KEY), variable(PROJECT), variable(PHOTO)) else {
        return Ok(None);
    };
    Ok(Some(Client::from_env()?.project(project).image(photo)))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn fetch(photo: &Image, out: &Path) -> Result<(), Error> {
    let instruction = include_str!("edit.txt").trim();
    // The service may leave out a photo that has no versions.
    let history = photo.project().history()?;
    let versions = history
        .image(photo.file_name())
        .map(|image| image.versions())
        .unwrap_or_default();
    let made = versions.iter().find(|version| {
        let on_the_unedited_photo = version.parent_told && version.parent.is_none();
        on_the_unedited_photo && version.instruction.as_deref() == Some(instruction) && version.url.is_some()
    });
    let link = match made {
        Some(version) => DownloadLink::from(version),
        None => {
            // An edit whose answer is lost is looked for before it is sent again.
            let step = photo.chain().recovering(Wait::for_an_edit()).copilot(instruction)?;
            DownloadLink::from(step.url.unwrap_or_default())
        }
    };
    let client = photo.project().client();
    client.download(link).overwrite(Overwrite::Always).to_file(out)?;
    Ok(())
}

fn skip(out: &Path) -> Result<(), Error> {
    println!("cargo::warning=without a new picture: neither {PORT} nor all of {KEY}, {PROJECT} and {PHOTO} are set");
    if !out.exists() {
        fs::write(out, []).expect("OUT_DIR can be written to");
    }
    Ok(())
}
