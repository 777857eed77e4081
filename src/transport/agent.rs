//! The `ureq` agents: those that a client makes for itself, and what is asked of a caller's own.

use std::net::IpAddr;
use std::time::Duration;

use ureq::config::{Config, ConfigBuilder, Timeouts};
use ureq::http::uri::Scheme;
use ureq::http::{Method, Request, Uri};
use ureq::typestate::AgentScope;
use ureq::{Agent, Proxy, ProxyProtocol, SendBody};

use super::{STALL, Settings, Shared};
use crate::error::{Error, Result};

/// How long a connection may lie idle and still be used again.
///
/// Servers and load balancers close idle connections after a time of their own: Node and uvicorn after 5 s, nginx after
/// 75 s, AWS load balancers after 60 s. A request that meets such a close on its way is lost, and an edit that is lost
/// that way cannot be told from one that was made. So connections are given up a little before the shortest of these.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// How many idle connections are kept. `ureq` keeps three to a host, so that a fourth thread would agree on TLS anew for
/// every call.
const IDLE_CONNECTIONS: usize = 16;

/// `ureq`'s buffers of 128 KiB for each direction of each connection are more than a call needs. The input buffer holds
/// one TLS record, the output buffer the head of a request.
const INPUT_BUFFER: usize = 16 * 1024;
const OUTPUT_BUFFER: usize = 8 * 1024;

/// How many redirects of a download are followed.
const REDIRECTS: u32 = 5;

/// How long a storage may take to say whether it wants a file, before the file is sent without that.
const AWAIT_100: Duration = Duration::from_secs(1);

/// The longest limit. `ureq` adds limits to the clock, which a longer one would overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Whether this build can speak TLS.
pub(crate) const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// The environment variables that `ureq` takes a proxy from.
const PROXY_VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

pub(crate) fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// Whether a URL is on this machine.
pub(crate) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

/// Sets what calls of the API rely on. A macro, since `ureq` has no public trait over its two kinds of builders.
macro_rules! for_api {
    ($config:expr, $settings:expr, $timeout:expr, $theirs:expr, $proxy:expr) => {
        $config
            .http_status_as_error(false)
            .max_redirects(0)
            .https_only(is_https(&$settings.base_url))
            .max_idle_age(MAX_IDLE)
            .proxy($proxy)
            .timeout_connect(shorter($settings.connect_timeout, $theirs.connect))
            .timeout_send_request(shorter($timeout, $theirs.send_request))
            .timeout_send_body(shorter($timeout, $theirs.send_body))
            .timeout_recv_response(shorter($timeout, $theirs.recv_response))
            .timeout_recv_body(shorter($timeout, $theirs.recv_body))
    };
}

/// Sets what transfers of files rely on: no limit but for connecting and for a stall.
macro_rules! for_storage {
    ($config:expr, $upload:expr, $https:expr, $connect:expr, $stall:expr, $proxy:expr) => {
        $config
            .http_status_as_error(false)
            // `ureq` would make a GET of a PUT that is redirected.
            .max_redirects(if $upload { 0 } else { REDIRECTS })
            .https_only($https)
            .max_idle_age(MAX_IDLE)
            .proxy($proxy)
            .timeout_global(None)
            .timeout_per_call(None)
            .timeout_connect($connect)
            // A storage that does not answer `Expect` gets the file all the same.
            .timeout_await_100($stall.min(Some(AWAIT_100)))
            .timeout_send_request($stall)
            .timeout_send_body(None)
            .timeout_recv_response($stall)
            .timeout_recv_body(None)
            .timeout_per_read($stall)
            .timeout_per_write($stall)
    };
}

fn shorter(ours: Duration, theirs: Option<Duration>) -> Option<Duration> {
    Some(ours.min(theirs.unwrap_or(ours)).min(LONGEST))
}

/// Makes the agent for the API of a client that was given none.
pub(super) fn api_agent(settings: &Settings) -> Agent {
    let config = own_config().input_buffer_size(INPUT_BUFFER).output_buffer_size(OUTPUT_BUFFER);
    let proxy = Proxy::try_from_env().filter(|_| !is_loopback(&settings.base_url));
    let config = for_api!(config, settings, settings.timeout, Timeouts::default(), proxy);
    config.build().into()
}

impl Shared {
    /// Makes an agent for object storage, which never sees the key. It is for transfers by https.
    pub(super) fn storage_agent(&self, upload: bool) -> Agent {
        let (connect, proxy) = (shorter(self.settings.connect_timeout, None), Proxy::try_from_env());
        let config = for_storage!(own_config(), upload, true, connect, Some(STALL), proxy);
        config.build().into()
    }

