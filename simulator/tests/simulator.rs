//! The simulator, called over the network as any HTTP client would. The `.txt` files beside this one are conversations:
//! a request line with `  header: value` lines under it, `= STATUS text` and `~ text` for what the answer must contain,
//! and `> name /pointer` for a string of it that is `$name` later. Requests to a path have the key, and a body is JSON
//! unless a header says otherwise.

use imagen_ai_simulator::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PHOTO: &str = "DSC_0001.JPEG";

/// Sends one request and reads the answer to its end: status, head in lower case, body.
fn send(method: &str, url: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).unwrap().to_lowercase();
    (head[9..12].parse().unwrap(), head, body)
}

/// Sends a request as a conversation gives it.
fn call(simulator: &Simulator, line: &str, given: &str) -> (u16, String, Vec<u8>) {
    let mut parts = line.splitn(3, ' ');
    let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
    let body = parts.next().unwrap_or_default();
    let (mut url, mut headers) = (target.to_owned(), given.to_owned());
    if target.starts_with('/') {
        url = simulator.base_url() + target;
        if !given.contains("x-api-key") {
            headers += &format!("x-api-key: {}\r\n", simulator.key());
        }
        if !body.is_empty() && !given.contains("content-type") {
            headers += "content-type: application/json\r\n";
        }
    }
    if !body.is_empty() {
        headers += &format!("content-length: {}\r\n", body.len());
    }
    let chunked = given.contains("chunked");
    send(
        method,
        &url,
        &headers,
        if chunked {
            b"1\r\nx\r\n0\r\n\r\n"
        } else {
            body.as_bytes()
        },
    )
}

fn converse(simulator: &Simulator, conversation: &str) -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, String> = [
        ("KEY", simulator.key()),
        ("READY", READY),
        ("I2I", I2I),
        ("NOT_EXPORTED", NOT_EXPORTED),
        ("IN_PROGRESS", IN_PROGRESS),
        ("FAILED", FAILED),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let (mut request, mut headers) = (String::new(), String::new());
    let (mut head, mut body) = (String::new(), Vec::new());
    for line in conversation.lines() {
        let mut filled = line.to_owned();
        for (name, value) in &names {
            filled = filled
                .replace(&format!("${{{name}}}"), value)
                .replace(&format!("${name}"), value);
        }
        let mut wanted = filled.get(2..).unwrap_or_default();
        match line.get(..2).unwrap_or_default() {
            "" | "# " => continue,
            "  " => headers += &format!("{wanted}\r\n"),
            "= " => {
                let status;
                (status, head, body) = call(simulator, &request, &headers);
                let text = String::from_utf8_lossy(&body);
                assert_eq!(status.to_string(), wanted[..3], "{request}\n{headers}{head}{text}");
                assert!(head.contains("-request-id: sim-"), "{request}\n{head}");
                wanted = wanted[3..].trim_start();
                headers.clear();
            }
            "> " => {
                let (name, pointer) = wanted.split_once(' ').unwrap();
                let answer: Value = serde_json::from_slice(&body).unwrap();
                let value = answer.pointer(pointer).unwrap_or_else(|| panic!("{line}: {answer}"));
                names.insert(name.to_owned(), value.as_str().unwrap().to_owned());
            }
            "~ " => {}
            _ => request = filled.clone(),
        }
        if line.starts_with(['=', '~']) {
            let text = String::from_utf8_lossy(&body);
            assert!(
                head.contains(wanted) || text.contains(wanted),
                "{request}\n{line}\n{head}{text}"
            );
        }
    }
    names
}

fn prompt(photo: &str, parent: Value) -> String {
    let body = json!({ "instruction": "brighten", "parent_version_id": parent, "project_source": "REGULAR" });
    format!("POST /projects/{READY}/images/{photo}/copilot {body}")
}

