//! The client, its builder and the environment.

use std::ffi::OsStr;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use imagen_ai::{Client, ClientBuilder, Result, RetryPolicy, Wait};

use crate::support::script::{Script, Turn};
use crate::support::wire::{KEY, OK, Wire};
use crate::support::{child, ms, refused, with_both_agents};

fn edit(client: &Client) {
    client.project("p").image("a.jpg").copilot("x").unwrap();
}

/// What other tests look at in parts: the order of the headers, and that there are no others.
#[test]
fn the_head_of_a_request_is_exactly_this() {
    let script = Script::of([Turn::json(OK)]);
    let client = Client::builder(KEY).base_url(script.url());

    edit(&client.build().unwrap());

    let gzip = match cfg!(feature = "gzip") {
        true => "accept-encoding: gzip\r\n",
        false => "",
    };
    let body = r#"{"instruction":"x","parent_version_id":null,"project_source":"REGULAR"}"#;
    let expected = format!(
        "POST /projects/p/images/a.jpg/copilot HTTP/1.1\r\n\
         {gzip}\
         host: {}\r\n\
         x-api-key: {KEY}\r\n\
         user-agent: imagen-ai/{}\r\n\
         accept: application/json\r\n\
         content-type: application/json\r\n\
         content-length: {}\r\n\
         \r\n\
         {body}",
        script.addr(),
        env!("CARGO_PKG_VERSION"),
        body.len(),
    );
    let sent = String::from_utf8(script.bytes_received()).unwrap();
    assert_eq!(sent, expected);
}

#[test]
fn a_base_url_may_end_in_a_slash_and_have_a_path_of_its_own() {
    for (suffix, path) in [
        ("/v1", "/v1"),
        ("/v1/", "/v1"),
        ("", ""),
        ("/", ""),
        ("/gateway/imagen/v1//", "/gateway/imagen/v1"),
    ] {
        let mut wire = Wire::new();
        let path = format!("{path}/projects/p/images/a.jpg/copilot");
        let sent = wire.answers("POST", &*path, 200, OK).create();
        let client = wire.builder().base_url(wire.url() + suffix);

        edit(&client.build().unwrap());

        sent.assert();
    }
}

/// All that a caller can make long, as long as it may be: `ureq` fails where a line of a head, and
/// the lines that it writes at once, do not fit in its buffer.
#[test]
fn the_longest_names_key_and_user_agent_reach_the_server_together() {
    let key = "k".repeat(2048);
    let suffix = "u".repeat(256);
    // Three bytes, each of them percent-encoded.
    let name = "\u{20ac}".repeat(341) + "x";
    assert_eq!(name.len(), 1024);
    let encoded = "%E2%82%AC".repeat(341) + "x";
    let agent = format!("imagen-ai/{} {suffix}", env!("CARGO_PKG_VERSION"));
    let mut wire = Wire::new();
    let mut answers = |method: &str, path: String| {
        let mock = wire.0.mock(method, &*path).with_body(OK).expect(2);
        let mock = mock.match_header("x-api-key", &*key);
        mock.match_header("user-agent", &*agent).create()
    };
    let edited = answers(
        "POST",
        format!("/projects/{encoded}/images/{encoded}/copilot"),
    );
    let asked = answers(
        "GET",
        format!("/i2i/projects/{encoded}?get_thumbnail=false"),
    );

    for builder in with_both_agents(|| Client::builder(&key).base_url(wire.url())) {
        let client = builder.user_agent_suffix(format!(" {suffix} "));
        let client = client.build().unwrap();
        client.project(&name).image(&name).copilot("x").unwrap();
        client.smart_project(&name).info().unwrap();
    }

    edited.assert();
    asked.assert();
}

#[test]
fn the_key_is_trimmed() {
    let wire = Wire::answering(200, OK);
    let client = Client::builder(format!(" {KEY}\n")).base_url(wire.url());

    edit(&client.build().unwrap());
}

#[test]
fn a_bad_key_is_refused_without_being_shown() {
    for bad in [
        "",
        "   ",
        "sec ret",
        "sec\nret",
        "sec\u{e9}ret",
        "sec\u{0}ret",
    ] {
        let client = Client::builder(bad).base_url("http://localhost");
        let text = refused(client.build(), "api_key");
        assert!(!text.contains("sec"), "{text}");
    }
}

