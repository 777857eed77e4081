//! What must not be told is not told: the key to nobody but the API, and neither it nor a request's
//! body nor the query of a presigned URL in a log record or an error. (What `ureq` logs at `trace`
//! of what it sends is apart.)

use std::error::Error as _;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use imagen_ai::ureq::http::{Request, Response};
use imagen_ai::ureq::middleware::MiddlewareNext;
use imagen_ai::ureq::{self, Body, SendBody};
use imagen_ai::{
    BatchOptions, CauseKind, Client, ClientBuilder, DownloadLink, Error, ProgressCallback, Result,
    RetryPolicy,
};
use log::Level;
use serde_json::{Value, json};

use crate::faults::{self, Call, INSTRUCTION, REQUEST_ID};
use crate::support::link;
use crate::support::logs::{DUMP, Line, logged, logged_but};
use crate::support::script::End::Close;
use crate::support::script::{Script, Turn};
use crate::support::wire::Wire;
use crate::support::{agent_config, ms, side_by_side, with_both_agents};

/// As a real one looks. No part of it is found in anything by chance.
const KEY: &str = "sk-Zq8vN3xR7tLm2WcYb5Kd9Hf4Pg6Js";
/// So much of the key is a leak.
const PART: usize = 6;

/// Fails if any part of the key is there.
#[track_caller]
fn assert_keyless(what: &str, bytes: impl AsRef<[u8]>) {
    let text = String::from_utf8_lossy(bytes.as_ref());
    for part in KEY.as_bytes().windows(PART) {
        let part = std::str::from_utf8(part).unwrap();
        assert!(
            !text.contains(part),
            "{what} holds {part}, which is of the key: {text}"
        );
    }
}

/// Every way to look at an error.
fn texts(error: &Error) -> String {
    assert!(error.source().is_none());
    format!("{error}\n{error:?}\n{error:#?}\n{}", error.summary())
}

fn ours(lines: &[Line], level: Level) -> Vec<&str> {
    let ours = lines
        .iter()
        .filter(|line| line.target == "imagen_ai" && line.level == level);
    ours.map(|line| line.text.as_str()).collect()
}

/// What is the same for every call, whatever became of it: one record, no more of `warn` than there
/// was to warn of, and nobody's words in them.
fn check_records(what: &str, call: Call, result: &Result<()>, lines: &[Line], calls: usize) {
    let records = ours(lines, Level::Debug);
    assert_eq!(records.len(), calls, "{what}: {records:#?}");
    let record = records[calls - 1];
    check_record(what, call, result.as_ref().err(), record);

    let warnings = ours(lines, Level::Warn);
    let is_unknown = matches!(result, Err(Error::OutcomeUnknown(_)));
    let mut unknown = warnings.clone();
    unknown.retain(|text| text.contains("outcome unknown"));
    assert_eq!(
        unknown.len(),
        usize::from(is_unknown),
        "{what}: {warnings:#?}"
    );
    let retries = warnings.len() - unknown.len();
    let attempt = format!(", attempt {}, ", retries + 1);
    assert!(record.contains(&attempt), "{what}: {record}, {warnings:#?}");

    let texts = [warnings, records].concat().concat();
    for secret in [
        INSTRUCTION,
        "virtual_staging",
        "Smith",
        "presigned",
        "gateway's page",
    ] {
        assert!(!texts.contains(secret), "{what}: {texts}");
    }
}

