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

/// Neither an edit nor another call gets past this proxy, however often it is tried. Returns what the edit says.
#[track_caller]
fn stopped(proxy: &str, kind: CauseKind, attempts: u32) -> CallError {
    let retry = RetryPolicy {
        max_attempts: 2,
        base_delay: Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    let client = builder()
        .connect_timeout(Duration::from_secs(1))
        .retry(retry)
        .agent(through(proxy))
        .build()
        .unwrap();
    let other = client.project("p").ai_tools().unwrap_err();
    let edit = edit(&client).unwrap_err();
    for error in [&other, &edit] {
        let text = format!("{error} {error:#?}");
        for secret in [KEY, PASSWORD, "c29tZW9uZTpwYXNz"] {
            assert!(!text.contains(secret), "{text}");
        }
        let address = proxy.rsplit(['/', '@']).next().unwrap();
        assert!(
            text.contains(&format!("api.example.test through the proxy {address}: ")),
            "{text}"
        );
        assert_eq!(error.is_safe_to_retry(), kind != CauseKind::Proxy, "{text}");
    }
    match (other, edit) {
        (Error::Network(other), Error::Network(edit)) => {
            assert_eq!((&other.cause, edit.cause.kind), (&edit.cause, kind));
            assert_eq!((edit.context.attempts, other.context.attempts), (attempts, attempts));
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
                "{error}"
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
        assert!(text.contains("certificate"), "{text}");
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
fn a_proxy_that_fails_is_named_and_one_that_wants_a_password_is_asked_once() {
    let secret = |proxy: &Faulty| format!("http://someone:{PASSWORD}@{}", proxy.addr());
    // `ureq` tells the status only in the text of its error.
    for (status, attempts) in [(407, 1), (502, 2), (301, 2)] {
        let proxy = Faulty::start([Reply::status(status).body("no")]);
        let call = stopped(&secret(&proxy), CauseKind::Proxy, attempts);
        assert!(call.cause.message.contains(&status.to_string()), "{call}");
        assert_eq!((call.context.status, proxy.requests()), (None, 2 * attempts as usize));
        let heard = String::from_utf8(proxy.bytes_received()).unwrap();
        assert!(heard.starts_with("CONNECT ") && !heard.contains(KEY), "{heard}");
    }
    let proxy = Faulty::start([End::Close.after_request()]);
    stopped(&secret(&proxy), CauseKind::Proxy, 2);
    stopped(
        &format!("http://someone:{PASSWORD}@{}", Refused::new().addr()),
        CauseKind::Connect,
        2,
    );
}

#[test]
fn a_proxy_that_never_answers_is_cut_off_by_the_connect_timeout() {
    let proxy = Faulty::start([End::Stall.after_request()]);
    let began = Instant::now();
    stopped(&proxy.url(), CauseKind::Timeout, 2);
    assert!(began.elapsed() < Duration::from_secs(20));
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

/// What `ureq` does with the variables, and what this client adds to that. The service is at 0.0.0.0, which is this
/// machine and yet no loopback address.
#[cfg(target_os = "linux")]
#[test]
fn proxies_of_the_environment_are_used_and_not_for_this_machine() {
    if child::is_child() {
        let url = std::env::var("IMAGEN_BASE_URL").unwrap();
        for builder in [builder(), builder().agent(Agent::new_with_defaults())] {
            edit(&builder.base_url(&url).build().unwrap()).unwrap();
        }
        return;
    }
    const TEST: &str = "proxy::proxies_of_the_environment_are_used_and_not_for_this_machine";
    let server = Canned::new(200, OK);
    let asked = |proxy: Proxy, host: &str, scheme: &str, variable: &str, except: &str| {
        let url = format!("http://{host}:{}/v1", server.addr().port());
        let proxy_url = format!("{scheme}://{}", proxy.addr());
        child::run(
            TEST,
            &[
                ("IMAGEN_BASE_URL", url.as_str()),
                (variable, &proxy_url),
                ("NO_PROXY", except),
            ],
        );
        proxy.asked().len()
    };
    let proxy = || Proxy::connect(server.addr());
    for (variable, host, except, times) in [
        ("HTTPS_PROXY", "0.0.0.0", "", 2),
        ("ALL_PROXY", "0.0.0.0", "", 2),
        ("HTTPS_PROXY", "0.0.0.0", "0.0.0.0", 0),
        ("ALL_PROXY", "127.0.0.1", "", 0),
        ("ALL_PROXY", "localhost", "", 0),
    ] {
        assert_eq!(
            asked(proxy(), host, "http", variable, except),
            times,
            "{variable} {host} {except}"
        );
    }
    #[cfg(feature = "socks-proxy")]
    assert_eq!(
        asked(Proxy::socks5(server.addr()), "0.0.0.0", "socks5h", "ALL_PROXY", ""),
        2
    );
    let seen = server.seen();
    assert!(seen.len() >= 10 && seen.iter().all(|seen| seen.header("x-api-key") == Some(KEY)));
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
            let agent = through(&format!("socks5h://someone:{PASSWORD}@{}", proxy.addr()));
            let error = edit(&builder().agent(agent).build().unwrap()).unwrap_err();
            assert!(
                matches!(&error, Error::Network(e) if e.cause.message.contains(words)),
                "{error}"
            );
            assert!(!format!("{error:#?}").contains(PASSWORD));
        }
    }
}
