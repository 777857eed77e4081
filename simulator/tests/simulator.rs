//! The simulator itself, called as any HTTP client would: what it lets through, the other tests cannot catch.

use crate::support::simulator::{Edit, FAILED, I2I, IN_PROGRESS, NOT_EXPORTED, ProjectSpec, READY, Simulator, Status};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, Request};

/// An answer, read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)));
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let agent = config.build().new_agent();
    let response = if body.is_empty() {
        agent.run(request.body(()).unwrap())
    } else {
        agent.run(request.body(body).unwrap())
    };
    let (parts, mut body) = response.unwrap().into_parts();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.read_to_vec().unwrap(),
    }
}

/// A call as the service wants it: with the key, and a body that says it is JSON. `path` follows the base URL.
fn call(simulator: &Simulator, method: &str, path: &str, body: &str) -> Answer {
    let mut headers = vec![("x-api-key", simulator.key())];
    if !body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    send(
        method,
        &format!("{}{path}", simulator.base_url()),
        &headers,
        body.as_bytes(),
    )
}

fn get(simulator: &Simulator, path: &str) -> Answer {
    call(simulator, "GET", path, "")
}

/// A file from the storage, with these headers.
fn fetch(url: &str, headers: &[(&str, &str)]) -> Answer {
    send("GET", url, headers, b"")
}

fn prompt(instruction: &str, parent: Value) -> String {
    json!({ "instruction": instruction, "parent_version_id": parent, "project_source": "REGULAR" }).to_string()
}

/// An edit of a photo of the project that is ready.
fn edit(simulator: &Simulator, photo: &str, instruction: &str, parent: Value) -> Answer {
    let path = format!("/projects/{READY}/images/{photo}/copilot");
    call(simulator, "POST", &path, &prompt(instruction, parent))
}

/// The first photo's versions, each with its parent.
fn tree(simulator: &Simulator) -> Vec<(u64, Option<u64>)> {
    let versions = simulator.versions(READY, PHOTO);
    versions.iter().map(|version| (version.id, version.parent)).collect()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, text: &str, request: &str) {
    assert_eq!(answer.status, status, "{request}: {}", answer.text());
    assert!(answer.text().contains(text), "{request}: {}", answer.text());
    assert!(answer.header("x-request-id").is_some(), "{request}");
}

const PHOTO: &str = "DSC_0001.JPEG";
const NONE: Value = Value::Null;
const REGULAR: &str = r#"{"project_source":"REGULAR"}"#;

#[test]
fn answers_the_published_example() {
    let simulator = Simulator::start();
    let first = edit(&simulator, PHOTO, "make the sky more blue", NONE);
    assert_eq!(
        (first.status, first.header("content-type")),
        (200, Some("application/json"))
    );
    let body = first.json();
    assert_eq!((&body["status"], &body["version_id"]), (&json!("SUCCESS"), &json!(123)));
    assert_eq!(
        body.as_object().unwrap().len(),
        3,
        "nothing but the published fields: {body}"
    );

    let second = edit(&simulator, PHOTO, "brighten the interior", json!(123));
    assert_eq!(second.json()["version_id"], 124);
    let other = edit(&simulator, "DSC_0002.JPEG", "brighten the interior", NONE);
    assert_eq!(other.json()["version_id"], 125, "numbered across the project");
    assert_eq!(tree(&simulator), [(123, None), (124, Some(123))]);
    let versions = simulator.versions(READY, PHOTO);
    assert_eq!(versions[1].edit, Edit::Instruction("brighten the interior".to_owned()));
}

