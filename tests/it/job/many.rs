//! A batch of many images.

use std::env;
use std::ffi::OsString;

use imagen_ai::{BatchOptions, Image};
use peak_alloc::PeakAlloc;

use super::Desk;
use crate::support::child;
use crate::support::simulator::{ProjectSpec, Simulator};

const FEW: usize = 200;
const MANY: usize = 1000;

/// What a batch may take for each image beside one answer, in bytes.
const MOST: usize = 1024;

/// Where the child finds the simulator and its folder.
const URL: &str = "IMAGEN_AI_TEST_URL";
const FOLDER: &str = "IMAGEN_AI_TEST_FOLDER";

#[test]
fn a_thousand_images_take_one_history_and_little_memory() {
    if child::is_child() {
        return edit_all();
    }
    let test = "job::many::a_thousand_images_take_one_history_and_little_memory";
    let simulator = Simulator::start();
    for images in [FEW, MANY] {
        let project = ProjectSpec::profile_based(&images.to_string());
        simulator.add_project(project.image_count(images));
    }
    let desk = Desk::of(&simulator);
    let variables = [
        (URL, OsString::from(simulator.base_url())),
        (FOLDER, desk.folder.clone().into()),
    ];
    child::run(test, &variables);

    let mut calls = simulator.requests();
    calls.retain(|request| request.path.contains(&format!("/{MANY}/")));
    assert_eq!(calls.len(), 2 + MANY);
    let histories = calls.iter().take_while(|request| request.method == "GET");
    // The child asks for one to measure it.
    assert_eq!(histories.count(), 2);
}

/// In a process of its own, since the simulator and other tests use the heap too.
fn edit_all() {
    let few = memory_beside_an_answer(FEW);
    let many = memory_beside_an_answer(MANY);

    // Connections and threads take the same for both.
    let per_image = (many - few) / (MANY - FEW);
    println!("{per_image} bytes for each image");
    assert!(per_image <= MOST, "{per_image}");
}

fn memory_beside_an_answer(count: usize) -> usize {
    let folder = env::var_os(FOLDER).unwrap().into();
    let desk = Desk::at(folder, &env::var(URL).unwrap(), Default::default());
    let project = desk.client.project(count.to_string());
    let file = desk.folder.join(format!("{count}.job"));
    let mut job = project.open_job(file).unwrap();
    let answer = peak_of(|| drop(project.history().unwrap()));
    let images: Vec<Image> = (1..=count)
        .map(|number| project.image(format!("DSC_{number:04}.JPEG")))
        .collect();

    let batch = peak_of(|| {
        let edits = ["make the sky more blue"];
        let batch = job.copilot_each(images, edits, &BatchOptions::default());
        let edited = batch.unwrap().all().unwrap();
        assert_eq!(edited.len(), count);
    });
    batch - answer
}

/// Returns how much more memory there was at the most.
fn peak_of(work: impl FnOnce()) -> usize {
    PeakAlloc.reset_peak_usage();
    let before = PeakAlloc.current_usage();
    work();
    PeakAlloc.peak_usage() - before
}
