//! What must not be told is not told: the key to nobody but the API, and neither it nor a request's body nor the query of
//! a presigned URL in a log record or an error.

use std::error::Error as _;
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use imagen_ai::ureq::http::{Request, Response};
use imagen_ai::ureq::middleware::MiddlewareNext;
use imagen_ai::ureq::{self, Body, Proxy, SendBody};
use imagen_ai::{
    AiTool, CauseKind, Client, ClientBuilder, DownloadLink, Error, Finalized, History, ProjectInfo, Result, RetryPolicy,
};
use log::Level;
use serde_json::{Value, json};

use crate::faults::{self, Call, Fault, INSTRUCTION, REQUEST_ID};
use crate::support::canned::Canned;
use crate::support::faulty::End::{Close, HangUp, Reset, Stall};
use crate::support::faulty::{Faulty, Reply};
use crate::support::logs::{DUMP, Line, dumped, logged};
use crate::support::{agent_config, contrary_agent, side_by_side};

/// As a real one looks. No part of it is found in anything by chance.
const KEY: &str = "sk-Zq8vN3xR7tLm2WcYb5Kd9Hf4Pg6Js";
/// So much of the key is a leak.
const PART: usize = 6;

/// Fails if any part of the key is there.
#[track_caller]
fn assert_keyless(what: &str, bytes: impl AsRef<[u8]>) {
    let text = String::from_utf8_lossy(bytes.as_ref());
    let parts = KEY
        .as_bytes()
        .windows(PART)
        .map(|part| std::str::from_utf8(part).unwrap());
    for part in parts {
        assert!(!text.contains(part), "{what} holds {part}, which is of the key: {text}");
    }
}

/// Every way to look at an error.
fn texts(error: &Error) -> String {
    let mut texts = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut source = error.source();
    while let Some(error) = source {
        texts.push_str(&format!("{error}\n{error:?}\n{error:#?}\n"));
        source = error.source();
    }
    texts
}

fn holds(bytes: &[u8], part: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(part)
}

#[track_caller]
fn assert_no_key_in_logs<'a>(what: &str, lines: impl IntoIterator<Item = &'a Line>) {
    let (dumps, lines): (Vec<&Line>, Vec<&Line>) = lines.into_iter().partition(|line| line.target == DUMP);
    let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_keyless(what, lines.join("\n"));
    assert_keyless(what, dumped(dumps.iter().copied()));
    let column: String = dumps.iter().filter_map(|line| line.text.get(41..57)).collect();
    assert_keyless(what, column);
}

fn ours(lines: &[Line], level: Level) -> Vec<&str> {
    let ours = lines
        .iter()
        .filter(|line| line.target == "imagen_ai" && line.level == level);
    ours.map(|line| line.text.as_str()).collect()
}

/// What is the same for every call, whatever became of it: one record, no more of `warn` than there was to warn of, and
/// nobody's words in them.
fn check_records(what: &str, call: Call, result: &Result<()>, lines: &[Line], calls: usize) {
    let records = ours(lines, Level::Debug);
    assert_eq!(records.len(), calls, "{what}: {records:#?}");
    let record = records.last().unwrap();
    let (method, path) = match call {
        Call::Copilot => ("POST", "/images/DSC_0001.JPEG/copilot"),
        Call::Enhance => ("POST", "/images/DSC_0001.JPEG/enhance"),
        Call::Info => ("GET", "/projects/65f3a1c2d4e5f6a7b8c9d0e1"),
        Call::Tools => ("GET", "/ai-tools"),
        Call::Reset => ("DELETE", "/images/DSC_0001.JPEG/copilot"),
        Call::Finalize => ("POST", "/finalize"),
    };
    let status = result.as_ref().err().map(|e| e.status());
    let status = match status {
        None => "status 20".to_owned(),
        Some(None) => "status none,".to_owned(),
        Some(Some(status)) => format!("status {status},"),
    };
    let id = result.as_ref().err().map(|e| e.request_id().unwrap_or("none"));
    let id = format!(" s, request {}", id.unwrap_or_default());
    for part in [method, path, &status, "attempt ", &id] {
        assert!(record.contains(part), "{what}: {record} does not tell {part}");
    }
    let warnings = ours(lines, Level::Warn);
    let unknown = usize::from(matches!(result, Err(Error::OutcomeUnknown(_))));
    let told = warnings.iter().filter(|text| text.contains("outcome unknown")).count();
    assert_eq!(told, unknown, "{what}: {warnings:#?}");
    let retries: u32 = record
        .split_once("attempt ")
        .and_then(|(_, rest)| rest.split(',').next()?.parse().ok())
        .unwrap();
    assert_eq!(warnings.len() - told, retries as usize - 1, "{what}: {warnings:#?}");
    for text in lines
        .iter()
        .filter(|line| line.target == "imagen_ai")
        .map(|line| &line.text)
    {
        for secret in [INSTRUCTION, "virtual_staging", "presigned", "gateway's page", "<h1>"] {
            assert!(!text.contains(secret), "{what}: {text}");
        }
    }
}