#[test]
fn refuses_what_the_service_refuses() {
    let simulator = Simulator::start();
    let copilot = |project| format!("/projects/{project}/images/DSC_0001.JPEG/copilot");
    let ready = copilot(READY);
    let good = &prompt("brighten", NONE);
    let unready = "Project has not been exported yet.";
    let ai_tools = |project| format!("/projects/{project}/ai-tools?project_source=REGULAR");
    #[rustfmt::skip]
    let cases = [
        ("POST", copilot(NOT_EXPORTED), good.as_str(), 400, unready),
        ("POST", copilot(IN_PROGRESS), good, 400, unready),
        ("POST", copilot(FAILED), good, 400, unready),
        ("DELETE", copilot(NOT_EXPORTED), REGULAR, 400, unready),
        ("POST", format!("/projects/{NOT_EXPORTED}/finalize"), REGULAR, 400, unready),
        ("GET", ai_tools(NOT_EXPORTED), "", 400, unready),
        ("GET", format!("/projects/{NOT_EXPORTED}/export/get_temporary_download_links"), "", 400, unready),
        ("POST", copilot("unknown"), good, 404, "Project not found."),
        ("POST", copilot(I2I), good, 404, "Project not found."),
        ("POST", ready.clone(), &good.replace("REGULAR", "I2I"), 404, "Project not found."),
        ("GET", format!("/projects/{I2I}"), "", 404, "Project not found."),
        ("GET", format!("/i2i/projects/{READY}"), "", 404, "Project not found."),
        ("POST", ready.replace("0001", "0009"), good, 404, "Image not found."),
        ("POST", ready.replace("JPEG", "jpeg"), good, 404, "Image not found."),
        ("POST", format!("{ready}/"), good, 404, "Not Found"),
        ("POST", format!("/{ready}"), good, 404, "Not Found"),
        ("GET", ready.clone(), "", 405, "Method Not Allowed"),
        ("PUT", ready.clone(), good, 405, "Method Not Allowed"),
        ("DELETE", copilot(I2I), "", 404, "Project not found."),
        ("DELETE", ready.clone(), "{}", 422, "project_source"),
        ("POST", format!("/projects/{I2I}/finalize"), "", 404, "Project not found."),
        ("GET", format!("/projects/{I2I}/ai-tools"), "", 404, "Project not found."),
        ("GET", format!("/projects/{READY}/ai-tools?project_source="), "", 422, "'REGULAR' or 'I2I'"),
        ("GET", format!("{}&x=1", ai_tools(READY)), "", 422, "Extra inputs"),
        ("GET", ai_tools(READY), REGULAR, 400, "Bad Request"),
        ("GET", format!("/projects/{READY}?get_thumbnail=no"), "", 422, "get_thumbnail"),
    ];
    for (method, path, body, status, text) in cases {
        refused(
            &call(&simulator, method, &path, body),
            status,
            text,
            &format!("{method} {path} {body}"),
        );
    }
    assert_eq!(simulator.versions(READY, PHOTO), []);
}

#[test]
fn takes_the_calls_that_the_page_shows_without_a_source() {
    let simulator = Simulator::start();
    edit(&simulator, PHOTO, "brighten", NONE);
    let tools = call(&simulator, "GET", &format!("/projects/{READY}/ai-tools"), "");
    assert_eq!(tools.json()["images"][0]["versions"][0]["version_id"], 123);
    let reset = call(
        &simulator,
        "DELETE",
        &format!("/projects/{READY}/images/{PHOTO}/copilot"),
        "",
    );
    assert_eq!((reset.status, simulator.versions(READY, PHOTO).len()), (204, 0));
    let finalized = call(&simulator, "POST", &format!("/projects/{READY}/finalize"), "");
    assert_eq!((finalized.status, simulator.is_finalized(READY)), (200, true));
}

