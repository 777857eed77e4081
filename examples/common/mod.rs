//! What the examples share: their arguments, and a client of the real service or of a simulator
//! inside the program.

#![allow(dead_code, unreachable_pub)] // Each example uses a part of it.

use std::io::ErrorKind;
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use imagen_ai::{Client, Error, Project};
use imagen_ai_simulator::Simulator;

/// The arguments of an example.
pub struct Arguments {
    /// All but the options.
    pub words: Vec<String>,
    /// `--smart`: the project is a Smart Editing one.
    pub smart: bool,
    help: &'static str,
}

impl Arguments {
    /// Reads them. Prints `help` and ends the program after `--help`, or after an unknown option.
    pub fn read(help: &'static str) -> Self {
        let mut arguments = Self {
            words: Vec::new(),
            smart: false,
            help,
        };
        for word in std::env::args().skip(1) {
            match word.as_str() {
                "--help" | "-h" => {
                    println!("{help}");
                    exit(0);
                }
                "--smart" => arguments.smart = true,
                option if option.starts_with('-') => {
                    eprintln!("There is no option {option}.\n\n{help}");
                    exit(2);
                }
                _ => arguments.words.push(word),
            }
        }
        arguments
    }

    /// Says how the example is called, and ends the program.
    pub fn refuse(&self) -> ! {
        match (has_key(), self.words.is_empty()) {
            (false, false) => eprintln!("IMAGEN_API_KEY is not set, which these arguments need.\n"),
            (true, true) => eprintln!("IMAGEN_API_KEY is set, which needs arguments.\n"),
            _ => {}
        }
        eprintln!("{}", self.help);
        exit(2);
    }

    /// Returns the project with this id, of the kind that the arguments say.
    pub fn project(&self, client: &Client, id: &str) -> Project {
        if self.smart {
            client.smart_project(id)
        } else {
            client.project(id)
        }
    }
}

/// Returns the path of a file to write, unless something is there already or its folder is missing.
pub fn must_not_exist(path: &str) -> Result<&Path, Error> {
    let path = Path::new(path);
    if path.exists() {
        return Err(Error::io(path, ErrorKind::AlreadyExists.into()));
    }
    let folder = path.with_file_name(".");
    std::fs::metadata(&folder).map_err(|e| Error::io(&folder, e))?;
    Ok(path)
}

/// Whether `IMAGEN_API_KEY` holds a key.
pub fn has_key() -> bool {
    std::env::var_os("IMAGEN_API_KEY").is_some_and(|key| !key.is_empty())
}

/// Starts a simulator whose edits take this long, and makes a client for it.
pub fn simulator(latency: Duration) -> (Simulator, Client) {
    let simulator = Simulator::start_slow(0, latency).expect("a free port");
    println!(
        "IMAGEN_API_KEY is not set, so this runs on a simulator of the service: no credits, tiny pictures.\n"
    );
    let client = Client::builder(simulator.key())
        .base_url(simulator.base_url())
        .build();
    (simulator, client.expect("the simulator has a proper URL"))
}