/// A call of each kind: an edit, and one that may be sent again.
const FEW: [Call; 2] = [Call::Copilot, Call::Info];

/// The faults that are wanted, each with the calls that it says something about. Those that are idle say nothing new.
fn plays(faults: &[Fault], wanted: impl Fn(&Fault, Call) -> bool) -> Vec<(&Fault, Call)> {
    let faults = faults.iter().filter(|fault| fault.pause().is_zero());
    let plays = faults.flat_map(|fault| fault.calls().into_iter().map(move |call| (fault, call)));
    plays.filter(|(fault, call)| wanted(fault, *call)).collect()
}

#[test]
fn no_fault_tells_the_key() {
    let faults = faults::faults();
    // Those that are slow say nothing new of every call.
    let plays = plays(&faults, |fault, call| !fault.is_slow() || FEW.contains(&call));
    let sent = Mutex::new(0);
    side_by_side(&plays, |(fault, call)| {
        let what = format!("{call:?}, {}", fault.name);
        let (played, lines) = logged(|| fault.play(*call, KEY, None));
        assert_no_key_in_logs(&what, &lines);
        assert_keyless(&what, format!("{:?} {:#?}", played.client, played.client));
        assert_keyless(&what, played.elsewhere.bytes_received());
        if let Err(error) = &played.result {
            assert_keyless(&what, texts(error));
            assert!(!texts(error).contains(INSTRUCTION), "{what}: {error:?}");
        }
        check_records(
            &what,
            *call,
            &played.result,
            &lines,
            1 + usize::from(fault.calls_before()),
        );
        if played.result.is_ok() {
            let records = ours(&lines, Level::Debug);
            let id = format!("request {REQUEST_ID}");
            assert!(
                records.iter().all(|record| record.ends_with(&id)),
                "{what}: {records:?}"
            );
        }
        // It is there to be found: the API got it, and the log shows the place where it would be.
        let server = played.server.as_ref().map(|server| server.bytes_received());
        if holds(&server.unwrap_or_default(), &format!("x-api-key: {KEY}\r\n")) {
            *sent.lock().unwrap() += 1;
            let stars = format!("x-api-key: {}\r\n", "*".repeat(KEY.len()));
            assert!(holds(&dumped(&lines), &stars), "{what}");
        }
    });
    assert!(sent.into_inner().unwrap() > plays.len() * 3 / 4);
}

fn none() -> ClientBuilder {
    Client::builder(KEY)
        .timeout(Duration::from_secs(5))
        .retry(RetryPolicy::none())
}

/// Calls an edit and a reading call, and checks everything that they tell, but for what `except` says of the log.
fn check_calls(what: &str, client: &Client, except: &[&str]) -> [Result<()>; 2] {
    [Call::Copilot, Call::Info].map(|call| {
        let (result, lines) = logged(|| call.make(client));
        let kept = lines.iter().filter(|line| !except.contains(&line.target.as_str()));
        assert_no_key_in_logs(what, kept);
        check_records(what, call, &result, &lines, 1);
        if let Err(error) = &result {
            assert_keyless(what, texts(error));
        }
        result
    })
}

/// A server that was given the key can say it, and some do, in the hope of helping. `ureq` logs what it receives at
/// `trace`, so the two targets that do are left out here; whoever records those records the answers of servers.
const RECEIVED: [&str; 2] = [DUMP, "ureq::run"];

