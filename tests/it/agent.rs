//! An agent of the caller's own: what it cannot undo, and which are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use imagen_ai::ureq::http::Request;
use imagen_ai::ureq::middleware::MiddlewareNext;
use imagen_ai::ureq::{Agent, Proxy, SendBody, config::ConfigBuilder, typestate::AgentScope};
use imagen_ai::{CauseKind, Client, ClientBuilder, Error, Result, RetryPolicy};
use mockito::Matcher;

use crate::support::script::{End, Script};
use crate::support::wire::{KEY, OK, Wire};
use crate::support::{agent_config, contrary_agent, contrary_config, link, refused};

/// Longer than a script stalls. Its end is no timeout.
const AGES: Duration = Duration::from_secs(60);
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
    let mut wire = Wire::new();
    let agent = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"));
    let sent = wire
        .answers("POST", "/v1/projects/p/images/a.jpg/copilot", 200, OK)
        .match_header("accept", "application/json")
        .match_header("user-agent", agent)
        .create();
    let client = wire.builder().agent(contrary_agent()).build().unwrap();

    client.project("p").image("a.jpg").copilot("x").unwrap();

    sent.assert();
}

/// Files go through it too, to wherever the storage redirects, and without the key.
#[test]
fn a_callers_agent_fetches_files() {
    let mut wire = Wire::new();
    let mut file = |path: &str| {
        let file = wire.0.mock("GET", path);
        file.match_header("x-api-key", Matcher::Missing)
    };
    let moved = file("/a").with_status(302).with_header("location", "/b");
    let moved = moved.create();
    let file = file("/b").with_body("x").create();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let middleware = move |request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
        count.fetch_add(1, Ordering::Relaxed);
        next.handle(request)
    };
    let agent = contrary_config().middleware(middleware).build();
    let client = wire.builder().agent(agent.into()).build().unwrap();

    let bytes = client.download(link(wire.url() + "/a")).to_vec(1);

    assert_eq!(bytes.unwrap(), b"x");
    assert_eq!(handled.load(Ordering::Relaxed), 1);
    moved.assert();
    file.assert();
}

/// A client of a service that never answers, which waits so long for it.
fn waiting(script: &Script, ours: Duration) -> ClientBuilder {
    let client = Client::builder(KEY).base_url(script.url());
    client.retry(RetryPolicy::none()).timeout(ours)
}

#[test]
fn the_clients_limit_holds_if_the_agents_is_longer() {
    let script = Script::of([End::Stall.after_request()]);
    let client = waiting(&script, SHORT).agent(contrary_agent());

    assert_eq!(kind(&client.build().unwrap()), CauseKind::Timeout);
}

#[test]
fn the_agents_limit_holds_if_the_clients_is_longer() {
    let script = Script::of([End::Stall.after_request()]);
    let config = || agent_config().proxy(None);
    for config in [
        config().timeout_global(Some(SHORT)),
        config().timeout_per_call(Some(SHORT)),
        config().timeout_recv_response(Some(SHORT)),
    ] {
        let client = waiting(&script, AGES).agent(agent(config));
        let client = client.build().unwrap();
        assert_eq!(kind(&client.with_timeout(AGES)), CauseKind::Timeout);
        assert_eq!(kind(&client), CauseKind::Timeout);
    }
}

/// A proxy that does not answer makes connecting last.
#[test]
fn the_shorter_limit_for_connecting_holds() {
    let script = Script::of([End::Stall.after_request()]);
    for (ours, theirs) in [(SHORT, AGES), (AGES, SHORT)] {
        let config = agent_config().timeout_connect(Some(theirs));
        let config = config.proxy(Some(Proxy::new(&script.url()).unwrap()));
        let client = waiting(&script, AGES).connect_timeout(ours);
        let client = client.agent(agent(config)).build().unwrap();
        assert_eq!(kind(&client), CauseKind::Timeout);
    }
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
