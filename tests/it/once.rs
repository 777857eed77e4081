//! What costs is sent again only with proof that nothing was sent.

use std::io;

use imagen_ai::ureq::http::Request;
use imagen_ai::ureq::middleware::MiddlewareNext;
use imagen_ai::ureq::{Agent, SendBody};
use imagen_ai::{Client, Error, RetryPolicy};

use crate::faults::Call;
use crate::support::script::{Script, Turn};
use crate::support::wire::OK;
use crate::support::{agent_config, ms};

const CALLS: [Call; 5] = [
    Call::Copilot,
    Call::Enhance,
    Call::Create,
    Call::Edit,
    Call::Export,
];

/// More than any system has.
const MOST_ERRNOS: i32 = 140;

fn client(script: &Script, agent: Agent) -> Client {
    let retry = RetryPolicy {
        max_attempts: 2,
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = Client::builder("sk-once-0123456789abcdef").base_url(script.url());
    client.retry(retry).agent(agent).build().unwrap()
}

/// An agent whose `POST`s fail like this, once they were sent and answered.
fn failing_after(errno: i32) -> Agent {
    let fail = move |request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
        let is_post = request.method() == "POST";
        let answer = next.handle(request);
        if is_post {
            return Err(io::Error::from_raw_os_error(errno).into());
        }
        answer
    };
    agent_config().middleware(fail).build().into()
}

/// An agent that fails like this before it has a connection.
fn failing_before(errno: i32) -> Agent {
    let fail = move |_: Request<SendBody<'_>>, _: MiddlewareNext<'_>| {
        Err(io::Error::from_raw_os_error(errno).into())
    };
    agent_config().middleware(fail).build().into()
}

#[test]
fn no_error_after_the_request_was_sent_has_it_sent_again() {
    for call in CALLS {
        let script = Script::of([Turn::json(OK)]);
        for errno in 1..MOST_ERRNOS {
            let client = client(&script, failing_after(errno));

            let error = call.make(&client).unwrap_err();

            let is_unknown = matches!(error, Error::OutcomeUnknown(_));
            assert!(is_unknown, "{call:?}, {errno}: {error}");
            assert_eq!(script.requests().len(), errno as usize, "{call:?}: {error}");
        }
    }
}

#[test]
fn what_was_not_sent_is_tried_again() {
    for call in CALLS {
        let script = Script::of([Turn::json(OK)]);
        for errno in 1..MOST_ERRNOS {
            let client = client(&script, failing_before(errno));

            let error = call.make(&client).unwrap_err();

            let Error::Network(failed) = &error else {
                panic!("{call:?}, {errno}: {error}");
            };
            assert_eq!(failed.context.attempts, 2, "{call:?}, {errno}: {error}");
        }
        assert_eq!(script.requests().len(), 0);
    }
}

#[test]
fn an_export_tries_a_connection_and_sends_nothing_on_it() {
    let script = Script::of([Turn::json(OK)]);
    let client = client(&script, agent_config().build().into());
    Call::Info.make(&client).unwrap();

    Call::Export.make(&client).unwrap();

    // The export itself goes over the connection of the first call.
    assert_eq!(script.connections(), 2);
    assert_eq!(script.requests().len(), 2);
    let sent = String::from_utf8(script.bytes_received()).unwrap();
    assert_eq!(sent.matches("HTTP/1.1\r\n").count(), 2, "{sent}");
}
