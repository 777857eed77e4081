//! The client and its builder.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;
use ureq::http::header::HeaderValue;

use crate::error::{Error, Result};
use crate::transport::{
    Limits, RetryPolicy, Transport, check_agent, check_environment, check_limit, parse_url,
    variable,
};

const BASE_URL: &str = "https://api.imagen-ai.com/v1";
const KEY_VARIABLE: &str = "IMAGEN_API_KEY";
const BASE_URL_VARIABLE: &str = "IMAGEN_BASE_URL";

/// The vendor's own limit of a call.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Twice what a lossy mobile network takes to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Twice the history of a project of 50,000 edits, and what a small machine survives.
const MAX_ANSWER_SIZE: u64 = 16 * 1024 * 1024;

const USER_AGENT: &str = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"));

/// The longest suffix of the user agent, in bytes. The head of a request must fit into `ureq`'s
/// output buffer.
const LONGEST_SUFFIX: usize = 256;

/// A client of Imagen's API.
///
/// Cloning is cheap, and clones share their connections and wait together when the service says so.
/// A client can be used from any number of threads at once. It keeps no background thread and no
/// global state. (`ureq` starts a thread for the lookup of a proxy's name, and ends it.) A process
/// that forks shares its open connections with its child: make the client in the child.
///
/// ```no_run
/// let client = imagen_ai::Client::from_env()?;
/// let image = client
///     .project("65f3a1c2d4e5f6a7b8c9d0e1")
///     .image("DSC_0001.JPEG");
/// let edit = image.copilot("make the sky more blue")?;
/// println!("version {}", edit.version()?);
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// Makes a client for the real service, with the defaults of [`ClientBuilder`].
    ///
    /// # Errors
    /// Those of [`ClientBuilder::build`].
    pub fn new(api_key: impl AsRef<str>) -> Result<Self> {
        Self::builder(api_key).build()
    }

    /// Makes a client with the key in `IMAGEN_API_KEY`, for the service at `IMAGEN_BASE_URL` if
    /// that is set and not empty.
    ///
    /// # Errors
    /// Those of [`builder_from_env`](Self::builder_from_env) and [`ClientBuilder::build`].
    pub fn from_env() -> Result<Self> {
        Self::builder_from_env()?.build()
    }

    /// Makes a builder with the key and the base URL of the environment, as [`Client::from_env`]
    /// has them.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], naming the variable, when the key is missing, or when a value is in
    /// quotation marks (`docker --env-file` keeps them) or is not Unicode.
    pub fn builder_from_env() -> Result<ClientBuilder> {
        let Some(key) = unquoted_variable(KEY_VARIABLE)? else {
            let why = "the environment variable is not set; it holds the API key";
            return Err(Error::invalid(KEY_VARIABLE, why));
        };
        let mut builder = Self::builder(key);
        builder.api_key.name = KEY_VARIABLE;
        if let Some(url) = unquoted_variable(BASE_URL_VARIABLE)? {
            builder.base_url = Setting {
                name: BASE_URL_VARIABLE,
                value: url,
            };
        }
        Ok(builder)
    }

    /// Makes a builder, to change the defaults.
    pub fn builder(api_key: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder {
            api_key: Setting {
                name: "api_key",
                value: api_key.as_ref().trim().to_owned(),
            },
            base_url: Setting {
                name: "base_url",
                value: BASE_URL.to_owned(),
            },
            allow_http: false,
            limits: Limits {
                timeout: TIMEOUT,
                connect_timeout: CONNECT_TIMEOUT,
                max_answer_size: MAX_ANSWER_SIZE,
                retry: RetryPolicy::default(),
            },
            user_agent_suffix: String::new(),
            agent: None,
        }
    }

    /// Returns the same client with another [`timeout`](ClientBuilder::timeout). It costs no more
    /// than a clone. A limit of zero is [`Error::InvalidInput`] at the first call.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            transport: self.transport.with_timeout(timeout),
        }
    }
}

/// Two clients are equal when their base URLs are.
impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.transport.base_url() == other.transport.base_url()
    }
}

impl Eq for Client {}

impl Hash for Client {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.transport.base_url().hash(state);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_url = self.transport.base_url();
        f.debug_struct("Client")
            .field("base_url", &base_url)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`Client`].
///
/// ```
/// use std::time::Duration;
///
/// let client = imagen_ai::Client::builder("my-key")
///     .timeout(Duration::from_secs(120))
///     .user_agent_suffix("darkroom/2.1")
///     .build()?;
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[must_use]
pub struct ClientBuilder {
    api_key: Setting,
    base_url: Setting,
    allow_http: bool,
    limits: Limits,
    user_agent_suffix: String,
    agent: Option<Agent>,
}