#[test]
fn refuses_bodies_that_are_not_as_published() {
    let simulator = Simulator::start();
    let good = &prompt("brighten", NONE);
    let tool = |tool: &str| good.replace(r#""instruction":"brighten""#, &format!(r#""tool_id":"{tool}""#));
    #[rustfmt::skip]
    let cases = [
        ("copilot", prompt("add a Dragon", NONE), 400, "Only realistic editing requests are supported."),
        ("copilot", prompt("brighten", json!(1)), 404, "Parent version 1 not found."),
        ("copilot", prompt("", NONE), 422, "at least 1 character"),
        ("copilot", prompt(&"é".repeat(256), NONE), 422, "at most 255 characters"),
        ("copilot", good.replace("null", "\"123\""), 422, "valid integer"),
        ("copilot", good.replace("null", "123.0"), 422, "valid integer"),
        ("copilot", good.replace(r#""parent_version_id":null,"#, ""), 422, "parent_version_id"),
        ("copilot", good.replace(r#","project_source":"REGULAR""#, ""), 422, "project_source"),
        ("copilot", good.replace("REGULAR", "regular"), 422, "'REGULAR' or 'I2I'"),
        ("copilot", good.replace("\"brighten\"", "7"), 422, "valid string"),
        ("copilot", good.replace('{', r#"{"seed":1,"#), 422, "Extra inputs"),
        ("copilot", tool("day_to_dusk"), 422, "Extra inputs"),
        ("copilot", format!("[{good}]"), 422, "valid dictionary"),
        ("copilot", good.replace('}', ""), 422, "JSON decode error"),
        ("copilot", String::new(), 422, "Field required"),
        ("enhance", tool("unknown"), 422, "known enhancement type"),
        ("enhance", tool(""), 422, "known enhancement type"),
        ("enhance", good.clone(), 422, "tool_id"),
    ];
    for (call_name, body, status, text) in cases {
        let path = format!("/projects/{READY}/images/DSC_0001.JPEG/{call_name}");
        refused(
            &call(&simulator, "POST", &path, &body),
            status,
            text,
            &format!("{call_name} {body}"),
        );
    }
    assert_eq!(tree(&simulator), [], "a refused request changes nothing");

    for instruction in ["é", &"é".repeat(255), &"🌤".repeat(255)] {
        assert_eq!(edit(&simulator, PHOTO, instruction, NONE).status, 200);
    }
}

#[test]
fn names_every_fault_of_a_body_at_once() {
    let simulator = Simulator::start();
    let path = format!("/projects/{READY}/images/DSC_0001.JPEG/copilot");
    let answer = call(
        &simulator,
        "POST",
        &path,
        r#"{"instruction":"","parent_version_id":"x"}"#,
    );
    let detail = answer.json()["detail"].clone();
    let places: Vec<&Value> = detail.as_array().unwrap().iter().map(|fault| &fault["loc"]).collect();
    let expected = ["project_source", "parent_version_id", "instruction"].map(|name| json!(["body", name]));
    assert_eq!(places, expected.iter().collect::<Vec<_>>());
    assert!(
        detail[0]["msg"].is_string() && detail[0]["type"].is_string(),
        "{detail}"
    );
}

#[test]
fn wants_its_key_and_json() {
    let simulator = Simulator::start();
    let url = format!("{}/projects/{READY}/images/DSC_0001.JPEG/copilot", simulator.base_url());
    let body = prompt("brighten", NONE);
    let (key, json) = (("x-api-key", simulator.key()), ("content-type", "application/json"));
    let cases: [(&[(&str, &str)], u16); 8] = [
        (&[json], 401),
        (&[json, ("x-api-key", "wrong")], 401),
        (&[json, ("x-api-key", "")], 401),
        (&[json, key, key], 401),
        (&[key], 415),
        (&[key, ("content-type", "text/plain")], 415),
        (&[key, json], 200),
        (&[key, ("content-type", "application/json; charset=utf-8")], 200),
    ];
    for (headers, status) in cases {
        let answer = send("POST", &url, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        assert_eq!(answer.json().get("detail").is_some(), status != 200, "{headers:?}");
    }
}

#[test]
fn takes_a_file_name_as_one_segment_byte_for_byte() {
    let names = [
        ("IMG #1.jpg", "IMG%20%231.jpg"),
        ("100%.jpg", "100%25.jpg"),
        ("a/b\\c.jpg", "a%2Fb%5Cc.jpg"),
        ("../../finalize", "..%2F..%2Ffinalize"),
        ("what?.jpg", "what%3F.jpg"),
        ("1+1&2.jpg", "1+1&2.jpg"),
        ("%41.jpg", "%2541.jpg"),
        ("\"it's\".jpg", "%22it's%22.jpg"),
        ("caf\u{e9}.jpg", "caf%C3%A9.jpg"),
        ("cafe\u{301}.jpg", "cafe%CC%81.jpg"),
        ("🌤.jpg", "%f0%9f%8c%a4.jpg"),
    ];
    let simulator = Simulator::start();
    simulator.add_project(ProjectSpec::regular(READY).photos(names.map(|(name, _)| name)));
    for (version, (name, segment)) in (123..).zip(names) {
        let answer = edit(&simulator, segment, "brighten", NONE);
        assert_eq!(answer.status, 200, "{segment}: {}", answer.text());
        let versions = simulator.versions(READY, name);
        assert_eq!(
            versions.iter().map(|version| version.id).collect::<Vec<_>>(),
            [version],
            "{segment}"
        );
        let received = simulator.requests().pop().unwrap();
        assert_eq!(received.path, format!("/v1/projects/{READY}/images/{segment}/copilot"));
    }

    let bad = [
        ("1%201&2.jpg", 404),
        ("a/b%5Cc.jpg", 404),
        ("%", 400),
        ("%4", 400),
        ("%4g.jpg", 400),
        ("%ff.jpg", 400),
        ("a%2Fb\\c.jpg", 400),
        ("caf\u{e9}.jpg", 400),
        ("..", 400),
        ("%2E%2e", 400),
    ];
    for (segment, status) in bad {
        let answer = edit(&simulator, segment, "brighten", NONE);
        assert_eq!(answer.status, status, "{segment}: {}", answer.text());
    }
}

#[test]
fn drops_the_branch_that_is_not_kept() {
    let simulator = Simulator::start();
    let edit = |parent| edit(&simulator, PHOTO, "brighten", parent);
    edit(NONE);
    edit(json!(123));
    edit(json!(124));
    assert_eq!(tree(&simulator), [(123, None), (124, Some(123)), (125, Some(124))]);
    edit(json!(123));
    assert_eq!(tree(&simulator), [(123, None), (126, Some(123))]);
    assert_eq!(edit(json!(125)).status, 404, "it is gone");
    edit(NONE);
    assert_eq!(tree(&simulator), [(127, None)], "null starts over");

    let path = format!("/projects/{READY}/images/DSC_0001.JPEG/copilot");
    let reset = call(&simulator, "DELETE", &path, REGULAR);
    assert_eq!((reset.status, reset.body.len()), (204, 0));
    assert_eq!(
        (reset.header("content-type"), reset.header("content-length")),
        (None, None)
    );
    assert_eq!(tree(&simulator), []);
    assert_eq!(edit(json!(127)).status, 404);
}

#[test]
fn tells_the_presets_and_the_history() {
    let simulator = Simulator::start();
    edit(&simulator, PHOTO, "brighten", NONE);
    let body = json!({ "tool_id": "day_to_dusk", "parent_version_id": 123, "project_source": "REGULAR" });
    let path = format!("/projects/{READY}/images/DSC_0001.JPEG/enhance");
    let enhanced = call(&simulator, "POST", &path, &body.to_string()).json();
    assert_eq!(enhanced["version_id"], 124);

    let tools = get(
        &simulator,
        &format!("/projects/{READY}/ai-tools?project_source=REGULAR"),
    )
    .json();
    let prompts = tools["prompts"].as_array().unwrap();
    assert!(prompts.iter().any(|prompt| prompt["enhancement_type"] == "day_to_dusk"));
    assert!(
        prompts
            .iter()
            .all(|prompt| prompt["label"].is_string() && prompt["enabled_for_batch"].is_boolean())
    );
    assert_eq!(tools["images"].as_array().unwrap().len(), 3);
    let versions = &tools["images"][0]["versions"];
    assert_eq!(versions[0]["parent_version_id"], NONE);
    assert_eq!(versions[0]["instruction"], "brighten");
    assert_eq!(
        (&versions[1]["parent_version_id"], &versions[1]["tool_id"]),
        (&json!(123), &json!("day_to_dusk"))
    );
    let url = versions[1]["enhanced_image_url"].as_str().unwrap();
    assert_eq!(fetch(url, &[]).body, simulator.jpeg(READY, PHOTO, Some(124)));
}

#[test]
fn finalize_locks_the_edits_in() {
    let simulator = Simulator::start();
    let links = format!("/projects/{READY}/export/get_temporary_download_links");
    let first_file = |answer: Answer| {
        let file = answer.json()["files_list"][0].clone();
        assert_eq!(file["file_name"], PHOTO);
        fetch(file["download_link"].as_str().unwrap(), &[]).body
    };
    edit(&simulator, PHOTO, "brighten", NONE);
    let unedited = simulator.jpeg(READY, PHOTO, None);
    let edited = simulator.jpeg(READY, PHOTO, Some(123));
    assert_eq!(first_file(get(&simulator, &links)), unedited);

    let path = format!("/projects/{READY}/finalize");
    assert_eq!(first_file(call(&simulator, "POST", &path, REGULAR)), edited);
    assert_eq!(first_file(get(&simulator, &links)), edited);
    assert!(simulator.is_finalized(READY));
    assert_eq!(edit(&simulator, PHOTO, "brighten", json!(123)).status, 400);
    let copilot = format!("/projects/{READY}/images/DSC_0001.JPEG/copilot");
    assert_eq!(call(&simulator, "DELETE", &copilot, REGULAR).status, 400);

    simulator.configure(|settings| settings.empty_finalize = true);
    let empty = call(&simulator, "POST", &path, REGULAR);
    assert_eq!((empty.status, empty.body.len()), (200, 0));

    let i2i = call(
        &simulator,
        "POST",
        &format!("/projects/{I2I}/finalize"),
        r#"{"project_source":"I2I"}"#,
    );
    assert_eq!(i2i.status, 200);
    let i2i = get(&simulator, &format!("/i2i/projects/{I2I}/get_temporary_download_links")).json();
    assert_eq!(i2i["files_list"].as_array().unwrap().len(), 3);
    let xmp = get(
        &simulator,
        &format!("/projects/{READY}/edit/get_temporary_download_links"),
    )
    .json();
    assert_eq!(xmp["files_list"][0]["file_name"], "DSC_0001.xmp");
    let xmp = fetch(xmp["files_list"][0]["download_link"].as_str().unwrap(), &[]);
    assert!(
        xmp.status == 200 && xmp.text().starts_with("<x:xmpmeta"),
        "{}",
        xmp.text()
    );
}

#[test]
fn tells_how_far_a_project_is() {
    let simulator = Simulator::start();
    let info = get(&simulator, &format!("/projects/{READY}?get_thumbnail=false")).json();
    assert_eq!(
        (&info["project_uuid"], &info["status"]),
        (&json!(READY), &json!("Completed"))
    );
    assert_eq!(
        (&info["number_of_images"], &info["export_status"]),
        (&json!(3), &json!("Completed"))
    );
    let i2i = get(&simulator, &format!("/i2i/projects/{I2I}")).json();
    assert_eq!((&i2i["status"], &i2i["export_status"]), (&json!("Completed"), &NONE));

    let status = || get(&simulator, &format!("/projects/{IN_PROGRESS}")).json()["status"].clone();
    simulator.complete_after(IN_PROGRESS, 2);
    assert_eq!(
        [status(), status(), status()],
        ["In Progress", "In Progress", "Completed"]
    );
    simulator.complete_after(IN_PROGRESS, 0);
    simulator.set_status(IN_PROGRESS, Status::Failed);
    assert_eq!(status(), "Failed", "and it stays as set");

    simulator.set_exported(NOT_EXPORTED, true);
    let path = format!("/projects/{NOT_EXPORTED}/images/DSC_0001.JPEG/copilot");
    assert_eq!(call(&simulator, "POST", &path, &prompt("brighten", NONE)).status, 200);
}

#[test]
fn storage_serves_what_is_signed_and_nothing_else() {
    let simulator = Simulator::start();
    let url = |parent| {
        let answer = edit(&simulator, PHOTO, "brighten", parent).json();
        answer["enhanced_image_url"].as_str().unwrap().to_owned()
    };
    let (first, second) = (url(NONE), url(json!(123)));
    let file = fetch(&first, &[]);
    assert_eq!((file.status, file.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(
        file.header("content-length"),
        Some(file.body.len().to_string().as_str())
    );
    assert_eq!(file.body, simulator.jpeg(READY, PHOTO, Some(123)));
    assert_ne!(file.body, fetch(&second, &[]).body);

    let refused = |answer: Answer, status, code: &str| {
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/xml"))
        );
        assert!(
            answer.text().contains(&format!("<Code>{code}</Code>")),
            "{}",
            answer.text()
        );
    };
    refused(fetch(&first, &[("x-api-key", simulator.key())]), 400, "InvalidArgument");
    refused(fetch(first.split('?').next().unwrap(), &[]), 403, "AccessDenied");
    refused(fetch(&format!("{first}0"), &[]), 403, "SignatureDoesNotMatch");
    refused(
        fetch(&first.replace("/123/", "/124/"), &[]),
        403,
        "SignatureDoesNotMatch",
    );
    assert_eq!(send("HEAD", &first, &[], b"").status, 403, "signed for GET");

    simulator.expire_links();
    let expired = fetch(&second, &[]);
    assert!(
        expired.text().contains("<Message>Request has expired</Message>"),
        "{}",
        expired.text()
    );
    refused(expired, 403, "AccessDenied");
    let fresh = url(json!(124));
    assert_eq!(fetch(&fresh, &[]).status, 200, "made after the others expired");
    simulator.advance_clock(Duration::from_secs(3600));
    assert_eq!(fetch(&fresh, &[]).status, 403);
}

#[test]
fn storage_serves_parts() {
    let simulator = Simulator::start();
    let answer = edit(&simulator, PHOTO, "brighten", NONE).json();
    let url = answer["enhanced_image_url"].as_str().unwrap();
    let whole = fetch(url, &[]);
    let (length, last) = (whole.body.len(), whole.body.len() - 1);
    let (etag, modified) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));

    #[rustfmt::skip]
    let cases = [
        ("bytes=10-", "", 206, 10..length),
        ("bytes=10-19", "", 206, 10..20),
        ("bytes=10-99999", "", 206, 10..length),
        ("bytes=-5", "", 206, length - 5..length),
        ("bytes=0-", "", 206, 0..length),
        ("bytes=10-", etag, 206, 10..length),
        ("bytes=10-", modified, 206, 10..length),
        ("bytes=10-", "\"other\"", 200, 0..length),
        ("bytes=10-", "Thu, 01 Jan 1970 00:00:00 GMT", 200, 0..length),
        ("bytes=0-1,3-4", "", 200, 0..length),
        ("bytes=9-3", "", 200, 0..length),
        ("lines=1-", "", 200, 0..length),
    ];
    for (range, condition, status, part) in cases {
        let mut headers = vec![("range", range)];
        if !condition.is_empty() {
            headers.push(("if-range", condition));
        }
        let answer = fetch(url, &headers);
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.body, whole.body[part.clone()], "{headers:?}");
        assert_eq!(answer.header("etag"), Some(etag));
        let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        let place = (status == 206).then_some(place.as_str());
        assert_eq!(answer.header("content-range"), place, "{headers:?}");
    }
    for range in [
        format!("bytes={length}-"),
        format!("bytes={length}-{length}"),
        "bytes=-0".to_owned(),
    ] {
        let answer = fetch(url, &[("range", &range)]);
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(
            answer.header("content-range"),
            Some(format!("bytes */{length}").as_str())
        );
    }
    assert_eq!(fetch(url, &[("range", &format!("bytes={last}-"))]).body.len(), 1);
}

/// Walks the segments of a JPEG and gives its comments.
fn comments(jpeg: &[u8]) -> Vec<String> {
    assert_eq!(jpeg[..2], [0xff, 0xd8], "starts as an image");
    assert_eq!(jpeg[jpeg.len() - 2..], [0xff, 0xd9], "ends as an image");
    let (mut at, mut comments) = (2, Vec::new());
    loop {
        assert_eq!(jpeg[at], 0xff, "a marker at {at}");
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        match jpeg[at + 1] {
            0xda => return comments,
            0xfe => comments.push(String::from_utf8_lossy(&jpeg[at + 4..at + 2 + length]).into_owned()),
            _ => {}
        }
        at += 2 + length;
    }
}

#[test]
fn pictures_are_jpegs_that_say_which_they_are() {
    let simulator = Simulator::start();
    let jpeg = simulator.jpeg(READY, PHOTO, Some(123));
    assert_eq!(comments(&jpeg), [format!("{READY}/123/DSC_0001.JPEG")]);
    simulator.configure(|settings| settings.jpeg_size = 200_000);
    let jpeg = simulator.jpeg(READY, PHOTO, Some(123));
    assert_eq!(jpeg.len(), 200_000);
    assert_eq!(comments(&jpeg)[0], format!("{READY}/123/DSC_0001.JPEG"));
}

#[test]
fn fails_and_wraps_when_told_to() {
    let simulator = Simulator::start();
    let edit = || edit(&simulator, PHOTO, "brighten", NONE);
    simulator.fail_photo(READY, PHOTO, 200, json!({ "status": "FAILED" }));
    let failed = edit();
    assert_eq!((failed.status, failed.json()), (200, json!({ "status": "FAILED" })));
    simulator.fail_photo(READY, PHOTO, 500, json!({ "message": "out of paint" }));
    let failed = edit();
    assert_eq!(
        (failed.status, failed.json()),
        (500, json!({ "message": "out of paint" }))
    );
    assert_eq!(tree(&simulator), [], "nothing is applied");
    simulator.mend_photo(READY, PHOTO);

    simulator.configure(|settings| settings.envelope = true);
    let wrapped = edit().json();
    assert_eq!(wrapped["data"]["version_id"], 123);
    assert_eq!(wrapped.as_object().unwrap().len(), 1);
}

#[test]
fn remembers_what_it_received() {
    let simulator = Simulator::start();
    get(&simulator, &format!("/projects/{READY}?get_thumbnail=false"));
    edit(&simulator, PHOTO, "brighten", NONE);
    let requests = simulator.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[0].target(),
        format!("/v1/projects/{READY}?get_thumbnail=false")
    );
    assert_eq!(
        (requests[0].method.as_str(), requests[0].query.as_deref()),
        ("GET", Some("get_thumbnail=false"))
    );
    assert_eq!(requests[1].body, prompt("brighten", NONE).as_bytes());
    assert_eq!(requests[1].header("x-api-key"), Some(simulator.key()));
    simulator.clear_requests();
    assert!(simulator.requests().is_empty());
}

#[test]
fn keeps_concurrent_calls_apart() {
    let simulator = Simulator::start();
    let photos: Vec<String> = (0..8).map(|number| format!("{number}.jpg")).collect();
    simulator.add_project(ProjectSpec::regular(READY).photos(photos.clone()));
    let versions: Vec<u64> = std::thread::scope(|scope| {
        let work = |photo: &str| {
            let mut parent = NONE;
            let mut versions = Vec::new();
            for _ in 0..10 {
                let answer = edit(&simulator, photo, photo, parent).json();
                let url = answer["enhanced_image_url"].as_str().unwrap();
                assert!(url.contains(&format!("/{}/{photo}?", answer["version_id"])), "{url}");
                parent = answer["version_id"].clone();
                versions.push(parent.as_u64().unwrap());
            }
            versions
        };
        let workers: Vec<_> = photos.iter().map(|photo| scope.spawn(move || work(photo))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(versions.into_iter().collect::<BTreeSet<_>>(), (123..203).collect());
    for photo in &photos {
        let versions = simulator.versions(READY, photo);
        assert_eq!(versions.len(), 10);
        assert!(versions.windows(2).all(|pair| pair[1].parent == Some(pair[0].id)));
    }
}

#[test]
fn slow_edits_run_side_by_side_and_are_made_at_their_end() {
    let latency = Duration::from_millis(250);
    let simulator = &Simulator::start_slow(0, latency).unwrap();
    let edit = || edit(simulator, PHOTO, "brighten", NONE).json();

    let begun = Instant::now();
    let answer = edit();
    assert!(begun.elapsed() >= latency);
    let url = answer["enhanced_image_url"].as_str().unwrap();
    let origin = simulator.base_url().replace("/v1", "");
    assert!(url.starts_with(&format!("{origin}/storage/")), "{url}");
    assert_eq!(fetch(url, &[]).body, simulator.jpeg(READY, PHOTO, Some(123)));

    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(edit);
        }
        let made = simulator.versions(READY, PHOTO);
        assert!(begun.elapsed() > latency || made.len() == 1, "{made:?}");
    });
    assert!(begun.elapsed() < 8 * latency);
}

#[test]
fn says_when_a_port_is_taken() {
    let simulator = Simulator::start_on(0).unwrap();
    let port = simulator
        .base_url()
        .trim_end_matches("/v1")
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    for second in [
        Simulator::start_on(port),
        Simulator::start_slow(port, Duration::from_millis(1)),
    ] {
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
