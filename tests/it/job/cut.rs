//! A job whose file ends anywhere, with the service as it was then.

use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use imagen_ai::{
    Error, JobStep, Progress, ProgressCallback, Result, StepState, UploadOptions, Wait,
};

use super::{Desk, NAME, SHORT, count};
use crate::chain::network::in_process;
use crate::support::script::{End, Script};
use crate::support::simulator::Simulator;
use crate::support::{lock, ms};

/// A wait with few questions for a lost answer. The service is done with everything by then.
const SHORT_LOOK: Wait = Wait {
    total: ms(20),
    ..SHORT
};

/// The calls that cost.
const PAID: [&str; 3] = ["/edit", "/export", "/copilot"];

/// A job that is killed when a request arrives.
struct Killed {
    desk: Desk,
    simulator: Arc<Simulator>,
    shared: Arc<Mutex<Shared>>,
    _network: Script,
}

#[derive(Default)]
struct Shared {
    /// How many requests arrive before the process is killed.
    left: usize,
    /// The length of the job's file when each request arrived.
    lengths: Vec<usize>,
    /// The job's file when the process was killed.
    file: Option<Vec<u8>>,
}

impl Killed {
    /// Runs the program until it is killed by the request of this number, which does not arrive.
    fn at(request: usize) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.job");
        let shared = Arc::new(Mutex::new(Shared {
            left: request,
            ..Shared::default()
        }));
        let theirs = Arc::clone(&shared);
        let (simulator, network) = in_process(move |request, answer| {
            let mut shared = lock(&theirs);
            if shared.file.is_some() {
                return End::Close.after_request();
            }
            let text = fs::read(&path).unwrap_or_default();
            shared.lengths.push(text.len());
            if shared.left == 0 {
                shared.file = Some(text);
                return End::Close.after_request();
            }
            shared.left -= 1;
            answer(request)
        });
        let url = format!("{}/v1", network.url());
        let desk = Desk::in_new(folder, &url, Default::default());
        let killed = Self {
            desk,
            simulator,
            shared,
            _network: network,
        };
        _ = killed.run();
        killed
    }

    /// The program.
    fn run(&self) -> Result<()> {
        let mut job = self.desk.try_open()?;
        let photos = [&self.desk.photos()[0]];
        job.upload(photos, &UploadOptions::default())?.all()?;
        job.edit(&self.desk.options(), &self.wait())?;
        job.export(&self.wait())?;
        let image = job.project().image("DSC_0001.JPEG");
        let mut chain = job.chain(&image)?.recovering(SHORT);
        if chain.pending().is_some() {
            chain.recover(&SHORT)?;
        }
        if chain.path().is_empty() {
            chain.copilot("one")?;
        }
        drop(chain);
        job.finalize_to(self.desk.out(), &Default::default())?
            .all()?;
        Ok(())
    }

    /// A wait that ends with the process.
    fn wait(&self) -> Wait {
        let shared = Arc::clone(&self.shared);
        let is_killed = move |_: &Progress<'_>| match lock(&shared).file {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        };
        Wait {
            progress: Some(ProgressCallback::new(is_killed)),
            ..SHORT_LOOK
        }
    }

    /// Lets the process live again, with this much of its file.
    fn revive(&self, length: usize) {
        let mut shared = lock(&self.shared);
        // A run that came to its end was not killed.
        let file = shared.file.take();
        let file = file.unwrap_or_else(|| fs::read(self.desk.file()).unwrap());
        fs::write(self.desk.file(), &file[..length]).unwrap();
        let has_begun_to_write = String::from_utf8_lossy(&file[..length]).contains("\"files\":[");
        if !has_begun_to_write {
            _ = fs::remove_dir_all(self.desk.out());
        }
        shared.left = usize::MAX;
    }

    /// Runs the program to its end, with a person who looks at the service.
    fn finish(&self) {
        for _ in 0..5 {
            match self.run() {
                Ok(()) => return,
                Err(Error::OutcomeUnknown(_)) => self.settle(),
                Err(e) => panic!("{e}"),
            }
        }
        panic!("it has no end");
    }

    fn settle(&self) {
        let Ok(mut job) = self.desk.client.open_job(self.desk.file(), NAME) else {
            return;
        };
        for row in job.report().steps {
            if row.state != StepState::Unknown {
                continue;
            }
            let call = match row.step {
                JobStep::Edit => "/edit",
                JobStep::Export => "/export",
                _ => continue,
            };
            assert_eq!(
                count(&self.simulator, "POST", call),
                0,
                "the status shows it"
            );
            job.assume_not_done(&row.step).unwrap();
        }
    }

    fn assert_once(&self, what: &str) {
        for call in PAID {
            assert_eq!(count(&self.simulator, "POST", call), 1, "{what}: {call}");
        }
        let projects = self.simulator.projects().into_iter();
        let made = projects.filter(|project| project.name == NAME);
        assert_eq!(made.count(), 1, "{what}");
    }
}

#[test]
fn a_job_goes_on_from_wherever_its_file_ends() {
    // How long the file was at each request of a run that nothing ends.
    let whole = Killed::at(usize::MAX);
    whole.assert_once("whole");
    let text = fs::read(whole.desk.file()).unwrap();
    let mut lengths = lock(&whole.shared).lengths.clone();
    lengths.push(text.len());
    let mut line_starts = 0;

    for (request, pair) in lengths.windows(2).enumerate() {
        // The last request is the one that was carried out before the file grew.
        let killed_by = request + 1;
        for line in text[pair[0]..pair[1]].split_inclusive(|byte| *byte == b'\n') {
            line_starts += 1;
            let start = line.as_ptr() as usize - text.as_ptr() as usize;
            for length in [start, start + line.len() / 2, start + line.len()] {
                let killed = Killed::at(killed_by);
                killed.revive(length);
                killed.finish();
                killed.assert_once(&format!("{length} bytes, request {killed_by}"));
            }
        }
    }
    assert!(line_starts > 12, "the lines after the header");
}

#[test]
fn a_job_opens_wherever_its_file_ends() {
    let whole = Killed::at(usize::MAX);
    let text = fs::read(whole.desk.file()).unwrap();
    let name = text
        .windows(9)
        .position(|bytes| bytes == b"\"created\"")
        .unwrap();
    let created = name + text[name..].iter().position(|byte| *byte == b'\n').unwrap();
    let mut last = None;
    for length in created + 1..=text.len() {
        fs::write(whole.desk.file(), &text[..length]).unwrap();

        let report = whole.desk.open().report();

        let is_whole = text[length - 1] == b'\n';
        if !is_whole {
            assert_eq!(Some(&report), last.as_ref(), "{length}");
        }
        last = Some(report);
    }
}
