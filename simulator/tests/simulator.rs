//! The simulator, called over the network as any HTTP client would. The `.txt` files beside this
//! one are conversations: a request line with `  header: value` lines under it, `= STATUS text` and
//! `~ text` for what the answer must contain, and `> name /pointer` for a string of it that is
//! `$name` later. Requests to a path have the key, and a body is JSON unless a header says
//! otherwise.

use imagen_ai_simulator::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PHOTO: &str = "DSC_0001.JPEG";

/// An answer: its status, all of it as text, and its body.
struct Answer(u16, String, Vec<u8>);

/// Connects, and sends the head and a part of the body.
fn begin(method: &str, url: &str, headers: &str, body: &[u8]) -> TcpStream {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    stream
}

fn send(method: &str, url: &str, headers: &str, body: &[u8]) -> Answer {
    let (length, body) = match body.len() {
        0 if headers.contains("chunked") => (String::new(), &b"0\r\n\r\n"[..]),
        0 => (String::new(), body),
        length => (format!("content-length: {length}\r\n"), body),
    };
    let headers = format!("connection: close\r\n{length}{headers}");
    let mut answer = Vec::new();
    let mut stream = begin(method, url, &headers, body);
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let head = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    Answer(
        text[9..12].parse().unwrap(),
        text,
        answer.split_off(head + 4),
    )
}

/// Sends a request as a conversation gives it.
fn call(simulator: &Simulator, line: &str, given: &str) -> Answer {
    let mut parts = line.splitn(3, ' ').chain([""]);
    let [method, target, body] = [(); 3].map(|()| parts.next().unwrap());
    if !target.starts_with('/') {
        return send(method, target, given, body.as_bytes());
    }
    let mut headers = given.to_owned();
    if !given.contains("x-api-key") {
        headers += &format!("x-api-key: {}\r\n", simulator.key());
    }
    if !body.is_empty() && !given.contains("content-type") {
        headers += "content-type: application/json\r\n";
    }
    send(
        method,
        &(simulator.base_url() + target),
        &headers,
        body.as_bytes(),
    )
}

/// Holds a conversation. Returns the names that it gave.
fn converse(simulator: &Simulator, conversation: &str) -> BTreeMap<String, String> {
    let ids = format!(
        "KEY {} READY {READY} I2I {I2I} FAILED {FAILED}",
        simulator.key()
    );
    let ids = format!("{ids} NOT_EXPORTED {NOT_EXPORTED} IN_PROGRESS {IN_PROGRESS}");
    let mut names = BTreeMap::new();
    for pair in ids.split(' ').collect::<Vec<_>>().chunks(2) {
        names.insert(pair[0].to_owned(), pair[1].to_owned());
    }
    let (mut request, mut headers, mut answer) = (
        String::new(),
        String::new(),
        Answer(0, String::new(), Vec::new()),
    );
    for line in conversation
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let fill = |line: String, (name, value): (&String, &String)| {
            line.replace(&format!("${name}"), value)
        };
        let line = names.iter().fold(line.to_owned(), fill);
        let (sign, mut rest) = line.split_at(2);
        match sign {
            "  " => headers += &format!("{rest}\r\n"),
            "= " => {
                answer = call(simulator, &request, &std::mem::take(&mut headers));
                assert_eq!(answer.0.to_string(), rest[..3], "{request}\n{}", answer.1);
                assert!(
                    answer.1.contains("-request-id: sim-"),
                    "{request}\n{}",
                    answer.1
                );
                rest = rest[3..].trim_start();
            }
            "> " => {
                let (name, pointer) = rest.split_once(' ').unwrap();
                let answer: Value = serde_json::from_slice(&answer.2).unwrap();
                names.insert(
                    name.to_owned(),
                    answer
                        .pointer(pointer)
                        .unwrap()
                        .as_str()
                        .unwrap()
                        .to_owned(),
                );
            }
            "~ " => {}
            _ => request = line.clone(),
        }
        let is_there = !["= ", "~ "].contains(&sign) || answer.1.contains(rest);
        assert!(is_there, "{request}\n{line}\n{}", answer.1);
    }
    names
}

fn prompt(photo: &str, parent: Value) -> String {
    let body = json!({ "instruction": "brighten", "parent_version_id": parent, "project_source": "REGULAR" });
    format!("POST /projects/{READY}/images/{photo}/copilot {body}")
}

/// Edits a photo of the project that is ready. Returns the id of the version and its URL.
fn edit(simulator: &Simulator, photo: &str, parent: Value) -> (Value, String) {
    let answer = call(simulator, &prompt(photo, parent), "");
    let body: Value = serde_json::from_slice(&answer.2).unwrap();
    let url = body["enhanced_image_url"].as_str().unwrap();
    (body["version_id"].clone(), url.to_owned())
}

