//! An agent of the caller's own: what it cannot undo, and which are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use imagen_ai::ureq::http::Request;
use imagen_ai::ureq::middleware::MiddlewareNext;
use imagen_ai::ureq::{Agent, Proxy, SendBody, config::ConfigBuilder, typestate::AgentScope};
use imagen_ai::{CauseKind, Client, Error, Result, RetryPolicy};

use crate::support::canned::{Canned, KEY, OK};
use crate::support::faulty::{End, Faulty, Reply};
use crate::support::link;
use crate::support::{agent_config, contrary_agent, contrary_config, ms, refused};

/// Longer than any of these tests may take.
const AGES: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(80);

fn agent(config: ConfigBuilder<AgentScope>) -> Agent {
    config.build().into()
}

/// What an edit says of why it failed.
#[track_caller]
fn kind(client: &Client) -> CauseKind {
    match client.project("p").image("a.jpg").copilot("x").unwrap_err() {
        Error::OutcomeUnknown(e) | Error::Network(e) => e.cause.kind,
        other => panic!("{other}"),
    }
}

#[test]
fn no_agent_changes_what_is_sent() {
    let server = Canned::new(200, OK);
    let client = server.builder().agent(contrary_agent()).build().unwrap();
    client.project("p").image("a.jpg").copilot("x").unwrap();
    let seen = server.only();
    let agent = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("x-api-key", KEY),
        ("accept", "application/json"),
        ("user-agent", agent),
    ] {
        assert_eq!(seen.header(name), Some(value));
    }
}

/// Files go through it too, to wherever the storage redirects, and without the key.
#[test]
fn a_callers_agent_fetches_files() {
    let server = Faulty::start([Reply::redirect(302, "/b"), Reply::ok().body("x")]);
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let agent = contrary_config().middleware(
        move |request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
            count.fetch_add(1, Ordering::Relaxed);
            next.handle(request)
        },
    );
    let client = Client::builder(KEY)
        .base_url("http://localhost")
        .agent(agent.build().into())
        .build()
        .unwrap();
    assert_eq!(
        client
            .download(link(format!("{}/a", server.url())))
            .to_vec(1)
            .unwrap(),
        b"x"
    );
    assert_eq!((seen.load(Ordering::Relaxed), server.requests()), (1, 2));
    assert!(
        server
            .received()
            .iter()
            .all(|request| request.header("x-api-key").is_none())
    );
}

#[test]
fn the_shorter_limit_holds_the_clients_or_the_agents() {
    let server = Faulty::start([End::Stall.after_request()]);
    let builder = || {
        Client::builder(KEY)
            .base_url(server.url())
            .retry(RetryPolicy::none())
    };
    let proxied = |limit| {
        let config = agent_config().timeout_connect(Some(limit));
        config.proxy(Some(Proxy::new(&server.url()).unwrap()))
    };
    let began = Instant::now();
    let client = builder()
        .timeout(ms(500))
        .agent(contrary_agent())
        .build()
        .unwrap();
    assert_eq!(kind(&client), CauseKind::Timeout);
    for (ours, theirs) in [(SHORT, AGES), (AGES, SHORT)] {
        let client = builder()
            .connect_timeout(ours)
            .agent(agent(proxied(theirs)));
        assert_eq!(kind(&client.build().unwrap()), CauseKind::Timeout);
    }
    let config = || agent_config().proxy(None);
    for config in [
        config().timeout_global(Some(SHORT)),
        config().timeout_per_call(Some(SHORT)),
        config().timeout_recv_response(Some(SHORT)),
    ] {
        let client = builder().agent(agent(config)).build().unwrap();
        assert_eq!(kind(&client.with_timeout(AGES)), CauseKind::Timeout);
        assert_eq!(kind(&client), CauseKind::Timeout);
    }
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// What `build` says of this agent.
fn built(config: ConfigBuilder<AgentScope>) -> Result<Client> {
    let client = Client::builder(KEY).base_url("http://localhost");
    client.agent(agent(config)).build()
}

/// Agents that `ureq` would panic with, or with which no call succeeds.
#[test]
fn an_agent_that_this_build_cannot_use_is_refused() {
    let has_tls = cfg!(any(feature = "rustls", feature = "native-tls"));
    for (proxy, usable, feature) in [
        ("http://a.test", true, ""),
        ("https://a.test", has_tls, "feature rustls or native-tls of"),
        (
            "socks5://a.test",
            cfg!(feature = "socks-proxy"),
            "feature socks-proxy of",
        ),
    ] {
        let config = agent_config().proxy(Some(Proxy::new(proxy).unwrap()));
        match usable {
            true => drop(built(config).unwrap()),
            false => assert!(refused(built(config), "agent").contains(feature)),
        }
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn an_agent_whose_tls_is_not_in_this_build_is_refused() {
    use imagen_ai::ureq::tls::{RootCerts, TlsConfig, TlsProvider::*};

    let (rustls, native) = (cfg!(feature = "rustls"), cfg!(feature = "native-tls"));
    let verifier = cfg!(feature = "platform-verifier");
    let verifier_needs = if rustls {
        "feature platform-verifier of"
    } else {
        "feature rustls of"
    };
    for (provider, roots, usable, feature) in [
        (Rustls, RootCerts::WebPki, rustls, "feature rustls of"),
        (
            Rustls,
            RootCerts::PlatformVerifier,
            rustls && verifier,
            verifier_needs,
        ),
        (
            NativeTls,
            RootCerts::WebPki,
            native,
            "feature native-tls of",
        ),
        (
            NativeTls,
            RootCerts::PlatformVerifier,
            native,
            "feature native-tls of",
        ),
    ] {
        let tls = TlsConfig::builder()
            .provider(provider)
            .root_certs(roots)
            .build();
        let config = Agent::config_builder().tls_config(tls);
        match usable {
            true => drop(built(config).unwrap()),
            false => assert!(refused(built(config), "agent").contains(feature)),
        }
    }
}
