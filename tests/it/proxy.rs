//! Proxies for real: what they see of a call, and what a caller hears when they fail.

use std::time::Duration;

use imagen_ai::ureq::{Agent, Proxy as Setting};
use imagen_ai::{CauseKind, Client, ClientBuilder, Error, Result, RetryPolicy};
use mockito::Matcher;

use crate::support::nowhere::Refused;
use crate::support::proxy::Proxy;
use crate::support::script::End::{Close, HangUp, Reset, Stall};
use crate::support::script::{Script, Turn};
use crate::support::wire::{KEY, OK, Wire};
use crate::support::{agent_config, ms, patiently};

const PASSWORD: &str = "pass-4711";
/// What stands for it in a header: someone:pass-4711.
const ENCODED: &str = "c29tZW9uZTpwYXNzLTQ3MTE=";

fn through(proxy: &str) -> Agent {
    let proxy = Setting::new(proxy).unwrap();
    agent_config().proxy(Some(proxy)).build().into()
}

/// A client of a service at a name that exists only for the proxy.
fn builder() -> ClientBuilder {
    let client = Client::builder(KEY).base_url("http://api.example.test/v1");
    client
        .allow_http(true)
        .retry(RetryPolicy::none())
        .timeout(ms(20_000))
}

fn edit(client: &Client) -> Result<()> {
    client.project("p").image("a.jpg").copilot("x").map(drop)
}

