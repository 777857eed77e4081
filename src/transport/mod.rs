//! The one way to the network.
//!
//! Every call of the API goes through [`Transport::call`], which owns headers, time limits, retries, the envelope, the
//! mapping of errors, and logging.

mod clean;
mod key;
mod proxy;
mod request;
mod response;
mod retry;
mod storage;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::{Level, debug, log_enabled, warn};
use serde::de::DeserializeOwned;
use ureq::config::Timeouts;
use ureq::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use ureq::http::{Request, Response, Uri};
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Proxy, ProxyProtocol, SendBody};

use self::clean::Cleaner;
use self::key::{CallingThreadResolver, KeyConnector};
use self::request::Witness;
use self::response::{Answer, before_sending};
use crate::error::{ApiError, ApiErrorKind, CallError, Cause, CauseKind, EnhancementFailed, Error, Result};
use crate::types::{Enhancement, EnhancementAnswer, EnhancementStatus};

pub(crate) use self::clean::is_unseen;
pub(crate) use self::key::ApiKey;
pub(crate) use self::request::{BaseUrl, Call, Path, is_loopback};
pub(crate) use self::response::{cause_of, message_in, request_id};
pub use self::retry::RetryPolicy;
pub(crate) use self::retry::{Repeat, Verdict, judge_status, parse_retry_after};
pub(crate) use self::storage::{Fetch, FetchError, error_body, is_https, may_fetch, without_query};

/// How long a connection may lie idle and still be used again.
///
/// Servers and load balancers close idle connections after a time of their own: Node and uvicorn after 5 s, nginx after
/// 75 s, AWS load balancers after 60 s. A request that meets such a close on its way is lost, and an edit that is lost
/// that way cannot be told from one that was made. So connections are given up a little before the shortest of these.
/// A new one costs a few round trips, which is nothing beside an edit.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// `ureq` adds limits to the clock; a limit past this would overflow it, and means "none" all the same.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Whether this build can speak TLS.
const HAS_TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// `ureq` keeps a buffer for each direction of each connection, 128 KiB by default. The input buffer is one TLS record:
/// half of that is slower on large histories, and more is hardly faster. The output buffer holds one request head.
const INPUT_BUFFER: usize = 16 * 1024;
const OUTPUT_BUFFER: usize = 8 * 1024;

/// The longest description of a cause, in characters.
const CAUSE: usize = 300;

/// The longest unknown status of an edit, in characters.
const WORD: usize = 128;

/// The target of this crate's log records.
pub(crate) const LOG: &str = "imagen_ai";

/// What a client is made of.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) base_url: BaseUrl,
    pub(crate) key: ApiKey,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_answer_size: u64,
    pub(crate) retry: RetryPolicy,
    pub(crate) user_agent: HeaderValue,
}

pub(crate) struct Transport {
    pub(crate) settings: Settings,
    agent: Agent,
    /// The agent for object storage, which never sees the key; made when it is first needed. A caller's own agent serves
    /// for both.
    storage: OnceLock<Agent>,
    /// Whether the agent is the caller's, so that what this client relies on must be set on every request.
    foreign: bool,
    key_header: Option<HeaderValue>,
    /// Until when the service asked this client to wait.
    slow_until: Mutex<Option<Instant>>,
}

/// One try of a call: an answer, or what happened instead of one.
enum Attempt {
    Answered(Answer),
    /// Surely nothing of the request was carried out.
    NotSent(Cause),
    /// It may have been.
    Lost(Cause),
}

/// What to do after an attempt.
enum Step {
    Done(Answer),
    Failed(Error),
    Again {
        error: Error,
        /// The wait that the service asked for.
        asked: Option<Duration>,
        /// Whether it asked all of this client to wait.
        slow_down: bool,
    },
}

/// A call in progress, for its errors and its log record.
struct Progress<'a> {
    call: &'a Call,
    began: Instant,
    attempts: u32,
}

