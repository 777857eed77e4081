//! Serves the simulator on this machine, for programs in any language.

use imagen_ai_simulator::{FAILED, I2I, IN_PROGRESS, NOT_EXPORTED, READY, Simulator};
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{}", include_str!("help.txt"));
        return ExitCode::SUCCESS;
    }
    match start(&arguments) {
        Err(message) => eprintln!("imagen-ai-simulator: {message}"),
        Ok(simulator) => {
            let (base_url, key) = (simulator.base_url(), simulator.key());
            // A reader that closes the pipe does not end the server.
            let _ = write!(
                stdout(),
                "IMAGEN_BASE_URL={base_url}\nIMAGEN_API_KEY={key}\nPROFILE_BASED_PROJECT={READY}\n\
                 SMART_EDITING_PROJECT={I2I}\nNOT_EXPORTED_PROJECT={NOT_EXPORTED}\n\
                 IN_PROGRESS_PROJECT={IN_PROGRESS}\nFAILED_PROJECT={FAILED}\nPROFILE_KEY=5700\n"
            );
            loop {
                std::thread::park();
            }
        }
    }
    ExitCode::from(2)
}

fn start(arguments: &[String]) -> Result<Simulator, String> {
    let (mut port, mut latency) = (8080, 0);
    for pair in arguments.chunks(2) {
        let value = pair.get(1).map_or("", String::as_str);
        let wrong = |_| format!("{} cannot be {value:?}; see --help", pair[0]);
        match pair[0].as_str() {
            "--port" => port = value.parse().map_err(wrong)?,
            "--latency" => latency = value.parse().map_err(wrong)?,
            name => return Err(format!("unknown argument {name:?}; see --help")),
        }
    }
    let simulator = match latency {
        0 => Simulator::start_on(port),
        _ => Simulator::start_slow(port, Duration::from_millis(latency)),
    };
    simulator.map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))
}