#[test]
fn copilot() {
    let simulator = Simulator::start();
    converse(&simulator, include_str!("copilot.txt"));
    let versions = simulator.versions(READY, PHOTO);
    let parents: Vec<_> = versions.iter().map(|version| version.parent).collect();
    assert_eq!(parents, [None, Some(123)]);
    assert_eq!(versions[1].edit, Edit::Instruction("warmer".to_owned()));
    assert!(simulator.is_finalized(READY) && !simulator.is_finalized(NOT_EXPORTED));
}

#[test]
fn refusals() {
    let simulator = Simulator::start();
    converse(&simulator, include_str!("refusals.txt"));
    // The version of the last request, which is good.
    assert_eq!(simulator.versions(READY, PHOTO).len(), 1);
}

#[test]
fn names() {
    let simulator = Simulator::start();
    let names =
        "IMG #1.jpg|100%.jpg|a/b\\c.jpg|1+1&2.jpg|%41.jpg|caf\u{e9}.jpg|cafe\u{301}.jpg|🌤.jpg";
    simulator.add_project(ProjectSpec::regular(READY).photos(names.split('|')));
    converse(&simulator, include_str!("names.txt"));
    let made = |name| simulator.versions(READY, name).len();
    assert!(names.split('|').all(|name| made(name) == 1));
    let received = &simulator.requests()[0];
    let target = format!("/v1/projects/{READY}/images/IMG%20%231.jpg/copilot");
    assert_eq!(received.target(), target);
    assert_eq!(received.header("x-api-key"), Some(simulator.key()));
    assert_eq!(received.json()["instruction"], "x");
    simulator.clear_requests();
    assert!(simulator.requests().is_empty());
}

#[test]
fn from_photos_to_pictures() {
    let simulator = Simulator::start();
    let either = json!({"profile_key": 5702, "profile_name": "Studio", "profile_type": "Shared"});
    simulator.configure(|settings| settings.profiles.push(either));
    let names = converse(&simulator, include_str!("road.txt"));
    let files = simulator.uploaded(&names["project"]);
    assert_eq!(
        (files[0].name.as_str(), files[0].length),
        ("DSC_0001.NEF", 9)
    );
    assert_eq!(files[0].bytes, b"RAW BYTES");
    assert_eq!(files[1].checksum, checksum(b"DNG"));
    let project = simulator.projects().pop().unwrap();
    assert_eq!((&*project.name, project.status), ("Notes", Status::Pending));
}

#[test]
fn storage() {
    let simulator = Simulator::start();
    let links = converse(&simulator, include_str!("storage.txt"));
    let jpeg = simulator.jpeg(READY, PHOTO, Some(123));
    assert_eq!(send("GET", &links["get"], "", b"").2, jpeg);
    assert_eq!(
        send("GET", links["get"].split('?').next().unwrap(), "", b"").0,
        403
    );

    simulator.expire_links();
    for (method, link) in [("GET", &links["get"]), ("PUT", &links["put"])] {
        let Answer(status, text, _) = send(method, link, "", b"");
        let is_expired = text.contains("<Message>Request has expired</Message>");
        assert!(status == 403 && is_expired, "{text}");
    }
    let (_, fresh) = edit(&simulator, PHOTO, Value::Null);
    assert_eq!(send("GET", &fresh, "", b"").0, 200);
    simulator.advance_clock(Duration::from_secs(3600));
    assert_eq!(send("GET", &fresh, "", b"").0, 403);
}

#[test]
fn uploads() {
    let simulator = Simulator::start();
    let link = &converse(&simulator, include_str!("storage.txt"))["put"];
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    assert_eq!(send("PUT", link, "", &bytes).0, 200);
    let file = simulator.uploaded(READY).remove(0);
    assert_eq!((file.length, file.checksum), (3_000_000, checksum(&bytes)));
    assert_eq!(file.bytes.len(), 1 << 20);
    assert_eq!(simulator.requests().pop().unwrap().body.len(), 1 << 20);

    // A client that waits for `100 Continue` gets it.
    let headers = "content-length: 3\r\nexpect: 100-continue\r\n";
    let mut stream = begin("PUT", link, headers, b"");
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "HTTP/1.1 100 Continue");
    stream.write_all(b"abc").unwrap();
    assert_eq!(lines.nth(1).unwrap(), "HTTP/1.1 200 OK");
    assert_eq!(simulator.uploaded(READY)[0].bytes, b"abc");
}

#[test]
fn failures() {
    let simulator = Simulator::start();
    simulator.fail_photo(READY, PHOTO, 500, Value::Null);
    simulator.mend_photo(READY, PHOTO);
    simulator.fail_photo(READY, "DSC_0002.JPEG", 200, json!({ "status": "FAILED" }));
    simulator.fail_next(
        "POST",
        "/copilot",
        429,
        json!({ "message": "Too Many Requests" }),
        2,
    );
    simulator.fail_next("GET", READY, 503, "<?xml version=\"1.0\"?><Error/>", 1);
    simulator.fail_next("POST", "/finalize", 500, Value::Null, 1);
    simulator.set_status(IN_PROGRESS, Status::InProgress);
    simulator.complete_after(IN_PROGRESS, 1);
    simulator.fail_edit(IN_PROGRESS, "out of paint");
    simulator.fail_export(NOT_EXPORTED, "no paper");
    simulator.configure(|settings| settings.export_polls = 0);
    converse(&simulator, include_str!("failures.txt"));
    assert_eq!(simulator.versions(READY, "DSC_0002.JPEG"), []);
    simulator.set_exported(NOT_EXPORTED, true);
    assert!(simulator.projects()[2].exported);
}

