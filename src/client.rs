//! The client and its builder.

use std::fmt;
use std::time::Duration;

use ureq::Agent;
use ureq::http::header::HeaderValue;

use crate::error::{Error, Result};
use crate::transport::{ApiKey, BaseUrl, RetryPolicy, Settings, Transport, check_agent, check_limit};

const BASE_URL: &str = "https://api.imagen-ai.com/v1";
const KEY_VARIABLE: &str = "IMAGEN_API_KEY";
const BASE_URL_VARIABLE: &str = "IMAGEN_BASE_URL";
/// What does not fit in `ureq`'s output buffer with the rest of a request's head cannot be sent.
const MAX_SUFFIX: usize = 256;
const USER_AGENT: &str = concat!("imagen-ai/", env!("CARGO_PKG_VERSION"));

/// A client of the Copilot API.
///
/// Cloning is cheap, and clones share their connections and wait together when the service says so. It can be used
/// from any number of threads at once. It keeps no background thread and no global state.
///
/// ```no_run
/// let client = imagen_ai::Client::from_env()?;
/// let photo = client.project("65f3a1c2d4e5f6a7b8c9d0e1").image("DSC_0001.JPEG");
/// let edit = photo.copilot("make the sky more blue")?;
/// println!("version {}", edit.version()?);
/// # Ok::<(), imagen_ai::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// A client for the real service, with the defaults of [`ClientBuilder`].
    ///
    /// ```
    /// # let read_from_your_keychain = || "my-key".to_owned();
    /// let client = imagen_ai::Client::new(read_from_your_keychain())?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a key that is empty or no legal header value.
    pub fn new(api_key: impl AsRef<str>) -> Result<Self> {
        Self::builder(api_key).build()
    }

    /// A client with the key in `IMAGEN_API_KEY`, for the service at `IMAGEN_BASE_URL` if that is set and not empty.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], naming the variable, when the key is missing or empty or either value is not usable.
    pub fn from_env() -> Result<Self> {
        Self::builder_from_env()?.build()
    }

    /// A builder with the key and the base URL of the environment, as [`Client::from_env`] has them.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], naming the variable, when the key is missing or either value is not Unicode.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// let client = imagen_ai::Client::builder_from_env()?.timeout(Duration::from_secs(120)).build()?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn builder_from_env() -> Result<ClientBuilder> {
        let key = variable(KEY_VARIABLE)?.ok_or_else(|| {
            Error::invalid(
                KEY_VARIABLE,
                "the environment variable is not set; it holds the API key",
            )
        })?;
        let mut builder = Self::builder("");
        builder.key = ApiKey::new(&key, KEY_VARIABLE);
        if let Some(url) = variable(BASE_URL_VARIABLE)?.filter(|url| !url.trim().is_empty()) {
            builder = builder.base_url(url);
            builder.base_url_field = BASE_URL_VARIABLE;
        }
        Ok(builder)
    }

    /// A builder, to change the defaults. What is wrong with the key is an error of [`ClientBuilder::build`].
    pub fn builder(api_key: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder {
            key: ApiKey::new(api_key.as_ref(), "api_key"),
            base_url: BASE_URL.to_owned(),
            base_url_field: "base_url",
            allow_http: false,
            timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            max_answer_size: 64 * 1024 * 1024,
            retry: RetryPolicy::default(),
            user_agent_suffix: String::new(),
            agent: None,
        }
    }

    /// The same client with another limit for each attempt of a call; see [`ClientBuilder::timeout`]. It costs no more
    /// than a clone. A limit of zero is [`Error::InvalidInput`] at the first call.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let client = imagen_ai::Client::new("key")?;
    /// let hasty = client.with_timeout(Duration::from_secs(30));
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            transport: self.transport.with_timeout(timeout),
        }
    }
}