#[test]
fn settings_that_let_no_call_succeed_are_refused() {
    let builder = || Client::builder("key").base_url("http://localhost");
    refused(builder().timeout(Duration::ZERO).build(), "timeout");
    refused(
        builder().connect_timeout(Duration::ZERO).build(),
        "connect_timeout",
    );
    refused(builder().max_answer_size(0).build(), "max_answer_size");
    for bad in ["a\r\nx-evil: 1", &"x".repeat(257)] {
        refused(
            builder().user_agent_suffix(bad).build(),
            "user_agent_suffix",
        );
    }
    let client = builder().build().unwrap().with_timeout(Duration::ZERO);
    refused(client.project("p").info(), "timeout");
    for (url, part) in [
        (
            "http://api.imagen-ai.com/v1",
            r#""http://api.imagen-ai.com/v1""#,
        ),
        (
            "https://imagen.example/v1?sig=secret",
            r#""https://imagen.example/v1""#,
        ),
        ("ftp://files.example/x", r#""ftp://files.example/x""#),
        ("nonsense", r#""nonsense""#),
        ("https://user:secret@api.imagen-ai.com", ""),
        ("", ""),
    ] {
        let message = refused(builder().base_url(url).build(), "base_url");
        assert!(
            message.contains(part) && !message.contains("secret"),
            "{message}"
        );
    }
    let allowed = builder().base_url("http://192.168.0.9/v1").allow_http(true);
    assert!(allowed.build().is_ok());
}

#[test]
fn limits_without_end_are_no_reason_to_panic() {
    let wire = Wire::answering(200, OK);
    let endless = Duration::MAX;

    for builder in with_both_agents(|| wire.builder().timeout(endless).connect_timeout(endless)) {
        let client = builder.max_answer_size(u64::MAX).build().unwrap();
        edit(&client);
        edit(&client.with_timeout(ms(20_000)));
        edit(&wire.client().with_timeout(endless));
    }
}

#[test]
fn the_defaults_are_as_documented() {
    let policy = RetryPolicy::default();
    let limits = [policy.base_delay, policy.max_delay, policy.max_retry_after];
    assert_eq!(
        (policy.max_attempts, limits),
        (4, [500, 20_000, 60_000].map(ms))
    );
    for (wait, factor, expected) in [
        (Wait::default(), 1.2, [10, 60, 20 * 60 * 60]),
        (Wait::for_an_edit(), 1.5, [2, 15, 10 * 60]),
    ] {
        let seconds = [wait.first, wait.longest, wait.total].map(|limit| limit.as_secs());
        assert_eq!((wait.factor, seconds), (factor, expected));
    }
    let builder = format!("{:?}", Client::builder(KEY));
    assert!(
        builder.contains("timeout: 300s") && !builder.contains(KEY),
        "{builder}"
    );
}

/// `ureq` keeps three, so that the other threads would agree on TLS anew for every call.
#[test]
fn each_of_many_threads_finds_a_connection_again() {
    const THREADS: usize = 8;
    let script = Script::of([Turn::json(OK).drip_head(20, ms(5))]);
    let client = Client::builder(KEY).base_url(script.url()).build().unwrap();
    let together = Barrier::new(THREADS);

    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..5 {
                    together.wait();
                    edit(&client);
                }
            });
        }
    });

    assert_eq!(script.requests().len(), 5 * THREADS);
    assert!(script.connections() <= THREADS, "{}", script.connections());
}

#[test]
fn handles_can_be_stored_and_sent_anywhere() {
    fn everywhere<T: Send + Sync + 'static>() {}
    everywhere::<(
        Client,
        imagen_ai::Project,
        imagen_ai::Image,
        imagen_ai::Error,
    )>();
}

/// Prints what came of it, in a process of its own.
fn report(builder: Result<ClientBuilder>) {
    match builder.and_then(ClientBuilder::build) {
        Ok(client) => println!("made {client:?}"),
        Err(e) => println!("refused {e}"),
    }
}

