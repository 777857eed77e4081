//! Serves the simulator on this machine, for programs in any language.

use std::io::{Write, stdout};
use std::iter::Peekable;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use imagen_ai_simulator::{
    FAILED, Failure, IN_PROGRESS, NOT_EXPORTED, Quota, READY, RateLimit, RetryAfter, SMART,
    Simulator,
};

const HELP: &str = "\
Serves a simulator of Imagen's API on 127.0.0.1 until it is killed, and prints what a client needs:
NAME=VALUE, one a line. The first two are environment variables to set.

Usage: imagen-ai-simulator [OPTIONS]

  --port PORT              the port to listen on; 0 is any free one [default: 8080]
  --photos N               how many images PROFILE_BASED_PROJECT and SMART_PROJECT have [default: 3]
  --latency MILLISECONDS   how long each copilot, enhance and finalize call takes [default: 0]
  --fail STATUS[:TIMES]    answers the next TIMES copilot and enhance calls with STATUS, and makes
                           none of them [default TIMES: 1]
  --rate N                 takes N copilot and enhance calls a second, the first N at once, and
                           answers the others with 429 [default: no limit]
  --retry-after [SECONDS]  adds Retry-After to the 429s of --rate: SECONDS, or else the time until
                           a call is taken, in whole seconds
  --callbacks              takes a callback_url on this machine that begins with http:// and has a
                           port, and calls it when the edit is done
  --help                   prints this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let started = Options::parse(arguments.into_iter()).and_then(|options| options.start());
    let simulator = match started {
        Ok(simulator) => simulator,
        Err(message) => {
            eprintln!("imagen-ai-simulator: {message}");
            return ExitCode::from(2);
        }
    };
    // A reader that closes the pipe does not end the server.
    let _ = write!(
        stdout(),
        "IMAGEN_BASE_URL={}\nIMAGEN_API_KEY={}\nPROFILE_BASED_PROJECT={READY}\n\
         SMART_PROJECT={SMART}\nNOT_EXPORTED_PROJECT={NOT_EXPORTED}\n\
         IN_PROGRESS_PROJECT={IN_PROGRESS}\nFAILED_PROJECT={FAILED}\nPROFILE_KEY=5700\n",
        simulator.base_url(),
        simulator.key(),
    );
    loop {
        std::thread::park();
    }
}

/// What the command line says.
struct Options {
    port: u16,
    photos: usize,
    latency: u64,
    failure: Option<PlannedFailure>,
    rate: Option<u32>,
    retry_after: RetryAfter,
    callbacks: bool,
}

/// The value of `--fail`.
struct PlannedFailure {
    status: u16,
    times: u32,
}

impl FromStr for PlannedFailure {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (status, times) = text.split_once(':').unwrap_or((text, "1"));
        let status = status.parse().map_err(drop)?;
        if !(200..=599).contains(&status) {
            return Err(());
        }
        Ok(Self {
            status,
            times: times.parse().map_err(drop)?,
        })
    }
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let mut options = Self {
            port: 8080,
            photos: 3,
            latency: 0,
            failure: None,
            rate: None,
            retry_after: RetryAfter::Missing,
            callbacks: false,
        };
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--port" => options.port = value(&name, &mut arguments)?,
                "--photos" => options.photos = value(&name, &mut arguments)?,
                "--latency" => options.latency = value(&name, &mut arguments)?,
                "--fail" => options.failure = Some(value(&name, &mut arguments)?),
                "--rate" => options.rate = Some(rate(&name, &mut arguments)?),
                "--retry-after" => options.retry_after = retry_after(&name, &mut arguments)?,
                "--callbacks" => options.callbacks = true,
                _ => return Err(format!("unknown argument {name:?}; see --help")),
            }
        }
        if options.rate.is_none() && options.retry_after != RetryAfter::Missing {
            return Err("--retry-after needs --rate; see --help".to_owned());
        }
        Ok(options)
    }

    fn start(&self) -> Result<Simulator, String> {
        let simulator = Simulator::start_on(self.port)
            .map_err(|error| format!("cannot listen on 127.0.0.1:{}: {error}", self.port))?;
        simulator.configure(|settings| {
            settings.latency = Duration::from_millis(self.latency);
            settings.local_callbacks = self.callbacks;
            // Nothing reads them here.
            settings.kept_bytes = 0;
            settings.rate_limit = self.rate.map(|edits| RateLimit {
                quota: Quota::PerSecond {
                    edits,
                    burst: edits,
                },
                retry_after: self.retry_after,
            });
        });
        for project in simulator.projects() {
            if [READY, SMART].contains(&project.id.as_str()) {
                simulator.add_project(project.image_count(self.photos));
            }
        }
        if let Some(PlannedFailure { status, times }) = self.failure {
            let body = serde_json::json!({ "message": "Ordered by --fail" });
            simulator.fail_next_edits(Failure::new(status, body), times);
        }
        Ok(simulator)
    }
}

/// Reads the value of an option.
fn value<T: FromStr>(
    name: &str,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<T, String> {
    let text = arguments.next().unwrap_or_default();
    let value = text.parse();
    value.map_err(|_| format!("{name} cannot be {text:?}; see --help"))
}

fn rate(name: &str, arguments: &mut impl Iterator<Item = String>) -> Result<u32, String> {
    match value(name, arguments)? {
        0 => Err(format!("{name} cannot be \"0\"; see --help")),
        rate => Ok(rate),
    }
}

/// Reads the value of `--retry-after`, which may be left out.
fn retry_after(
    name: &str,
    arguments: &mut Peekable<impl Iterator<Item = String>>,
) -> Result<RetryAfter, String> {
    match arguments.peek() {
        Some(next) if !next.starts_with("--") => value(name, arguments).map(RetryAfter::Seconds),
        _ => Ok(RetryAfter::TimeLeft),
    }
}