/// Edits the first photo of the project that is ready.
fn edit(simulator: &Simulator) -> (u16, Value) {
    let (status, _, body) = call(simulator, &prompt(PHOTO, Value::Null), "");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[test]
fn copilot() {
    let simulator = Simulator::start();
    converse(&simulator, include_str!("copilot.txt"));
    let versions = simulator.versions(READY, PHOTO);
    let ids: Vec<_> = versions.iter().map(|version| (version.id, version.parent)).collect();
    assert_eq!(ids, [(123, None), (127, Some(123))]);
    assert_eq!(versions[1].edit, Edit::Instruction("warmer".to_owned()));
    assert!(simulator.is_finalized(READY) && !simulator.is_finalized(NOT_EXPORTED));
}

#[test]
fn refusals() {
    let simulator = Simulator::start();
    converse(&simulator, include_str!("refusals.txt"));
    let projects = simulator.projects();
    let made = |spec: &ProjectSpec| {
        spec.photos
            .iter()
            .map(|photo| simulator.versions(&spec.id, photo).len())
            .sum::<usize>()
    };
    assert_eq!(
        projects.iter().map(made).sum::<usize>(),
        1,
        "a refused request changes nothing"
    );
}

#[test]
fn from_photos_to_pictures() {
    let simulator = Simulator::start();
    let names = converse(&simulator, include_str!("road.txt"));
    let files = simulator.uploaded(&names["project"]);
    assert_eq!(
        (files[0].name.as_str(), files[0].bytes.as_slice(), files[0].length),
        ("DSC_0001.NEF", &b"RAW BYTES"[..], 9)
    );
    assert_eq!((files.len(), files[1].checksum), (2, checksum(b"DNG")));
    let project = simulator.projects().pop().unwrap();
    assert_eq!(
        (project.name.as_str(), project.status, project.source),
        ("Mixed", Status::Pending, Source::Regular)
    );
}

#[test]
fn storage() {
    let simulator = Simulator::start();
    let names = converse(&simulator, include_str!("storage.txt"));
    assert_eq!(
        send("GET", &names["get"], "", b"").2,
        simulator.jpeg(READY, PHOTO, Some(123))
    );
    assert_eq!(send("GET", names["get"].split('?').next().unwrap(), "", b"").0, 403);

    simulator.expire_links();
    for (method, name) in [("GET", "get"), ("PUT", "put")] {
        let (status, _, body) = send(method, &names[name], "content-length: 0\r\n", b"");
        let text = String::from_utf8(body).unwrap();
        assert!(
            status == 403 && text.contains("<Message>Request has expired</Message>"),
            "{status} {text}"
        );
    }
    let fresh = edit(&simulator).1["enhanced_image_url"].as_str().unwrap().to_owned();
    assert_eq!(send("GET", &fresh, "", b"").0, 200);
    simulator.advance_clock(Duration::from_secs(3600));
    assert_eq!(send("GET", &fresh, "", b"").0, 403);
}

#[test]
fn keeps_the_first_mebibyte_of_a_large_upload() {
    let simulator = Simulator::start();
    let start = format!(
        "POST /projects/{READY}/get_temporary_upload_links {{\"files_list\":[{{\"file_name\":\"a.jpg\"}}]}}\n= 200\n> put /files_list/0/upload_link"
    );
    let link = converse(&simulator, &start)["put"].clone();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    assert_eq!(
        send("PUT", &link, &format!("content-length: {}\r\n", bytes.len()), &bytes).0,
        200
    );
    let file = simulator.uploaded(READY).remove(0);
    assert_eq!(
        (file.length, file.checksum, file.bytes.len()),
        (3_000_000, checksum(&bytes), 1 << 20)
    );
    assert_eq!(simulator.requests().pop().unwrap().body.len(), 1 << 20);

    // A client that waits for `100 Continue` gets it.
    let (host, path) = link.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "PUT /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    assert_eq!(
        (lines.next().unwrap().as_str(), lines.next().unwrap().as_str()),
        ("HTTP/1.1 100 Continue", "")
    );
    stream.write_all(b"abc").unwrap();
    assert_eq!(lines.next().unwrap(), "HTTP/1.1 200 OK");
    assert_eq!(simulator.uploaded(READY)[0].bytes, b"abc");
}

