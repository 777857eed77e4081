//! Fetches an edited picture at build time, once: an edit that is in the photo's history is not paid for again.
//!
//! A picture that never changes is better committed. This is for one that must not be, or that should follow `edit.txt`.
//!
//! `IMAGEN_API_KEY` (and `IMAGEN_BASE_URL`, for a simulator) name the service, `IMAGEN_PROJECT` and `IMAGEN_PHOTO` a photo of
//! yours. The edit starts from the unedited photo, and the service then drops what else was built on that. When a variable is
//! missing, the script warns and builds without the picture, or with the one that is there: nobody needs a key to build the
//! program, and nobody pays who has not named a photo.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use imagen_ai::{Client, DownloadLink, Error, Image, Overwrite, Wait};

const VARIABLES: [&str; 3] = ["IMAGEN_API_KEY", "IMAGEN_PROJECT", "IMAGEN_PHOTO"];

fn main() {
    for variable in VARIABLES.iter().chain(&["IMAGEN_BASE_URL"]) {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=edit.txt");

    let out =
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("picture.jpg");
    let values = VARIABLES.map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let done = match values {
        [Some(_), Some(project), Some(photo)] => {
            Client::from_env().and_then(|client| fetch(&client.project(project).image(photo), &out))
        }
        _ => {
            println!(
                "cargo::warning=without a new picture: {} are not all set",
                VARIABLES.join(", ")
            );
            if !out.exists() {
                fs::write(&out, []).expect("OUT_DIR can be written to");
            }
            Ok(())
        }
    };
    if let Err(e) = done {
        println!("cargo::error={e}");
        process::exit(1);
    }
}

fn fetch(photo: &Image, out: &Path) -> Result<(), Error> {
    let instruction = include_str!("edit.txt").trim();
    let history = photo.history()?;
    let made = history.versions().iter().find(|version| {
        let on_the_unedited_photo = version.parent_told && version.parent.is_none();
        on_the_unedited_photo
            && version.instruction.as_deref() == Some(instruction)
            && version.url.is_some()
    });
    let link = match made {
        Some(version) => DownloadLink::from(version),
        // An edit whose answer is lost is looked for in the history.
        None => DownloadLink::from(
            photo
                .chain()
                .recovering(Wait::for_an_edit())
                .copilot(instruction)?,
        ),
    };
    let client = photo.project().client();
    client
        .download(link)
        .overwrite(Overwrite::Always)
        .to_file(out)?;
    Ok(())
}