impl Transport {
    pub(crate) fn new(settings: Settings, agent: Option<Agent>) -> Self {
        let foreign = agent.is_some();
        let key_header = if foreign {
            settings.key.header()
        } else {
            settings.key.stand_in()
        };
        let agent = agent.unwrap_or_else(|| own_agent(&settings));
        if foreign && log_enabled!(target: "ureq_proto::util", Level::Trace) {
            warn!(
                target: LOG,
                "the logger takes trace records of ureq_proto, which hold every byte that is sent; with an agent of \
                 your own the API key is among them"
            );
        }
        Self {
            settings,
            agent,
            storage: OnceLock::new(),
            foreign,
            key_header,
            slow_until: Mutex::new(None),
        }
    }

    /// Makes a call whose answer is JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, call: &Call, timeout: Option<Duration>) -> Result<T> {
        self.json_with(call, timeout, |payload| serde_json::from_slice(payload))
    }

    /// The same, read in the caller's own way.
    pub(crate) fn json_with<T>(
        &self,
        call: &Call,
        timeout: Option<Duration>,
        read: impl FnOnce(&[u8]) -> serde_json::Result<T>,
    ) -> Result<T> {
        self.call(call, timeout, |progress, answer| {
            let Some(payload) = answer.payload() else {
                let cause = Cause::new(CauseKind::Json, "the body is empty");
                return Err(Error::Decode(self.call_error(progress, cause, Some(&answer))));
            };
            read(payload).map_err(|e| Error::Decode(self.call_error(progress, not_json(&e), Some(&answer))))
        })
    }

    /// Makes a call whose answer is JSON or empty.
    pub(crate) fn json_or_default<T: DeserializeOwned + Default>(
        &self,
        call: &Call,
        timeout: Option<Duration>,
    ) -> Result<T> {
        self.call(call, timeout, |progress, answer| match answer.payload() {
            None | Some(b"null") => Ok(T::default()),
            Some(payload) => serde_json::from_slice(payload)
                .map_err(|e| Error::Decode(self.call_error(progress, not_json(&e), Some(&answer)))),
        })
    }

    /// Makes a call whose answer does not matter once it is a success.
    pub(crate) fn nothing(&self, call: &Call, timeout: Option<Duration>) -> Result<()> {
        self.call(call, timeout, |_, _| Ok(()))
    }

    /// Makes an edit. What cannot be read of a 2xx may be an edit that was made.
    pub(crate) fn edit(&self, call: &Call, timeout: Option<Duration>) -> Result<Enhancement> {
        self.call(call, timeout, |progress, answer| {
            let unknown = |cause| Error::OutcomeUnknown(self.call_error(progress, cause, Some(&answer)));
            let Some(payload) = answer.payload() else {
                return Err(unknown(Cause::new(CauseKind::Json, "the body is empty")));
            };
            let edit: EnhancementAnswer<'_> = serde_json::from_slice(payload).map_err(|e| unknown(not_json(&e)))?;
            edit.into_success().map_err(|failed| {
                let clean = self.cleaner(call);
                let status = match failed.status {
                    EnhancementStatus::Other(word) => EnhancementStatus::Other(clean.text(&word, WORD)),
                    known => known,
                };
                Error::EnhancementFailed(Box::new(EnhancementFailed {
                    method: call.method.as_str(),
                    path: call.path.as_str().to_owned(),
                    http_status: answer.status,
                    status,
                    version_id: failed.version_id,
                    message: answer.stated_message(&clean),
                    request_id: answer.request_id(&clean),
                    body: answer.excerpt(&clean),
                }))
            })
        })
    }

    fn call<T>(
        &self,
        call: &Call,
        timeout: Option<Duration>,
        read: impl FnOnce(&Progress<'_>, Answer) -> Result<T>,
    ) -> Result<T> {
        let mut progress = Progress {
            call,
            began: Instant::now(),
            attempts: 0,
        };
        let answer = self.tries(&mut progress, timeout.unwrap_or(self.settings.timeout));
        if log_enabled!(target: LOG, Level::Debug) {
            let (status, id) = match &answer {
                Ok(answer) => (Some(answer.status), answer.request_id(&self.cleaner(call))),
                Err(e) => (e.status(), e.request_id().map(str::to_owned)),
            };
            debug!(
                target: LOG,
                "{} {}: status {}, attempt {}, {:.3} s, request {}",
                call.method.as_str(),
                call.path.as_str(),
                status.map_or("none".to_owned(), |status| status.to_string()),
                progress.attempts,
                progress.began.elapsed().as_secs_f64(),
                id.as_deref().unwrap_or("none"),
            );
        }
        let result = answer.and_then(|answer| read(&progress, answer));
        if let Err(e @ Error::OutcomeUnknown(_)) = &result {
            warn!(target: LOG, "{}; outcome unknown", in_short(call, e));
        }
        result
    }

    fn tries(&self, progress: &mut Progress<'_>, timeout: Duration) -> Result<Answer> {
        let retry = &self.settings.retry;
        let mut wait = Duration::ZERO;
        loop {
            self.wait_before_sending(wait);
            progress.attempts += 1;
            let attempt = self.attempt(progress.call, timeout);
            let (error, asked, slow_down) = match self.judge(progress, attempt) {
                Step::Done(answer) => return Ok(answer),
                Step::Failed(error) => return Err(error),
                Step::Again {
                    error,
                    asked,
                    slow_down,
                } => (error, asked, slow_down),
            };
            wait = asked.unwrap_or_else(|| retry.backoff(progress.attempts));
            let too_long = asked.is_some_and(|asked| asked > retry.max_retry_after);
            if slow_down && !too_long {
                self.slow_down(wait);
            }
            if too_long || progress.attempts >= retry.max_attempts {
                return Err(error);
            }
            warn!(
                target: LOG,
                "{}; trying again in {:.1} s",
                in_short(progress.call, &error),
                wait.as_secs_f64()
            );
        }
    }

    /// Decides what an attempt means for its call.
    fn judge(&self, progress: &Progress<'_>, attempt: Attempt) -> Step {
        let repeat = progress.call.repeat;
        let again = |error| Step::Again {
            error,
            asked: None,
            slow_down: false,
        };
        match attempt {
            Attempt::NotSent(cause) => again(Error::NotSent(self.call_error(progress, cause, None))),
            Attempt::Lost(cause) => {
                let error = self.call_error(progress, cause, None);
                match repeat {
                    Repeat::IfUntouched => Step::Failed(Error::OutcomeUnknown(error)),
                    Repeat::Freely => again(Error::Transport(error)),
                }
            }
            Attempt::Answered(answer) if answer.is_success() => {
                let Some(cause) = answer.broken.clone() else {
                    return Step::Done(answer);
                };
                let too_large = cause.kind == CauseKind::TooLarge;
                let error = self.call_error(progress, cause, Some(&answer));
                match repeat {
                    Repeat::IfUntouched => Step::Failed(Error::OutcomeUnknown(error)),
                    Repeat::Freely if too_large => Step::Failed(Error::Decode(error)),
                    Repeat::Freely => again(Error::Transport(error)),
                }
            }
            Attempt::Answered(answer) => {
                let asked = answer.retry_after();
                match judge_status(repeat, answer.status, asked.is_some()) {
                    Verdict::Again { slow_down } => Step::Again {
                        error: self.api_error(progress, &answer),
                        asked,
                        slow_down,
                    },
                    Verdict::Final => Step::Failed(self.api_error(progress, &answer)),
                    Verdict::Unknown => {
                        let words = answer.message(&self.cleaner(progress.call));
                        let cause = Cause::new(CauseKind::Status, format!("{} {words}", answer.status));
                        Step::Failed(Error::OutcomeUnknown(self.call_error(progress, cause, Some(&answer))))
                    }
                }
            }
        }
    }

    fn attempt(&self, call: &Call, timeout: Duration) -> Attempt {
        let mut witness = Witness::new(call.body.as_deref().unwrap_or_default());
        let response = self.send(call, timeout, &mut witness);
        match response {
            Ok(response) => Attempt::Answered(Answer::read(response, self.settings.max_answer_size.min(call.most))),
            Err(e) => {
                let cause = cause_of(&e);
                let untouched = match call.body {
                    Some(_) => !witness.asked,
                    None => before_sending(&e),
                };
                if untouched {
                    Attempt::NotSent(cause)
                } else {
                    Attempt::Lost(cause)
                }
            }
        }
    }

    fn send(&self, call: &Call, timeout: Duration, witness: &mut Witness<'_>) -> Result<Response<Body>, ureq::Error> {
        let base = self.settings.base_url.as_str();
        let path = call.path.as_str();
        let url = [base, path, call.query].concat();
        let mut request = Request::builder().method(call.method.http()).uri(url);
        if let Some(headers) = request.headers_mut() {
            if let Some(key) = &self.key_header {
                headers.insert(HeaderName::from_static(key::HEADER), key.clone());
            }
            headers.insert(USER_AGENT, self.settings.user_agent.clone());
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            if let Some(body) = &call.body {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
        }
        match call.body {
            Some(_) => self.run(request.body(SendBody::from_reader(witness))?, timeout),
            None => self.run(request.body(SendBody::none())?, timeout),
        }
    }

    fn run(&self, request: Request<SendBody<'_>>, timeout: Duration) -> Result<Response<Body>, ureq::Error> {
        self.has_what_it_needs(&self.agent, self.settings.base_url.uri())?;
        if self.foreign || timeout != self.settings.timeout {
            self.agent.run(self.configured(request, timeout))
        } else {
            self.agent.run(request)
        }
    }

    /// Sets what this client relies on, so that no agent can undo it.
    fn configured<'b>(&self, request: Request<SendBody<'b>>, timeout: Duration) -> Request<SendBody<'b>> {
        let config = self
            .agent
            .configure_request(request)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .https_only(self.settings.base_url.is_https())
            .max_idle_age(MAX_IDLE)
            .timeout_global(self.limit(timeout, |agent| agent.global))
            .timeout_connect(self.limit(self.settings.connect_timeout, |agent| agent.connect))
            .proxy(proxy_for(&self.agent, self.settings.base_url.uri()));
        config.build()
    }

    /// Our own limit, or a shorter one of the caller's own agent.
    fn limit(&self, ours: Duration, of_agent: fn(Timeouts) -> Option<Duration>) -> Option<Duration> {
        let theirs = self.foreign.then(|| of_agent(self.agent.config().timeouts())).flatten();
        Some(ours.min(theirs.unwrap_or(ours)).min(LONGEST))
    }

    /// Refuses to connect with an agent of ours to what needs TLS, in a build that has none.
    ///
    /// `ureq` finds that out only once it has a connection, after it gave a proxy its password. And it panics if another
    /// crate of the program turned one of its TLS features on.
    fn has_what_it_needs(&self, agent: &Agent, uri: &Uri) -> Result<(), ureq::Error> {
        let tls_proxy = |proxy: Proxy| proxy.protocol() == ProxyProtocol::Https && !proxy.is_no_proxy(uri);
        if HAS_TLS || self.foreign || !(is_https(uri) || proxy_for(agent, uri).is_some_and(tls_proxy)) {
            return Ok(());
        }
        Err(ureq::Error::TlsRequired)
    }

    /// Waits until `wait` is over, and until the service's wish to be left alone is; never longer than the retry
    /// policy's longest wait.
    fn wait_before_sending(&self, wait: Duration) {
        if wait.is_zero() && self.slow_until().is_none() {
            return;
        }
        let now = Instant::now();
        let longest = now + self.settings.retry.longest_wait().min(LONGEST);
        let own = now + wait.min(LONGEST);
        loop {
            let until = self.slow_until().map_or(own, |slow| slow.max(own)).min(longest);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(left);
        }
    }

    fn slow_until(&self) -> Option<Instant> {
        *self.slow_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every call of this client wait.
    fn slow_down(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST);
        let mut slow = self.slow_until.lock().unwrap_or_else(PoisonError::into_inner);
        if slow.is_none_or(|slow| slow < until) {
            *slow = Some(until);
        }
    }

    fn cleaner(&self, call: &Call) -> Cleaner {
        Cleaner::new(&self.settings.key, call)
    }

    fn api_error(&self, progress: &Progress<'_>, answer: &Answer) -> Error {
        let clean = self.cleaner(progress.call);
        let message = answer.message(&clean);
        Error::Api(Box::new(ApiError {
            method: progress.call.method.as_str(),
            path: progress.call.path.as_str().to_owned(),
            status: answer.status,
            kind: ApiErrorKind::of(answer.status, &message),
            message,
            request_id: answer.request_id(&clean),
            retry_after: answer.retry_after(),
            body: answer.excerpt(&clean),
            attempts: progress.attempts,
        }))
    }

    fn call_error(&self, progress: &Progress<'_>, cause: Cause, answer: Option<&Answer>) -> Box<CallError> {
        let clean = self.cleaner(progress.call);
        Box::new(CallError {
            method: progress.call.method.as_str(),
            path: progress.call.path.as_str().to_owned(),
            cause: Cause::new(cause.kind, clean.text(&cause.message, CAUSE)),
            status: answer.map(|answer| answer.status),
            request_id: answer.and_then(|answer| answer.request_id(&clean)),
            attempts: progress.attempts,
            elapsed: progress.began.elapsed(),
            body: answer.map(|answer| answer.excerpt(&clean)).unwrap_or_default(),
        })
    }
}

