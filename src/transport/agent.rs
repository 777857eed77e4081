//! The `ureq` agents: those that a client makes for itself, and what is asked of a caller's own.

use std::env::{self, VarError};
use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ureq::config::{ConfigBuilder, Timeouts};
use ureq::http::{Request, Uri};
use ureq::typestate::AgentScope;
use ureq::{Agent, Proxy, ProxyProtocol, SendBody};

use super::{Limits, STALL, redact};
use crate::error::{Error, Result};

/// How long a connection may lie idle and still be used again.
///
/// Servers and load balancers close idle connections after a time of their own: Node and uvicorn
/// after 5 s, nginx after 75 s, AWS load balancers after 60 s. A request that meets such a close on
/// its way is lost, and a Copilot edit that is lost that way cannot be told from one that was made.
/// So connections are given up a little before the shortest of these.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// How many idle connections are kept. `ureq` keeps three to a host, so that a fourth thread would
/// agree on TLS anew for every call.
const MAX_IDLE: usize = 16;

/// `ureq`'s buffers of 128 KiB for each direction of each connection are more than a call needs.
/// The input buffer holds the head of an answer, and at least one TLS record: as much as keeps a
/// program that makes calls within 64 KB of heap. The output buffer holds the head of a request.
const INPUT_BUFFER: usize = 36 * 1024;
const OUTPUT_BUFFER: usize = 8 * 1024;

/// The largest head of an answer, in bytes. A full buffer in which no head ends must be over the
/// limit: else `ureq` would take it for the end of the connection.
const LARGEST_HEAD: usize = INPUT_BUFFER - 1;

/// How many redirects of a download are followed.
pub(super) const REDIRECTS: u32 = 5;

