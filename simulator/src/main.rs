//! Serves the simulator on this machine, for programs in any language.

use imagen_ai_simulator::{FAILED, I2I, IN_PROGRESS, NOT_EXPORTED, READY, Simulator};
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
Serves a simulator of Imagen's API on 127.0.0.1 until it is killed, and prints what a client needs:
NAME=VALUE, one a line. The first two are environment variables to set.

Usage: imagen-ai-simulator [--port PORT] [--latency MILLISECONDS]

  --port PORT             the port to listen on; 0 is any free one [default: 8080]
  --latency MILLISECONDS  how long each copilot, enhance and finalize call takes [default: 0]
  --help                  prints this text";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match start(&arguments) {
        Ok(simulator) => {
            let text = description(&simulator);
            // A reader that closes the pipe does not end the server.
            let _ = stdout().write_all(text.as_bytes());
            loop {
                std::thread::park();
            }
        }
        Err(message) => {
            eprintln!("imagen-ai-simulator: {message}");
            ExitCode::from(2)
        }
    }
}

fn start(arguments: &[String]) -> Result<Simulator, String> {
    let (mut port, mut latency) = (8080, 0);
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--port" => port = number(name, arguments.next())?,
            "--latency" => latency = number(name, arguments.next())?,
            _ => return Err(format!("unknown argument {name:?}; see --help")),
        }
    }
    let simulator = match latency {
        0 => Simulator::start_on(port),
        _ => Simulator::start_slow(port, Duration::from_millis(latency)),
    };
    simulator.map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))
}

fn number<T: std::str::FromStr>(name: &str, value: Option<&String>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{name} needs a value; see --help"))?;
    let number = value.parse();
    number.map_err(|_| format!("{name} cannot be {value:?}; see --help"))
}

fn description(simulator: &Simulator) -> String {
    let (base_url, key) = (simulator.base_url(), simulator.key());
    format!(
        "IMAGEN_BASE_URL={base_url}\nIMAGEN_API_KEY={key}\nPROFILE_BASED_PROJECT={READY}\n\
         SMART_EDITING_PROJECT={I2I}\nNOT_EXPORTED_PROJECT={NOT_EXPORTED}\nIN_PROGRESS_PROJECT={IN_PROGRESS}\n\
         FAILED_PROJECT={FAILED}\nPROFILE_KEY=5700\n"
    )
}
