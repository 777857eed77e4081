//! The client, its builder and the environment.

use std::ffi::OsStr;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use imagen_ai::{Client, ClientBuilder, Result, RetryPolicy, Wait};

use crate::support::canned::{Canned, KEY, OK};
use crate::support::faulty::{Faulty, Reply};
use crate::support::{child, ms, refused, with_both_agents};

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
        edit(
            &server
                .builder()
                .base_url(format!("{root}{suffix}"))
                .build()
                .unwrap(),
        );
        assert_eq!(
            server.only().path,
            format!("{path}/projects/p/images/a.jpg/copilot")
        );
    }
}

/// All that a caller can make long, as long as it may be: `ureq` fails where a line of a head, and
/// the lines that it writes at once, do not fit in its buffer.
#[test]
fn the_longest_names_key_and_user_agent_reach_the_server_together() {
    let server = Faulty::start([Reply::json(OK)]);
    let (key, suffix) = ("k".repeat(2048), "u".repeat(256));
    // Three bytes, each of them percent-encoded.
    let name = "\u{20ac}".repeat(341) + "x";
    assert_eq!(name.len(), 1024);
    for builder in with_both_agents(|| Client::builder(&key).base_url(server.url())) {
        let client = builder
            .user_agent_suffix(format!(" {suffix} "))
            .build()
            .unwrap();
        client.project(&name).image(&name).copilot("x").unwrap();
        client.smart_project(&name).info().unwrap();
    }
    let requests = server.received();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert_eq!(request.header("x-api-key"), Some(key.as_str()));
        let agent = format!("imagen-ai/{} {suffix}", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent.as_str()));
        assert!(request.path().contains(&("%E2%82%AC".repeat(341) + "x")));
    }
}

#[test]
fn the_key_is_trimmed_and_a_bad_one_is_refused_without_being_shown() {
    let server = Canned::new(200, OK);
    let client = Client::builder(" sk-1234567890\n").base_url(server.base_url());
    edit(&client.build().unwrap());
    assert_eq!(server.only().header("x-api-key"), Some("sk-1234567890"));
    for bad in [
        "",
        "   ",
        "sec ret",
        "sec\nret",
        "sec\u{e9}ret",
        "sec\u{0}ret",
    ] {
        let text = refused(
            Client::builder(bad).base_url(server.base_url()).build(),
            "api_key",
        );
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
    let server = Canned::new(200, OK);
    let endless = Duration::MAX;
    for builder in with_both_agents(|| server.builder().timeout(endless).connect_timeout(endless)) {
        let client = builder.max_answer_size(u64::MAX).build().unwrap();
        edit(&client);
        edit(&client.with_timeout(ms(20_000)));
        edit(&server.client().with_timeout(endless));
    }
    assert_eq!(server.seen().len(), 6);
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
    let run = |key: &OsStr, url: &OsStr, expected: &str| {
        let test = "client::the_environment_gives_the_key_and_the_base_url";
        let text = child::run(test, &[("IMAGEN_API_KEY", key), ("IMAGEN_BASE_URL", url)]);
        assert!(
            text.contains(expected) && !text.contains("ret"),
            "{key:?}, {url:?}: {text}"
        );
    };
    let here = "http://127.0.0.1:9/x/".as_ref();
    run(
        "".as_ref(),
        here,
        "refused IMAGEN_API_KEY: the environment variable is not set",
    );
    run("sec ret".as_ref(), here, "refused IMAGEN_API_KEY: ");
    run(
        KEY.as_ref(),
        here,
        r#"made Client { base_url: "http://127.0.0.1:9/x""#,
    );
    run(
        KEY.as_ref(),
        "http://example.com".as_ref(),
        "refused IMAGEN_BASE_URL: ",
    );
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    run(
        KEY.as_ref(),
        "".as_ref(),
        r#"made Client { base_url: "https://api.imagen-ai.com/v1""#,
    );
    #[cfg(unix)]
    {
        let not_unicode = std::os::unix::ffi::OsStrExt::from_bytes(b"sec\xffret");
        run(not_unicode, here, "refused IMAGEN_API_KEY: ");
        run(KEY.as_ref(), not_unicode, "refused IMAGEN_BASE_URL: ");
    }
    let unset = child::run(
        "client::the_environment_gives_the_key_and_the_base_url",
        &[("", ""); 0],
    );
    assert!(
        unset.contains("refused IMAGEN_API_KEY: the environment variable is not set"),
        "{unset}"
    );
}

#[test]
fn a_proxy_variable_that_cannot_be_used_is_refused() {
    if child::is_child() {
        return report(Client::builder_from_env());
    }
    // With a good one beside it, which `ureq` would take instead. A variable in quotes is a URL in
    // quotes.
    let refused = |name: &str, value: &str, words: &str| {
        let mut variables = vec![
            ("IMAGEN_API_KEY", KEY),
            ("IMAGEN_BASE_URL", "http://localhost:1"),
        ];
        variables.extend([
            ("http_proxy", "http://user:sesame@127.0.0.1:1"),
            (name, value),
        ]);
        let text = child::run(
            "client::a_proxy_variable_that_cannot_be_used_is_refused",
            &variables,
        );
        let expected = if words.is_empty() {
            "made ".to_owned()
        } else {
            format!("refused {name}: ")
        };
        assert!(
            text.contains(&expected) && text.contains(words),
            "{name}={value}: {text}"
        );
        assert!(!text.contains("sesame"), "{text}");
    };
    for bad in [
        "htp://user:sesame@a:1",
        "\"http://user:sesame@a:1\"",
        "http://",
    ] {
        refused("HTTPS_PROXY", bad, "no URL of");
        refused("ALL_PROXY", bad, "no URL of");
    }
    refused("https_proxy", "", "");
    let socks = if cfg!(feature = "socks-proxy") {
        ""
    } else {
        "feature socks-proxy"
    };
    refused("all_proxy", "socks5://user:sesame@127.0.0.1:1", socks);
    let has_tls = cfg!(any(feature = "rustls", feature = "native-tls"));
    let tls = if has_tls {
        ""
    } else {
        "feature rustls or native-tls"
    };
    refused("HTTPS_PROXY", "https://user:sesame@127.0.0.1:1", tls);
}
