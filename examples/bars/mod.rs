//! Progress bars: one for all items, and one for each file that is on its way.

#![allow(unreachable_pub)]

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use imagen_ai::{Progress, ProgressCallback};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

#[derive(Default)]
pub struct Bars {
    screen: MultiProgress,
}

impl Bars {
    /// Makes a callback that draws the progress of one step.
    pub fn callback(&self, what: &'static str) -> ProgressCallback {
        let screen = self.screen.clone();
        let shown = Mutex::new(Step::new(&screen, what));
        ProgressCallback::new(move |p| {
            let mut shown = shown.lock().expect("no bar panics");
            shown.draw(&screen, p);
            ControlFlow::Continue(())
        })
    }
}

/// The bars of one step.
struct Step {
    all: ProgressBar,
    /// By the index of the file.
    files: HashMap<usize, ProgressBar>,
}

impl Step {
    fn new(screen: &MultiProgress, what: &'static str) -> Self {
        let all = new_bar(screen, "{bar:40} {pos}/{len} {msg}");
        all.set_message(what);
        Self {
            all,
            files: HashMap::new(),
        }
    }

    fn draw(&mut self, screen: &MultiProgress, p: &Progress<'_>) {
        self.all.set_length(p.items as u64);
        self.all.set_position(p.items_done as u64);
        if p.total.is_some() {
            self.draw_file(screen, p);
        }
        if p.items_done == p.items {
            self.all.finish();
        }
    }

    fn draw_file(&mut self, screen: &MultiProgress, p: &Progress<'_>) {
        let template = "{bar:40} {bytes}/{total_bytes} {msg}";
        let file = self.files.entry(p.index);
        let file = file.or_insert_with(|| new_bar(screen, template));
        file.set_message(p.name.to_owned());
        file.set_length(p.total.unwrap_or_default());
        file.set_position(p.bytes);
        if p.ended.is_some() {
            file.finish_and_clear();
            self.files.remove(&p.index);
        }
    }
}

fn new_bar(screen: &MultiProgress, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("a proper template");
    screen.add(ProgressBar::no_length().with_style(style))
}