#[test]
fn a_server_that_repeats_the_key_is_not_repeated() {
    let json = |key: &str| format!(r#"{{"message":"no such key: {key}"}}"#);
    let mut replies = vec![
        Reply::status(401).body(json(KEY)),
        Reply::status(429).body(json(KEY)).header("Retry-After", KEY),
        Reply::status(422).body(format!(
            r#"{{"detail":[{{"loc":["header","{KEY}"],"msg":"bad {KEY}"}}]}}"#
        )),
        Reply::status(400).body(format!(r#"{{"error":{{"message":"{KEY}"}}}}"#)),
        Reply::html(502, format!("<html>{KEY}{KEY}</html>")),
        Reply::html(504, KEY),
        Reply::json(KEY),
        Reply::json(format!("\"{KEY}\"")),
        Reply::json(format!("[\"{KEY}\"]")),
        Reply::json(format!(r#"{{"status":"{KEY}","message":"{KEY}"}}"#)),
        Reply::json(format!(r#"{{"{KEY}":"{KEY}","number_of_images":"{KEY}""#)),
        Reply::status(500).header("x-request-id", KEY),
        Reply::status(404).header("cf-ray", format!("{}{KEY}", "r".repeat(110))),
        Reply::json("{}").header("x-amzn-requestid", format!("id-{KEY}-id")),
        Reply::redirect(302, format!("https://{KEY}.example/{KEY}?key={KEY}")),
        Reply::redirect(307, format!("https://{}{KEY}.example/", "h".repeat(120))),
        Reply::redirect(301, format!("https://{KEY}@example/")).body(KEY),
        Reply::redirect(308, KEY),
        Reply::status(403).reason(KEY),
        Reply::status(KEY),
        Reply::ok().version(KEY),
        Reply::raw(KEY),
        Reply::raw(format!("HTTP/1.1 200 OK\r\n{KEY}\0: x\r\n\r\n")),
        Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n")),
        Reply::ok().raw_chunks(format!("{KEY}\r\n")),
        Reply::ok().header("Content-Type", KEY).header("Server", KEY).body(KEY),
        Reply::status(101).header("Upgrade", KEY).unframed(),
    ];
    // Wherever a text is cut, and white space is folded: in an excerpt, in a message, in what is read of a body.
    for fill in (290 - KEY.len()..=302).chain(490 - KEY.len()..=502).step_by(3) {
        replies.push(Reply::html(502, format!("{}{KEY}", "x".repeat(fill))));
        replies.push(Reply::status(400).body(json(&format!("{}{KEY}", "x".repeat(fill)))));
        replies.push(Reply::json(format!("{}{KEY}", "x".repeat(fill))));
    }
    for limit in [300, 2_400, 16 << 10, 64 << 10] {
        for before in (0..KEY.len() + 6).step_by(4) {
            let folded = format!("a{}{KEY}", " ".repeat(limit - before));
            replies.push(Reply::html(500, folded.clone()));
            replies.push(Reply::json(folded));
        }
    }
    side_by_side(&replies, |reply| {
        let server = Faulty::start([reply.clone()]);
        let small = none().base_url(server.url()).max_answer_size(50).build().unwrap();
        let large = none().base_url(server.url()).build().unwrap();
        for client in [&large, &small] {
            let _ = check_calls(&format!("{reply:?}"), client, &RECEIVED);
        }
    });
}

/// A key of the other characters that keys are made of, as the encodings that answers come in write them.
#[test]
fn a_key_is_known_in_other_spellings() {
    let key = r#"Q+w/E"r\T&y<U>i'O=p/A%s/D+f"#;
    for spelling in [
        key.to_owned(),
        serde_json::to_string(key).unwrap(),
        serde_json::to_string(key).unwrap().replace('/', r"\/"),
        "Q%2Bw%2FE%22r%5CT%26y%3CU%3Ei%27O%3Dp%2FA%25s%2FD%2Bf".to_owned(),
    ] {
        for body in [
            spelling.clone(),
            format!(r#"{{"message":{spelling}}}"#),
            format!("[{spelling}, 1]"),
        ] {
            let server = Faulty::start([Reply::status(400).body(body.clone()), Reply::json(body)]);
            let client = Client::builder(key).base_url(server.url()).build().unwrap();
            for call in [Call::Info, Call::Copilot] {
                let text = texts(&call.make(&client).unwrap_err());
                assert!(text.contains("[redacted]"), "{spelling} in {text}");
                assert!(
                    !text.contains("&y<U>i'O=p") && !text.contains("%26y%3CU"),
                    "{spelling} in {text}"
                );
            }
        }
    }
}

/// What an agent of the caller's own sends is logged by `ureq_proto`, the key included; see `ClientBuilder::agent`.
/// Nothing else may hold it.
const SENT: [&str; 1] = [DUMP];

#[test]
fn no_fault_tells_the_key_through_an_agent_of_the_callers_own() {
    let faults = faults::faults();
    let plays = plays(&faults, |_, call| FEW.contains(&call));
    side_by_side(&plays, |(fault, call)| {
        let what = format!("{call:?}, {}", fault.name);
        let (played, lines) = logged(|| fault.play(*call, KEY, Some(contrary_agent())));
        assert_no_key_in_logs(&what, lines.iter().filter(|line| !SENT.contains(&line.target.as_str())));
        assert_keyless(&what, played.elsewhere.bytes_received());
        if let Err(error) = &played.result {
            assert_keyless(&what, texts(error));
        }
    });
}

#[test]
fn a_client_warns_of_a_logger_that_would_be_told_the_key() {
    let (client, lines) = logged(|| none().agent(agent_config().build().into()).build().unwrap());
    let warnings = ours(&lines, Level::Warn);
    assert!(
        warnings.len() == 1 && warnings[0].contains("ureq_proto"),
        "{warnings:?}"
    );
    assert_keyless("the client", format!("{client:?}"));
    let (_, lines) = logged(|| none().build().unwrap());
    assert!(ours(&lines, Level::Warn).is_empty());
}

/// Fails with an error that quotes what it was given.
fn quoting(request: Request<SendBody<'_>>, _: MiddlewareNext<'_>) -> Result<Response<Body>, ureq::Error> {
    let key = request.headers()["x-api-key"].to_str().unwrap();
    let quote = format!("{}{key} in {:?}", "x".repeat(280), request.headers());
    Err(match request.method().as_str() {
        "GET" => std::io::Error::other(quote).into(),
        _ => ureq::Error::Other(quote.into()),
    })
}

#[test]
fn an_agent_that_quotes_the_request_is_not_quoted() {
    let agent = agent_config().middleware(quoting).build().into();
    let client = none().agent(agent).build().unwrap();
    for result in check_calls("a middleware", &client, &[]) {
        // It did not say whether it sent anything.
        match result.unwrap_err() {
            Error::Network(e) | Error::Network(e) => assert_eq!(e.cause.kind, CauseKind::Other),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_proxy_that_fails_learns_nothing_and_tells_nothing() {
    let replies = [
        Reply::status(407).header("Proxy-Authenticate", "Basic"),
        Reply::html(502, "<html>no</html>"),
        Reply::redirect(302, "https://elsewhere.example/"),
        Reply::raw("nonsense\r\n\r\n"),
        Reply::ok().endless_headers(),
        Close.after_request(),
        HangUp.on_accept(),
        Reset.after_request(),
        Stall.after_request(),
        // A tunnel, and nobody in it.
        Reply::ok().unframed().then(Close),
    ];
    let secret = "proxy-password";
    let urls = ["https://api.example/v1", "http://api.example/v1"];
    let cases: Vec<_> = replies.iter().flat_map(|reply| urls.map(|url| (reply, url))).collect();
    side_by_side(&cases, |(reply, base_url)| {
        let proxy = Faulty::start([(*reply).clone()]);
        let address = format!("http://user:{secret}@{}", proxy.addr());
        let agent = agent_config().proxy(Some(Proxy::new(&address).unwrap())).build();
        let client = none()
            .agent(agent.into())
            .base_url(*base_url)
            .allow_http(true)
            .timeout(Duration::from_millis(700))
            .connect_timeout(Duration::from_millis(500))
            .build()
            .unwrap();
        let what = format!("{reply:?} to {base_url}");
        for result in check_calls(&what, &client, &SENT) {
            let error = result.unwrap_err();
            assert!(!texts(&error).contains(secret), "{error:?}");
        }
        let tunnel = format!("{reply:?}").contains("code: \"200\"");
        if base_url.starts_with("https") || !tunnel {
            assert_keyless(&what, proxy.bytes_received());
        }
    });
}

/// The storage is not the API: it gets no key, whatever it does, and nobody is told the query of its URL.
#[test]
fn a_download_takes_no_key_along_and_tells_no_query() {
    let query = "X-Amz-Signature=Vd93kPqx71";
    let elsewhere = Faulty::start([Reply::ok().body("a picture")]);
    let target = format!("{}/b.jpg?{query}", elsewhere.url());
    let replies = [
        Reply::ok().body("a picture"),
        Reply::redirect(302, target.clone()),
        Reply::redirect(307, format!("http://elsewhere.example/{query}?{query}")),
        Reply::redirect(302, "/again"),
        Reply::s3_error(403, "AccessDenied", &format!("Request has expired: {target} {KEY}")),
        Reply::s3_error(404, "NoSuchKey", query),
        Reply::html(503, target),
        Reply::ok().body("a picture").cut_body(3, Reset),
        Reply::ok().body("a picture").cut_body(3, Stall),
        Reply::raw(format!("{KEY} {query}\r\n\r\n")),
        Close.on_accept(),
        Reset.after_request(),
    ];
    for (reply, own_agent) in replies.iter().flat_map(|reply| [(reply, false), (reply, true)]) {
        let server = Faulty::start([reply.clone()]);
        let builder = if own_agent {
            none().agent(agent_config().build().into())
        } else {
            none()
        };
        let client = builder.timeout(Duration::from_millis(500)).build().unwrap();
        let (result, lines) = logged(|| {
            let download = client.download(format!("{}/a.jpg?{query}", server.url()));
            let shown = format!("{download:?}");
            assert!(!shown.contains(query), "{shown}");
            download.stall_timeout(Duration::from_millis(500)).to_vec(100)
        });
        let what = format!("{reply:?}");
        for server in [&server, &elsewhere] {
            assert_keyless(&what, server.bytes_received());
            assert!(!holds(&server.bytes_received(), "x-api-key"), "{what}");
        }
        assert_no_key_in_logs(
            &what,
            lines.iter().filter(|line| !RECEIVED.contains(&line.target.as_str())),
        );
        if let Err(error) = &result {
            assert_keyless(&what, texts(error));
            assert!(!texts(error).contains(query), "{error:?}");
        }
        for line in lines.iter().filter(|line| line.target == "imagen_ai") {
            assert!(!line.text.contains(query), "{}", line.text);
        }
    }
    assert!(elsewhere.requests() > 0);
}

/// Whoever holds the query of a presigned URL can read the picture, and `Debug` is what ends up in logs.
#[test]
fn debug_tells_no_query_wherever_the_url_stands() {
    let url = "https://s3.example/a.jpg?X-Amz-Signature=SECRET";
    let with = |mut fields: Value| {
        fields["thumbnail"] = json!(url);
        fields["more"] = json!({"list": [[url], {"link": url}]});
        fields["path"] = json!("/a.jpg?X-Amz-Signature=SECRET");
        fields["host"] = json!("//s3.example/a.jpg?sig=SECRET");
        fields
    };
    let link = with(json!({"file_name": "a.jpg", "download_link": url}));
    let edit = with(json!({"status": "SUCCESS", "version_id": 1, "enhanced_image_url": url}));
    let history = json!({"a.jpg": [with(json!({"version_id": 1, "url": url}))]}).to_string();
    let finalized = with(json!({"files_list": [link]}));
    let tool = with(json!({"enhancement_type": "x"}));
    let info = with(json!({"status": "Completed"}));
    let server = Canned::new(200, edit.to_string());
    let all: [(&str, Box<dyn Debug>); 6] = [
        (
            "DownloadLink",
            Box::new(serde_json::from_value::<DownloadLink>(link).unwrap()),
        ),
        (
            "Finalized",
            Box::new(serde_json::from_value::<Finalized>(finalized).unwrap()),
        ),
        ("AiTool", Box::new(serde_json::from_value::<AiTool>(tool).unwrap())),
        (
            "ProjectInfo",
            Box::new(serde_json::from_value::<ProjectInfo>(info).unwrap()),
        ),
        ("History", Box::new(History::from_json(history).unwrap())),
        (
            "Enhancement",
            Box::new(server.client().project("p").image("a.jpg").copilot("x").unwrap()),
        ),
    ];
    for (name, value) in all {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(text.starts_with(name) && !text.contains("SECRET"), "{text}");
            assert!(text.matches("s3.example/a.jpg?[redacted]").count() >= 3, "{text}");
        }
    }
}
