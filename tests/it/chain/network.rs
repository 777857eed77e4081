//! A network that loses what it is told to.

use std::sync::Arc;
use std::time::Duration;

use imagen_ai::{Image, Wait};

use crate::killed::{PHOTO, photo_at};
use crate::support::script::{End, Request, Script, Turn};
use crate::support::simulator::{Received, Simulator};

/// What becomes of an edit and of the answer to it.
#[derive(Clone, Copy)]
pub enum Fate {
    Pass,
    LoseBefore,
    LoseAfter,
    /// The answer is lost, and the edit is made as the history is asked for so many times more.
    Late(u32),
}
use Fate::{Late, LoseAfter, LoseBefore, Pass};

/// A simulator behind a network that does to the edits, in order, what the fates say, and then no
/// more harm.
pub fn behind(
    fates: impl IntoIterator<Item = Fate, IntoIter: Send + 'static>,
) -> (Arc<Simulator>, Script) {
    let mut fates = fates.into_iter();
    let mut late: Option<(Request, u32)> = None;
    in_process(move |request, answer| {
        if request.method() == "GET" {
            late = match late.take() {
                Some((edit, 1)) => {
                    answer(&edit);
                    None
                }
                Some((edit, left)) => Some((edit, left - 1)),
                None => None,
            };
            return answer(request);
        }
        assert!(late.is_none(), "sent again while the first may still come");
        match fates.next().unwrap_or(Pass) {
            Pass => return answer(request),
            LoseBefore => {}
            LoseAfter => drop(answer(request)),
            Late(questions) => late = Some((request.clone(), questions)),
        }
        End::Close.after_request()
    })
}

/// A simulator behind raw TCP. What becomes of a request is decided with the simulator's way to
/// answer it at hand.
pub fn in_process(
    mut network: impl FnMut(&Request, &dyn Fn(&Request) -> Turn) -> Turn + Send + 'static,
) -> (Arc<Simulator>, Script) {
    let simulator = Arc::new(Simulator::start());
    let service = Arc::clone(&simulator);
    let answer = move |request: &Request| {
        let (status, body) = service.answer(received(request));
        Turn::status(status)
            .header("Content-Type", "application/json")
            .body(body)
    };
    let script = Script::each(move |request| network(request, &answer));
    (simulator, script)
}

fn received(request: &Request) -> Received {
    let (path, query) = match request.path().split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (request.path(), None),
    };
    let headers = request
        .head
        .lines()
        .filter_map(|line| line.split_once(": "));
    Received {
        method: request.method().to_owned(),
        path: path.to_owned(),
        query,
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: request.body.clone(),
    }
}

pub fn image_behind(network: &Script) -> Image {
    photo_at(&format!("{}/v1", network.url()))
}

/// The parent that each edit so far was sent with, as JSON.
pub fn parents(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.requests().into_iter();
    requests
        .filter(|request| request.method == "POST")
        .map(|edit| edit.json()["parent_version_id"].to_string())
        .collect()
}

pub fn sent(network: &Script, method: &str) -> usize {
    let requests = network.requests();
    let sent = requests.iter().filter(|request| request.method() == method);
    sent.count()
}

/// A history with these versions of the image.
pub fn listing(versions: &str) -> Turn {
    Turn::json(format!(r#"{{"{PHOTO}":{versions}}}"#))
}

/// A wait that is over at once: one question.
pub const NONE: Wait = wait(0, 0);

/// A wait for an edit that will be found: long enough for the busiest machine.
pub const LONG: Wait = wait(10, 30_000);

pub const fn wait(first: u64, total: u64) -> Wait {
    Wait {
        first: Duration::from_millis(first),
        factor: 1.0,
        longest: Duration::from_millis(first),
        total: Duration::from_millis(total),
        not_begun: Duration::MAX,
        progress: None,
    }
}
