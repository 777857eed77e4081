//! Makes the calls that it is told to and prints what each gave, one line a call, for the scripts in
//! `tests/peers`. The whole error goes to stderr.
//!
//! All calls of one run share a client. The key and the address of the service are in
//! `IMAGEN_API_KEY` and `IMAGEN_BASE_URL`.

use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, thread};

use imagen_ai::ureq::Agent;
use imagen_ai::ureq::tls::{Certificate, RootCerts, TlsConfig};
use imagen_ai::{Client, DownloadOptions, Error, Overwrite, RetryPolicy, UploadOptions, parallel};

const USAGE: &str = "\
usage: peers-client [--root PEM] [--attempts N] CALL [then CALL]...

CALL is one of
  presets PROJECT                      asks for something that costs nothing
  copilot PROJECT IMAGE INSTRUCTION    makes an edit
  burst NUMBER PROJECT IMAGE           makes so many edits, four at a time
  edits PROJECT IMAGE                  counts the edits that the service knows
  finalize PROJECT
  upload PROJECT PHOTO...
  download-all PROJECT FOLDER          the finished images
  copilot-to FILE PROJECT IMAGE INSTRUCTION
                                       makes an edit and downloads it
  pause MILLISECONDS                   leaves the connection alone

--root PEM    trusts this certificate and no other
--attempts N  RetryPolicy::max_attempts";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("peers-client: {message}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Makes all calls. An error is one of the arguments; the outcomes of calls are printed.
fn run(arguments: &[String]) -> Result<(), String> {
    let mut arguments = arguments;
    let mut builder = Client::builder_from_env()
        .map_err(|e| e.to_string())?
        .allow_http(true);
    while let [name, value, rest @ ..] = arguments {
        builder = match name.as_str() {
            "--root" => builder.agent(trusting(value)?),
            "--attempts" => {
                let max_attempts = value.parse().map_err(|_| "--attempts: no number")?;
                builder.retry(RetryPolicy {
                    max_attempts,
                    ..RetryPolicy::default()
                })
            }
            _ => break,
        };
        arguments = rest;
    }
    let client = builder.build().map_err(|e| e.to_string())?;
    for words in arguments.split(|argument| argument == "then") {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        make(&client, &words)?;
    }
    Ok(())
}

/// Makes an agent that trusts one certificate. Its proxy is that of the environment.
fn trusting(path: &str) -> Result<Agent, String> {
    let pem = fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    let root = Certificate::from_pem(&pem).map_err(|e| format!("{path}: {e}"))?;
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[root]))
        .build();
    Ok(Agent::config_builder().tls_config(tls).build().into())
}

fn make(client: &Client, words: &[&str]) -> Result<(), String> {
    match words {
        ["presets", project] => {
            let presets = client.project(*project).presets();
            print("presets", presets.map(|_| String::new()));
        }
        ["copilot", project, image, instruction] => {
            print("copilot", copilot(client, project, image, instruction));
        }
        ["burst", number, project, image] => {
            let number: usize = number.parse().map_err(|_| "burst: no number")?;
            let results = parallel(0..number, 4, |at| {
                copilot(client, project, image, &format!("edit {at}"))
            });
            // The order is left to chance, so the versions are not printed.
            for result in results {
                print("burst", result.map(|_| String::new()));
            }
        }
        ["edits", project, image] => {
            let history = client.project(*project).image(*image).history();
            print(
                "edits",
                history.map(|history| history.versions().len().to_string()),
            );
        }
        ["finalize", project] => {
            let links = client.project(*project).finalize();
            print("finalize", links.map(|_| String::new()));
        }
        ["upload", project, photos @ ..] => upload(client, project, photos),
        ["download-all", project, folder] => download_all(client, project, folder),
        ["copilot-to", file, project, image, instruction] => {
            let result = client
                .project(*project)
                .image(*image)
                .copilot(*instruction)
                .and_then(|edit| client.download(&edit).to_file(file));
            print(
                "copilot-to",
                result.map(|file| format!("{} bytes", file.bytes)),
            );
        }
        ["pause", milliseconds] => {
            let milliseconds = milliseconds.parse().map_err(|_| "pause: no number")?;
            thread::sleep(Duration::from_millis(milliseconds));
        }
        _ => return Err(format!("what is {words:?}?")),
    }
    Ok(())
}

fn copilot(
    client: &Client,
    project: &str,
    image: &str,
    instruction: &str,
) -> Result<String, Error> {
    let edit = client.project(project).image(image).copilot(instruction)?;
    Ok(edit.version()?.to_string())
}

fn upload(client: &Client, project: &str, photos: &[&str]) {
    let results = client
        .project(project)
        .upload(photos, &UploadOptions::default());
    match results {
        Ok(results) => {
            for result in results {
                let what =
                    result.map(|photo| format!("{}, {} bytes", photo.file_name, photo.bytes));
                print("upload", what);
            }
        }
        Err(e) => print("upload", Err(e)),
    }
}

fn download_all(client: &Client, project: &str, folder: &str) {
    let options = DownloadOptions {
        overwrite: Overwrite::Always,
        ..DownloadOptions::default()
    };
    let links = client
        .project(project)
        .download_links(imagen_ai::Output::Jpeg);
    match links.and_then(|links| client.download_all(&links, folder, &options)) {
        Ok(results) => {
            for result in results {
                let what = result.map(|file| format!("{}, {} bytes", file.file_name, file.bytes));
                print("download", what);
            }
        }
        Err(e) => print("download", Err(e)),
    }
}

fn print(call: &str, result: Result<String, Error>) {
    match result {
        Ok(what) => println!("{}", format!("{call}: ok {what}").trim_end()),
        Err(error) => {
            println!("{call}: {}", kind_of(&error));
            eprintln!("{call}: {error}");
        }
    }
}

/// Returns the error's variant and kind, the status if an answer came, and the attempts.
fn kind_of(error: &Error) -> String {
    let kind = match error {
        Error::InvalidInput { .. } => return "InvalidInput".to_owned(),
        Error::Io { source, .. } => return format!("Io {:?}", source.kind()),
        Error::Api(e) => format!("Api {:?}", e.kind),
        Error::OutcomeUnknown(e) => format!("OutcomeUnknown {:?}", e.cause.kind),
        Error::Network(e) => format!("Network {:?}", e.cause.kind),
        Error::Decode(e) => format!("Decode {:?}", e.cause.kind),
        Error::Transfer(e) => format!("Transfer {:?}", e.reason),
        _ => "another error".to_owned(),
    };
    let status = match error.status() {
        Some(status) => format!(", status {status}"),
        None => String::new(),
    };
    let attempts = error.context().map_or(0, |context| context.attempts);
    format!("{kind}{status}, attempts {attempts}")
}