#[test]
fn the_environment_gives_the_key_and_the_base_url() {
    if child::is_child() {
        return report(Client::builder_from_env());
    }
    const HERE: &str = "http://127.0.0.1:9/x/";
    const UNSET: &str = "refused IMAGEN_API_KEY: the environment variable is not set";

    in_environment("".as_ref(), HERE.as_ref(), UNSET);
    in_environment(
        "sec ret".as_ref(),
        HERE.as_ref(),
        "refused IMAGEN_API_KEY: ",
    );
    let made = r#"made Client { base_url: "http://127.0.0.1:9/x""#;
    in_environment(KEY.as_ref(), HERE.as_ref(), made);
    let plain = "http://example.com".as_ref();
    in_environment(KEY.as_ref(), plain, "refused IMAGEN_BASE_URL: ");
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    in_environment(
        KEY.as_ref(),
        "".as_ref(),
        r#"made Client { base_url: "https://api.imagen-ai.com/v1""#,
    );
    let unset = child::run(ENVIRONMENT, &[("", ""); 0]);
    assert!(unset.contains(UNSET), "{unset}");
}

/// Only Unix has variables that are no Unicode and still reach a process unchanged.
#[cfg(unix)]
#[test]
fn a_variable_that_is_no_unicode_is_refused() {
    let not_unicode = std::os::unix::ffi::OsStrExt::from_bytes(b"sec\xffret");
    let here = "http://127.0.0.1:9".as_ref();

    in_environment(not_unicode, here, "refused IMAGEN_API_KEY: ");
    in_environment(KEY.as_ref(), not_unicode, "refused IMAGEN_BASE_URL: ");
}

const ENVIRONMENT: &str = "client::the_environment_gives_the_key_and_the_base_url";

/// A client of these variables is reported like this, without a part of what is secret.
#[track_caller]
fn in_environment(key: &OsStr, url: &OsStr, expected: &str) {
    let variables = [("IMAGEN_API_KEY", key), ("IMAGEN_BASE_URL", url)];
    let text = child::run(ENVIRONMENT, &variables);
    assert!(text.contains(expected), "{key:?}, {url:?}: {text}");
    let tells = text.contains("sec") || text.contains("ret");
    assert!(!tells, "{key:?}, {url:?}: {text}");
}

#[test]
fn a_proxy_variable_that_cannot_be_used_is_refused() {
    if child::is_child() {
        return report(Client::builder_from_env());
    }
    // A variable in quotes is a URL in quotes.
    for bad in [
        "htp://user:sesame@a:1",
        "\"http://user:sesame@a:1\"",
        "http://",
    ] {
        proxy_variable("HTTPS_PROXY", bad, "no URL of");
        proxy_variable("ALL_PROXY", bad, "no URL of");
    }
    let tls = match cfg!(any(feature = "rustls", feature = "native-tls")) {
        true => "",
        false => "feature rustls or native-tls",
    };
    proxy_variable("HTTPS_PROXY", "https://user:sesame@127.0.0.1:1", tls);
    let socks = match cfg!(feature = "socks-proxy") {
        true => "",
        false => "feature socks-proxy",
    };
    proxy_variable("ALL_PROXY", "socks5://user:sesame@127.0.0.1:1", socks);
}

/// Windows takes `https_proxy` and `HTTPS_PROXY` for one variable.
#[cfg(not(windows))]
#[test]
fn a_proxy_variable_may_be_written_in_small_letters() {
    proxy_variable("https_proxy", "", "");
    proxy_variable("all_proxy", "http://", "no URL of");
}

/// A client is made with this variable, or refused with these words of its value. A good one is
/// beside it, which `ureq` would take instead.
#[track_caller]
fn proxy_variable(name: &str, value: &str, words: &str) {
    let variables = [
        ("IMAGEN_API_KEY", KEY),
        ("IMAGEN_BASE_URL", "http://localhost:1"),
        ("http_proxy", "http://user:sesame@127.0.0.1:1"),
        (name, value),
    ];
    let test = "client::a_proxy_variable_that_cannot_be_used_is_refused";
    let text = child::run(test, &variables);
    let expected = match words {
        "" => "made ".to_owned(),
        _ => format!("refused {name}: "),
    };
    assert!(text.contains(&expected), "{name}={value}: {text}");
    assert!(text.contains(words), "{name}={value}: {text}");
    assert!(!text.contains("sesame"), "{text}");
}