/// What is percent-encoded in a URL, where it was not.
const RAW: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`');

/// The longest limit. `ureq` adds limits to the clock, which a longer one would overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Whether this build can speak TLS.
pub(crate) const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// The environment variables that `ureq` takes a proxy from.
const PROXY_VARIABLES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

/// Configures an agent or a request, with what the client relies on. A macro, since `ureq` has no
/// public trait over its two kinds of builders.
macro_rules! configure {
    ($config:expr, $https_only:expr, $redirects:expr, $proxy:expr, $timeouts:expr, $stall:expr) => {{
        let timeouts: Timeouts = $timeouts;
        $config
            .http_status_as_error(false)
            .https_only($https_only)
            .max_redirects($redirects)
            .proxy($proxy)
            .max_idle_age(MAX_IDLE_AGE)
            .timeout_global(timeouts.global)
            .timeout_per_call(timeouts.per_call)
            .timeout_connect(timeouts.connect)
            .timeout_send_request(timeouts.send_request)
            .timeout_await_100(timeouts.await_100)
            .timeout_send_body(timeouts.send_body)
            .timeout_recv_response(timeouts.recv_response)
            .timeout_recv_body(timeouts.recv_body)
            .timeout_per_read($stall)
            .timeout_per_write($stall)
            .build()
    }};
}

/// Returns the limits of a call of the API. `theirs` are the limits of a caller's agent: of two,
/// the shorter one holds.
pub(super) fn of_call(limits: &Limits, timeout: Duration, theirs: Timeouts) -> Timeouts {
    Timeouts {
        connect: shorter(limits.connect_timeout, theirs.connect),
        send_request: shorter(timeout, theirs.send_request),
        send_body: shorter(timeout, theirs.send_body),
        recv_response: shorter(timeout, theirs.recv_response),
        recv_body: shorter(timeout, theirs.recv_body),
        ..theirs
    }
}

/// Returns the limits of a transfer of a file: for connecting, sending the head and waiting for the
/// answer. The file itself is limited by stalls alone.
pub(super) fn of_file(connect: Option<Duration>, stall: Option<Duration>) -> Timeouts {
    Timeouts {
        connect,
        send_request: stall,
        recv_response: stall,
        ..Timeouts::default()
    }
}

pub(super) fn shorter(ours: Duration, theirs: Option<Duration>) -> Option<Duration> {
    Some(ours.min(theirs.unwrap_or(ours)).min(LONGEST))
}

/// Makes the agent for the API of a client that was given none.
pub(super) fn for_calls(base_url: &Uri, limits: &Limits) -> Agent {
    let config = own_config()
        .input_buffer_size(INPUT_BUFFER)
        .output_buffer_size(OUTPUT_BUFFER)
        .max_response_header_size(LARGEST_HEAD);
    let proxy = Proxy::try_from_env().filter(|_| !is_loopback(base_url));
    let timeouts = of_call(limits, limits.timeout, Timeouts::default());
    configure!(config, is_https(base_url), 0, proxy, timeouts, None).into()
}

/// Makes the agent for object storage, which never sees the key. It is for downloads by https.
pub(super) fn for_files(limits: &Limits) -> Agent {
    let timeouts = of_file(shorter(limits.connect_timeout, None), Some(STALL));
    configure!(
        own_config(),
        true,
        REDIRECTS,
        Proxy::try_from_env(),
        timeouts,
        Some(STALL)
    )
    .into()
}

/// Configures one request, so that a caller's agent cannot undo what the client relies on. Its
/// connection sets up TLS anew, so the usual request is not configured.
pub(super) fn configured<'b>(
    agent: &Agent,
    request: Request<SendBody<'b>>,
    redirects: u32,
    timeouts: Timeouts,
    stall: Option<Duration>,
) -> Request<SendBody<'b>> {
    let https_only = is_https(request.uri());
    let proxy = proxy_for(agent, request.uri());
    configure!(
        agent.configure_request(request),
        https_only,
        redirects,
        proxy,
        timeouts,
        stall
    )
}

/// Returns the proxy for a URL. A proxy from the environment is not used for loopback URLs: it
/// would connect to its own machine, and see the key in the clear.
fn proxy_for(agent: &Agent, uri: &Uri) -> Option<Proxy> {
    let proxy = agent.config().proxy()?;
    if proxy.is_from_env() && is_loopback(uri) {
        return None;
    }
    Some(proxy.clone())
}

/// Returns the host that a request connects to, and the proxy if there is one.
pub(super) fn peer(agent: &Agent, uri: &Uri) -> String {
    let host = uri
        .authority()
        .map(|authority| authority.as_str())
        .unwrap_or_default();
    match proxy_for(agent, uri) {
        Some(proxy) if !proxy.is_no_proxy(uri) => {
            format!("{host} through the proxy {}:{}", proxy.host(), proxy.port())
        }
        _ => host.to_owned(),
    }
}

fn own_config() -> ConfigBuilder<AgentScope> {
    let config = Agent::config_builder()
        .max_idle_connections(MAX_IDLE)
        .max_idle_connections_per_host(MAX_IDLE);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls_config());
    config
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls_config() -> ureq::tls::TlsConfig {
    use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
    let is_rustls = cfg!(feature = "rustls");
    let provider = if is_rustls {
        TlsProvider::Rustls
    } else {
        TlsProvider::NativeTls
    };
    // Whoever chooses the system's TLS means the system's certificates too.
    let roots = if is_rustls && !cfg!(feature = "platform-verifier") {
        RootCerts::WebPki
    } else {
        RootCerts::PlatformVerifier
    };
    TlsConfig::builder()
        .provider(provider)
        .root_certs(roots)
        .build()
}

pub(crate) fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// Whether a URL is on this machine.
pub(super) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

/// Reads a URL that is by https, or on this machine, unless http is allowed. What should have been
/// percent-encoded in it, and was not, is.
pub(crate) fn parse_url(field: &'static str, text: &str, allow_http: bool) -> Result<Uri> {
    let encoded = utf8_percent_encode(text.trim(), RAW).to_string();
    let Ok(uri) = encoded.parse::<Uri>() else {
        return Err(refused_url(field, text, "it is no URL"));
    };
    match check_url(&uri, allow_http) {
        Some(why) => Err(refused_url(field, text, why)),
        None => Ok(uri),
    }
}

/// Returns why a URL is refused, if it is.
fn check_url(uri: &Uri, allow_http: bool) -> Option<&'static str> {
    const NO_HOST: &str = "must begin with https:// and a host";
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Some(NO_HOST);
    };
    if authority.as_str().contains('@') {
        return Some("must have no user name and no password");
    }
    match scheme {
        "https" if HAS_TLS => None,
        "https" => Some("https needs the feature rustls or native-tls of imagen-ai"),
        "http" if allow_http || is_loopback(uri) => None,
        _ => Some(
            "its scheme must be https (http only on this machine, or where allow_http says so)",
        ),
    }
}

fn refused_url(field: &'static str, text: &str, why: &str) -> Error {
    // What comes before an `@` may be a password, and what comes after a `?` a signature.
    let start = text.split(['?', '#']).next().unwrap_or_default();
    let shown = if start.contains('@') { "" } else { start };
    Error::invalid(field, format!("{:?}: {why}", redact(shown, "", "")))
}

/// Returns a variable of the environment that is set and not empty.
pub(crate) fn variable(name: &'static str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Error::invalid(
            name,
            "the environment variable is not valid Unicode",
        )),
    }
}

/// Refuses variables of the environment that `ureq` would pass over, since a proxy must never be
/// left out silently. Which of the variables wins is `ureq`'s decision.
pub(crate) fn check_environment() -> Result<()> {
    for name in PROXY_VARIABLES {
        let Some(value) = variable(name)? else {
            continue;
        };
        let Ok(proxy) = Proxy::new(&value) else {
            let why = "it is no URL of an http, https or socks proxy";
            return Err(Error::invalid(name, why));
        };
        check_feature(name, missing_feature(&proxy))?;
    }
    Ok(())
}

/// Refuses a caller's agent that `ureq` would panic with.
pub(crate) fn check_agent(agent: &Agent) -> Result<()> {
    check_feature("agent", agent.config().proxy().and_then(missing_feature))?;
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    check_feature("agent", missing_tls_feature(agent.config().tls_config()))?;
    Ok(())
}

fn check_feature(field: &'static str, missing: Option<&str>) -> Result<()> {
    match missing {
        Some(feature) => Err(Error::invalid(
            field,
            format!("it needs the feature {feature} of imagen-ai"),
        )),
        None => Ok(()),
    }
}

/// Returns the feature without which this build cannot use such a proxy.
fn missing_feature(proxy: &Proxy) -> Option<&'static str> {
    match proxy.protocol() {
        ProxyProtocol::Http => None,
        ProxyProtocol::Https => (!HAS_TLS).then_some("rustls or native-tls"),
        _ => (!cfg!(feature = "socks-proxy")).then_some("socks-proxy"),
    }
}

/// The same for TLS.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn missing_tls_feature(tls: &ureq::tls::TlsConfig) -> Option<&'static str> {
    use ureq::tls::{RootCerts, TlsProvider};
    let platform = matches!(tls.root_certs(), RootCerts::PlatformVerifier);
    match tls.provider() {
        TlsProvider::Rustls if !cfg!(feature = "rustls") => Some("rustls"),
        TlsProvider::NativeTls if !cfg!(feature = "native-tls") => Some("native-tls"),
        TlsProvider::Rustls if platform && !cfg!(feature = "platform-verifier") => {
            Some("platform-verifier")
        }
        _ => None,
    }
}