/// A setting, with the name of the argument or the environment variable that it came from.
struct Setting {
    name: &'static str,
    value: String,
}

impl ClientBuilder {
    /// Sets where the API is, with or without a slash at the end. Default: `https://api.imagen-ai.com/v1`.
    ///
    /// It must be `https`, unless its host is this machine (`127.0.0.0/8`, `::1`, `localhost`) or
    /// [`allow_http`](Self::allow_http) says otherwise.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Setting {
            name: "base_url",
            value: url.into(),
        };
        self
    }

    /// Allows a base URL with `http` on another machine, and with it the API key in the clear on
    /// the network. It is meant for a proxy on a private network that adds the TLS. Default:
    /// false.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// Sets the longest that each phase of an attempt may take: sending the head of the request,
    /// sending its body, waiting for the answer, and reading it. Default: 300 s, the vendor's
    /// own, since a Copilot edit is made while the connection is open.
    ///
    /// [`RetryPolicy`] has the formula for a whole call. Only the operating system bounds the
    /// lookup of a name (Linux: 5 s a try by default). A Copilot edit that takes longer than the
    /// limit, or whose connection a silent network has forgotten, is [`Error::OutcomeUnknown`]: a
    /// shorter limit reports it sooner, and a [recovering](crate::Chain::recovering) chain finds
    /// out what became of it. (`ureq` has no setting for TCP keep-alive.)
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Sets the longest that connecting may take, TLS and a proxy's answer included. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = timeout;
        self
    }

    /// Sets the largest answer that is read, in bytes after decompression. Default: 16 MiB.
    ///
    /// It bounds the memory of a call, which grows in proportion to the answer. A history takes
    /// about five times its text while it is read. The worst JSON that a server can send, a list
    /// of the smallest objects, takes 100 times its text: 1.6 GB with the default. Set a lower
    /// limit on a small machine that talks to a server that is not trusted. Downloads are not
    /// limited by it.
    pub fn max_answer_size(mut self, bytes: u64) -> Self {
        self.limits.max_answer_size = bytes;
        self
    }

    /// Sets how often a call is tried. Default: [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.limits.retry = policy;
        self
    }

    /// Sets what to add to the `User-Agent`, which is `imagen-ai/<version>`: your program's
    /// `name/version`.
    pub fn user_agent_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.user_agent_suffix = suffix.into();
        self
    }

    /// Makes the connections through this agent, for what is rare: a private certificate authority,
    /// a client certificate, a fixed proxy.
    ///
    /// What this client relies on is set on every request, whatever the agent says: no redirect of
    /// an API call is followed, no status is an error, and the limits of this builder hold. For
    /// calls, shorter limits of the agent hold too (except those of a single read or write). For
    /// files, only a shorter connect timeout does. A proxy that the agent took from the environment
    /// is not used for a base URL on this machine. The agent's middleware sees the request, and
    /// with it the key. With the feature `native-tls` alone, an agent needs a `TlsConfig` that says
    /// `TlsProvider::NativeTls`.
    ///
    /// ```no_run
    /// # #[cfg(feature = "rustls")] {
    /// use imagen_ai::ureq::tls::{Certificate, RootCerts, TlsConfig};
    /// use imagen_ai::ureq::{Agent, Proxy};
    ///
    /// let authority = Certificate::from_pem(&std::fs::read("authority.pem")?)?;
    /// let agent: Agent = Agent::config_builder()
    ///     .tls_config(
    ///         TlsConfig::builder()
    ///             .root_certs(RootCerts::new_with_certs(&[authority]))
    ///             .build(),
    ///     )
    ///     .proxy(Some(Proxy::new("http://proxy.example:3128")?))
    ///     .build()
    ///     .into();
    /// let client = imagen_ai::Client::builder("my-key").agent(agent).build()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn agent(mut self, agent: Agent) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Makes the client. Nothing is connected yet. It warns (target `imagen_ai`) when the program's
    /// logger takes `ureq`'s `trace` records, which hold the key.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], naming the setting:
    /// - a key that is empty or no legal header value (it is not shown);
    /// - a base URL that is not `https`, or has a user name, query or fragment, or needs a TLS
    ///   feature that is off;
    /// - a limit of zero;
    /// - an agent that needs a feature of this crate that is off;
    /// - a proxy variable of the environment that cannot be used, unless an agent is given.
    pub fn build(self) -> Result<Client> {
        let base_url = parse_base_url(self.base_url.name, &self.base_url.value, self.allow_http)?;
        let key = header_of_key(&self.api_key)?;
        let user_agent = user_agent(&self.user_agent_suffix)?;
        check_limit("timeout", self.limits.timeout)?;
        check_limit("connect_timeout", self.limits.connect_timeout)?;
        check_limit("max_answer_size", self.limits.max_answer_size)?;
        match &self.agent {
            Some(agent) => check_agent(agent)?,
            None => check_environment()?,
        }
        Ok(Client {
            transport: Transport::new(&base_url, key, user_agent, self.limits, self.agent),
        })
    }
}

