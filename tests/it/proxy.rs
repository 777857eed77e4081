//! Proxies for real: what they see of a call, and what a caller hears when they fail.

use std::time::{Duration, Instant};

use imagen_ai::ureq::{Agent, Proxy as Setting};
use imagen_ai::{CauseKind, Client, ClientBuilder, Error, Result, RetryPolicy};

use crate::support::canned::{Canned, KEY, OK};
use crate::support::faulty::End::{Close, HangUp, Reset, Stall};
use crate::support::faulty::{Faulty, Refused, Reply};
use crate::support::proxy::Proxy;
use crate::support::{agent_config, child, ms};

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
/// what they say of it.
#[track_caller]
fn stopped(proxy: &str, kind: CauseKind, attempts: u32) -> String {
    let retry = RetryPolicy {
        max_attempts: 2,
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = builder()
        .connect_timeout(ms(1_000))
        .retry(retry)
        .agent(through(proxy));
    let client = client.build().unwrap();
    let address = proxy.rsplit(['/', '@']).next().unwrap();
    let other = client.project("p").presets().map(drop);
    let messages = [edit(&client), other].map(|result| {
        let error = result.unwrap_err();
        let text = format!("{error} {error:#?}");
        for secret in [KEY, PASSWORD, ENCODED] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(error.is_safe_to_retry(), kind != CauseKind::Proxy, "{text}");
        match error {
            Error::Network(e) => {
                assert_eq!(
                    (e.cause.kind, e.context.attempts, e.context.status),
                    (kind, attempts, None),
                    "{e}"
                );
                let named = format!("api.example.test through the proxy {address}: ");
                assert!(e.cause.message.starts_with(&named), "{e}");
                e.cause.message
            }
            other => panic!("{other}"),
        }
    });
    messages.concat()
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxy_sees_where_a_call_goes_and_the_server_behind_it_proves_who_it_is() {
    use crate::support::tls::{Authority, TlsServer, providers, trusting};

    let (authority, stranger) = (Authority::new("private"), Authority::new("stranger"));
    for provider in providers() {
        let call = |server: &TlsServer| {
            let proxy = Proxy::connect(server.addr());
            let setting = Setting::new(&format!("http://{}", proxy.addr())).unwrap();
            let agent = Agent::config_builder().proxy(Some(setting));
            let agent = agent
                .tls_config(trusting(provider, &authority))
                .build()
                .into();
            let client = builder()
                .base_url("https://api.example.test/v1")
                .agent(agent)
                .build()
                .unwrap();
            (edit(&client).and(edit(&client)), proxy)
        };
        let server = TlsServer::start(&authority.issue(&["api.example.test"]));
        let (result, proxy) = call(&server);
        result.unwrap();
        let asked = proxy.asked();
        assert_eq!(
            asked.len(),
            1,
            "the second call uses the first one's tunnel"
        );
        assert!(
            asked[0].starts_with("CONNECT api.example.test:443 HTTP/1.1\r\n"),
            "{asked:?}"
        );
        for secret in ["x-api-key", KEY, "/projects"] {
            assert!(
                !asked[0].contains(secret) && !proxy.carried(secret),
                "{secret}"
            );
        }
        server.assert_keyed(2);

        let server = TlsServer::start(&stranger.issue(&["api.example.test"]));
        let (result, _proxy) = call(&server);
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::Network(e) if e.cause.kind == CauseKind::Tls),
            "{error}"
        );
        assert_eq!(server.requests().len(), 0);
    }
}

