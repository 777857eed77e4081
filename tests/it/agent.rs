//! An agent of the caller's own: what it cannot undo, and which are refused.

use std::time::{Duration, Instant};

use imagen_ai::ureq::{Agent, Proxy, config::ConfigBuilder, typestate::AgentScope};
use imagen_ai::{CauseKind, Client, Error, RetryPolicy};

use crate::support::canned::{Canned, KEY, OK};
use crate::support::faulty::{End, Faulty, Reply};
use crate::support::{contrary_agent, ms};

/// Longer than any of these tests may take.
const AGES: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(80);

fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().proxy(None)
}

fn agent(config: ConfigBuilder<AgentScope>) -> Agent {
    config.build().into()
}

fn kind(error: &Error) -> CauseKind {
    match error {
        Error::OutcomeUnknown(e) | Error::Network(e) => e.cause.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_agent_changes_what_is_sent() {
    let server = Canned::new(200, OK);
    let photo = server
        .builder()
        .agent(contrary_agent())
        .build()
        .unwrap()
        .project("p")
        .image("a.jpg");
    photo.copilot("x").unwrap();
    photo.reset().unwrap();
    for seen in server.seen() {
        assert_eq!(seen.header("x-api-key"), Some(KEY));
        assert_eq!(seen.header("accept"), Some("application/json"));
        let user_agent = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"));
        assert_eq!(seen.header("user-agent"), Some(user_agent));
        assert!(seen.body.contains(r#""project_source":"REGULAR""#), "{seen:?}");
    }
}

#[test]
fn no_agent_lengthens_a_limit() {
    let server = Faulty::start([End::Stall.after_request()]);
    let client = Client::builder(KEY)
        .base_url(server.url())
        .retry(RetryPolicy::none())
        .timeout(ms(500))
        .connect_timeout(ms(500))
        .agent(contrary_agent())
        .build()
        .unwrap();
    let began = Instant::now();
    let error = client.project("p").image("a.jpg").copilot("x").unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error:?}");
    assert_eq!(kind(&error), CauseKind::Timeout);

    let proxy = Proxy::new(&server.url()).unwrap();
    let through = agent(config().timeout_connect(Some(AGES)).proxy(Some(proxy)));
    let client = Client::builder(KEY)
        .base_url("http://api.example.test")
        .allow_http(true)
        .retry(RetryPolicy::none())
        .connect_timeout(SHORT)
        .agent(through)
        .build()
        .unwrap();
    let error = client.project("p").image("a.jpg").copilot("x").unwrap_err();
    assert!(matches!(error, Error::Network(_)), "{error:?}");
    assert_eq!(kind(&error), CauseKind::Timeout);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_shorter_limit_of_the_agent_holds() {
    let server = Faulty::start([End::Stall.after_request()]);
    let builder = || Client::builder(KEY).base_url(server.url()).retry(RetryPolicy::none());
    let began = Instant::now();
    for config in [
        config().timeout_global(Some(SHORT)),
        config().timeout_per_call(Some(SHORT)),
        config().timeout_recv_response(Some(SHORT)),
    ] {
        let client = builder().agent(agent(config)).build().unwrap();
        for client in [client.with_timeout(AGES), client] {
            let error = client.project("p").image("a.jpg").copilot("x").unwrap_err();
            assert_eq!(kind(&error), CauseKind::Timeout, "{error:?}");
        }
    }
    let proxy = Proxy::new(&server.url()).unwrap();
    let client = builder()
        .agent(agent(config().timeout_connect(Some(SHORT)).proxy(Some(proxy))))
        .connect_timeout(AGES)
        .build()
        .unwrap();
    let error = client.project("p").image("a.jpg").copilot("x").unwrap_err();
    assert_eq!(kind(&error), CauseKind::Timeout, "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// The client's own agent has the limit of the client, which a clone may exceed.
#[test]
fn a_clone_may_have_a_longer_limit_than_the_client() {
    let slow = Reply::json(OK).drip_body(30, Duration::from_millis(100));
    let server = Faulty::start([slow]);
    let client = Client::builder(KEY)
        .base_url(server.url())
        .retry(RetryPolicy::none())
        .timeout(SHORT)
        .build()
        .unwrap();
    let error = client.project("p").image("a.jpg").copilot("x").unwrap_err();
    assert_eq!(kind(&error), CauseKind::Timeout, "{error:?}");
    let patient = client.with_timeout(AGES);
    patient.project("p").image("a.jpg").copilot("x").unwrap();
}

/// What `build` says of this agent, for a base URL with TLS and one without.
fn built(agent: &Agent) -> [Result<Client, Error>; 2] {
    ["https://api.example.test", "http://api.example.test"].map(|url| {
        Client::builder(KEY)
            .base_url(url)
            .allow_http(true)
            .agent(agent.clone())
            .build()
    })
}

#[allow(dead_code, reason = "with every feature there is nothing to refuse")]
#[track_caller]
fn refused<T: std::fmt::Debug>(result: &Result<T, Error>, feature: &str) {
    match result {
        Err(Error::InvalidInput {
            field: "agent",
            message,
        }) => {
            assert!(message.contains(&format!("feature {feature} of")), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn buffers_of_no_bytes_are_refused() {
    for agent in [
        agent(config().input_buffer_size(0)),
        agent(config().output_buffer_size(0)),
    ] {
        for result in built(&agent) {
            let Err(Error::InvalidInput {
                field: "agent",
                message,
            }) = &result
            else {
                panic!("{result:?}")
            };
            assert!(message.contains("buffer"), "{message}");
        }
    }
}

/// Agents that `ureq` would panic with.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls {
    use imagen_ai::ureq::tls::{RootCerts, TlsConfig, TlsProvider};

    use super::*;

    fn speaking(provider: TlsProvider, roots: RootCerts) -> ConfigBuilder<AgentScope> {
        config().tls_config(TlsConfig::builder().provider(provider).root_certs(roots).build())
    }

    #[allow(dead_code, reason = "with every feature there is nothing to refuse")]
    #[track_caller]
    fn needs(feature: &str, config: impl Fn() -> ConfigBuilder<AgentScope>) {
        let [https, http] = built(&agent(config()));
        refused(&https, feature);
        // Without TLS it does not matter, until there is a file that is got with it.
        let file = http.unwrap().download("https://s3.example.test/a.jpg").to_vec(1);
        refused(&file, feature);
        // Unless it is the proxy that speaks it.
        let proxy = Proxy::new("https://proxy.example.test").unwrap();
        let [https, http] = built(&agent(config().proxy(Some(proxy))));
        refused(&https, feature);
        refused(&http, feature);
    }

    #[cfg(not(feature = "native-tls"))]
    #[test]
    fn native_tls_needs_its_feature() {
        needs("native-tls", || speaking(TlsProvider::NativeTls, RootCerts::WebPki));
    }

    #[cfg(not(feature = "rustls"))]
    #[test]
    fn rustls_needs_its_feature() {
        needs("rustls", config);
    }

    #[cfg(all(feature = "rustls", not(feature = "platform-verifier")))]
    #[test]
    fn the_platform_verifier_needs_its_feature() {
        needs("platform-verifier", || {
            speaking(TlsProvider::Rustls, RootCerts::PlatformVerifier)
        });
    }

    #[test]
    fn what_the_features_allow_is_allowed() {
        let mut allowed = Vec::new();
        if cfg!(feature = "rustls") {
            allowed.push(speaking(TlsProvider::Rustls, RootCerts::WebPki));
        }
        if cfg!(feature = "platform-verifier") {
            allowed.push(speaking(TlsProvider::Rustls, RootCerts::PlatformVerifier));
        }
        if cfg!(feature = "native-tls") {
            allowed.push(speaking(TlsProvider::NativeTls, RootCerts::WebPki));
            allowed.push(speaking(TlsProvider::NativeTls, RootCerts::PlatformVerifier));
        }
        for config in allowed {
            let proxy = Proxy::new("https://proxy.example.test").unwrap();
            for result in built(&agent(config.proxy(Some(proxy)))) {
                assert!(result.is_ok(), "{result:?}");
            }
        }
    }
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
#[test]
fn a_proxy_that_speaks_tls_needs_a_feature() {
    let proxy = Proxy::new("https://proxy.example.test").unwrap();
    for result in built(&agent(config().proxy(Some(proxy)))) {
        refused(&result, "rustls or native-tls");
    }
}