fn check_record(what: &str, call: Call, error: Option<&Error>, record: &str) {
    let project = "/projects/65f3a1c2d4e5f6a7b8c9d0e1";
    let call = match call {
        Call::Copilot => format!("POST {project}/images/DSC_0001.JPEG/copilot: "),
        Call::Enhance => format!("POST {project}/images/DSC_0001.JPEG/enhance: "),
        Call::Create => "POST /projects/: ".to_owned(),
        Call::Edit => format!("POST {project}/edit: "),
        Call::Export => format!("POST {project}/export: "),
        Call::Info => format!("GET {project}: "),
        Call::Tools => format!("GET {project}/ai-tools: "),
        Call::Reset => format!("DELETE {project}/images/DSC_0001.JPEG/copilot: "),
        Call::Finalize => format!("POST {project}/finalize: "),
    };
    let status = match error.map(Error::status) {
        None => "status 20".to_owned(),
        Some(None) => "status none".to_owned(),
        Some(Some(status)) => format!("status {status}"),
    };
    let id = match error {
        None => REQUEST_ID,
        Some(error) => error.request_id().unwrap_or("none"),
    };
    let id = format!(" s, request {id}");
    for part in [call, status, id] {
        assert!(record.contains(&part), "{what}: {record}: no {part}");
    }
}

#[test]
fn no_fault_tells_the_key() {
    let faults = faults::faults();
    let mut plays = Vec::new();
    for fault in &faults {
        for call in fault.calls() {
            // Those that are idle say nothing new, and those that are slow not of every call.
            let is_new = !fault.is_slow() || [Call::Copilot, Call::Info].contains(&call);
            if !fault.is_idle() && is_new {
                plays.push((fault, call));
            }
        }
    }
    let sent = AtomicUsize::new(0);
    side_by_side(&plays, |(fault, call)| {
        let what = format!("{call:?}, {}", fault.name);
        let (played, lines) = logged_but(DUMP, || fault.play(*call, KEY, None, 1));
        for line in &lines {
            assert_keyless(&what, &line.text);
        }
        assert_keyless(&what, format!("{:?} {:#?}", played.client, played.client));
        assert_keyless(&what, played.elsewhere.bytes_received());
        if let Err(error) = &played.result {
            assert_keyless(&what, texts(error));
            assert!(!texts(error).contains(INSTRUCTION), "{what}: {error}");
        }
        let calls = 1 + fault.calls_before();
        check_records(&what, *call, &played.result, &lines, calls);
        // It is there to be found: the API got it.
        let heard = played.script.map(|script| script.bytes_received());
        let heard = heard.unwrap_or_default();
        let keyed = String::from_utf8_lossy(&heard).contains(&format!("x-api-key: {KEY}\r\n"));
        sent.fetch_add(usize::from(keyed), Ordering::Relaxed);
    });
    assert!(sent.into_inner() > plays.len() * 3 / 4);
}

fn none() -> ClientBuilder {
    Client::builder(KEY)
        .base_url("http://localhost:1")
        .retry(RetryPolicy::none())
}

/// Calls an edit and a reading call, and checks everything that they tell, but for `ureq`'s records
/// of what is received.
fn check_calls(what: &str, client: &Client) -> [Result<()>; 2] {
    [Call::Copilot, Call::Info].map(|call| {
        let (result, lines) = logged_but(DUMP, || call.make(client));
        for line in lines.iter().filter(|line| line.target != "ureq::run") {
            assert_keyless(what, &line.text);
        }
        if let Err(error) = &result {
            assert_keyless(what, texts(error));
        }
        result
    })
}