    /// Sets what the client relies on for one call, so that a caller's agent cannot undo it. Shorter limits of such an agent
    /// hold; the client's own has the limits of the client, which a clone may exceed.
    pub(super) fn for_api<'b>(&self, timeout: Duration, request: Request<SendBody<'b>>) -> Request<SendBody<'b>> {
        let settings = &self.settings;
        let theirs = if self.foreign { self.agent.config().timeouts() } else { Timeouts::default() };
        let proxy = proxy_for(&self.agent, &settings.base_url);
        let config = self.agent.configure_request(request);
        for_api!(config, settings, timeout, theirs, proxy).build()
    }

    /// The same for a transfer by this agent, with this stall limit.
    pub(super) fn for_storage<'b>(
        &self,
        agent: &Agent,
        stall: Duration,
        request: Request<SendBody<'b>>,
    ) -> Request<SendBody<'b>> {
        let (upload, https) = (request.method() == Method::PUT, is_https(request.uri()));
        let proxy = proxy_for(agent, request.uri());
        let connect = shorter(self.settings.connect_timeout, agent.config().timeouts().connect);
        let stall = Some(stall.min(LONGEST));
        for_storage!(agent.configure_request(request), upload, https, connect, stall, proxy).build()
    }
}

/// Returns the proxy for what is at this URL. One of the environment is for what is elsewhere: asked for this machine's
/// own loopback it would connect to itself, and see the key in the clear.
pub(super) fn proxy_for(agent: &Agent, uri: &Uri) -> Option<Proxy> {
    let proxy = agent.config().proxy()?;
    (!(proxy.is_from_env() && is_loopback(uri))).then(|| proxy.clone())
}

/// Returns the host that a request connects to, and the proxy if there is one.
pub(super) fn peer(agent: &Agent, uri: &Uri) -> String {
    let host = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    match proxy_for(agent, uri).filter(|proxy| !proxy.is_no_proxy(uri)) {
        Some(proxy) => format!("{host} through the proxy {}:{}", proxy.host(), proxy.port()),
        None => host.to_owned(),
    }
}

fn own_config() -> ConfigBuilder<AgentScope> {
    let config = Agent::config_builder().max_idle_connections(IDLE_CONNECTIONS);
    let config = config.max_idle_connections_per_host(IDLE_CONNECTIONS);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls_config());
    config
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls_config() -> ureq::tls::TlsConfig {
    use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
    let (provider, roots) = if cfg!(feature = "platform-verifier") {
        (TlsProvider::Rustls, RootCerts::PlatformVerifier)
    } else if cfg!(feature = "rustls") {
        (TlsProvider::Rustls, RootCerts::WebPki)
    } else {
        // Whoever chooses the system's TLS means the system's certificates too.
        (TlsProvider::NativeTls, RootCerts::PlatformVerifier)
    };
    TlsConfig::builder().provider(provider).root_certs(roots).build()
}

/// Refuses variables of the environment that `ureq` would pass over, since a proxy must never be left out silently. Which of
/// the variables wins is `ureq`'s decision.
pub(crate) fn check_environment() -> Result<()> {
    for variable in PROXY_VARIABLES {
        let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
            continue;
        };
        let why = match value.to_str().and_then(|value| Proxy::new(value).ok()) {
            Some(proxy) => match missing_feature(proxy.protocol()) {
                Some(feature) => format!("this proxy needs the feature {feature} of imagen-ai"),
                None => continue,
            },
            None => "it is no URL of an http, https or socks proxy".to_owned(),
        };
        return Err(Error::invalid(variable, why));
    }
    Ok(())
}

/// Refuses a caller's agent that `ureq` would panic with.
pub(crate) fn check_agent(agent: &Agent) -> Result<()> {
    let config = agent.config();
    let proxy = config.proxy().and_then(|proxy| missing_feature(proxy.protocol()));
    let why = match (proxy, missing_tls_feature(config)) {
        (Some(feature), _) => format!("its proxy needs the feature {feature} of imagen-ai"),
        (None, Some(feature)) => {
            format!("its TLS needs the feature {feature} of imagen-ai, or another provider in its TlsConfig")
        }
        (None, None) => return Ok(()),
    };
    Err(Error::invalid("agent", why))
}

/// Returns the feature without which this build cannot use such a proxy.
fn missing_feature(protocol: ProxyProtocol) -> Option<&'static str> {
    match protocol {
        ProxyProtocol::Http => None,
        ProxyProtocol::Https => (!HAS_TLS).then_some("rustls or native-tls"),
        _ => (!cfg!(feature = "socks-proxy")).then_some("socks-proxy"),
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

/// Without TLS no request gets as far as to need a provider.
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn missing_tls_feature(_: &Config) -> Option<&'static str> {
    None
}
