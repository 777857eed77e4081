//! Jobs: each step once, whatever the network does and however often the program is run.

mod batch;
// Windows lets nobody read a file that is locked.
#[cfg(not(windows))]
mod cut;
mod finish;
// `prlimit` is Linux's.
#[cfg(target_os = "linux")]
mod full_disk;
mod killed;
mod many;
mod open;
mod steps;
// Only Unix has a signal that stops a process.
#[cfg(unix)]
mod stopped;

use std::fs;
use std::path::PathBuf;

use imagen_ai::{
    BatchOptions, Client, DownloadOptions, Downloaded, EditOptions, Edited, Error, Job,
    ProjectKind, Result, StepStatus, UploadOptions, Uploaded, Wait,
};
use tempfile::TempDir;

use crate::support::simulator::Simulator;
use crate::support::{client_at, ms};

pub const NAME: &str = "Smith wedding";

/// A wait of a few questions, however long they take. The service answers at once.
pub const SHORT: Wait = Wait {
    first: ms(1),
    factor: 1.0,
    longest: ms(1),
    total: ms(3),
    not_begun: ms(3),
    progress: None,
};

/// A wait for what will come.
pub const LONG: Wait = Wait {
    total: ms(60_000),
    not_begun: ms(60_000),
    ..SHORT
};

/// A folder with photos, and with a job's file.
pub struct Desk {
    pub folder: PathBuf,
    /// Removes the folder in the end, if it is this process's.
    _guard: Option<TempDir>,
    pub client: Client,
    pub kind: ProjectKind,
}

impl Desk {
    pub fn new(base_url: &str, kind: ProjectKind) -> Self {
        Self::in_new(TempDir::new().unwrap(), base_url, kind)
    }

    pub fn in_new(folder: TempDir, base_url: &str, kind: ProjectKind) -> Self {
        let mut desk = Self::at(folder.path().to_owned(), base_url, kind);
        for (number, photo) in desk.photos().iter().enumerate() {
            fs::write(photo, format!("photo {number}")).unwrap();
        }
        desk._guard = Some(folder);
        desk
    }

    /// A folder that another process has made.
    pub fn at(folder: PathBuf, base_url: &str, kind: ProjectKind) -> Self {
        Self {
            folder,
            _guard: None,
            client: client_at(base_url, "sim-key-0123456789"),
            kind,
        }
    }

    pub fn of(simulator: &Simulator) -> Self {
        Self::new(&simulator.base_url(), ProjectKind::ProfileBased)
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join("a.job")
    }

    pub fn out(&self) -> PathBuf {
        self.folder.join("finished")
    }

    pub fn photos(&self) -> Vec<PathBuf> {
        (1..=5)
            .map(|number| self.folder.join(format!("DSC_000{number}.NEF")))
            .collect()
    }

    pub fn try_open(&self) -> Result<Job> {
        match self.kind {
            ProjectKind::ProfileBased => self.client.open_job(self.file(), NAME),
            ProjectKind::Smart => self.client.open_smart_job(self.file(), NAME),
        }
    }

    pub fn open(&self) -> Job {
        self.try_open().unwrap()
    }

    pub fn options(&self) -> EditOptions {
        match self.kind {
            ProjectKind::ProfileBased => EditOptions::profile(5700),
            ProjectKind::Smart => EditOptions::default(),
        }
    }

    pub fn upload(&self, job: &mut Job) -> Result<Vec<Uploaded>> {
        job.upload(self.photos(), &UploadOptions::default())?.all()
    }

    /// A job whose photos have arrived.
    pub fn uploaded(&self) -> Job {
        let mut job = self.open();
        self.upload(&mut job).unwrap();
        job
    }

    /// A job whose images are finished.
    pub fn exported(&self) -> Job {
        let mut job = self.uploaded();
        job.edit(&self.options(), &LONG).unwrap();
        job.export(&LONG).unwrap();
        job
    }

    /// The program that is run again and again.
    pub fn run(&self, wait: &Wait) -> Result<Done> {
        let mut job = self.try_open()?;
        let uploaded = self.upload(&mut job)?;
        let edit = job.edit(&self.options(), wait)?;
        let export = job.export(wait)?;
        let images = job.project().images()?;
        let options = BatchOptions {
            wait: wait.clone(),
            ..BatchOptions::default()
        };
        let edited = job.copilot_each(images, ["one", "two"], &options)?.all()?;
        let files = job
            .finalize_to(self.out(), &DownloadOptions::default())?
            .all()?;
        Ok(Done {
            uploaded,
            edit,
            export,
            edited,
            files,
        })
    }
}

/// What a program was given.
#[derive(Debug)]
pub struct Done {
    pub uploaded: Vec<Uploaded>,
    pub edit: StepStatus,
    pub export: StepStatus,
    pub edited: Vec<Edited>,
    pub files: Vec<Downloaded>,
}

/// How many requests arrived that begin and end so.
pub fn count(simulator: &Simulator, method: &str, end: &str) -> usize {
    let requests = simulator.requests();
    let requests = requests.iter();
    requests
        .filter(|request| request.method == method && request.path.ends_with(end))
        .count()
}

#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(result: Result<T>, field: &str, words: &str) {
    let text = crate::support::refused(result, field);
    assert!(text.contains(words), "{text}");
}

#[track_caller]
pub fn assert_unknown<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error}");
    assert!(error.to_string().contains("assume_done"), "{error}");
}

#[test]
fn a_job_is_done_once_however_often_it_is_run() {
    for kind in [ProjectKind::ProfileBased, ProjectKind::Smart] {
        let simulator = Simulator::start();
        let desk = Desk::new(&simulator.base_url(), kind);
        let first = desk.run(&LONG).unwrap();
        let sent = simulator.requests().len();

        let second = desk.run(&LONG).unwrap();
        let third = desk.run(&LONG).unwrap();

        // The list of images, for the program; the status, for a Smart Editing project's export is
        // none; and the links of the finished files.
        assert_eq!(simulator.requests().len() - sent, 2 * 2, "{kind}");
        assert_eq!(second.uploaded, first.uploaded);
        assert_eq!(second.edit.status, first.edit.status);
        assert_eq!(second.export.status, first.export.status);
        let versions = |done: &Done| {
            let images = done.edited.iter();
            let steps = images.flat_map(|image| image.steps.clone());
            steps
                .map(|step| step.version_id.unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(versions(&first).len(), 10);
        assert_eq!(versions(&second), versions(&first));
        assert_eq!(versions(&third), versions(&first));
        assert!(first.files.iter().all(|file| !file.skipped));
        assert!(third.files.iter().all(|file| file.skipped));
        assert_eq!(fs::read_dir(desk.out()).unwrap().count(), 5);
        assert_eq!(count(&simulator, "POST", "/copilot"), 10);
    }
}
