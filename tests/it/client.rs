//! The client, its builder and the environment.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use imagen_ai::{Client, DownloadOptions, Error, Overwrite, Result, RetryPolicy, Wait};

use crate::support::agent_config;
use crate::support::canned::{Canned, KEY, OK};
use crate::support::child;
use crate::support::faulty::End::Close;
use crate::support::faulty::{Faulty, Reply};

fn refused(result: Result<Client>) -> (&'static str, String) {
    match result {
        Err(Error::InvalidInput { field, message }) => (field, message),
        other => panic!("{other:?}"),
    }
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
        let client = server.builder().base_url(format!("{root}{suffix}")).build().unwrap();
        client.project("p").image("a.jpg").copilot("x").unwrap();
        assert_eq!(server.only().path, format!("{path}/projects/p/images/a.jpg/copilot"));
    }
}

#[test]
fn the_user_agent_takes_a_suffix() {
    let server = Canned::new(200, OK);
    let client = server.builder().user_agent_suffix(" darkroom/2.1 ").build().unwrap();
    client.project("p").image("a.jpg").copilot("x").unwrap();
    assert_eq!(
        server.only().header("user-agent"),
        Some(concat!("imagen-ai/", env!("CARGO_PKG_VERSION"), " darkroom/2.1"))
    );
    for bad in ["a\r\nx-evil: 1", &"x".repeat(257)] {
        let (field, _) = refused(server.builder().user_agent_suffix(bad).build());
        assert_eq!(field, "user_agent_suffix");
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
        let encoded = "%E2%82%AC".repeat(341) + "x";
        assert!(request.path().contains(&encoded));
    }
}

#[test]
fn the_key_is_trimmed_and_a_bad_one_is_refused_without_being_shown() {
    let server = Canned::new(200, OK);
    let client = Client::builder(" sk-1234567890\n")
        .base_url(server.base_url())
        .build()
        .unwrap();
    client.project("p").image("a.jpg").copilot("x").unwrap();
    assert_eq!(server.only().header("x-api-key"), Some("sk-1234567890"));

    for bad in ["", "   ", "sec ret", "sec\nret", "sec\u{e9}ret", "sec\u{0}ret"] {
        let (field, message) = refused(Client::new(bad));
        assert_eq!(field, "api_key");
        assert!(!message.contains("ret "), "{message}");
        let error = Client::new(bad).unwrap_err();
        assert!(!format!("{error}{error:?}{error:#?}").contains("sec"), "{error:?}");
    }
}

#[test]
fn settings_that_let_no_call_succeed_are_refused() {
    let (field, _) = refused(Client::builder("key").timeout(Duration::ZERO).build());
    assert_eq!(field, "timeout");
    let (field, _) = refused(Client::builder("key").connect_timeout(Duration::ZERO).build());
    assert_eq!(field, "connect_timeout");
    let (field, _) = refused(Client::builder("key").max_answer_size(0).build());
    assert_eq!(field, "max_answer_size");
    for url in [
        "http://api.imagen-ai.com/v1",
        "https://user:secret@api.imagen-ai.com",
        "nonsense",
        "",
    ] {
        let (field, message) = refused(Client::builder("key").base_url(url).build());
        assert_eq!(field, "base_url");
        assert!(!message.contains("secret"), "{message}");
    }
    assert!(
        Client::builder("key")
            .base_url("http://192.168.0.9/v1")
            .allow_http(true)
            .build()
            .is_ok()
    );
}

