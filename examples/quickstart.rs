//! The whole story of the Copilot API on one photo.

use std::time::Duration;

use imagen_ai::{Client, CopilotRequest, EnhanceRequest, Enhancement, Error, Image, Project};
use imagen_ai_simulator::READY;

mod common;

const HELP: &str = "\
Tells the whole story of the Copilot API on one photo.
usage: quickstart                         on a simulator inside the program
       quickstart [--smart] PROJECT FILE  on the real service, with IMAGEN_API_KEY: costs credits
  --smart   the project is a Smart Editing one";

fn main() -> Result<(), Error> {
    let arguments = common::Arguments::read(HELP);
    match (common::has_key(), arguments.words.as_slice()) {
        (false, []) => {
            let (_simulator, client) = common::simulator(Duration::ZERO);
            story(&client.project(READY), "DSC_0001.JPEG")
        }
        (true, [project, file]) => story(&arguments.project(&Client::from_env()?, project), file),
        _ => arguments.refuse(),
    }
}

fn story(project: &Project, file: &str) -> Result<(), Error> {
    let photo = project.image(file);
    println!("Project {}, photo {file}\n", project.uuid());

    println!("1. A first prompt, on the unedited photo");
    let sky = photo.copilot("make the sky more blue")?;
    tell(&sky)?;

    println!("2. A second prompt, on top of the first");
    let lit = photo.copilot(CopilotRequest::new("brighten the interior").parent(sky.version()?))?;
    tell(&lit)?;

    println!("3. A branch: back to the first version, and another way from there");
    let warm = photo.copilot(CopilotRequest::new("warm evening light").parent(sky.version()?))?;
    tell(&warm)?;
    println!(
        "   The service keeps one branch: version {} is gone.\n",
        lit.version()?
    );

    println!("4. A preset instead of words");
    let presets = project.presets()?;
    for preset in &presets {
        println!("   offered: {}", preset.tool_id);
    }
    if let Some(preset) = presets.first() {
        tell(&photo.enhance(EnhanceRequest::from(preset).parent(warm.version()?))?)?;
    }

    println!("5. The history, as the service tells it");
    show_history(&photo)?;

    println!("6. Reset: all edits of the photo are discarded");
    photo.reset()?;
    show_history(&photo)?;

    println!(
        "7. One edit to keep, and finalize: the edits are locked in, and the files can be fetched"
    );
    tell(&photo.copilot("make the sky more blue")?)?;
    for file in project.finalize()? {
        println!(
            "   {}",
            file.file_name.as_deref().unwrap_or("a file without a name")
        );
    }
    Ok(())
}

fn tell(edit: &Enhancement) -> Result<(), Error> {
    // `{:?}` leaves the query out, which is the right to read the picture.
    println!(
        "   version {}: {:?}\n",
        edit.version()?,
        edit.enhanced_image_url
    );
    Ok(())
}

fn show_history(photo: &Image) -> Result<(), Error> {
    photo
        .history()?
        .to_string()
        .lines()
        .for_each(|line| println!("   {line}"));
    println!();
    Ok(())
}
