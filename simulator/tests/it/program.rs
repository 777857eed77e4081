use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use imagen_ai_simulator::{FAILED, IN_PROGRESS, NOT_EXPORTED, READY, SMART, Simulator};

use crate::support::{Answer, IMAGE, prompt, send};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_imagen-ai-simulator"))
}

/// The program, while it runs.
struct Program {
    child: Child,
    printed: BTreeMap<String, String>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let child = program()
            .args(["--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let mut printed = BTreeMap::new();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map(Result::unwrap).take(8) {
            let (name, value) = line.split_once('=').unwrap();
            printed.insert(name.to_owned(), value.to_owned());
        }
        Self { child, printed }
    }

    fn key(&self) -> String {
        format!("x-api-key: {}\r\n", self.printed["IMAGEN_API_KEY"])
    }

    fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.printed["IMAGEN_BASE_URL"]);
        send("GET", &url, &self.key(), b"")
    }

    fn copilot(&self) -> Answer {
        let base_url = &self.printed["IMAGEN_BASE_URL"];
        let url = format!("{base_url}/projects/{READY}/images/{IMAGE}/copilot");
        let headers = self.key() + "content-type: application/json\r\n";
        let body = prompt("brighten", serde_json::Value::Null).to_string();
        send("POST", &url, &headers, body.as_bytes())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn it_prints_what_a_client_needs() {
    let program = Program::start(&[]);
    for (name, id) in [
        ("PROFILE_BASED_PROJECT", READY),
        ("SMART_PROJECT", SMART),
        ("NOT_EXPORTED_PROJECT", NOT_EXPORTED),
        ("IN_PROGRESS_PROJECT", IN_PROGRESS),
        ("FAILED_PROJECT", FAILED),
    ] {
        assert_eq!(program.printed[name], id);
    }
    program
        .get("/profiles")
        .is(200, &program.printed["PROFILE_KEY"]);
}

#[test]
fn its_projects_have_as_many_images_as_asked_for() {
    let program = Program::start(&["--photos", "12"]);
    for path in [
        format!("/projects/{READY}"),
        format!("/i2i/projects/{SMART}"),
    ] {
        program.get(&path).is(200, "\"number_of_images\":12");
    }
    let other = program.get(&format!("/projects/{NOT_EXPORTED}"));
    other.is(200, "\"number_of_images\":3");
}

#[test]
fn the_next_edits_fail_as_asked_for() {
    let program = Program::start(&["--fail", "429:2"]);
    program.copilot().is(429, "message");
    program.copilot().is(429, "message");
    program.copilot().is(200, "\"version_id\":123");
    let program = Program::start(&["--fail", "504"]);
    program.copilot().is(504, "message");
    program.copilot().is(200, "");
}

/// The most memory that a process has had, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn an_upload_is_not_held_in_memory() {
    let program = Program::start(&[]);
    let url = format!(
        "{}/projects/{READY}/get_temporary_upload_links",
        program.printed["IMAGEN_BASE_URL"]
    );
    let headers = program.key() + "content-type: application/json\r\n";
    let links = send(
        "POST",
        &url,
        &headers,
        b"{\"files_list\":[{\"file_name\":\"a.jpg\"}]}",
    );
    let link = links.string("/files_list/0/upload_link");
    let uploaded = send("PUT", &link, "", &vec![0; 64 << 20]);
    uploaded.is(200, "etag: ");
    let peak = peak_memory(&program.child);
    assert!(peak < 32 << 10, "{peak} KiB");
}

/// Sends edits until one is refused. More than a hundred a second come through only by a mistake.
fn refused(program: &Program) -> Answer {
    let mut answers = (0..100).map(|_| program.copilot());
    answers.find(|answer| answer.status == 429).unwrap()
}

#[test]
fn edits_over_the_rate_are_refused() {
    let program = Program::start(&["--rate", "1"]);
    program.copilot().is(200, "");
    let refusal = refused(&program);
    assert!(!refusal.text.contains("retry-after"), "{}", refusal.text);
    let program = Program::start(&["--rate", "1", "--retry-after"]);
    refused(&program).has("retry-after: 1\r\n");
    let program = Program::start(&["--retry-after", "7", "--rate", "1"]);
    refused(&program).has("retry-after: 7\r\n");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let taken = Simulator::start();
    let url = taken.base_url();
    let port = url.trim_end_matches("/v1").rsplit(':').next().unwrap();
    let slow = Simulator::start_slow(port.parse().unwrap(), Duration::from_millis(1));
    assert_eq!(slow.unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_ends(&["--port", port], 2, "cannot listen on 127.0.0.1:");
}

#[test]
fn a_wrong_call_is_told_and_ends_with_2() {
    for (arguments, text) in [
        (&["--port", "x"][..], "--port cannot be \"x\""),
        (&["--port"], "--port cannot be \"\""),
        (&["8080"], "unknown argument \"8080\""),
        (&["--photos", "-1"], "--photos cannot be \"-1\""),
        (&["--latency", "1s"], "--latency cannot be \"1s\""),
        (&["--fail", "404:x"], "--fail cannot be \"404:x\""),
        (&["--fail", "99"], "--fail cannot be \"99\""),
        (&["--rate", "0"], "--rate cannot be \"0\""),
        (
            &["--rate", "1", "--retry-after", "soon"],
            "--retry-after cannot be \"soon\"",
        ),
        (&["--retry-after"], "--retry-after needs --rate"),
    ] {
        assert_ends(arguments, 2, text);
    }
}

#[test]
fn help_names_all_options() {
    for option in [
        "--port PORT",
        "--photos N",
        "--latency MILLISECONDS",
        "--fail STATUS[:TIMES]",
        "--rate N",
        "--retry-after [SECONDS]",
        "--callbacks",
    ] {
        assert_ends(&["--help"], 0, option);
    }
}

#[track_caller]
fn assert_ends(arguments: &[&str], status: i32, text: &str) {
    let output = program().args(arguments).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(text), "{said}");
}
