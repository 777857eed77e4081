//! Jobs against the simulator behind a network with faults, in processes that are killed between
//! any two steps, on a virtual clock: nothing is paid for twice, and every job comes to its end.

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imagen_ai_simulator::Simulator;
use proptest::prelude::*;
use tempfile::TempDir;

use self::world::{Fate, World, lock, serve};
use super::create::Beginning;
use super::{BatchOptions, Job, StepState};
use crate::chain::Recovery;
use crate::client::Client;
use crate::clock::Clock;
use crate::download::DownloadOptions;
use crate::edit::EditOptions;
use crate::error::{Error, Result};
use crate::progress::{Progress, ProgressCallback};
use crate::transport::RetryPolicy;
use crate::types::ProjectKind;
use crate::upload::UploadOptions;
use crate::wait::Wait;

/// How many runs a job may take. Each fault ends a run at most.
const MOST_RUNS: usize = 60;

/// A job that is run again and again.
struct Runs {
    world: Arc<Mutex<World>>,
    client: Client,
    clock: Clock,
    kind: ProjectKind,
    threads: usize,
    folder: TempDir,
}

impl Runs {
    fn new(kind: ProjectKind, threads: usize, pending_polls: u32, fates: Vec<Fate>) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::virtual_one();
        let simulator = Simulator::start();
        // A service that goes straight to "In Progress" would hide the hard case.
        simulator.configure(|settings| settings.pending_polls = pending_polls);
        let key = simulator.key();
        for number in 0..5 {
            let photo = folder.path().join(format!("DSC_{number}.NEF"));
            fs::write(photo, "a photo").unwrap();
        }
        let world = Arc::new(Mutex::new(World {
            simulator,
            clock: clock.clone(),
            fates: fates.into(),
            late: Vec::new(),
            paid: BTreeMap::new(),
            left: None,
            job: folder.path().join("a.job"),
        }));
        let addr = serve(Arc::clone(&world));
        let retry = RetryPolicy {
            max_attempts: 2,
            base_delay: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        let client = Client::builder(key)
            .base_url(format!("http://{addr}/v1"))
            .retry(retry)
            .build()
            .unwrap();
        Self {
            world,
            client,
            clock,
            kind,
            threads,
            folder,
        }
    }

    /// The program: what a user writes.
    fn run(&self) -> Result<()> {
        let mut job = self.run_but_finalize()?;
        job.finalize_to(self.folder.path().join("out"), &DownloadOptions::default())?
            .all()?;
        Ok(())
    }

    fn run_but_finalize(&self) -> Result<Job> {
        let mut job = self.open()?;
        let photos = (0..5).map(|number| self.folder.path().join(format!("DSC_{number}.NEF")));
        job.upload(photos, &UploadOptions::default())?.all()?;
        let wait = self.wait();
        let options = match self.kind {
            ProjectKind::ProfileBased => EditOptions::profile(5700),
            ProjectKind::Smart => EditOptions::default(),
        };
        job.edit(&options, &wait)?;
        job.export(&wait)?;
        let mut images = job.project().images()?;
        images.truncate(3);
        let options = BatchOptions {
            threads: self.threads,
            ..BatchOptions::default()
        };
        let edits = ["one", "two"];
        if job
            .copilot_each(images.clone(), edits, &options)?
            .all()
            .is_err()
        {
            // Once more, in the same process.
            job.copilot_each(images, edits, &options)?.all()?;
        }
        Ok(job)
    }

    /// Returns a wait that ends with the process. A project that is under way is waited for
    /// without the virtual clock.
    fn wait(&self) -> Wait {
        let world = Arc::clone(&self.world);
        let is_killed = move |_: &Progress<'_>| match lock(&world).left {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        };
        Wait {
            first: Duration::from_millis(1),
            factor: 1.0,
            not_begun: Duration::from_millis(500),
            progress: Some(ProgressCallback::new(is_killed)),
            ..Wait::default()
        }
    }

    fn open(&self) -> Result<Job> {
        let beginning = Beginning {
            kind: self.kind,
            name: "Smith wedding".to_owned(),
            clock: self.clock.clone(),
        };
        beginning.open(&self.client, &self.folder.path().join("a.job"))
    }

