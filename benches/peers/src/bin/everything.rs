//! A program that uses the whole crate, for the time that a release rebuild of such a program takes.

use imagen_ai::{
    BatchOptions, Client, CopilotRequest, DownloadOptions, EditOptions, Error, Output,
    ProjectFilter, ProjectKind, UploadOptions, Wait, parallel,
};

fn main() -> Result<(), Error> {
    let client = Client::from_env()?;
    let wait = Wait::default();
    for project in client.projects(&ProjectFilter::default()) {
        println!("{:?}", project?.name);
    }
    println!("{:?} {:?}", client.profiles()?, client.sky_templates()?);
    let project = client.create_project("Smith wedding")?;
    let house = client.create_project_of(ProjectKind::Smart, None)?;
    println!(
        "{} {:?}",
        house.uuid(),
        client.find_project("Smith wedding")?.info()?
    );
    for uploaded in project.upload(["DSC_0001.NEF"], &UploadOptions::default())? {
        println!("{:?}", uploaded?);
    }
    project.edit(&EditOptions {
        crop: true,
        ..EditOptions::profile(5700)
    })?;
    project.wait_until_edited(&wait)?;
    project.export()?;
    project.wait_until_exported(&wait)?;
    project.wait_until_completed(&wait)?;
    println!("{:?}", project.presets()?);

    let photo = project.image("DSC_0001.JPEG");
    let sky = photo.copilot("make the sky more blue")?;
    let lit = photo.copilot(CopilotRequest::new("brighten the interior").parent(sky.version()?))?;
    client.download(&lit).to_file("lit.jpg")?;
    println!("{} bytes", client.download(&sky).to_vec(10_000_000)?.len());
    let mut job = client.open_job("wedding.job", "Smith wedding")?;
    job.upload(["DSC_0001.NEF"], &UploadOptions::default())?
        .all()?;
    job.edit(&EditOptions::profile(5700), &wait)?;
    job.export(&wait)?;
    job.copilot_each(
        project.images()?,
        ["more contrast"],
        &BatchOptions::default(),
    )?
    .all()?;
    job.finalize_to("finished", &DownloadOptions::default())?
        .all()?;
    println!("{}", job.report());
    let mut edits = job.chain(&photo)?.recovering(Wait::for_an_edit());
    if edits.pending().is_some() {
        edits.recover(&Wait::for_an_edit())?;
    }
    edits.copilot("warm evening light")?;
    edits.enhance("virtual_staging")?;
    edits.undo()?;
    println!("{}\n{}", photo.history()?, project.history()?);
    photo.reset()?;

    let results = parallel(project.images()?, 4, |photo| {
        photo.copilot("make the sky more blue")
    });
    println!(
        "{}",
        results.iter().filter(|result| result.is_err()).count()
    );
    let sidecars = project.download_links(Output::Xmp)?;
    client
        .download_all(&sidecars, "sidecars", &DownloadOptions::default())?
        .all()?;
    for file in project.finalize_to("finished", &DownloadOptions::default())? {
        println!("{:?}", file?);
    }
    Ok(())
}
