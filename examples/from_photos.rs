//! From a folder of photos to a folder of finished pictures.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, process};

use imagen_ai::{
    BatchOptions, Client, DownloadOptions, EditOptions, Error, ImageType, Job, JobStep, Outcomes,
    Profile, ProgressCallback, UploadOptions, Wait,
};
use imagen_ai_simulator::READY;

use self::bars::Bars;

mod bars;
mod common;

const HELP: &str = "\
Makes a project from the photos in a folder, has them edited, and downloads the finished pictures.
usage: from_photos                                  on a simulator inside the program
       from_photos KIND FOLDER OUT [INSTRUCTION]    on the real service, with IMAGEN_API_KEY
  KIND          the key of the profile to edit with, or `smart` for Smart Editing
  FOLDER        the photos: all RAW, or all JPEG; Smart Editing needs 5 at least
  OUT           where the pictures go
  INSTRUCTION   a prompt that is applied to every image
Each step costs credits once: OUT/.imagen-job remembers what was done. Run it again after a failure
or a kill, and it goes on from there. Once the edit has begun, the photos are not read any more. If it
was killed in the middle of a prompt, it looks for that edit in the project's history first, for up
to 10 minutes. The exit status is 1 when anything failed.";

fn main() -> Result<ExitCode, Error> {
    let arguments = common::Arguments::read(HELP);
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    if arguments.smart {
        arguments.refuse();
    }
    match (common::has_key(), words.as_slice()) {
        (false, []) => on_the_simulator(),
        (true, [kind, folder, out, instruction @ ..]) if instruction.len() < 2 => {
            let order = Order {
                kind: Kind::read(kind, &arguments),
                folder: Path::new(folder),
                out: Path::new(out),
                instruction: instruction.first().copied(),
            };
            order.run(&Client::from_env()?)
        }
        _ => arguments.refuse(),
    }
}

/// How the photos are edited.
enum Kind {
    Profile(u64),
    Smart,
}

impl Kind {
    fn read(word: &str, arguments: &common::Arguments) -> Self {
        if word == "smart" {
            return Self::Smart;
        }
        match word.parse() {
            Ok(key) => Self::Profile(key),
            Err(_) => arguments.refuse(),
        }
    }
}

/// What is to be done.
struct Order<'a> {
    kind: Kind,
    folder: &'a Path,
    out: &'a Path,
    instruction: Option<&'a str>,
}