    /// Puts the job's file back to what a killed process left, some time later.
    fn clean_up(&self) -> bool {
        let mut world = lock(&self.world);
        let Some(left) = world.left.take() else {
            return false;
        };
        fs::write(&world.job, left).unwrap();
        self.clock.pause(Duration::from_secs(30));
        true
    }

    /// Does what a person would do about what cannot be told. Returns whether there was anything.
    fn settle(&self) -> Result<bool> {
        let mut job = self.open()?;
        let mut is_settled = false;
        for row in job.report().steps {
            if row.state != StepState::Unknown {
                continue;
            }
            is_settled = true;
            let has_done = lock(&self.world).has_done(&row.step);
            if has_done {
                job.assume_done(&row.step)?;
            } else {
                job.assume_not_done(&row.step)?;
            }
        }
        Ok(is_settled)
    }

    /// Runs the program until it comes to its end.
    fn run_to_the_end(&self) {
        for _ in 0..MOST_RUNS {
            let result = self.run();
            if self.clean_up() {
                continue;
            }
            match result {
                Ok(()) => return,
                Err(Error::OutcomeUnknown(_)) => {
                    let settled = self.settle();
                    if self.clean_up() {
                        continue;
                    }
                    drop(settled);
                }
                Err(Error::Api(_) | Error::Network(_)) => {}
                Err(e) => panic!("{e}"),
            }
        }
        panic!(
            "the job has no end: {:#?}",
            self.open().map(|job| job.report())
        );
    }

    fn assert_paid_once(&self) {
        let world = lock(&self.world);
        assert!(world.late.is_empty(), "something is still to come");
        for (call, times) in &world.paid {
            assert_eq!(*times, 1, "{call}");
        }
        let copilot = world.paid.keys().filter(|call| call.contains("/copilot "));
        assert_eq!(copilot.count(), 6, "{:#?}", world.paid);
        let expected = match self.kind {
            ProjectKind::ProfileBased => 9,
            ProjectKind::Smart => 8,
        };
        assert_eq!(world.paid.len(), expected, "{:#?}", world.paid);
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        40 => Just(Fate::Pass),
        1 => Just(Fate::LoseBefore),
        1 => Just(Fate::LoseAfter),
        3 => (1u8..9).prop_map(Fate::Late),
        1 => Just(Fate::Refuse(400)),
        1 => Just(Fate::Refuse(401)),
        1 => Just(Fate::KillBefore),
        1 => Just(Fate::KillAfter),
        2 => (1u8..9).prop_map(Fate::KillLate),
    ]
}

/// What happens to a job until it ends.
fn story() -> impl Strategy<Value = (usize, u32, Vec<Fate>)> {
    // More than a lookup asks.
    let pending_polls = prop_oneof![Just(0), Just(5), Just(80)];
    let fates = prop::collection::vec(fate(), 0..200);
    (1usize..4, pending_polls, fates)
}

fn assert_paid_once(kind: ProjectKind, (threads, pending_polls, fates): (usize, u32, Vec<Fate>)) {
    let runs = Runs::new(kind, threads, pending_polls, fates);
    runs.run_to_the_end();
    runs.assert_paid_once();
}

// A test for each kind, so that they run side by side.
proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_profile_based_job_pays_for_nothing_twice_and_ends(story in story()) {
        assert_paid_once(ProjectKind::ProfileBased, story);
    }

    #[test]
    fn a_smart_job_pays_for_nothing_twice_and_ends(story in story()) {
        assert_paid_once(ProjectKind::Smart, story);
    }
}

/// A long run loses an edit long after it opened the job.
#[test]
fn an_edit_that_is_lost_late_is_looked_for_as_long_as_any() {
    let runs = Runs::new(ProjectKind::ProfileBased, 1, 0, Vec::new());
    runs.run_but_finalize().unwrap();
    let job = runs.open().unwrap();
    let image = job.project().image("DSC_4.JPEG");
    job.chain(&image).unwrap().copilot("one").unwrap();
    runs.clock.pause(Duration::from_secs(3600));
    lock(&runs.world).fates = [Fate::Pass, Fate::Late(5)].into();
    job.chain(&image).unwrap().copilot("two").unwrap_err();

    let mut chain = job.chain(&image).unwrap();
    let recovery = chain.recover(&Wait::for_an_edit()).unwrap();

    assert!(matches!(recovery, Recovery::Applied(_)), "{recovery:?}");
}
