//! Proxies for real: what they see of a call, and what a caller hears when they fail.

use std::time::{Duration, Instant};

use imagen_ai::ureq::{Agent, Proxy as Setting};
use imagen_ai::{CallError, CauseKind, Client, ClientBuilder, Error, RetryPolicy};

use crate::support::canned::{Canned, KEY, OK};
use crate::support::child;
use crate::support::faulty::{End, Faulty, Refused, Reply};
use crate::support::proxy::Proxy;

const PASSWORD: &str = "pass-4711";

fn through(proxy: &str) -> Agent {
    let proxy = Setting::new(proxy).unwrap();
    Agent::config_builder().proxy(Some(proxy)).build().into()
}

/// A client of a service at a name that exists only for the proxy.
fn builder() -> ClientBuilder {
    Client::builder(KEY)
        .base_url("http://api.example.test/v1")
        .allow_http(true)
        .timeout(Duration::from_secs(20))
        .retry(RetryPolicy::none())
}

fn edit(client: &Client) -> Result<(), Error> {
    client.project("p").image("a.jpg").copilot("x").map(|_| ())
}

/// Neither an edit nor another call gets past this proxy. Returns what the edit says.
#[track_caller]
fn stopped(proxy: &str) -> CallError {
    let client = builder()
        .connect_timeout(Duration::from_secs(1))
        .agent(through(proxy))
        .build()
        .unwrap();
    let other = client.project("p").ai_tools().unwrap_err();
    let edit = edit(&client).unwrap_err();
    for error in [&other, &edit] {
        let text = format!("{error} {error:?} {error:#?}");
        for secret in [KEY, PASSWORD, "c29tZW9uZTpwYXNz"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(error.is_safe_to_retry(), "{text}");
    }
    match (other, edit) {
        (Error::Network(other), Error::Network(edit)) => {
            assert_eq!(other.cause, edit.cause);
            *edit
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod https {
    use imagen_ai::ureq::tls::TlsProvider;

    use super::*;
    use crate::support::tls::{Authority, TlsServer, providers, trusting};

    /// A client that goes through this proxy and believes this authority.
    pub fn over_tls(provider: TlsProvider, authority: &Authority, proxy: &str) -> Client {
        let agent = Agent::config_builder()
            .proxy(Some(Setting::new(proxy).unwrap()))
            .tls_config(trusting(provider, authority))
            .build();
        let client = builder().base_url("https://api.example.test/v1").agent(agent.into());
        client.build().unwrap()
    }

    #[test]
    fn a_proxy_sees_where_a_call_goes_and_nothing_else() {
        let authority = Authority::new("private");
        for provider in providers() {
            let server = TlsServer::start(&authority.issue(&["api.example.test"]));
            let proxy = Proxy::connect(server.addr());
            let client = over_tls(provider, &authority, &format!("http://{}", proxy.addr()));
            edit(&client).unwrap();
            edit(&client).unwrap();

            let asked = proxy.asked();
            assert_eq!(asked.len(), 1, "the second call uses the first one's tunnel");
            assert!(
                asked[0].starts_with("CONNECT api.example.test:443 HTTP/1.1\r\n"),
                "{asked:?}"
            );
            for secret in ["x-api-key", KEY, "/projects"] {
                assert!(!asked[0].contains(secret), "{asked:?}");
                assert!(!proxy.carried(secret), "{secret}");
            }
            server.assert_keyed(2);
        }
    }

    #[test]
    fn the_server_behind_a_proxy_has_to_prove_who_it_is() {
        for provider in providers() {
            let server = TlsServer::start(&Authority::new("stranger").issue(&["api.example.test"]));
            let proxy = Proxy::connect(server.addr());
            let private = Authority::new("private");
            let client = over_tls(provider, &private, &format!("http://{}", proxy.addr()));
            let error = edit(&client).unwrap_err();
            assert!(
                matches!(&error, Error::Network(e) if e.cause.kind == CauseKind::Tls),
                "{error:?}"
            );
            assert_eq!((proxy.asked().len(), server.requests().len()), (1, 0));
        }
    }

    /// The client's own agent, of which a test can see only that it asks the proxy: it believes no private authority.
    #[test]
    fn https_proxy_of_the_environment_is_asked_for_https() {
        if child::is_child() {
            println!(
                "{:?}",
                edit(&builder().base_url("https://api.example.test").build().unwrap())
            );
            return;
        }
        let server = TlsServer::start(&Authority::new("stranger").issue(&["api.example.test"]));
        let proxy = Proxy::connect(server.addr());
        let text = child::run(
            "proxy::https::https_proxy_of_the_environment_is_asked_for_https",
            &[("HTTPS_PROXY", &format!("http://{}", proxy.addr()))],
        );
        assert!(text.contains("Tls"), "{text}");
        let asked = proxy.asked();
        assert_eq!(asked.len(), 1);
        assert!(
            asked[0].starts_with("CONNECT api.example.test:443 HTTP/1.1\r\n"),
            "{asked:?}"
        );
        assert_eq!(server.requests().len(), 0);
    }
}

#[test]
fn a_proxy_gets_the_password_that_is_meant_for_it() {
    let server = Canned::new(200, OK);
    let proxy = Proxy::connect(server.addr());
    let client = builder()
        .agent(through(&format!("http://someone:{PASSWORD}@{}", proxy.addr())))
        .build()
        .unwrap();
    edit(&client).unwrap();

    let asked = proxy.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].starts_with("CONNECT api.example.test:80 HTTP/1.1\r\n"),
        "{asked:?}"
    );
    // someone:pass-4711
    assert!(
        asked[0].contains("\r\nProxy-Authorization: Basic c29tZW9uZTpwYXNzLTQ3MTE=\r\n"),
        "{asked:?}"
    );
    let seen = server.only();
    assert_eq!(seen.header("proxy-authorization"), None);
    assert_eq!(seen.header("x-api-key"), Some(KEY));
    assert!(proxy.carried(KEY), "http shows the key to the proxy");
}

#[test]
fn a_proxy_that_refuses_is_named_as_the_one_that_did() {
    for (status, words) in [(407, "407"), (502, "502"), (301, "301")] {
        let proxy = Faulty::start([Reply::status(status).body("no")]);
        let call = stopped(&format!("http://someone:{PASSWORD}@{}", proxy.addr()));
        assert_eq!(call.cause.kind, CauseKind::Proxy, "{call:?}");
        assert!(call.cause.message.contains(words), "{call:?}");
        assert_eq!(call.status, None);
        let heard = String::from_utf8(proxy.bytes_received()).unwrap();
        assert!(heard.starts_with("CONNECT ") && !heard.contains(KEY), "{heard}");
    }
}

#[test]
fn a_proxy_that_hangs_up_is_named_as_the_one_that_did() {
    let proxy = Faulty::start([End::Close.after_request()]);
    let call = stopped(&format!("http://someone:{PASSWORD}@{}", proxy.addr()));
    assert_eq!(call.cause.kind, CauseKind::Proxy, "{call:?}");
}

#[test]
fn a_proxy_that_never_answers_is_cut_off_by_the_connect_timeout() {
    let proxy = Faulty::start([End::Stall.after_request()]);
    let began = Instant::now();
    let call = stopped(&format!("http://{}", proxy.addr()));
    assert_eq!(call.cause.kind, CauseKind::Timeout, "{call:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// `ureq` alone would wait for each byte as long as for all of them.
#[test]
fn a_proxy_that_answers_byte_by_byte_is_cut_off_by_the_connect_timeout() {
    if child::is_child() {
        let client = builder().connect_timeout(Duration::from_millis(300)).build().unwrap();
        let began = Instant::now();
        let error = edit(&client).unwrap_err();
        assert!(
            matches!(&error, Error::Network(e) if e.cause.kind == CauseKind::Timeout),
            "{error:?}"
        );
        assert!(error.to_string().contains("the connect timeout"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10), "{error:?}");
        return;
    }
    let proxy = Faulty::start([Reply::status(200).drip_head(1, Duration::from_millis(200))]);
    child::run(
        "proxy::a_proxy_that_answers_byte_by_byte_is_cut_off_by_the_connect_timeout",
        &[("HTTPS_PROXY", &proxy.url())],
    );
}

/// The limit is for the proxy's answer, and not for what comes through the tunnel later.
#[test]
fn a_tunnel_lasts_longer_than_the_connect_timeout() {
    if child::is_child() {
        let client = builder().connect_timeout(Duration::from_secs(1)).build().unwrap();
        edit(&client).unwrap();
        edit(&client).unwrap();
        return;
    }
    let server = Faulty::start([
        Reply::json(OK).drip_body(15, Duration::from_millis(100)),
        Reply::json(OK),
    ]);
    let proxy = Proxy::connect(server.addr());
    child::run(
        "proxy::a_tunnel_lasts_longer_than_the_connect_timeout",
        &[("HTTPS_PROXY", &format!("http://{}", proxy.addr()))],
    );
    assert_eq!((proxy.asked().len(), server.requests()), (1, 2));
    for request in server.received() {
        assert_eq!(request.header("x-api-key"), Some(KEY));
    }
}

#[test]
fn a_proxy_that_is_not_there_is_no_connection() {
    let nobody = Refused::new();
    let call = stopped(&format!("http://someone:{PASSWORD}@{}", nobody.addr()));
    assert_eq!(call.cause.kind, CauseKind::Connect, "{call:?}");
}

/// What `ureq` does with the variables, and what this client adds to that. The service is at 0.0.0.0, which is this
/// machine and yet no loopback address.
#[cfg(target_os = "linux")]
#[test]
fn proxies_of_the_environment_are_used_and_not_for_this_machine() {
    if child::is_child() {
        let url = std::env::var("IMAGEN_BASE_URL").unwrap();
        let builder = || builder().base_url(&url);
        let file = std::env::var("TEST_FILE_URL").unwrap();
        for client in [builder(), builder().agent(Agent::new_with_defaults())] {
            let client = client.build().unwrap();
            edit(&client).unwrap();
            assert_eq!(client.download(file.as_str()).to_vec(1000).unwrap(), OK.as_bytes());
        }
        return;
    }
    let server = Canned::new(200, OK);
    let port = server.addr().port();
    let asked_of = |proxy: Proxy, url: String, variables: fn(&str) -> Vec<(&'static str, String)>| {
        let mut all = variables(&proxy.addr().to_string());
        all.push(("IMAGEN_BASE_URL", url));
        // A link to a file without TLS can only be one to this machine.
        all.push(("TEST_FILE_URL", format!("http://127.0.0.1:{port}/a.jpg")));
        let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        child::run(
            "proxy::proxies_of_the_environment_are_used_and_not_for_this_machine",
            &all,
        );
        proxy.asked().len()
    };
    let asked = |url, variables| asked_of(Proxy::connect(server.addr()), url, variables);

    let elsewhere = || format!("http://0.0.0.0:{port}/v1");
    let https = |proxy: &str| vec![("HTTPS_PROXY", format!("http://{proxy}"))];
    let all = |proxy: &str| vec![("ALL_PROXY", format!("http://{proxy}"))];
    let except = |proxy: &str| {
        let proxy = format!("http://{proxy}");
        vec![("HTTPS_PROXY", proxy), ("NO_PROXY", "0.0.0.0".to_owned())]
    };
    assert_eq!(asked(elsewhere(), https), 2);
    assert_eq!(asked(elsewhere(), all), 2);
    assert_eq!(asked(elsewhere(), except), 0);
    for here in ["127.0.0.1", "localhost"] {
        assert_eq!(asked(format!("http://{here}:{port}/v1"), all), 0, "{here}");
    }
    // A build that cannot speak to it passes it over.
    #[cfg(feature = "socks-proxy")]
    let (socks, times) = (Proxy::socks5(server.addr()), 2);
    #[cfg(not(feature = "socks-proxy"))]
    let (socks, times) = (Proxy::connect(server.addr()), 0);
    let socks5h = |proxy: &str| vec![("ALL_PROXY", format!("socks5h://{proxy}"))];
    assert_eq!(asked_of(socks, elsewhere(), socks5h), times);

    let (calls, downloads): (Vec<_>, Vec<_>) = server.seen().into_iter().partition(|seen| seen.path.starts_with("/v1"));
    assert_eq!((calls.len(), downloads.len()), (6 * 2, 6 * 2));
    for seen in calls {
        assert_eq!(seen.header("x-api-key"), Some(KEY), "{seen:?}");
    }
    for seen in downloads {
        assert_eq!((seen.path.as_str(), seen.header("x-api-key")), ("/a.jpg", None));
    }
}

#[test]
fn a_proxy_that_was_asked_for_is_used_for_this_machine_too() {
    let server = Canned::new(200, OK);
    let proxy = Proxy::connect(server.addr());
    let client = server
        .builder()
        .agent(through(&format!("http://{}", proxy.addr())))
        .build()
        .unwrap();
    edit(&client).unwrap();
    assert_eq!(proxy.asked().len(), 1);
}

#[cfg(feature = "socks-proxy")]
mod socks {
    use super::*;

    #[test]
    fn a_socks_proxy_is_asked_by_name() {
        let server = Canned::new(200, OK);
        for (user, seen) in [("", ""), ("someone:pass-4711@", "someone:pass-4711 ")] {
            let proxy = Proxy::socks5(server.addr());
            let client = builder()
                .agent(through(&format!("socks5h://{user}{}", proxy.addr())))
                .build()
                .unwrap();
            edit(&client).unwrap();
            assert_eq!(proxy.asked(), [format!("{seen}api.example.test:80")]);
        }
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[test]
    fn tls_goes_through_a_socks_proxy() {
        use super::https::over_tls;
        use crate::support::tls::{Authority, TlsServer, providers};

        let authority = Authority::new("private");
        for provider in providers() {
            let server = TlsServer::start(&authority.issue(&["api.example.test"]));
            let proxy = Proxy::socks5(server.addr());
            let client = over_tls(provider, &authority, &format!("socks5h://{}", proxy.addr()));
            edit(&client).unwrap();
            assert_eq!(proxy.asked(), ["api.example.test:443"]);
            assert!(!proxy.carried(KEY));
        }
    }

    #[test]
    fn a_socks_proxy_that_fails_leaves_an_edit_unsent() {
        for (greeting, words) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "invalid response version"),
            (&[5, 255], "no acceptable auth methods"),
        ] {
            let proxy = Faulty::start([Reply::raw(greeting).on_accept()]);
            let client = builder()
                .agent(through(&format!("socks5h://someone:{PASSWORD}@{}", proxy.addr())))
                .build()
                .unwrap();
            let error = edit(&client).unwrap_err();
            let Error::Network(call) = &error else {
                panic!("{error:?}")
            };
            assert_eq!(
                (call.cause.kind, call.cause.message.as_str()),
                (CauseKind::Other, words)
            );
            assert!(!format!("{error:#?}").contains(PASSWORD));
        }
    }
}

#[cfg(not(feature = "socks-proxy"))]
#[test]
fn a_socks_proxy_is_refused_without_its_feature() {
    let error = builder().agent(through("socks5://127.0.0.1:1")).build().unwrap_err();
    assert!(
        matches!(&error, Error::InvalidInput { field: "agent", message } if message.contains("socks-proxy")),
        "{error:?}"
    );
}
