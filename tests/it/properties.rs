//! What holds of every answer and every name. Whatever bytes a server sends, a call ends, with a
//! result and in time, and takes no more memory than its limit. Most of the bytes here are wrong in
//! a few places only, since what is wrong all over is refused at its first byte.

use std::time::{Duration, Instant};

use imagen_ai::{Client, RetryPolicy};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::faults::Call;
use crate::support::refused;
use crate::support::script::End::Close;
use crate::support::script::{Script, Turn};
use crate::support::wire::OK;

/// The most of an answer that the client may read.
const LIMIT: u64 = 4_096;

/// The same cases on every run, and none of them on the disk.
fn check<S: Strategy>(cases: u32, of: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    if let Err(e) = TestRunner::new_with_rng(config, rng).run(&of, test) {
        panic!("{e}");
    }
}

fn client(script: &Script) -> Client {
    let client = Client::builder("sk-properties-0123456789").base_url(script.url());
    let client = client
        .timeout(Duration::from_secs(50))
        .max_answer_size(LIMIT);
    client.retry(RetryPolicy::none()).build().unwrap()
}

/// Every call, with this for an answer; each must end in time and say no more than a page.
fn every_call_ends(turn: &Turn) -> Result<(), TestCaseError> {
    let script = Script::of([turn.clone()]);
    let client = client(&script);
    for call in Call::ALL {
        let began = Instant::now();
        let result = call.make(&client);
        prop_assert!(began.elapsed() < Duration::from_secs(40));
        if let Err(e) = result {
            let text = format!("{e} {e:#?}");
            prop_assert!(text.len() < 16_384, "{} bytes", text.len());
            let is_unseen = |c: char| c.is_control() || c == '\u{202e}';
            prop_assert!(!e.to_string().contains(is_unseen), "{e:?}");
        }
    }
    Ok(())
}

/// Bytes that mean something.
#[rustfmt::skip]
const WORDS: [&str; 25] = [
    "\r\n", "\r\n\r\n", "\n", "\r", "HTTP/1.1 200 OK\r\n", "HTTP/1.0 ", "Content-Length: ",
    "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "ffffffffffffffff\r\n", ": ", ";", "-1",
    "18446744073709551616", "\0", "{\"data\":", "{\"error\":", "[[", "\"\\u0000\"", "\"\\ud800\"",
    "1e999", "null", "://", "?", "\u{202e}",
];

/// Bytes that are often those that mean something.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        vec(any::<u8>(), 0..8),
        select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
    ];
    vec(words, 0..most).prop_map(|words| words.concat())
}

/// An answer with a number of its bytes replaced, left out or put in between.
fn damaged(answer: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let damage = (0..answer.len(), 0..4_usize, bytes(3));
    vec(damage, 1..4).prop_map(move |damages| {
        let mut answer = answer.to_vec();
        for (at, count, bytes) in damages {
            let at = at.min(answer.len());
            answer.splice(at..(at + count).min(answer.len()), bytes);
        }
        answer
    })
}

#[test]
fn no_answer_makes_a_call_panic_or_hang() {
    check(60, bytes(40), |bytes| {
        every_call_ends(&Turn::raw(bytes).then(Close))
    });
    const CHUNKED: &[u8] = b"\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Request-Id: 1\r\n\r\n\
        5;a=b\r\n{\"a\":\r\n3\r\n1}\n\r\n0\r\nT: x\r\n\r\n";
    const PLAIN: &[u8] = b"\
        HTTP/1.1 500 No\r\nContent-Length: 17\r\nRetry-After: 1\r\nLocation: http://a/\r\n\r\n\
        {\"message\":\"no\"}\n";
    for answer in [CHUNKED, PLAIN] {
        check(60, damaged(answer), |bytes| {
            every_call_ends(&Turn::raw(bytes).then(Close))
        });
    }
}

#[test]
fn no_body_makes_a_call_panic_or_hang() {
    let status = select(&[200, 201, 204, 302, 400, 422, 429, 503][..]);
    check(60, (status, bytes(60)), |(status, body)| {
        every_call_ends(&Turn::status(status).body(body))
    });
    // Damaged JSON, and JSON of any shape.
    check(60, damaged(OK.as_bytes()), |body| {
        every_call_ends(&Turn::json(body))
    });
    check(60, json(), |json| {
        every_call_ends(&Turn::json(json.to_string()))
    });
    check(60, json(), |json| {
        every_call_ends(&Turn::status(422).body(json.to_string()))
    });
}

#[rustfmt::skip]
const NAMES: [&str; 15] = [
    "data", "status", "version_id", "enhanced_image_url", "error", "detail", "message", "loc",
    "msg", "files_list", "file_name", "download_link", "prompts", "enhancement_type",
    "number_of_images",
];

/// JSON with the words of the contract in it.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("https://s3.example/a?sig=presigned")),
    ];
    let name = select(&NAMES[..]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((name.clone(), inner), 0..6).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

fn is_name(name: &str) -> bool {
    !["", ".", ".."].contains(&name) && name.len() <= 1_024 && !name.chars().any(char::is_control)
}

/// The one segment between `images/` and the call's own word, decoded.
fn file_name_in(path: &str) -> Option<String> {
    let segment = path
        .strip_prefix("/projects/p/images/")?
        .strip_suffix("/copilot")?;
    if segment.contains(['/', '?', '#', ' ']) {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
    Some(decoded.ok()?.into_owned())
}

#[test]
fn every_file_name_survives_the_trip_or_is_refused_before_it() {
    let script = Script::of([Turn::json(OK)]);
    let client = client(&script);
    let name = prop_oneof![
        any::<String>(),
        "[ -~]{1,40}",
        r"[./\\%?#&+ ]{1,6}",
        "\\PC{1,40}"
    ];
    check(300, name, |name| {
        let before = script.requests().len();
        let result = client.project("p").image(&name).copilot("x");
        if is_name(&name) {
            prop_assert!(result.is_ok(), "{result:?}");
            let request = script.requests().pop().unwrap();
            prop_assert_eq!(file_name_in(request.path()), Some(name));
        } else {
            refused(result, "file_name");
            prop_assert_eq!(script.requests().len(), before);
        }
        Ok(())
    });
}
