//! The Copilot API on one image, step by step.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imagen_ai::{Client, CopilotRequest, EnhanceRequest, Enhancement, Error, Image, Overwrite};
use imagen_ai_simulator::READY;

mod common;

const HELP: &str = "\
Shows the Copilot API on one image: chain, branch, preset, history, reset. Saves the last picture.
usage: quickstart                                   on a simulator inside the program
       quickstart [--smart] PROJECT IMAGE [OUT.jpg]  on the real service, with IMAGEN_API_KEY
It makes five edits and discards four of them. On the real service they cost credits each time.
Copilot edits that the image has already are discarded too.
  --smart   the project is a Smart Editing one
  IMAGE     the name of the finished JPEG: DSC_0001.JPEG
  OUT.jpg   where to save the picture; it must not be there yet
            (default: imagen-quickstart.jpg in the folder for temporary files)";

fn main() -> Result<(), Error> {
    let arguments = common::Arguments::read(HELP);
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    match (common::has_key(), words.as_slice()) {
        (false, []) => {
            let (_simulator, client) = common::simulator(Duration::ZERO);
            show(&client.project(READY).image("DSC_0001.JPEG"), None)
        }
        (true, [project, image]) => {
            let project = arguments.project(&Client::from_env()?, project);
            show(&project.image(*image), None)
        }
        (true, [project, image, out]) => {
            let out = common::must_not_exist(out)?;
            let project = arguments.project(&Client::from_env()?, project);
            show(&project.image(*image), Some(out))
        }
        _ => arguments.refuse(),
    }
}

fn show(image: &Image, out: Option<&Path>) -> Result<(), Error> {
    let project = image.project();
    println!("Project {}, image {}\n", project.uuid(), image.file_name());

    println!("1. A first prompt, on the unedited image");
    let sky = image.copilot("make the sky more blue")?;
    print(&sky)?;

    println!("2. A second prompt, on top of the first");
    let lit = CopilotRequest::new("brighten the interior").parent(sky.version()?);
    let lit = image.copilot(lit)?;
    print(&lit)?;

    println!("3. A branch: back to the first version, and on from there");
    let warm = CopilotRequest::new("warm evening light").parent(sky.version()?);
    let warm = image.copilot(warm)?;
    print(&warm)?;
    println!(
        "   The service keeps one branch: version {} is gone.\n",
        lit.version()?
    );

    println!("4. A preset in place of a prompt");
    let presets = project.presets()?;
    for preset in &presets {
        println!("   offered: {}", preset.tool_id);
    }
    if let Some(preset) = presets.first() {
        let request = EnhanceRequest::from(preset).parent(warm.version()?);
        print(&image.enhance(request)?)?;
    }

    println!("5. The history, as the service has it");
    print_history(image)?;

    println!("6. Reset: all edits of the image are discarded");
    image.reset()?;
    print_history(image)?;

    println!("7. One edit to keep");
    let kept = image.copilot("make the sky more blue")?;
    save(image, &kept, out)?;
    print(&kept)
}

fn print(edit: &Enhancement) -> Result<(), Error> {
    // `{:?}` leaves out the query, which is the right to read the picture.
    println!(
        "   version {}: {:?}\n",
        edit.version()?,
        edit.enhanced_image_url
    );
    Ok(())
}

fn print_history(image: &Image) -> Result<(), Error> {
    for line in image.history()?.to_string().lines() {
        println!("   {line}");
    }
    println!();
    Ok(())
}

fn save(image: &Image, edit: &Enhancement, out: Option<&Path>) -> Result<(), Error> {
    let download = image.project().client().download(edit);
    let saved = match out {
        Some(out) => download.to_file(out)?,
        None => download
            .overwrite(Overwrite::Always)
            .to_file(default_out())?,
    };
    println!(
        "The picture is saved: {} ({} bytes)",
        saved.path.display(),
        saved.bytes
    );
    Ok(())
}

fn default_out() -> PathBuf {
    env::temp_dir().join("imagen-quickstart.jpg")
}