#[test]
fn takes_a_file_name_as_one_segment_byte_for_byte() {
    let names = [
        ("IMG #1.jpg", "IMG%20%231.jpg"),
        ("100%.jpg", "100%25.jpg"),
        ("a/b\\c.jpg", "a%2Fb%5Cc.jpg"),
        ("1+1&2.jpg", "1+1&2.jpg"),
        ("%41.jpg", "%2541.jpg"),
        ("caf\u{e9}.jpg", "caf%C3%A9.jpg"),
        ("cafe\u{301}.jpg", "cafe%CC%81.jpg"),
        ("🌤.jpg", "%f0%9f%8c%a4.jpg"),
    ];
    let simulator = Simulator::start();
    simulator.add_project(ProjectSpec::regular(READY).photos(names.map(|(name, _)| name)));
    for (name, segment) in names {
        assert_eq!(call(&simulator, &prompt(segment, Value::Null), "").0, 200, "{segment}");
        assert_eq!(simulator.versions(READY, name).len(), 1, "{segment}");
        let received = simulator.requests().pop().unwrap();
        assert_eq!(
            received.target(),
            format!("/v1/projects/{READY}/images/{segment}/copilot")
        );
        assert_eq!(
            (received.header("x-api-key"), received.json()["instruction"].as_str()),
            (Some(simulator.key()), Some("brighten"))
        );
    }
    simulator.clear_requests();
    assert!(simulator.requests().is_empty());
}

#[test]
fn fails_when_told_to() {
    let simulator = Simulator::start();
    simulator.fail_photo(READY, PHOTO, 200, json!({ "status": "FAILED" }));
    assert_eq!(edit(&simulator), (200, json!({ "status": "FAILED" })));
    simulator.mend_photo(READY, PHOTO);
    simulator.fail_next("POST", "/copilot", 429, json!({ "message": "Too Many Requests" }), 2);
    simulator.fail_next("GET", "/copilot", 500, Value::Null, 1);
    assert_eq!(edit(&simulator), (429, json!({ "message": "Too Many Requests" })));
    assert_eq!(edit(&simulator).0, 429);
    assert_eq!(simulator.versions(READY, PHOTO), []);
    assert_eq!(edit(&simulator).0, 200);
    simulator.fail_next("POST", "/finalize", 503, "<?xml version=\"1.0\"?><Error/>", 1);
    let (status, head, _) = call(&simulator, &format!("POST /projects/{READY}/finalize"), "");
    assert!(status == 503 && head.contains("application/xml"), "{head}");

    simulator.set_status(IN_PROGRESS, Status::InProgress);
    simulator.fail_edit(IN_PROGRESS, "out of paint");
    simulator.complete_after(IN_PROGRESS, 1);
    simulator.fail_export(READY, "no paper");
    simulator.set_exported(READY, false);
    let story = r#"
GET /projects/$IN_PROGRESS/edit/status
= 200 "status":"In Progress"
GET /projects/$IN_PROGRESS/edit/status
= 200 {"details":"out of paint","progress":null,"status":"Failed"}
POST /projects/$READY/export
= 200
GET /projects/$READY/export/status
= 200 {"details":"no paper","progress":null,"status":"Failed"}
POST /projects/$READY/export
= 200
GET /projects/$READY/export/status
= 200 "status":"Completed""#;
    simulator.configure(|settings| settings.export_polls = 0);
    converse(&simulator, story);
}