#[test]
fn settings() {
    let simulator = Simulator::start();
    simulator.configure(|settings| {
        (
            settings.bare_lists,
            settings.envelope,
            settings.list_unedited,
        ) = (true, true, false);
        (
            settings.empty_finalize,
            settings.edit_wants_json,
            settings.jpeg_size,
        ) = (true, true, 200_000);
    });
    converse(&simulator, include_str!("settings.txt"));
    let jpeg = simulator.jpeg(READY, PHOTO, None);
    assert_eq!(jpeg.len(), 200_000);
    assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
    assert!(jpeg[24..].starts_with(format!("{READY}/unedited/{PHOTO}").as_bytes()));
}

#[test]
fn keeps_slow_calls_apart() {
    let latency = Duration::from_millis(100);
    let simulator = &Simulator::start_slow(0, latency).unwrap();
    let work = |photo: &str| {
        let mut parent = Value::Null;
        for _ in 0..5 {
            let (version, url) = edit(simulator, photo, parent);
            assert!(url.contains(&format!("/{version}/{photo}?")), "{url}");
            parent = version;
        }
    };
    let photos = [PHOTO, "DSC_0002.JPEG", "DSC_0003.JPEG"];
    let begun = Instant::now();
    thread::scope(|scope| drop(photos.map(|photo| scope.spawn(move || work(photo)))));
    let took = begun.elapsed();
    assert!(took >= 5 * latency && took < 14 * latency, "{took:?}");
    let ids = |photo| {
        simulator
            .versions(READY, photo)
            .into_iter()
            .map(|version| version.id)
    };
    let ids: BTreeSet<u64> = photos.into_iter().flat_map(ids).collect();
    assert_eq!(ids, (123..138).collect());
}

#[test]
fn makes_a_slow_edit_whatever_became_of_the_client() {
    let latency = Duration::from_millis(300);
    let simulator = &Simulator::start_slow(0, latency).unwrap();
    let line = prompt(PHOTO, Value::Null);
    let (path, body) = line[5..].split_once(' ').unwrap();
    let headers = format!(
        "x-api-key: {}\r\ncontent-type: application/json\r\n",
        simulator.key()
    );
    let headers = format!("{headers}content-length: {}\r\n", body.len());
    // One client goes when it has sent all, one in the middle of the body.
    for sent in [body, &body[..20]] {
        let stream = begin(
            "POST",
            &(simulator.base_url() + path),
            &headers,
            sent.as_bytes(),
        );
        stream.shutdown(Shutdown::Both).unwrap();
    }
    assert_eq!(
        call(simulator, &format!("GET /projects/{READY}"), "").0,
        200
    );
    assert_eq!(simulator.requests().len(), 1, "nothing else is slow");
    thread::sleep(3 * latency);
    assert_eq!(simulator.requests().len(), 2);
    assert_eq!(simulator.versions(READY, PHOTO).len(), 1);
}

#[test]
fn program() {
    let program = || Command::new(env!("CARGO_BIN_EXE_imagen-ai-simulator"));
    let mut child = program()
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut value = |name: &str| lines.next().unwrap().strip_prefix(name).unwrap().to_owned();
    let (base_url, key) = (value("IMAGEN_BASE_URL="), value("IMAGEN_API_KEY="));
    assert_eq!(value("PROFILE_BASED_PROJECT="), READY);
    assert_eq!(value("SMART_EDITING_PROJECT="), I2I);
    assert_eq!(value("NOT_EXPORTED_PROJECT="), NOT_EXPORTED);
    assert_eq!(value("IN_PROGRESS_PROJECT="), IN_PROGRESS);
    assert_eq!(value("FAILED_PROJECT="), FAILED);
    let (url, key) = (
        format!("{base_url}/profiles"),
        format!("x-api-key: {key}\r\n"),
    );
    let profiles = send("GET", &url, &key, b"").1;
    assert!(profiles.contains(&value("PROFILE_KEY=")), "{profiles}");

    let port = base_url.trim_end_matches("/v1").rsplit(':').next().unwrap();
    let slow = Simulator::start_slow(port.parse().unwrap(), Duration::from_millis(1));
    assert_eq!(slow.unwrap_err().kind(), ErrorKind::AddrInUse);
    for (arguments, status, text) in [
        (&["--help"][..], 0, "--latency MILLISECONDS"),
        (&["--port", port], 2, "cannot listen on 127.0.0.1:"),
        (&["--port", "x"], 2, "--port cannot be \"x\""),
        (&["--port"], 2, "--port cannot be \"\""),
        (&["8080"], 2, "unknown argument \"8080\""),
    ] {
        let output = program().args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(text), "{said}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
