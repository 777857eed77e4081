//! The one redirect that is followed: to the same path with or without a slash at its end.

use imagen_ai::ApiErrorKind;

use crate::faults::Call;
use crate::support::client_at;
use crate::support::script::{Request, Script, Turn};
use crate::support::wire::OK;

const KEY: &str = "sk-redirects-0123456789abcdef";

/// Sends every path to its other form, with this status.
fn slashes(request: &Request, status: u16) -> Turn {
    let (path, query) = request
        .path()
        .split_once('?')
        .unwrap_or((request.path(), ""));
    let other = match path.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{path}/"),
    };
    Turn::status(status).header("Location", format!("{other}?{query}"))
}

/// A server that redirects the first request like this, and answers the second.
fn redirecting(status: u16) -> Script {
    let mut is_first = true;
    Script::each(move |request| {
        if is_first {
            is_first = false;
            return slashes(request, status);
        }
        Turn::json(OK)
    })
}

#[test]
fn a_redirect_to_the_other_form_of_a_path_is_followed_with_all_that_was_sent() {
    for (status, calls) in [
        (301, &[Call::Info, Call::Tools][..]),
        (302, &[Call::Info]),
        (307, &Call::ALL),
        (308, &Call::ALL),
    ] {
        for call in calls {
            let script = redirecting(status);

            call.make(&client_at(&script.url(), KEY)).unwrap();

            let [first, second] = &script.requests()[..] else {
                panic!("{call:?}, {status}");
            };
            assert_eq!(second.method(), first.method());
            assert_eq!(second.body, first.body);
            assert_eq!(second.header("x-api-key"), Some(KEY));
            assert_eq!(second.header("content-type"), first.header("content-type"));
            let without_slashes = |request: &Request| request.path().replace("/?", "?");
            let first = without_slashes(first);
            let second = without_slashes(second);
            assert_eq!(first.trim_end_matches('/'), second.trim_end_matches('/'));
        }
    }
}

#[test]
fn a_second_redirect_is_refused() {
    let script = Script::each(|request| slashes(request, 307));

    let error = Call::Copilot
        .make(&client_at(&script.url(), KEY))
        .unwrap_err();

    assert_eq!(error.api_kind(), Some(ApiErrorKind::Other));
    assert_eq!(error.status(), Some(307));
    assert_eq!(script.requests().len(), 2);
}

#[test]
fn a_redirect_that_would_make_another_request_of_it_is_refused() {
    for (status, call) in [
        (301, Call::Copilot),
        (302, Call::Export),
        (302, Call::Reset),
        (303, Call::Info),
    ] {
        let script = redirecting(status);

        let error = call.make(&client_at(&script.url(), KEY)).unwrap_err();

        assert_eq!(error.status(), Some(status), "{call:?}");
        assert_eq!(script.requests().len(), 1, "{call:?}");
    }
}

#[test]
fn a_redirect_to_anywhere_else_is_refused() {
    for location in [
        "/elsewhere",
        "/projects/65f3a1c2d4e5f6a7b8c9d0e1",
        "//127.0.0.2/projects/65f3a1c2d4e5f6a7b8c9d0e1/",
        "http://127.0.0.2:1/projects/65f3a1c2d4e5f6a7b8c9d0e1/",
        "https://127.0.0.1/projects/65f3a1c2d4e5f6a7b8c9d0e1/",
    ] {
        let script = Script::of([Turn::status(307).header("Location", location)]);

        let error = Call::Info.make(&client_at(&script.url(), KEY)).unwrap_err();

        assert_eq!(error.status(), Some(307), "{location}");
        assert_eq!(script.requests().len(), 1, "{location}");
    }
}
