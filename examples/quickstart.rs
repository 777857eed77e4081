//! The whole story of the Copilot API on one photo.
//!
//! `cargo run --example quickstart` needs nothing: it starts a simulator of the service inside this process.
//!
//! With a key it uses the real service, and a project and a photo of yours; that costs credits:
//! `IMAGEN_API_KEY=… cargo run --example quickstart -- PROJECT FILE`

use std::process::ExitCode;

use imagen_ai::{Client, CopilotRequest, EnhanceRequest, Enhancement, Error, Image};

#[path = "../tests/it/support/simulator.rs"]
mod simulator;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let told = match (
        std::env::var_os("IMAGEN_API_KEY").filter(|key| !key.is_empty()),
        arguments.as_slice(),
    ) {
        (None, []) => on_the_simulator(),
        (Some(_), [project, file]) => Client::from_env().and_then(|client| story(&client, project, file)),
        _ => {
            eprintln!("usage: quickstart            without IMAGEN_API_KEY: on a simulator inside the program");
            eprintln!("       quickstart PROJECT FILE   with IMAGEN_API_KEY: on the real service, for credits");
            return ExitCode::from(2);
        }
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn on_the_simulator() -> Result<(), Error> {
    let simulator = simulator::Simulator::start();
    println!("IMAGEN_API_KEY is not set: this runs against a simulator inside the program,");
    println!(
        "at {}. No credits are used, and the pictures are tiny.\n",
        simulator.base_url()
    );
    let client = Client::builder(simulator.key())
        .base_url(simulator.base_url())
        .build()?;
    story(&client, simulator::READY, "DSC_0001.JPEG")
}

fn story(client: &Client, project: &str, file: &str) -> Result<(), Error> {
    let project = client.project(project);
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
    println!("   The service keeps one branch: version {} is gone.\n", lit.version()?);

    println!("4. A preset instead of words");
    let tools = project.ai_tools()?;
    for tool in &tools.prompts {
        println!(
            "   offered: {} ({})",
            tool.enhancement_type,
            tool.label.as_deref().unwrap_or("no label")
        );
    }
    if let Some(tool) = tools.prompts.first() {
        tell(&photo.enhance(EnhanceRequest::from(tool).parent(warm.version()?))?)?;
    }

    println!("5. The history, as the service tells it");
    show_history(&photo)?;

    println!("6. Reset: all edits of the photo are discarded");
    photo.reset()?;
    show_history(&photo)?;

    println!("7. One edit to keep, and finalize: the edits are locked in, and the files can be fetched");
    tell(&photo.copilot("make the sky more blue")?)?;
    for file in project.finalize()?.files {
        println!(
            "   {}: {}",
            file.file_name.as_deref().unwrap_or("?"),
            without_query(&file.download_link)
        );
    }
    Ok(())
}

fn tell(edit: &Enhancement) -> Result<(), Error> {
    println!(
        "   version {}: {}\n",
        edit.version()?,
        without_query(&edit.enhanced_image_url)
    );
    Ok(())
}

fn show_history(photo: &Image) -> Result<(), Error> {
    // The service may leave out a photo that has no versions.
    match photo.history() {
        Ok(history) => history.to_string().lines().for_each(|line| println!("   {line}")),
        Err(Error::InvalidInput { message, .. }) => println!("   {message}"),
        Err(e) => return Err(e),
    }
    println!();
    Ok(())
}

/// The query of a presigned URL is the right to read the file: nothing for a terminal.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}