/// Neither an edit nor another call gets past this proxy, each tried so often of two times. Returns
/// what they say of it, each on a line.
#[track_caller]
fn stopped(proxy: &str, kind: CauseKind, attempts: u32) -> String {
    // Only what stalls is not done before.
    let limit = match kind {
        CauseKind::Timeout => ms(300),
        _ => ms(20_000),
    };
    let retry = RetryPolicy {
        max_attempts: 2,
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = builder()
        .connect_timeout(limit)
        .retry(retry)
        .agent(through(proxy))
        .build()
        .unwrap();
    let address = proxy.rsplit(['/', '@']).next().unwrap();
    let named = format!("api.example.test through the proxy {address}: ");
    let other = client.project("p").presets().map(drop);

    let mut messages = String::new();
    for result in [edit(&client), other] {
        let error = result.unwrap_err();
        let text = format!("{error} {error:#?}");
        for secret in [KEY, PASSWORD, ENCODED] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(error.is_safe_to_retry(), kind != CauseKind::Proxy, "{text}");
        let Error::Network(e) = error else {
            panic!("{error}");
        };
        assert_eq!(e.cause.kind, kind, "{e}");
        assert_eq!(e.context.attempts, attempts, "{e}");
        assert_eq!(e.context.status, None, "{e}");
        assert!(e.cause.message.starts_with(&named), "{e}");
        messages.push_str(&e.cause.message);
        messages.push('\n');
    }
    messages
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls {
    use imagen_ai::ureq::tls::TlsProvider;

    use super::*;
    use crate::support::tls::{Authority, TlsServer, providers, trusting};

    const HOST: &str = "api.example.test";

    /// A client that reaches the service through this proxy.
    fn client(proxy: &Proxy, provider: TlsProvider, authority: &Authority) -> Client {
        let setting = Setting::new(&format!("http://{}", proxy.addr())).unwrap();
        let agent = Agent::config_builder()
            .proxy(Some(setting))
            .tls_config(trusting(provider, authority))
            .build();
        let client = builder().base_url(format!("https://{HOST}/v1"));
        client.agent(agent.into()).build().unwrap()
    }

    #[test]
    fn a_proxy_sees_where_a_call_goes_and_nothing_of_it() {
        let authority = Authority::new("private");
        for provider in providers() {
            let server = TlsServer::start(&authority.issue(&[HOST]));
            let proxy = Proxy::connect(server.addr());
            let client = client(&proxy, provider, &authority);

            edit(&client).unwrap();
            edit(&client).unwrap();

            // The second call uses the first one's tunnel.
            let [asked] = &proxy.asked()[..] else {
                panic!("{:?}", proxy.asked());
            };
            let line = format!("CONNECT {HOST}:443 HTTP/1.1\r\n");
            assert!(asked.starts_with(&line), "{asked}");
            for secret in ["x-api-key", KEY, "/projects"] {
                assert!(!asked.contains(secret), "{secret}");
                assert!(!proxy.carried(secret), "{secret}");
            }
            server.assert_keyed(2);
        }
    }

    #[test]
    fn the_server_behind_a_proxy_proves_who_it_is() {
        let authority = Authority::new("private");
        let stranger = Authority::new("stranger");
        for provider in providers() {
            let server = TlsServer::start(&stranger.issue(&[HOST]));
            let proxy = Proxy::connect(server.addr());

            let error = edit(&client(&proxy, provider, &authority)).unwrap_err();

            let is_tls = matches!(&error, Error::Network(e) if e.cause.kind == CauseKind::Tls);
            assert!(is_tls, "{error}");
            assert_eq!(server.requests().len(), 0);
        }
    }
}

#[test]
fn a_proxy_gets_the_password_that_is_meant_for_it() {
    let mut wire = Wire::new();
    let sent = wire
        .answers("POST", "/v1/projects/p/images/a.jpg/copilot", 200, OK)
        .match_header("proxy-authorization", Matcher::Missing)
        .create();
    let proxy = Proxy::connect(wire.addr());
    let agent = through(&format!("http://someone:{PASSWORD}@{}", proxy.addr()));

    edit(&builder().agent(agent).build().unwrap()).unwrap();

    sent.assert();
    let asked = proxy.asked().concat();
    let line = "CONNECT api.example.test:80 HTTP/1.1\r\n";
    assert!(asked.starts_with(line), "{asked}");
    let password = format!("\r\nProxy-Authorization: Basic {ENCODED}\r\n");
    assert!(asked.contains(&password), "{asked}");
    assert!(proxy.carried(KEY), "http shows the key to the proxy");
}

#[test]
fn a_proxy_that_fails_is_named_learns_nothing_and_is_asked_once_if_it_refuses() {
    let wants_password = Turn::status(407).header("Proxy-Authenticate", "Basic");
    // `ureq` tells the status only in the text of its error.
    for (turn, kind, attempts, words) in [
        (wants_password, CauseKind::Proxy, 1, "responded 407\n"),
        (Turn::status(403), CauseKind::Proxy, 1, "responded 403\n"),
        (Turn::status(404), CauseKind::Connect, 2, "responded 404\n"),
        (
            Turn::html(502, "<html>407"),
            CauseKind::Connect,
            2,
            "responded 502\n",
        ),
        (
            Turn::redirect(301, "https://a.test"),
            CauseKind::Connect,
            2,
            "responded 301\n",
        ),
        (Close.after_request(), CauseKind::Connect, 2, ""),
        (HangUp.on_accept(), CauseKind::Closed, 2, ""),
        (Reset.after_request(), CauseKind::Closed, 2, ""),
        (Stall.after_request(), CauseKind::Timeout, 2, "connect"),
    ] {
        let proxy = Script::of([turn]);
        let url = format!("http://someone:{PASSWORD}@{}", proxy.addr());

        let text = stopped(&url, kind, attempts);

        assert!(text.contains(words), "{text}");
        let heard = String::from_utf8(proxy.bytes_received()).unwrap();
        assert!(!heard.contains(KEY), "{heard}");
        assert!(!heard.contains("x-api-key"), "{heard}");
        assert_eq!(proxy.connections(), 2 * attempts as usize);
    }
    stopped(&Refused::new().url(), CauseKind::Connect, 2);
}

/// The limit is for the proxy's answer, and not for what comes through the tunnel later. A proxy of
/// an agent is used for this machine too.
#[test]
fn a_tunnel_lasts_longer_than_the_connect_timeout() {
    patiently(|times| tunnel_for_longer_than(times * ms(500)));
}

fn tunnel_for_longer_than(limit: Duration) {
    let slow = Turn::json(OK).drip_body(OK.len() / 3, limit / 2);
    let script = Script::of([slow, Turn::json(OK)]);
    let proxy = Proxy::connect(script.addr());
    let agent = through(&format!("http://{}", proxy.addr()));
    let client = builder().base_url(script.url()).connect_timeout(limit);
    let client = client.agent(agent).build().unwrap();

    edit(&client).unwrap();
    edit(&client).unwrap();

    assert_eq!(proxy.asked().len(), 1);
    assert_eq!(script.requests().len(), 2);
}

/// The service is at 0.0.0.0, which is this machine and yet no loopback address, on Linux.
#[cfg(target_os = "linux")]
mod environment {
    use super::*;
    use crate::support::child;

    const TEST: &str = "proxy::environment::proxies_of_the_environment_are_used";

    /// How often this proxy is asked by two calls to the service at this host, with these
    /// variables.
    fn asked(wire: &Wire, proxy: &Proxy, host: &str, proxies: &[(&str, &str)]) -> usize {
        let url = format!("http://{host}:{}/v1", wire.addr().port());
        let mut variables = vec![("IMAGEN_BASE_URL", &*url)];
        variables.extend(proxies);
        child::run(TEST, &variables);
        proxy.asked().len()
    }

    #[test]
    fn proxies_of_the_environment_are_used() {
        if child::is_child() {
            let url = std::env::var("IMAGEN_BASE_URL").unwrap();
            for builder in [builder(), builder().agent(agent_config().build().into())] {
                edit(&builder.base_url(&url).build().unwrap()).unwrap();
            }
            return;
        }
        let wire = Wire::answering(200, OK);
        for variable in ["HTTPS_PROXY", "ALL_PROXY"] {
            let proxy = Proxy::connect(wire.addr());
            let url = format!("http://{}", proxy.addr());
            let times = asked(&wire, &proxy, "0.0.0.0", &[(variable, &url)]);
            assert_eq!(times, 2, "{variable}");
        }
    }

    #[test]
    fn proxies_of_the_environment_are_not_used_for_this_machine_and_for_exceptions() {
        let wire = Wire::answering(200, OK);
        for (variable, host, except) in [
            ("HTTPS_PROXY", "0.0.0.0", "0.0.0.0"),
            ("ALL_PROXY", "127.0.0.1", ""),
            ("ALL_PROXY", "localhost", ""),
        ] {
            let proxy = Proxy::connect(wire.addr());
            let url = format!("http://{}", proxy.addr());
            let variables = [(variable, &*url), ("NO_PROXY", except)];
            let times = asked(&wire, &proxy, host, &variables);
            assert_eq!(times, 0, "{variable} {host} {except}");
        }
    }

    #[cfg(feature = "socks-proxy")]
    #[test]
    fn a_socks_proxy_of_the_environment_is_used() {
        let wire = Wire::answering(200, OK);
        let proxy = Proxy::socks5(wire.addr());
        let url = format!("socks5h://{}", proxy.addr());
        assert_eq!(asked(&wire, &proxy, "0.0.0.0", &[("ALL_PROXY", &url)]), 2);
    }
}

#[cfg(feature = "socks-proxy")]
#[test]
fn a_socks_proxy_is_asked_by_name() {
    let wire = Wire::answering(200, OK);
    let proxy = Proxy::socks5(wire.addr());
    let agent = through(&format!("socks5h://{}", proxy.addr()));

    edit(&builder().agent(agent).build().unwrap()).unwrap();

    assert_eq!(proxy.asked(), ["api.example.test:80"]);
}

#[cfg(feature = "socks-proxy")]
#[test]
fn a_socks_proxy_that_fails_leaves_an_edit_unsent() {
    let no_socks = &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..];
    for (greeting, words) in [
        (no_socks, "invalid response version"),
        (&[5, 255], "no acceptable auth methods"),
    ] {
        let proxy = Script::of([Turn::raw(greeting).on_accept()]);
        let agent = through(&format!("socks5h://someone:{PASSWORD}@{}", proxy.addr()));

        let error = edit(&builder().agent(agent).build().unwrap()).unwrap_err();

        let is_told = matches!(&error, Error::Network(e) if e.cause.message.contains(words));
        assert!(is_told, "{error}");
        assert!(!format!("{error:#?}").contains(PASSWORD));
    }
}