#[test]
fn a_proxy_gets_the_password_that_is_meant_for_it() {
    let server = Canned::new(200, OK);
    let proxy = Proxy::connect(server.addr());
    let agent = through(&format!("http://someone:{PASSWORD}@{}", proxy.addr()));
    edit(&builder().agent(agent).build().unwrap()).unwrap();
    let asked = proxy.asked().concat();
    assert!(
        asked.starts_with("CONNECT api.example.test:80 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains(&format!("\r\nProxy-Authorization: Basic {ENCODED}\r\n")),
        "{asked}"
    );
    let seen = server.only();
    assert_eq!(
        (seen.header("proxy-authorization"), seen.header("x-api-key")),
        (None, Some(KEY))
    );
    assert!(proxy.carried(KEY), "http shows the key to the proxy");
}

#[test]
fn a_proxy_that_fails_is_named_learns_nothing_and_is_asked_once_if_it_wants_a_password() {
    let began = Instant::now();
    // `ureq` tells the status only in the text of its error.
    for (reply, kind, attempts, words) in [
        (
            Reply::status(407).header("Proxy-Authenticate", "Basic"),
            CauseKind::Proxy,
            1,
            "407",
        ),
        (
            Reply::html(502, "<html>407</html>"),
            CauseKind::Proxy,
            2,
            "502",
        ),
        (
            Reply::redirect(301, "https://elsewhere.example/"),
            CauseKind::Proxy,
            2,
            "301",
        ),
        (Close.after_request(), CauseKind::Proxy, 2, ""),
        (HangUp.on_accept(), CauseKind::Closed, 2, ""),
        (Reset.after_request(), CauseKind::Closed, 2, ""),
        (Stall.after_request(), CauseKind::Timeout, 2, "connect"),
    ] {
        let proxy = Faulty::start([reply]);
        let text = stopped(
            &format!("http://someone:{PASSWORD}@{}", proxy.addr()),
            kind,
            attempts,
        );
        assert!(text.contains(words), "{text}");
        let heard = String::from_utf8(proxy.bytes_received()).unwrap();
        assert!(
            !heard.contains(KEY) && !heard.contains("x-api-key"),
            "{heard}"
        );
        assert_eq!(proxy.connections(), 2 * attempts as usize);
    }
    stopped(&Refused::new().url(), CauseKind::Connect, 2);
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// The limit is for the proxy's answer, and not for what comes through the tunnel later. A proxy of
/// an agent is used for this machine too.
#[test]
fn a_tunnel_lasts_longer_than_the_connect_timeout() {
    let server = Faulty::start([Reply::json(OK).drip_body(15, ms(100))]);
    let proxy = Proxy::connect(server.addr());
    let agent = through(&format!("http://{}", proxy.addr()));
    let client = builder()
        .base_url(server.url())
        .connect_timeout(ms(1_000))
        .agent(agent)
        .build()
        .unwrap();
    edit(&client).unwrap();
    edit(&client).unwrap();
    assert_eq!((proxy.asked().len(), server.requests()), (1, 2));
}

/// What `ureq` does with the variables, and what this client adds to that. The service is at
/// 0.0.0.0, which is this machine and yet no loopback address.
#[cfg(target_os = "linux")]
#[test]
fn proxies_of_the_environment_are_used_and_not_for_this_machine() {
    if child::is_child() {
        let url = std::env::var("IMAGEN_BASE_URL").unwrap();
        for builder in [builder(), builder().agent(agent_config().build().into())] {
            edit(&builder.base_url(&url).build().unwrap()).unwrap();
        }
        return;
    }
    const TEST: &str = "proxy::proxies_of_the_environment_are_used_and_not_for_this_machine";
    let server = Canned::new(200, OK);
    let asked = |proxy: Proxy, scheme: &str, variable: &str, host: &str, except: &str| {
        let url = format!("http://{host}:{}/v1", server.addr().port());
        let proxy_url = format!("{scheme}://{}", proxy.addr());
        child::run(
            TEST,
            &[
                ("IMAGEN_BASE_URL", &url),
                (variable, &proxy_url),
                ("NO_PROXY", &except.to_owned()),
            ],
        );
        proxy.asked().len()
    };
    for (variable, host, except, times) in [
        ("HTTPS_PROXY", "0.0.0.0", "", 2),
        ("ALL_PROXY", "0.0.0.0", "", 2),
        ("HTTPS_PROXY", "0.0.0.0", "0.0.0.0", 0),
        ("ALL_PROXY", "127.0.0.1", "", 0),
        ("ALL_PROXY", "localhost", "", 0),
    ] {
        let times_asked = asked(
            Proxy::connect(server.addr()),
            "http",
            variable,
            host,
            except,
        );
        assert_eq!(times_asked, times, "{variable} {host} {except}");
    }
    #[cfg(feature = "socks-proxy")]
    assert_eq!(
        asked(
            Proxy::socks5(server.addr()),
            "socks5h",
            "ALL_PROXY",
            "0.0.0.0",
            ""
        ),
        2
    );
    let seen = server.seen();
    assert!(
        seen.len() >= 10
            && seen
                .iter()
                .all(|seen| seen.header("x-api-key") == Some(KEY))
    );
}

#[cfg(feature = "socks-proxy")]
#[test]
fn a_socks_proxy_is_asked_by_name_and_its_failure_leaves_an_edit_unsent() {
    let server = Canned::new(200, OK);
    let proxy = Proxy::socks5(server.addr());
    edit(
        &builder()
            .agent(through(&format!("socks5h://{}", proxy.addr())))
            .build()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(proxy.asked(), ["api.example.test:80"]);
    for (greeting, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "invalid response version",
        ),
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