#[test]
fn answers_as_the_settings_say() {
    let simulator = Simulator::start();
    simulator.configure(|settings| {
        (settings.bare_lists, settings.envelope, settings.list_unedited) = (true, true, false);
        (settings.empty_finalize, settings.edit_wants_json) = (true, true);
        settings.jpeg_size = 200_000;
    });
    let story = r#"
GET /profiles
= 200 {"data":[{"image_type":"RAW"
GET /projects/sky_replacement/templates
= 200 {"data":[{"id":1
GET /projects/$READY/ai-tools
= 200 "images":[]
POST /projects/$READY/edit {"profile_key":5700}
  content-type:
= 415 detail
POST /projects/$READY/edit {"profile_key":5700}
= 400 Project has no images.
POST /projects/$READY/finalize
= 200 content-length: 0"#;
    converse(&simulator, story);
    let jpeg = simulator.jpeg(READY, PHOTO, None);
    let comment = format!("{READY}/unedited/{PHOTO}");
    assert_eq!(
        (jpeg.len(), &jpeg[..2], &jpeg[jpeg.len() - 2..]),
        (200_000, &[0xff, 0xd8][..], &[0xff, 0xd9][..])
    );
    assert_eq!(&jpeg[24..24 + comment.len()], comment.as_bytes());
}

#[test]
fn keeps_concurrent_calls_apart() {
    let simulator = &Simulator::start();
    let photos: Vec<String> = (0..8).map(|number| format!("{number}.jpg")).collect();
    simulator.add_project(ProjectSpec::regular(READY).photos(photos.clone()));
    let work = |photo: &str| {
        let mut parent = Value::Null;
        let step = |_| {
            let answer: Value = serde_json::from_slice(&call(simulator, &prompt(photo, parent.take()), "").2).unwrap();
            let url = answer["enhanced_image_url"].as_str().unwrap();
            assert!(url.contains(&format!("/{}/{photo}?", answer["version_id"])), "{url}");
            parent = answer["version_id"].clone();
            parent.as_u64().unwrap()
        };
        (0..10).map(step).collect::<Vec<_>>()
    };
    let ids: BTreeSet<u64> = thread::scope(|scope| {
        let workers: Vec<_> = photos.iter().map(|photo| scope.spawn(move || work(photo))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(ids, (123..203).collect());
    assert!(photos.iter().all(|photo| simulator.versions(READY, photo).len() == 10));
}

#[test]
fn slow_edits_are_made_at_their_end_whatever_became_of_the_client() {
    let latency = Duration::from_millis(300);
    let simulator = &Simulator::start_slow(0, latency).unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(edit(simulator).0, 200));
        }
        let made = simulator.requests().len();
        assert!(begun.elapsed() >= latency || made == 0, "{made}");
    });
    assert!(begun.elapsed() >= latency && begun.elapsed() < 8 * latency);
    let begun = Instant::now();
    assert_eq!(call(simulator, &format!("GET /projects/{READY}"), "").0, 200);
    assert!(begun.elapsed() < latency, "nothing else is slow");

    // One client goes when it has sent all, one in the middle of the body.
    simulator.clear_requests();
    let host = simulator.base_url().replace("http://", "").replace("/v1", "");
    let line = prompt("DSC_0002.JPEG", Value::Null);
    let (path, body) = (line.split(' ').nth(1).unwrap(), line.splitn(3, ' ').nth(2).unwrap());
    for sent in [body, &body[..20]] {
        let mut stream = TcpStream::connect(&host).unwrap();
        let (key, length) = (simulator.key(), body.len());
        let head = format!("x-api-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {length}");
        write!(
            stream,
            "POST /v1{path} HTTP/1.1\r\nhost: {host}\r\n{head}\r\n\r\n{sent}"
        )
        .unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    assert_eq!(simulator.requests().len(), 0);
    thread::sleep(3 * latency);
    assert_eq!(
        (
            simulator.requests().len(),
            simulator.versions(READY, "DSC_0002.JPEG").len()
        ),
        (1, 1)
    );
}

#[test]
fn the_program_says_what_to_export() {
    let program = || Command::new(env!("CARGO_BIN_EXE_imagen-ai-simulator"));
    let mut child = program().args(["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: BTreeMap<String, String> = lines
        .take(8)
        .map(|line| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .unwrap()
        })
        .collect();
    assert_eq!(
        (
            said["PROFILE_BASED_PROJECT"].as_str(),
            said["SMART_EDITING_PROJECT"].as_str()
        ),
        (READY, I2I)
    );
    let base_url = &said["IMAGEN_BASE_URL"];
    let header = format!("x-api-key: {}\r\n", said["IMAGEN_API_KEY"]);
    let (status, _, body) = send("GET", &format!("{base_url}/profiles"), &header, b"");
    assert!(status == 200 && String::from_utf8(body).unwrap().contains(&said["PROFILE_KEY"]));

    let port = base_url.trim_end_matches("/v1").rsplit(':').next().unwrap();
    let number = port.parse().unwrap();
    for second in [
        Simulator::start_on(number),
        Simulator::start_slow(number, Duration::from_millis(1)),
    ] {
        assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
    for (arguments, status, text) in [
        (&["--help"][..], 0, "--latency MILLISECONDS"),
        (&["--port", port], 2, "cannot listen on 127.0.0.1:"),
        (&["--port", "x"], 2, "--port cannot be \"x\""),
        (&["--port"], 2, "--port cannot be \"\""),
        (&["8080"], 2, "unknown argument \"8080\""),
    ] {
        let output = program().args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            output.status.code() == Some(status) && said.contains(text),
            "{arguments:?}: {said}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
