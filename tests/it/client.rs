//! The client, its builder and the environment.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use imagen_ai::{Client, ClientBuilder, Error, Result, RetryPolicy, Wait};

use crate::support::canned::{Canned, KEY, OK};
use crate::support::faulty::{Faulty, Reply};
use crate::support::{agent_config, child, ms};

#[track_caller]
fn refused(result: Result<Client>, wrong: &str) -> String {
    match result {
        Err(Error::InvalidInput { field, message }) if field == wrong => message,
        other => panic!("{wrong}: {other:?}"),
    }
}

fn edit(client: &Client) {
    client.project("p").image("a.jpg").copilot("x").unwrap();
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
        let server = Canned::new(200, OK);
        let root = server.base_url().replace("/v1", "");
        edit(&server.builder().base_url(format!("{root}{suffix}")).build().unwrap());
        assert_eq!(server.only().path, format!("{path}/projects/p/images/a.jpg/copilot"));
    }
}

#[test]
fn the_user_agent_takes_a_suffix() {
    let server = Canned::new(200, OK);
    edit(&server.builder().user_agent_suffix(" darkroom/2.1 ").build().unwrap());
    let expected = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"), " darkroom/2.1");
    assert_eq!(server.only().header("user-agent"), Some(expected));
    for bad in ["a\r\nx-evil: 1", &"x".repeat(257)] {
        refused(server.builder().user_agent_suffix(bad).build(), "user_agent_suffix");
    }
}

/// All that a caller can make long, as long as it may be: `ureq` fails where a line of a head, and the lines that it
/// writes at once, do not fit in its buffer.
#[test]
fn the_longest_names_key_and_user_agent_reach_the_server_together() {
    let server = Faulty::start([Reply::json(OK)]);
    let (key, suffix) = ("k".repeat(2048), "u".repeat(256));
    // Three bytes, each of them percent-encoded.
    let name = "\u{20ac}".repeat(341) + "x";
    assert_eq!(name.len(), 1024);
    for agent in [None, Some(agent_config().build().into())] {
        let mut builder = Client::builder(&key).base_url(server.url()).user_agent_suffix(&suffix);
        if let Some(agent) = agent {
            builder = builder.agent(agent);
        }
        let client = builder.retry(RetryPolicy::none()).build().unwrap();
        client.project(&name).image(&name).copilot("x").unwrap();
        client.i2i_project(&name).info().unwrap();
    }
    let requests = server.received();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert_eq!(request.header("x-api-key"), Some(key.as_str()));
        assert!(request.header("user-agent").unwrap().ends_with(&suffix));
        assert!(request.path().contains(&("%E2%82%AC".repeat(341) + "x")));
    }
}

#[test]
fn the_key_is_trimmed_and_a_bad_one_is_refused_without_being_shown() {
    let server = Canned::new(200, OK);
    let client = Client::builder(" sk-1234567890\n").base_url(server.base_url());
    edit(&client.build().unwrap());
    assert_eq!(server.only().header("x-api-key"), Some("sk-1234567890"));
    for bad in ["", "   ", "sec ret", "sec\nret", "sec\u{e9}ret", "sec\u{0}ret"] {
        let builder = || Client::builder(bad).base_url(server.base_url());
        refused(builder().build(), "api_key");
        let error = builder().build().unwrap_err();
        assert!(!format!("{error}{error:#?}").contains("sec"), "{error}");
    }
}

#[test]
fn settings_that_let_no_call_succeed_are_refused() {
    let builder = || Client::builder("key").base_url("http://localhost");
    refused(builder().timeout(Duration::ZERO).build(), "timeout");
    refused(builder().connect_timeout(Duration::ZERO).build(), "connect_timeout");
    refused(builder().max_answer_size(0).build(), "max_answer_size");
    let shown = |url: &str| refused(builder().base_url(url).build(), "base_url");
    for (url, part) in [
        ("http://api.imagen-ai.com/v1", "\"http://api.imagen-ai.com/v1\""),
        (
            "https://api.imagen-ai.com/v1?sig=secret",
            "\"https://api.imagen-ai.com/v1\"",
        ),
        ("ftp://files.example/x", "\"ftp://files.example/x\""),
        ("nonsense", "\"nonsense\""),
        ("https://user:secret@api.imagen-ai.com", ""),
        ("", ""),
    ] {
        let message = shown(url);
        assert!(message.contains(part) && !message.contains("secret"), "{message}");
    }
    let allowed = Client::builder("key")
        .base_url("http://192.168.0.9/v1")
        .allow_http(true);
    assert!(allowed.build().is_ok());
}

#[test]
fn limits_without_end_are_no_reason_to_panic() {
    let server = Canned::new(200, OK);
    for agent in [None, Some(agent_config().build().into())] {
        let endless = Duration::MAX;
        let mut builder = server.builder().timeout(endless).connect_timeout(endless);
        if let Some(agent) = agent {
            builder = builder.agent(agent);
        }
        let client = builder.max_answer_size(u64::MAX).build().unwrap();
        edit(&client);
        edit(&client.with_timeout(ms(20_000)));
        edit(&server.client().with_timeout(endless));
    }
    assert_eq!(server.seen().len(), 6);
}

#[test]
fn the_defaults_are_as_documented() {
    let seconds = Duration::from_secs;
    let policy = RetryPolicy {
        max_attempts: 4,
        base_delay: ms(500),
        max_delay: seconds(20),
        max_retry_after: seconds(60),
    };
    assert_eq!(RetryPolicy::default(), policy);
    for (wait, first, factor, longest, total) in [
        (Wait::default(), 10, 1.2, 60, 20 * 60 * 60),
        (Wait::for_an_edit(), 2, 1.5, 15, 10 * 60),
    ] {
        let (first, longest, total) = (seconds(first), seconds(longest), seconds(total));
        assert_eq!(
            wait,
            Wait {
                first,
                factor,
                longest,
                total
            }
        );
    }
    let builder = format!("{:?}", Client::builder(KEY));
    assert!(builder.contains("timeout: 300s"), "{builder}");
}

