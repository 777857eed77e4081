//! A batch of many images.

use imagen_ai::{BatchOptions, Image};

use super::{Desk, count};
use crate::history::linear::HEAP;
use crate::support::child;
use crate::support::simulator::{ProjectSpec, READY, Simulator};

const IMAGES: usize = 1000;

/// What a batch may take for each image, beside one answer.
const MOST_PER_IMAGE: usize = 1024;

/// In a process of its own, since other tests use the heap too.
#[test]
fn a_thousand_images_take_one_history_and_little_memory() {
    let test = "job::many::a_thousand_images_take_one_history_and_little_memory";
    if !child::is_child() {
        child::run::<&str>(test, &[]);
        return;
    }
}