fn header_of_key(key: &Setting) -> Result<HeaderValue> {
    let text = &key.value;
    // Of other bytes a header could hold some that a log or an error could not show.
    let is_visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match HeaderValue::try_from(text) {
        Ok(mut header) if is_visible => {
            header.set_sensitive(true);
            Ok(header)
        }
        _ => Err(Error::invalid(
            key.name,
            "the API key is empty, or holds a character that a header cannot",
        )),
    }
}

fn user_agent(suffix: &str) -> Result<HeaderValue> {
    let suffix = suffix.trim();
    let user_agent = format!("{USER_AGENT} {suffix}");
    match HeaderValue::try_from(user_agent.trim_end()) {
        Ok(header) if suffix.len() <= LONGEST_SUFFIX => Ok(header),
        _ => {
            let why = "with a character that a header cannot hold";
            let why = format!("over {LONGEST_SUFFIX} bytes, or {why}");
            Err(Error::invalid("user_agent_suffix", why))
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key, and without the base URL, which may hold a password until build() has
        // refused it.
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.limits.timeout)
            .finish_non_exhaustive()
    }
}

/// Returns a variable of the environment that is set and not empty. Refuses a value in quotation
/// marks.
fn unquoted_variable(name: &'static str) -> Result<Option<String>> {
    let value = variable(name)?;
    check_quotes(name, value.as_deref().unwrap_or_default())?;
    Ok(value)
}

/// Refuses a value in quotation marks, which would be sent as a part of it.
fn check_quotes(name: &'static str, value: &str) -> Result<()> {
    let value = value.trim();
    for quote in ['"', '\''] {
        if value.starts_with(quote) && value.ends_with(quote) {
            return Err(Error::invalid(
                name,
                "the value begins and ends with quotation marks, which are no part of it: a shell \
                 takes them off, and `docker --env-file` and others do not",
            ));
        }
    }
    Ok(())
}

fn parse_base_url(field: &'static str, text: &str, allow_http: bool) -> Result<Uri> {
    let uri = parse_url(field, text.trim().trim_end_matches('/'), allow_http)?;
    if let Some((before, _)) = text.split_once(['?', '#']) {
        return Err(Error::invalid(
            field,
            format!("{before:?}: a base URL has no query and no fragment"),
        ));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_quotation_marks_is_refused_without_being_shown() {
        for quoted in [
            "\"sk-1234567890\"",
            "'sk-1234567890'",
            " \"sk-1234567890\"\n",
        ] {
            let error = check_quotes(KEY_VARIABLE, quoted).unwrap_err().to_string();
            assert!(error.contains("quotation marks"), "{error}");
            assert!(!error.contains("sk-"), "{error}");
        }
        assert!(check_quotes(KEY_VARIABLE, "sk-\"1234567890").is_ok());
        assert!(check_quotes(KEY_VARIABLE, "\"sk-1234567890'").is_ok());
    }

    #[test]
    fn only_a_base_url_that_keeps_the_key_secret_is_taken() {
        for good in [
            "http://127.0.0.1:1/v1/",
            "http://[::1]:1",
            "http://LOCALHOST",
            " http://127.8.9.1/v1//",
        ] {
            assert!(parse_base_url("base_url", good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "api.imagen-ai.com/v1",
            "/v1",
            "ftp://api.imagen-ai.com",
            "http://api.imagen-ai.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "https://user:pass@api.imagen-ai.com",
            "https://key@api.imagen-ai.com",
            "https://api.imagen-ai.com/v1?x=1",
            "https://api.imagen-ai.com/v1#x",
            "https://",
            "https:///v1",
        ] {
            let error = parse_base_url("base_url", bad, false).unwrap_err();
            assert!(!error.to_string().contains("user:"), "{bad}: {error}");
        }
        assert!(parse_base_url("base_url", "http://192.168.1.2/v1", true).is_ok());
        assert_eq!(
            parse_base_url("base_url", BASE_URL, false).is_ok(),
            cfg!(any(feature = "rustls", feature = "native-tls"))
        );
    }
}