#[test]
fn debug_of_the_handles_shows_no_key() {
    let builder = || Client::builder(KEY).base_url("http://localhost:1/v1");
    let image = builder().build().unwrap().project("p").image("a.jpg");
    let text = format!("{image:?} {image:#?} {:?}", builder());
    assert!(text.contains("http://localhost:1/v1") && !text.contains(KEY), "{text}");
}

#[test]
fn a_limit_of_zero_is_refused_before_anything_is_sent() {
    let server = Faulty::start([Reply::json(OK)]);
    let client = Client::builder(KEY).base_url(server.url()).build().unwrap();
    let error = client.with_timeout(Duration::ZERO).project("p").info().unwrap_err();
    assert!(matches!(error, Error::InvalidInput { field: "timeout", .. }), "{error}");
    assert_eq!(server.connections(), 0);
}

/// `ureq` keeps three, so that the other threads would agree on TLS anew for every call.
#[test]
fn each_of_many_threads_finds_a_connection_again() {
    const THREADS: usize = 8;
    let server = Faulty::start([Reply::json(OK).drip_head(20, ms(5))]);
    let client = Client::builder(KEY).base_url(server.url()).build().unwrap();
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
    assert_eq!(server.requests(), 5 * THREADS);
    assert!(server.connections() <= THREADS, "{}", server.connections());
}

#[test]
fn handles_can_be_stored_and_sent_anywhere() {
    fn everywhere<T: Send + Sync + Clone + 'static>() {}
    everywhere::<Client>();
    everywhere::<imagen_ai::Project>();
    everywhere::<imagen_ai::Image>();
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<Error>();
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
    const TEST: &str = "client::the_environment_gives_the_key_and_the_base_url";
    let here = ("IMAGEN_BASE_URL", "http://127.0.0.1:9/x/");
    let key = ("IMAGEN_API_KEY", KEY);
    for (variables, expected) in [
        (
            vec![here],
            "refused IMAGEN_API_KEY: the environment variable is not set",
        ),
        (
            vec![here, ("IMAGEN_API_KEY", " ")],
            "refused IMAGEN_API_KEY: the API key is empty",
        ),
        (vec![here, ("IMAGEN_API_KEY", "sec ret")], "refused IMAGEN_API_KEY: "),
        (vec![here, key], r#"made Client { base_url: "http://127.0.0.1:9/x""#),
        (
            vec![key, ("IMAGEN_BASE_URL", "http://example.com")],
            "refused IMAGEN_BASE_URL: ",
        ),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        (vec![key], r#"made Client { base_url: "https://api.imagen-ai.com/v1""#),
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        (
            vec![key, ("IMAGEN_BASE_URL", "")],
            r#"made Client { base_url: "https://api.imagen-ai.com/v1""#,
        ),
    ] {
        let text = child::run(TEST, &variables);
        assert!(
            text.contains(expected) && !text.contains("sec ret"),
            "{variables:?}: {text}"
        );
    }
    #[cfg(unix)]
    for name in ["IMAGEN_API_KEY", "IMAGEN_BASE_URL"] {
        use std::ffi::OsStr;
        let not_unicode = std::os::unix::ffi::OsStrExt::from_bytes(b"sec\xffret");
        let variables: [(&str, &OsStr); 2] = [("IMAGEN_API_KEY", KEY.as_ref()), (name, not_unicode)];
        let text = child::run(TEST, &variables);
        assert!(
            text.contains(&format!("refused {name}: ")) && !text.contains("ret"),
            "{text}"
        );
    }
}

/// A proxy is never left out silently.
#[test]
fn a_proxy_variable_that_cannot_be_used_is_refused() {
    if child::is_child() {
        return report(Client::builder_from_env());
    }
    const TEST: &str = "client::a_proxy_variable_that_cannot_be_used_is_refused";
    const GOOD: &str = "http://user:sesame@127.0.0.1:1";
    let refused = |variables: &[(&str, &str)], name: &str, words: &str| {
        let needed = [("IMAGEN_API_KEY", KEY), ("IMAGEN_BASE_URL", "http://localhost:1")];
        let text = child::run(TEST, &[variables, &needed].concat());
        let told = text.contains(&format!("refused {name}: ")) && text.contains(words);
        assert!(
            told || (name.is_empty() && text.contains("made Client")),
            "{variables:?}: {text}"
        );
        assert!(!text.contains("sesame"), "{text}");
    };
    for bad in [
        "htp://user:sesame@127.0.0.1:1",
        "\"http://user:sesame@127.0.0.1:1\"",
        "http://",
    ] {
        refused(&[("HTTPS_PROXY", bad)], "HTTPS_PROXY", "no URL of");
        refused(&[("http_proxy", GOOD), ("ALL_PROXY", bad)], "ALL_PROXY", "no URL of");
    }
    refused(&[("https_proxy", GOOD), ("ALL_PROXY", "")], "", "");
    let socks = ("all_proxy", "socks5://user:sesame@127.0.0.1:1");
    let name = if cfg!(feature = "socks-proxy") { "" } else { "all_proxy" };
    refused(&[("https_proxy", GOOD), socks], name, "feature socks-proxy");
    let https = ("HTTPS_PROXY", "https://user:sesame@127.0.0.1:1");
    let has_tls = cfg!(any(feature = "rustls", feature = "native-tls"));
    refused(
        &[https],
        if has_tls { "" } else { "HTTPS_PROXY" },
        "rustls or native-tls",
    );
}
