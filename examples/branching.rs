//! How edits of one photo build on each other, and what a branch costs.
//!
//! `cargo run --example branching` needs no key: it runs on a simulator of the service inside this process. With your
//! own client the story is the same; only [`main`] would differ.

use imagen_ai::{Client, Error, Image, Step, Wait};

#[path = "../tests/it/support/simulator.rs"]
mod simulator;

fn main() -> Result<(), Error> {
    let simulator = simulator::Simulator::start();
    println!("On a simulator of the service: no key, no credits.\n");
    let client = Client::builder(simulator.key())
        .base_url(simulator.base_url())
        .build()?;
    story(&client.project(simulator::READY).image("DSC_0001.JPEG"))
}

fn story(photo: &Image) -> Result<(), Error> {
    println!("Three edits, each on top of the one before. Nobody has to keep a version id.\n");
    // If an answer is lost on the way, the chain looks into the history for the edit before it sends it again.
    let mut edits = photo.chain().recovering(Wait::for_an_edit());
    let sky = edits.copilot("make the sky more blue")?;
    tell(&sky)?;
    tell(&edits.copilot("brighten the interior")?)?;
    tell(&edits.enhance("virtual_staging")?)?;
    show(photo)?;

    println!("The blue sky stays, but the rest should be different. So back to the first version: that alone");
    println!("sends nothing and costs nothing.\n");
    edits.branch_from(sky.version()?);

    println!("The next edit begins another branch. From then on the service keeps this one, and what was built on");
    println!("the other is lost for good.\n");
    tell(&edits.copilot("warm evening light")?)?;
    tell(&edits.copilot("remove the car")?)?;
    show(photo)?;

    println!(
        "All {} edits were paid for; these lead to the result:",
        edits.steps().len()
    );
    let history = photo.history()?;
    for (number, version) in (1..).zip(history.latest().map(|v| history.path_to(&v.id)).unwrap_or_default()) {
        println!("  {number}. {}", version.instruction.as_deref().unwrap_or("a preset"));
    }

    println!("\nFinalize locks them in and makes the files for download:");
    for file in photo.project().finalize()?.files {
        println!("  {}", file.file_name.as_deref().unwrap_or("a file without a name"));
    }
    Ok(())
}

fn tell(step: &Step) -> Result<(), Error> {
    let parent = step
        .parent
        .as_ref()
        .map_or("the unedited photo".to_owned(), |id| format!("version {id}"));
    println!("  {} on {parent} makes version {}", step.edit, step.version()?);
    Ok(())
}

fn show(photo: &Image) -> Result<(), Error> {
    println!("\nWhat the service has now:\n");
    for line in photo.history()?.to_string().lines() {
        println!("    {line}");
    }
    println!();
    Ok(())
}
