//! Serves a stand-in for the service on this machine, for programs in any language: no key, no credits.
//!
//! `cargo run --example simulator -- --port 8080`

#[path = "../tests/it/support/simulator.rs"]
mod simulator;

use simulator::{ProjectSpec, Simulator};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
Serves a stand-in for Imagen's Copilot API until Ctrl-C.

Usage: cargo run --example simulator -- [--port PORT] [--latency MILLISECONDS]

  --port PORT             where to listen on 127.0.0.1; 0 is any free port [default: 8080]
  --latency MILLISECONDS  how long an edit takes [default: 0]
  --help                  this text";

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
            describe(&simulator);
            loop {
                std::thread::park();
            }
        }
        Err(message) => {
            eprintln!("simulator: {message}");
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
    value
        .parse()
        .map_err(|_| format!("{name} cannot be {value:?}; see --help"))
}

fn describe(simulator: &Simulator) {
    let (base_url, key) = (simulator.base_url(), simulator.key());
    println!("base URL  {base_url}");
    println!("key       {key}");
    println!();
    println!("{:<26}{:<9}{:<21}photos", "project", "source", "status");
    for ProjectSpec {
        id,
        source,
        status,
        exported,
        photos,
        ..
    } in simulator.projects()
    {
        let exported = if exported { ", exported" } else { "" };
        let status = format!("{}{exported}", status.as_str());
        println!("{id:<26}{:<9}{status:<21}{}", source.as_str(), photos.join(" "));
    }
    println!();
    println!("A first prompt:");
    println!();
    println!(
        "curl -X POST '{base_url}/projects/{}/images/DSC_0001.JPEG/copilot' \\",
        simulator::READY
    );
    println!("  --header 'x-api-key: {key}' \\");
    println!("  --header 'Content-Type: application/json' \\");
    println!("  --data '{FIRST_PROMPT}'");
    println!();
    println!("Ctrl-C ends it, and forgets everything.");
}

const FIRST_PROMPT: &str = r#"{
    "instruction": "make the sky more blue",
    "parent_version_id": null,
    "project_source": "REGULAR"
  }"#;