impl Order<'_> {
    fn run(&self, client: &Client) -> Result<ExitCode, Error> {
        let mut job = self.open_job(client)?;
        self.announce(&job);

        let bars = Bars::default();
        if !has_begun(&job) {
            let upload = UploadOptions {
                profile: self.profile(client)?,
                progress: Some(bars.callback("photos uploaded")),
                ..UploadOptions::default()
            };
            if has_failures(job.upload(self.photos()?, &upload)?) {
                return Ok(try_again(
                    "Nothing is edited before all photos have arrived.",
                ));
            }
        }

        let wait = Wait {
            first: Duration::from_secs(1),
            progress: Some(printing_the_status()),
            ..Wait::default()
        };
        job.edit(&self.edit_options(), &wait)?;
        job.export(&wait)?;

        if let Some(instruction) = self.instruction {
            let images = job.project().images()?;
            let options = BatchOptions {
                progress: Some(bars.callback("images edited")),
                ..BatchOptions::default()
            };
            if has_failures(job.copilot_each(images, [instruction], &options)?) {
                return Ok(try_again(
                    "Nothing is finalized before all images are edited.",
                ));
            }
        }

        let download = DownloadOptions {
            progress: Some(bars.callback("pictures downloaded")),
            ..DownloadOptions::default()
        };
        if has_failures(job.finalize_to(self.out, &download)?) {
            return Ok(try_again("The other pictures have arrived."));
        }
        println!("finished: the pictures are in {}", self.out.display());
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the profile, so that photos which it is not made for are refused before the upload.
    fn profile(&self, client: &Client) -> Result<Option<Profile>, Error> {
        let Kind::Profile(key) = self.kind else {
            return Ok(None);
        };
        let profiles = client.profiles()?;
        let profile = profiles.into_iter().find(|p| p.profile_key == key);
        if profile.is_none() {
            eprintln!("error: the account has no profile {key}");
            process::exit(1);
        }
        Ok(profile)
    }

    fn open_job(&self, client: &Client) -> Result<Job, Error> {
        let path = self.out.join(".imagen-job");
        if !path.exists() {
            // What would fail later is found before a project is made.
            self.photos()?;
            self.profile(client)?;
        }
        fs::create_dir_all(self.out).map_err(|e| Error::io(self.out, e))?;
        let name = self.project_name()?;
        match self.kind {
            Kind::Profile(_) => client.open_job(path, name),
            Kind::Smart => client.open_smart_job(path, name),
        }
    }

    /// Returns the photos in the folder. Other files are left out, and so are hidden ones.
    fn photos(&self) -> Result<Vec<PathBuf>, Error> {
        let mut photos = Vec::new();
        for entry in fs::read_dir(self.folder).map_err(|e| Error::io(self.folder, e))? {
            let path = entry.map_err(|e| Error::io(self.folder, e))?.path();
            let name = path.file_name().unwrap_or_default();
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if path.is_file() && !is_hidden && ImageType::of(&path).is_some() {
                photos.push(path);
            }
        }
        if photos.is_empty() {
            let none = io::Error::new(ErrorKind::NotFound, "no photos in it");
            return Err(Error::io(self.folder, none));
        }
        photos.sort();
        Ok(photos)
    }

    /// Returns the name of the folder with the photos, which may be gone by now.
    fn project_name(&self) -> Result<String, Error> {
        let folder = path::absolute(self.folder).map_err(|e| Error::io(self.folder, e))?;
        let Some(name) = folder.file_name() else {
            let unnamed = io::Error::new(ErrorKind::InvalidInput, "give the folder by its name");
            return Err(Error::io(self.folder, unnamed));
        };
        Ok(format!("{} (imagen-ai)", name.display()))
    }

    fn edit_options(&self) -> EditOptions {
        match self.kind {
            Kind::Profile(key) => EditOptions::profile(key),
            Kind::Smart => EditOptions::default(),
        }
    }

    /// Says what was done, and what is going to be done and costs credits.
    fn announce(&self, job: &Job) {
        println!("Done so far:\n{}", job.report());
        println!("To do, unless it is done: upload the photos,");
        println!("edit them (costs credits),");
        if matches!(self.kind, Kind::Profile(_)) {
            println!("export them (costs credits),");
        }
        if let Some(instruction) = self.instruction {
            println!("apply {instruction:?} to each image (costs credits),");
        }
        println!("finalize the project, and download the pictures.\n");
    }
}

/// Whether the edit has begun, so that no photo can be added any more.
fn has_begun(job: &Job) -> bool {
    let steps = job.report().steps;
    steps.iter().any(|row| row.step == JobStep::Edit)
}

/// Prints the errors, if there are any.
fn has_failures<T>(outcomes: Outcomes<T>) -> bool {
    for error in outcomes.errors() {
        eprintln!("failed: {error}");
    }
    outcomes.errors().next().is_some()
}

fn try_again(why: &str) -> ExitCode {
    eprintln!("{why} Run it again to try the rest.");
    ExitCode::FAILURE
}

/// Prints how far an edit or an export is, each time the service is asked.
fn printing_the_status() -> ProgressCallback {
    ProgressCallback::new(|p| {
        match (p.failure, p.status) {
            (Some(e), _) => println!("{}: {}; asking again", p.name, e.summary()),
            (None, Some(status)) => println!("{}: {status}", p.name),
            (None, None) => {}
        }
        ControlFlow::Continue(())
    })
}

fn on_the_simulator() -> Result<ExitCode, Error> {
    let (simulator, client) = common::simulator(Duration::from_millis(50));
    let folder = env::temp_dir().join(format!("imagen-from-photos-{}", process::id()));
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    for number in 1..=5 {
        let photo = folder.join(format!("IMG_{number}.jpg"));
        let jpeg = simulator.jpeg(READY, "DSC_0001.JPEG", None);
        fs::write(&photo, jpeg).map_err(|e| Error::io(&photo, e))?;
    }
    let order = Order {
        kind: Kind::Smart,
        folder: &folder,
        out: &folder.join("finished"),
        instruction: Some("make the sky more blue"),
    };
    order.run(&client)
}
