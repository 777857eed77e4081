//! From a folder of photos to a folder of finished pictures.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fs, process};

use imagen_ai::{
    Client, DownloadOptions, EditOptions, Error, Overwrite, ProgressCallback, Project, ProjectKind,
    UploadOptions, Wait, parallel,
};
use imagen_ai_simulator::READY;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

mod common;

const HELP: &str = "\
Makes a project from the photos in a folder, has them edited, and downloads the finished pictures.
usage: from_photos                                        with photos of its own, on a simulator inside the program
       from_photos PROFILE_KEY FOLDER OUT [INSTRUCTION]   on the real service, with IMAGEN_API_KEY: costs credits
       from_photos smart FOLDER OUT [INSTRUCTION]         the same by Smart Editing, which needs 5 photos at least
  PROFILE_KEY   the number of the profile to edit with
  FOLDER, OUT   where the photos are, and where the pictures go; those of an earlier run stay as they are
  INSTRUCTION   a prompt that is applied to every finished photo
The exit status is 1 when any photo failed; the others arrive all the same.";

fn main() -> Result<ExitCode, Error> {
    let arguments = common::Arguments::read(HELP);
    let failed = match (common::has_key(), arguments.words.as_slice()) {
        (false, []) => on_the_simulator()?,
        (true, [kind, folder, out, prompt @ ..]) if prompt.len() < 2 && !arguments.smart => run(
            &Client::from_env()?,
            kind,
            folder.as_ref(),
            out.as_ref(),
            prompt.first(),
        )?,
        _ => arguments.refuse(),
    };
    for failure in &failed {
        eprintln!("failed: {failure}");
    }
    Ok(ExitCode::from(u8::from(!failed.is_empty())))
}

/// Returns what failed, in words.
fn run(
    client: &Client,
    kind: &str,
    folder: &Path,
    out: &Path,
    prompt: Option<&String>,
) -> Result<Vec<String>, Error> {
    let photos = photos_in(folder)?;
    let bars = Bars::default();
    let mut upload = UploadOptions {
        progress: Some(bars.teller("uploaded")),
        ..UploadOptions::default()
    };
    let (project, edit) = if kind == "smart" {
        (
            client.create_project_of(ProjectKind::Smart, None)?,
            EditOptions::default(),
        )
    } else {
        upload.profile = client
            .profiles()?
            .into_iter()
            .find(|profile| profile.profile_key.to_string() == kind);
        let Some(profile) = &upload.profile else {
            return Ok(vec![format!("there is no profile {kind}")]);
        };
        (
            client.create_project_of(ProjectKind::ProfileBased, None)?,
            EditOptions::profile(profile.profile_key),
        )
    };
    println!("Project {}", project.uuid());

    let mut failed = Vec::new();
    for (path, uploaded) in photos.iter().zip(project.upload(&photos, &upload)?) {
        failed.extend(
            uploaded
                .err()
                .map(|e| format!("{}: {}", path.display(), e.summary())),
        );
    }
    if failed.len() == photos.len() {
        return Ok(failed);
    }
    project.edit(&edit)?;
    let wait = Wait {
        first: Duration::from_secs(1),
        progress: Some(teller_of_waits()),
        ..Wait::default()
    };
    project.wait_until_edited(&wait)?;
    if kind != "smart" {
        project.export()?;
        project.wait_until_exported(&wait)?;
    }
    if let Some(prompt) = prompt {
        let images = project.images()?;
        let edits = parallel(&images, 4, |image| image.copilot(prompt));
        for (image, edit) in images.iter().zip(edits) {
            failed.extend(
                edit.err()
                    .map(|e| format!("{}: {}", image.file_name(), e.summary())),
            );
        }
    }
    failed.extend(download(&project, out, bars)?);
    Ok(failed)
}

fn photos_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries =
        fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut photos: Vec<PathBuf> = entries.map_err(|e| Error::Io {
        path: folder.to_owned(),
        source: Box::new(e),
    })?;
    // Without folders and hidden files; `upload` refuses what is no photo.
    photos.retain(|path| {
        path.is_file()
            && path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes()[0] != b'.')
    });
    photos.sort();
    Ok(photos)
}

fn download(project: &Project, out: &Path, bars: Bars) -> Result<Vec<String>, Error> {
    let options = DownloadOptions {
        overwrite: Overwrite::Skip,
        progress: Some(bars.teller("finished")),
        ..DownloadOptions::default()
    };
    let files = project.finalize_to(out, &options)?;
    println!(
        "{} pictures finished in {}",
        files.iter().filter(|file| file.is_ok()).count(),
        out.display()
    );
    Ok(files
        .into_iter()
        .filter_map(Result::err)
        .map(|e| e.to_string())
        .collect())
}

/// Prints how far an edit or an export is, each time the service is asked.
fn teller_of_waits() -> ProgressCallback {
    ProgressCallback::new(|p| {
        match (p.failure, p.status) {
            (Some(e), _) => println!("{}: {}; asking again", p.name, e.summary()),
            (None, Some(status)) => println!("{}: {status}", p.name),
            (None, None) => {}
        }
        ControlFlow::Continue(())
    })
}

/// A bar for all files, and one for each that is on its way.
#[derive(Default)]
struct Bars(MultiProgress);

impl Bars {
    fn teller(&self, what: &'static str) -> ProgressCallback {
        let (screen, shown) = (
            self.0.clone(),
            Mutex::new(HashMap::<Option<usize>, ProgressBar>::new()),
        );
        let bar = move |template| {
            let style = ProgressStyle::with_template(template).expect("a proper template");
            screen.add(ProgressBar::no_length().with_style(style))
        };
        ProgressCallback::new(move |p| {
            let mut shown = shown.lock().expect("no bar panics");
            let all = shown
                .entry(None)
                .or_insert_with(|| bar("{bar:40} {pos}/{len} files {msg}"));
            all.set_message(what);
            all.set_length(p.items as u64);
            all.set_position(p.items_done as u64);
            let file = shown
                .entry(Some(p.index))
                .or_insert_with(|| bar("{bar:40} {bytes}/{total_bytes} {msg}"));
            file.set_message(p.name.to_owned());
            file.set_length(p.total.unwrap_or_default());
            file.set_position(p.bytes);
            if p.ended.is_some() {
                file.finish_and_clear();
            }
            ControlFlow::Continue(())
        })
    }
}

fn on_the_simulator() -> Result<Vec<String>, Error> {
    let (simulator, client) = common::simulator(Duration::from_millis(50));
    let folder = env::temp_dir().join(format!("imagen-ai-from-photos-{}", process::id()));
    let jpeg = simulator.jpeg(READY, "DSC_0001.JPEG", None);
    let mut photos = (1..=5).map(|number| folder.join(format!("IMG_{number}.jpg")));
    let made = fs::create_dir_all(&folder)
        .and_then(|()| photos.try_for_each(|photo| fs::write(photo, &jpeg)));
    made.map_err(|e| Error::Io {
        path: folder.clone(),
        source: Box::new(e),
    })?;
    run(
        &client,
        "smart",
        &folder,
        &folder.join("finished"),
        Some(&"make the sky more blue".to_owned()),
    )
}