fn not_json(error: &serde_json::Error) -> Cause {
    let message = format!("the answer is not the JSON that the API promises: {error}");
    Cause::new(CauseKind::Json, message)
}

/// What the log says of an error: nothing that the body of an answer may have said.
fn in_short(call: &Call, error: &Error) -> String {
    let mut text = format!("{} {}", call.method.as_str(), call.path.as_str());
    if let Some(status) = error.status() {
        text.push_str(&format!(": status {status}"));
    }
    if let Error::NotSent(e) | Error::OutcomeUnknown(e) | Error::Transport(e) = error {
        match e.cause.kind {
            CauseKind::Status => {}
            CauseKind::Json => text.push_str(": not the JSON that the API promises"),
            _ => text.push_str(&format!(": {}", e.cause)),
        }
    }
    if let Some(id) = error.request_id() {
        text.push_str(&format!(" (request {id})"));
    }
    text
}

/// The proxy for what is at this URL, unless its own list of exceptions says otherwise.
///
/// One of the environment, which an agent picks up unasked, is for what is elsewhere: asked for this machine's own
/// loopback it would connect to itself, and see the key in the clear.
fn proxy_for(agent: &Agent, uri: &Uri) -> Option<Proxy> {
    let proxy = agent.config().proxy()?;
    let unwanted = proxy.is_from_env() && is_loopback(uri);
    (!unwanted).then(|| proxy.clone())
}

/// The agent of a client that was given none.
fn own_agent(settings: &Settings) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(settings.base_url.is_https())
        .max_idle_age(MAX_IDLE)
        .timeout_global(Some(settings.timeout.min(LONGEST)))
        .timeout_connect(Some(settings.connect_timeout.min(LONGEST)))
        .input_buffer_size(INPUT_BUFFER)
        .output_buffer_size(OUTPUT_BUFFER);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls_config());
    // See `proxy_for`.
    let config = if is_loopback(settings.base_url.uri()) {
        config.proxy(None)
    } else {
        config
    };
    let connector = DefaultConnector::new().chain(KeyConnector {
        host: settings.base_url.uri().clone(),
        key: settings.key.clone(),
    });
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