#[test]
fn limits_without_end_are_no_reason_to_panic() {
    let server = Canned::new(200, OK);
    let client = server
        .builder()
        .timeout(Duration::MAX)
        .connect_timeout(Duration::MAX)
        .max_answer_size(u64::MAX)
        .build()
        .unwrap();
    client.project("p").image("a.jpg").copilot("x").unwrap();
    client
        .with_timeout(Duration::MAX)
        .project("p")
        .image("a.jpg")
        .copilot("x")
        .unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_promised_length_is_no_reason_to_make_room() {
    for length in ["18446744073709551615", "40000000000000"] {
        let server = Faulty::start([Reply::json(OK).content_length(length).then(Close)]);
        let client = Client::builder(KEY)
            .base_url(server.url())
            .max_answer_size(u64::MAX)
            .retry(RetryPolicy::none())
            .build()
            .unwrap();
        let error = client.project("p").ai_tools().unwrap_err();
        assert!(matches!(error, Error::Network(_)), "{error}");
    }
}

#[test]
fn the_defaults_are_as_documented() {
    let seconds = Duration::from_secs;
    let policy = RetryPolicy {
        max_attempts: 4,
        base_delay: Duration::from_millis(500),
        max_delay: seconds(20),
        max_retry_after: seconds(60),
    };
    assert_eq!(RetryPolicy::default(), policy);
    for (wait, first, factor, longest, total) in [
        (Wait::default(), 10, 1.2, 60, 20 * 60 * 60),
        (Wait::for_an_edit(), 2, 1.5, 15, 10 * 60),
    ] {
        assert_eq!(
            (wait.first, wait.longest, wait.total),
            (seconds(first), seconds(longest), seconds(total))
        );
        assert_eq!(wait.factor, factor);
    }
    let options = DownloadOptions::default();
    assert_eq!(
        (options.threads, options.overwrite, options.stall_timeout),
        (4, Overwrite::Never, seconds(60))
    );
    assert!(options.progress.is_none());
    let client = format!("{:?}", Client::new(KEY).unwrap());
    for setting in [
        ", timeout: 300s",
        "connect_timeout: 10s",
        "max_answer_size: 67108864",
        &format!("{policy:?}"),
    ] {
        assert!(client.contains(setting), "{setting} is not in {client}");
    }
    let download = format!("{:?}", Client::new(KEY).unwrap().download("https://s3.example/a"));
    assert!(download.contains("overwrite: Never, stall_timeout: 60s"), "{download}");
}

#[test]
fn debug_of_the_handles_shows_no_key() {
    let client = Client::new(KEY).unwrap();
    let project = client.project("p");
    let image = project.image("a.jpg");
    let text = format!(
        "{client:?} {client:#?} {project:?} {image:?} {:?}",
        Client::builder(KEY)
    );
    assert!(
        text.contains("[redacted]") && text.contains("https://api.imagen-ai.com/v1"),
        "{text}"
    );
    assert!(!text.contains(KEY), "{text}");
}

#[test]
fn a_limit_of_zero_is_refused_before_anything_is_sent() {
    let server = Faulty::start([Reply::json(OK)]);
    let client = Client::builder(KEY).base_url(server.url()).build().unwrap();
    let client = client.with_timeout(Duration::ZERO);
    let error = client.project("p").info().unwrap_err();
    assert!(matches!(error, Error::InvalidInput { field: "timeout", .. }), "{error}");
    assert_eq!(server.connections(), 0);
}

/// `ureq` keeps three, so that the other threads would agree on TLS anew for every call.
#[test]
fn each_of_many_threads_finds_a_connection_again() {
    const THREADS: usize = 8;
    let server = Faulty::start([Reply::json(OK).drip_head(20, Duration::from_millis(5))]);
    let client = Client::builder(KEY).base_url(server.url()).build().unwrap();
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..5 {
                    together.wait();
                    client.project("p").image("a.jpg").copilot("x").unwrap();
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

#[test]
fn the_environment_gives_the_key_and_the_base_url() {
    const TEST: &str = "client::the_environment_gives_the_key_and_the_base_url";
    if child::is_child() {
        match Client::from_env() {
            Ok(client) => println!("made {client:?}"),
            Err(e) => println!("refused {e}"),
        }
        return;
    }
    let run = |variables: &[(&str, &str)]| child::run(TEST, variables);
    let text = run(&[]);
    assert!(
        text.contains("refused IMAGEN_API_KEY: the environment variable is not set"),
        "{text}"
    );
    let text = run(&[("IMAGEN_API_KEY", " ")]);
    assert!(
        text.contains("refused IMAGEN_API_KEY: ") && text.contains("empty"),
        "{text}"
    );
    let text = run(&[("IMAGEN_API_KEY", "sec ret")]);
    assert!(
        text.contains("refused IMAGEN_API_KEY: ") && !text.contains("sec ret"),
        "{text}"
    );
    let text = run(&[("IMAGEN_API_KEY", KEY)]);
    assert!(
        text.contains(r#"made Client { base_url: "https://api.imagen-ai.com/v1""#),
        "{text}"
    );
    let text = run(&[("IMAGEN_API_KEY", KEY), ("IMAGEN_BASE_URL", "")]);
    assert!(text.contains(r#""https://api.imagen-ai.com/v1""#), "{text}");
    let text = run(&[("IMAGEN_API_KEY", KEY), ("IMAGEN_BASE_URL", "http://127.0.0.1:9/x/")]);
    assert!(text.contains(r#"base_url: "http://127.0.0.1:9/x""#), "{text}");
    let text = run(&[("IMAGEN_API_KEY", KEY), ("IMAGEN_BASE_URL", "http://example.com")]);
    assert!(text.contains("refused IMAGEN_BASE_URL: "), "{text}");
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