fn variable(name: &'static str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::invalid(name, "the environment variable is not valid Unicode"))
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.transport.settings();
        f.debug_struct("Client")
            .field("base_url", &settings.base_url.as_str())
            .field("api_key", &settings.key)
            .field("timeout", &self.transport.timeout())
            .field("connect_timeout", &settings.connect_timeout)
            .field("max_answer_size", &settings.max_answer_size)
            .field("retry", &settings.retry)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Client`].
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
    key: Result<ApiKey>,
    base_url: String,
    base_url_field: &'static str,
    allow_http: bool,
    timeout: Duration,
    connect_timeout: Duration,
    max_answer_size: u64,
    retry: RetryPolicy,
    user_agent_suffix: String,
    agent: Option<Agent>,
}

impl ClientBuilder {
    /// Where the API is, with or without a slash at the end. Default: `https://api.imagen-ai.com/v1`.
    ///
    /// It must be `https`, unless its host is this machine (`127.0.0.0/8`, `::1`, `localhost`) or
    /// [`allow_http`](Self::allow_http) says otherwise.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self.base_url_field = "base_url";
        self
    }

    /// Allows a base URL with `http` on another machine, and with it the API key in the clear on the network. Meant
    /// for a proxy on a private network that adds the TLS. Default: false.
    ///
    /// ```
    /// let client = imagen_ai::Client::builder("my-key")
    ///     .base_url("http://gateway.lan/v1")
    ///     .allow_http(true)
    ///     .build()?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// The longest that one attempt of a call may take, from the first step to the last byte of the answer. Default:
    /// 300 s, the vendor's own, since an edit is made while the connection is open.
    ///
    /// A name lookup that takes longer is not cut off, since that would need a thread; the operating system bounds it
    /// (Linux: 5 s a try by default). An agent of the caller's own looks names up in its own way, and waits longer for
    /// a proxy that answers `CONNECT` byte by byte.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The longest that connecting may take, TLS included. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The largest answer that is read, in bytes after decompression. Default: 64 MiB, since the history of a large
    /// project is large. Answers that are no lists of files or versions are read up to 1 MiB at most. Downloads are not
    /// limited by it.
    ///
    /// It bounds the memory too, whatever the server sends. A history takes about twice its text in memory, and JSON of
    /// another shape up to forty times.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use imagen_ai::RetryPolicy;
    ///
    /// let embedded = imagen_ai::Client::builder("my-key")
    ///     .max_answer_size(1_000_000)
    ///     .connect_timeout(Duration::from_secs(30))
    ///     .retry(RetryPolicy { max_attempts: 10, ..RetryPolicy::default() })
    ///     .build()?;
    /// # Ok::<(), imagen_ai::Error>(())
    /// ```
    pub fn max_answer_size(mut self, bytes: u64) -> Self {
        self.max_answer_size = bytes;
        self
    }

    /// How often a call is tried. Default: [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// What to add to the `User-Agent`, which is `imagen-ai/<version>`: your program's `name/version`.
    pub fn user_agent_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.user_agent_suffix = suffix.into();
        self
    }

    /// Makes the connections through this agent, for what is rare: a private certificate authority, a client
    /// certificate, a fixed proxy.
    ///
    /// What this client relies on is set on every request, whatever the agent says: no redirect is followed, no status
    /// is an error, and the limits of this builder hold (a shorter one of the agent holds too). A proxy that the agent
    /// took from the environment is not used for a base URL on this machine. The agent's middleware sees the request,
    /// and with it the key.
    ///
    /// `ureq` logs every byte it sends at `trace`, under the target `ureq_proto::util`. A client that makes its own
    /// agent keeps the key out of that. With an agent of yours it cannot, so leave that target out of your logs.
    ///
    /// ```
    /// # #[cfg(feature = "rustls")] {
    /// use imagen_ai::ureq::{Agent, Proxy};
    ///
    /// let agent: Agent = Agent::config_builder()
    ///     .proxy(Some(Proxy::new("http://proxy.example:3128")?))
    ///     .build()
    ///     .into();
    /// let client = imagen_ai::Client::builder("my-key").agent(agent).build()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// With the feature `native-tls` alone, such an agent also needs a `TlsConfig` that says `TlsProvider::NativeTls`.
    ///
    /// A private certificate authority:
    ///
    /// ```no_run
    /// # #[cfg(feature = "rustls")] {
    /// use imagen_ai::ureq::Agent;
    /// use imagen_ai::ureq::tls::{Certificate, RootCerts, TlsConfig};
    ///
    /// let authority = Certificate::from_pem(&std::fs::read("authority.pem")?)?;
    /// let agent: Agent = Agent::config_builder()
    ///     .tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority])).build())
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

    /// Makes the client. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], naming the setting: a key that is empty or no legal header value (it is not shown), a
    /// base URL that is not `https` or has a user name, query or fragment, a limit of zero, an agent that needs a
    /// feature of this crate that is off.
    pub fn build(self) -> Result<Client> {
        let key = self.key?;
        let base_url = BaseUrl::parse(&self.base_url, self.allow_http, self.base_url_field)?;
        check_limit("timeout", self.timeout)?;
        check_limit("connect_timeout", self.connect_timeout)?;
        check_limit("max_answer_size", self.max_answer_size)?;
        if let Some(agent) = &self.agent {
            check_agent(agent, base_url.uri())?;
        }
        let suffix = self.user_agent_suffix.trim();
        if suffix.len() > MAX_SUFFIX {
            return Err(Error::invalid(
                "user_agent_suffix",
                format!("longer than {MAX_SUFFIX} bytes"),
            ));
        }
        let user_agent = if suffix.is_empty() {
            HeaderValue::from_static(USER_AGENT)
        } else {
            HeaderValue::from_str(&format!("{USER_AGENT} {suffix}")).map_err(|_| {
                Error::invalid(
                    "user_agent_suffix",
                    "holds a character that is not allowed in an HTTP header",
                )
            })?
        };
        let settings = Settings {
            base_url,
            key,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            max_answer_size: self.max_answer_size,
            retry: self.retry,
            user_agent,
        };
        Ok(Client {
            transport: Transport::new(settings, self.agent),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the base URL, which may hold a password until build() has refused it.
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_answer_size", &self.max_answer_size)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