/// A server that was given the key can say it, and some do, in the hope of helping.
#[test]
fn a_server_that_repeats_the_key_is_not_repeated() {
    let json = |key: &str| format!(r#"{{"message":"no such key: {key}"}}"#);
    let mut turns = vec![
        Turn::status(429).body(json(KEY)).header("Retry-After", KEY),
        Turn::status(422).body(format!(
            r#"{{"detail":[{{"loc":["header","{KEY}"],"msg":"bad {KEY}"}}]}}"#
        )),
        Turn::html(502, format!("<html>{KEY}{KEY}</html>")),
        Turn::json(format!("\"{KEY}\"")),
        Turn::json(format!(r#"{{"error":"{KEY}","status":"{KEY}"}}"#)),
        Turn::json(format!(r#"{{"status":"FAILED","version_id":"{KEY}"}}"#)),
        Turn::json(format!(r#"{{"{KEY}":"{KEY}","number_of_images":"{KEY}""#)),
        Turn::status(404).header("cf-ray", format!("{}{KEY}", "r".repeat(110))),
        Turn::json("{}").header("x-amzn-requestid", format!("id-{KEY}-id")),
        Turn::redirect(302, format!("https://{KEY}.example/{KEY}?key={KEY}")),
        Turn::status(KEY),
        Turn::raw(KEY),
        Turn::raw(format!("HTTP/1.1 200 OK\r\n{KEY}\0: x\r\n\r\n")),
        Turn::status(200)
            .unframed()
            .header("Transfer-Encoding", "chunked")
            .body(format!("{KEY}\r\n")),
    ];
    // Wherever a text is cut, and white space is folded: in a message, in what is read of a body.
    for fill in (290 - KEY.len()..=302).step_by(3) {
        let text = format!("{}{KEY}", "x".repeat(fill));
        turns.push(Turn::status(400).body(json(&text)));
        turns.push(Turn::json(text.clone()));
        turns.push(Turn::html(502, text));
    }
    for before in (0..KEY.len() + 6).step_by(4) {
        for limit in [300, 64 << 10] {
            let text = format!("a{}{KEY}", " ".repeat(limit - before));
            turns.push(Turn::html(500, text));
        }
    }
    side_by_side(&turns, |turn| {
        let script = Script::of([turn.clone()]);
        for limit in [50, 1 << 20] {
            let client = none().base_url(script.url()).max_answer_size(limit);
            // Whatever comes of it.
            let _ = check_calls("an answer", &client.build().unwrap());
        }
    });
}

#[test]
fn a_client_warns_once_of_a_logger_that_is_told_the_key() {
    let wire = Wire::answering(404, "");
    let make = || {
        let client = none().base_url(wire.url()).build().unwrap();
        client.project("p").info().unwrap_err();
        client.clone().project("p").info().unwrap_err();
    };

    let ((), lines) = logged(make);

    let [warning] = &ours(&lines, Level::Warn)[..] else {
        panic!("{lines:?}");
    };
    assert!(warning.contains("ureq_proto"), "{warning}");
    // It is true: rows of 16 bytes, in digits and then as text.
    let dump = lines.iter().filter(|line| line.target == DUMP);
    let dump: String = dump.filter_map(|line| line.text.get(41..57)).collect();
    assert!(dump.contains(KEY), "{dump}");
    let ((), lines) = logged_but(DUMP, make);
    assert!(!lines.iter().any(|line| line.text.contains("ureq_proto")));
}

/// Fails with an error that quotes what it was given.
fn quoting(
    request: Request<SendBody<'_>>,
    _: MiddlewareNext<'_>,
) -> Result<Response<Body>, ureq::Error> {
    let key = request.headers()["x-api-key"].to_str().unwrap();
    let quote = format!("{}{key} in {:?}", "x".repeat(280), request.headers());
    Err(match request.method().as_str() {
        "GET" => std::io::Error::other(quote).into(),
        _ => ureq::Error::Other(quote.into()),
    })
}

#[test]
fn an_agent_that_quotes_the_request_is_not_quoted() {
    let client = none().agent(agent_config().middleware(quoting).build().into());
    for result in check_calls("a middleware", &client.build().unwrap()) {
        match result.unwrap_err() {
            Error::Network(e) => assert_eq!(e.cause.kind, CauseKind::Other),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_download_takes_no_key_along_and_tells_no_query() {
    let query = "X-Amz-Signature=Vd93kPqx71Zw";
    let picture = Turn::status(200).body("a picture");
    let elsewhere = Script::of([picture.clone()]);
    let target = format!("{}/b.jpg?{query}", elsewhere.url());
    let expired = format!("Request has expired: {target} {query} {KEY}");
    for turn in [
        Turn::redirect(302, &target),
        Turn::redirect(307, format!("ftp://elsewhere.example/{query}?{query}")),
        Turn::s3_error(403, "AccessDenied", &expired),
        Turn::html(503, target.clone()),
        picture.cut_body(3, Close),
        Turn::raw(format!("{KEY} {query}\r\n\r\n")),
    ] {
        let script = Script::of([turn]);
        for builder in with_both_agents(none) {
            let client = builder.build().unwrap();
            let download = client.download(link(format!("{}/a.jpg?{query}", script.url())));
            let mut told = vec![format!("{download:?}")];
            let (result, lines) = logged_but(DUMP, || download.to_vec(100));
            told.extend(result.err().as_ref().map(texts));
            let ours = lines.into_iter().filter(|line| line.target == "imagen_ai");
            told.extend(ours.map(|line| line.text));
            for text in told {
                assert_keyless("a download", &text);
                assert!(!text.contains(query), "{text}");
            }
        }
        assert_keyless("the storage", script.bytes_received());
    }
    assert_keyless("a redirect's target", elsewhere.bytes_received());
    assert_eq!(elsewhere.requests().len(), 2);
}

/// Whoever holds the query of a presigned URL can read the picture, and `Debug` is what ends up in
/// logs.
#[test]
fn debug_tells_no_query_wherever_the_url_stands() {
    fn read<T: serde::de::DeserializeOwned + Debug + 'static>(json: Value) -> Box<dyn Debug> {
        Box::new(serde_json::from_value::<T>(json).unwrap())
    }
    let url = "https://s3.example/a.jpg?X-Amz-Signature=SECRET";
    let link = json!({"file_name": "a.jpg", "download_link": url});
    let edit = json!({"status": "SUCCESS", "version_id": 1, "enhanced_image_url": url});
    let wire = Wire::answering(400, format!(r#"{{"message":"see {url}"}}"#));
    let client = wire.client();
    for value in [
        read::<DownloadLink>(link.clone()),
        read::<imagen_ai::Enhancement>(edit),
        Box::new(client.project("p").info().unwrap_err()),
    ] {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            let hidden = text.contains("s3.example/a.jpg?[redacted]");
            assert!(hidden && !text.contains("SECRET"), "{text}");
        }
    }
}

/// A caller may take the key for the id of a project.
#[test]
fn a_path_that_holds_the_key_is_in_no_error_and_no_record() {
    let script = Script::of([
        Turn::status(500),
        Turn::status(429).header("Retry-After", "0"),
        Turn::status(429).header("Retry-After", "3600"),
    ]);
    let retry = RetryPolicy {
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = none().base_url(script.url()).retry(retry).build().unwrap();
    let project = client.project(KEY);

    let (errors, lines) = logged_but(DUMP, || {
        [project.info(), project.info()].map(|result| result.unwrap_err())
    });

    let [refused, unsent] = errors;
    assert_eq!(refused.context().unwrap().attempts, 3, "{refused}");
    assert_eq!(unsent.context().unwrap().attempts, 0, "{unsent}");
    for error in [refused, unsent] {
        assert_keyless("the error", texts(&error));
    }
    let warnings = ours(&lines, Level::Warn);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_keyless("a warning", warnings.concat());
    assert_keyless("a record", ours(&lines, Level::Debug).concat());
    assert_eq!(script.requests().len(), 3);
}

#[test]
fn a_batch_that_was_ended_shows_no_name_raw() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::of([Turn::json("{}")]);
    let client = none().base_url(script.url()).build().unwrap();
    let project = client.project("65f3a1c2\u{202e}");
    let mut job = project.open_job(folder.path().join("a.job")).unwrap();
    let names = [
        format!("\u{202e}{}.jpg", "x".repeat(1_000)),
        format!("{KEY}.jpg"),
    ];
    let images = names.each_ref().map(|name| project.image(name));
    let options = BatchOptions {
        progress: Some(ProgressCallback::new(|_| ControlFlow::Break(()))),
        ..BatchOptions::default()
    };

    let outcomes = job.copilot_each(images, ["x"], &options).unwrap();

    assert_eq!(outcomes.errors().count(), 2);
    for error in outcomes.errors() {
        let text = texts(error);
        assert_keyless("the error", &text);
        assert!(!text.contains('\u{202e}'), "{text:?}");
        assert!(text.len() < 10_000, "{}", text.len());
    }
}
