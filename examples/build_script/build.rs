//! Fetches an edited picture at build time. An edit that is in the image's history is not made, and
//! not paid for, again.
//!
//! A picture that never changes is better committed. This is for one that must not be committed, or
//! that should follow `edit.txt`.
//!
//! `IMAGEN_API_KEY` holds the key; `IMAGEN_PROJECT` and `IMAGEN_IMAGE` name an image of yours. The
//! edit starts from the unedited image; the service then drops its other versions. If a variable is
//! missing, the script warns, and builds without the picture or with the one that is there. So
//! nobody needs a key to build the program, and nobody pays who has not named an image.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use imagen_ai::{Client, DownloadLink, Error, Image, Overwrite, Version, Wait};

fn main() {
    for variable in [
        "IMAGEN_API_KEY",
        "IMAGEN_BASE_URL",
        "IMAGEN_PROJECT",
        "IMAGEN_IMAGE",
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=edit.txt");

    let out_dir = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = PathBuf::from(out_dir).join("picture.jpg");
    if let Err(e) = make(&out) {
        println!("cargo::error={e}");
        process::exit(1);
    }
}

fn make(out: &Path) -> Result<(), Error> {
    let variables = (
        variable("IMAGEN_API_KEY"),
        variable("IMAGEN_PROJECT"),
        variable("IMAGEN_IMAGE"),
    );
    if let (Some(_), Some(project), Some(image)) = variables {
        let client = Client::from_env()?;
        return fetch(&client.project(project).image(image), out);
    }
    println!(
        "cargo::warning=no new picture: IMAGEN_API_KEY, IMAGEN_PROJECT and IMAGEN_IMAGE are not all set"
    );
    if !out.exists() {
        fs::write(out, []).map_err(|e| Error::io(out, e))?;
    }
    Ok(())
}

/// Returns a variable of the environment that is set and not empty.
fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?;
    if value.trim().is_empty() {
        return None;
    }
    Some(value)
}

fn fetch(image: &Image, out: &Path) -> Result<(), Error> {
    let instruction = include_str!("edit.txt").trim();
    let link = find_or_make(image, instruction)?;
    let download = image.project().client().download(link);
    download.overwrite(Overwrite::Always).to_file(out)?;
    Ok(())
}

fn find_or_make(image: &Image, instruction: &str) -> Result<DownloadLink, Error> {
    let history = image.history()?;
    for version in history.versions() {
        if is_made_by(version, instruction) && version.url.is_some() {
            return Ok(version.into());
        }
    }
    // An edit whose answer is lost is looked for in the history.
    let mut chain = image.chain().recovering(Wait::for_an_edit());
    Ok(chain.copilot(instruction)?.into())
}

fn is_made_by(version: &Version, instruction: &str) -> bool {
    let is_on_the_unedited_image = version.parent_told && version.parent.is_none();
    is_on_the_unedited_image && version.instruction.as_deref() == Some(instruction)
}
