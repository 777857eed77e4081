//! The `ureq` agents: the two that a client makes for itself, and what is asked of a caller's own.

use std::time::Duration;

use log::warn;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Proxy, ProxyProtocol};

use super::connection::{ApiConnector, CallingThreadResolver, PatientConnector};
use super::request::{is_https, is_loopback};
use super::{LOG, LONGEST, Settings};
use crate::error::{Error, Result};

/// How long a connection may lie idle and still be used again.
///
/// Servers and load balancers close idle connections after a time of their own: Node and uvicorn after 5 s, nginx after
/// 75 s, AWS load balancers after 60 s. A request that meets such a close on its way is lost, and an edit that is lost
/// that way cannot be told from one that was made. So connections are given up a little before the shortest of these.
/// A new one costs a few round trips, which is nothing beside an edit.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(4);

/// How many idle connections are kept. `ureq` keeps three to a host, so that a fourth thread would agree on TLS anew
/// for every call and every file. An idle connection takes the room of its buffers until the next call that comes later
/// than [`MAX_IDLE`].
const IDLE_CONNECTIONS: usize = 16;

/// `ureq` keeps a buffer for each direction of each connection, 128 KiB by default. The input buffer is one TLS record:
/// `benches/buffers.rs` shows that less makes large answers slower, and more makes them hardly faster. The output buffer
/// holds one request head.
const INPUT_BUFFER: usize = 16 * 1024;
const OUTPUT_BUFFER: usize = 8 * 1024;

/// Whether this build can speak TLS.
const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// The agent for the API of a client that was given none.
pub(super) fn api_agent(settings: &Settings) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(settings.base_url.is_https())
        .max_idle_age(MAX_IDLE)
        .max_idle_connections(IDLE_CONNECTIONS)
        .max_idle_connections_per_host(IDLE_CONNECTIONS)
        .timeout_global(Some(settings.timeout.min(LONGEST)))
        .timeout_connect(Some(settings.connect_timeout.min(LONGEST)))
        .input_buffer_size(INPUT_BUFFER)
        .output_buffer_size(OUTPUT_BUFFER);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls_config());
    let proxy = Proxy::try_from_env();
    if proxy.as_ref().is_some_and(lacks_socks) {
        warn!(target: LOG, "the proxy of the environment is passed over: it needs the feature socks-proxy of imagen-ai");
    }
    let proxy = proxy.filter(|proxy| is_wanted(proxy, settings.base_url.uri()));
    let config = config.proxy(proxy);
    let connector = DefaultConnector::new().chain(ApiConnector {
        host: settings.base_url.uri().clone(),
        key: settings.key.clone(),
    });
    Agent::with_parts(config.build(), connector, CallingThreadResolver::default())
}

/// The agent for object storage, which has never seen the key.
#[inline]
pub(super) fn storage_agent() -> Agent {
    let config = Agent::config_builder()
        .max_idle_connections(IDLE_CONNECTIONS)
        .max_idle_connections_per_host(IDLE_CONNECTIONS);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls_config());
    let connector = DefaultConnector::new().chain(PatientConnector);
    Agent::with_parts(config.build(), connector, CallingThreadResolver::default())
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls_config() -> ureq::tls::TlsConfig {
    use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
    let (provider, roots) = if cfg!(feature = "platform-verifier") {
        (TlsProvider::Rustls, RootCerts::PlatformVerifier)
    } else if cfg!(feature = "rustls") {
        (TlsProvider::Rustls, RootCerts::WebPki)
    } else {
        // Who chooses the system's TLS means the system's certificates too.
        (TlsProvider::NativeTls, RootCerts::PlatformVerifier)
    };
    TlsConfig::builder().provider(provider).root_certs(roots).build()
}

/// The proxy for what is at this URL, unless its own list of exceptions says otherwise.
pub(super) fn proxy_for(agent: &Agent, uri: &Uri) -> Option<Proxy> {
    agent.config().proxy().filter(|proxy| is_wanted(proxy, uri)).cloned()
}

/// Whether a proxy is to be used for what is at this URL.
///
/// One of the environment, which an agent picks up unasked, is for what is elsewhere: asked for this machine's own
/// loopback it would connect to itself, and see the key in the clear. One that speaks SOCKS is passed over by a build
/// that does not; `ureq` would leave the lookup of names to it all the same.
fn is_wanted(proxy: &Proxy, uri: &Uri) -> bool {
    !(proxy.is_from_env() && (is_loopback(uri) || lacks_socks(proxy)))
}

fn lacks_socks(proxy: &Proxy) -> bool {
    let http = matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
    !(http || cfg!(feature = "socks-proxy"))
}

/// Whether an agent of ours would need TLS for what is at this URL, in a build that has none.
///
/// `ureq` finds that out only once it has a connection, after it gave a proxy its password. And it panics if another
/// crate of the program turned one of its TLS features on.
pub(super) fn lacks_tls(agent: &Agent, uri: &Uri) -> bool {
    let tls_proxy = |proxy: Proxy| proxy.protocol() == ProxyProtocol::Https && !proxy.is_no_proxy(uri);
    !HAS_TLS && (is_https(uri) || proxy_for(agent, uri).is_some_and(tls_proxy))
}

/// Refuses a caller's agent that `ureq` would panic with on the way to this URL, or that would speak to its proxy in the
/// clear for want of TLS.
pub(crate) fn check_agent(agent: &Agent, uri: &Uri) -> Result<()> {
    let config = agent.config();
    if config.input_buffer_size() == 0 || config.output_buffer_size() == 0 {
        return Err(Error::invalid("agent", "a buffer of no bytes lets no call succeed"));
    }
    let mut needs_tls = is_https(uri);
    if let Some(proxy) = proxy_for(agent, uri) {
        let feature = match proxy.protocol() {
            ProxyProtocol::Http => None,
            ProxyProtocol::Https => {
                needs_tls = true;
                (!HAS_TLS).then_some("rustls or native-tls")
            }
            _ => lacks_socks(&proxy).then_some("socks-proxy"),
        };
        if let Some(feature) = feature {
            return Err(Error::invalid(
                "agent",
                format!("its proxy needs the feature {feature} of imagen-ai"),
            ));
        }
    }
    match missing_tls_feature(config) {
        Some(feature) if needs_tls => Err(Error::invalid(
            "agent",
            format!("its TLS needs the feature {feature} of imagen-ai, or another provider in its TlsConfig"),
        )),
        _ => Ok(()),
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn missing_tls_feature(config: &Config) -> Option<&'static str> {
    use ureq::tls::{RootCerts, TlsProvider};
    let tls = config.tls_config();
    let platform = matches!(tls.root_certs(), RootCerts::PlatformVerifier);
    match tls.provider() {
        TlsProvider::Rustls if !cfg!(feature = "rustls") => Some("rustls"),
        TlsProvider::NativeTls if !cfg!(feature = "native-tls") => Some("native-tls"),
        TlsProvider::Rustls if platform && !cfg!(feature = "platform-verifier") => Some("platform-verifier"),
        _ => None,
    }
}

/// Without TLS no agent of any kind gets as far as to need a provider.
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn missing_tls_feature(_: &Config) -> Option<&'static str> {
    None
}
