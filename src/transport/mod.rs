//! The one way to the network.
//!
//! Every call of the API goes through [`Transport::send`], which owns headers, time limits, retries and logging. What came
//! back is an [`Answer`](answer::Answer), which owns the envelope, the service's messages and the errors. Files go through
//! `storage`.

mod agent;
mod answer;
mod call;
mod cause;
mod redact;
mod retry;
mod storage;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::{Level, debug, log_enabled, warn};
use ureq::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use ureq::http::{Method, Request, Response, Uri};
use ureq::{Agent, Body, SendBody};

use self::call::Witness;
use crate::error::{CallError, Cause, CauseKind, Context, Error, Result};

pub(crate) use self::agent::{HAS_TLS, check_agent, check_environment, is_https, is_loopback};
pub(crate) use self::answer::{Answer, ERROR_BODY, request_id};
pub(crate) use self::call::{Call, check_segment};
pub(crate) use self::redact::{is_unseen, redact};
pub use self::retry::RetryPolicy;
pub(crate) use self::retry::{may_pass, retry_after};
pub(crate) use self::storage::{Refusal, STALL, parse};

/// The target of this crate's log records.
pub(crate) const LOG: &str = "imagen_ai";

/// The header that holds the key.
const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a client is made of.
pub(crate) struct Settings {
    /// Without a slash at the end.
    pub(crate) base_url: Uri,
    pub(crate) key: HeaderValue,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_answer_size: u64,
    pub(crate) retry: RetryPolicy,
    pub(crate) user_agent: HeaderValue,
}

impl Settings {
    /// Returns the base URL as text, without a slash at the end.
    pub(crate) fn base_url(&self) -> String {
        self.base_url.to_string().trim_end_matches('/').to_owned()
    }

    fn key(&self) -> &str {
        self.key.to_str().unwrap_or_default()
    }
}

/// What reaches the network: shared by a client and its clones, but for the limit of an attempt.
#[derive(Clone)]
pub(crate) struct Transport {
    shared: Arc<Shared>,
    timeout: Duration,
}

struct Shared {
    settings: Settings,
    /// Without a slash at the end.
    base: String,
    agent: Agent,
    /// Whether the agent is the caller's. It then serves for the storage too, and is configured for every request.
    foreign: bool,
    /// The agents for downloads and uploads, made when they are first needed.
    downloads: OnceLock<Agent>,
    uploads: OnceLock<Agent>,
    made: Instant,
    /// Until when the service asked this client to wait, in milliseconds since it was made. Not behind a lock, which all
    /// threads would meet at for every call.
    slow_until: AtomicU64,
}

/// A call under way, for its errors and its log records.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'c> {
    transport: &'c Transport,
    pub(crate) call: &'c Call,
    attempts: u32,
    began: Instant,
}

/// What to do after an attempt.
enum Next<'c> {
    Done(Answer<'c>),
    /// Send it again, after the wait that the service asked for.
    Retry {
        error: Error,
        after: Option<Duration>,
    },
    Fail(Error),
}

impl Transport {
    pub(crate) fn new(settings: Settings, agent: Option<Agent>) -> Self {
        if log_enabled!(target: "ureq_proto::util", Level::Trace) {
            warn!(
                target: LOG,
                "the logger takes trace records of ureq_proto, which hold every byte that is sent: the API key and the \
                 signatures of presigned URLs are among them"
            );
        }
        Self {
            timeout: settings.timeout,
            shared: Arc::new(Shared {
                base: settings.base_url(),
                foreign: agent.is_some(),
                agent: agent.unwrap_or_else(|| agent::api_agent(&settings)),
                downloads: OnceLock::new(),
                uploads: OnceLock::new(),
                made: Instant::now(),
                slow_until: AtomicU64::new(0),
                settings,
            }),
        }
    }

    /// Returns the same with another limit of an attempt.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.shared.base
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        self.shared.settings.retry
    }

    /// Takes the key, these secrets and the queries of URLs out of a text.
    pub(crate) fn redact(&self, text: &str, secrets: &[&str]) -> String {
        let mut all = vec![self.shared.settings.key()];
        all.extend(secrets);
        redact(text, &all)
    }

    /// Makes a call, as often as its safety and the retry policy allow.
    pub(crate) fn send<'c>(&'c self, call: &'c Call) -> Result<Answer<'c>> {
        check_limit("timeout", self.timeout)?;
        let mut sent = Sent {
            transport: self,
            call,
            attempts: 0,
            began: Instant::now(),
        };
        let mut wait = Duration::ZERO;
        let result = loop {
            self.wait_before_sending(wait);
            sent.attempts += 1;
            let (error, after) = match self.attempt(sent) {
                Next::Done(answer) => break Ok(answer),
                Next::Fail(error) => break Err(error),
                Next::Retry { error, after } => (error, after),
            };
            let again = self.retry().wait_after(sent.attempts, after);
            if let (Some(429 | 503), Some(wait)) = (error.status(), again) {
                self.slow_down(wait);
            }
            let Some(again) = again else {
                break Err(error);
            };
            warn!(target: LOG, "{}; trying again in {:.1} s", sent.in_short(&error), again.as_secs_f64());
            wait = again;
        };
        sent.log(&result);
        result
    }

    /// Sends the request once, and decides what that means for the call.
    fn attempt<'c>(&'c self, sent: Sent<'c>) -> Next<'c> {
        let call = sent.call;
        let mut witness = Witness::new(call.body.as_deref().unwrap_or_default());
        let answer = match self.request(call, &mut witness) {
            Ok(response) => Answer::receive(sent, response, self.shared.settings.max_answer_size),
            Err(e) => {
                let untouched = match call.body {
                    Some(_) => !witness.asked,
                    None => cause::is_before_sending(&e),
                };
                let cause = cause::of(&e, &sent);
                if call.once.is_some() && !untouched {
                    return Next::Fail(sent.unknown(cause, sent.context()));
                }
                let error = Error::Network(sent.error(cause, sent.context()));
                if cause::is_proxy_authentication(&e) {
                    return Next::Fail(error);
                }
                return Next::Retry { error, after: None };
            }
        };
        let once = call.once.is_some();
        match (answer.status, answer.broken.clone()) {
            (200..=299, None) => Next::Done(answer),
            (200..=299, Some(cause)) if once => Next::Fail(answer.unknown(cause)),
            (200..=299, Some(cause)) if cause.kind == CauseKind::TooLarge => {
                Next::Fail(Error::Decode(answer.error(cause)))
            }
            (200..=299, Some(cause)) => Next::Retry {
                error: Error::Network(answer.error(cause)),
                after: None,
            },
            (408 | 500..=599, _) if once => {
                let words = sent.redact(&answer.message());
                let cause = Cause::new(CauseKind::Status, format!("{} {words}", answer.status));
                Next::Fail(answer.unknown(cause))
            }
            (429, _) => answer.retry(),
            (status, _) if may_pass(status) && !once => answer.retry(),
            _ => Next::Fail(answer.refused()),
        }
    }

    fn request(&self, call: &Call, witness: &mut Witness<'_>) -> Result<Response<Body>, ureq::Error> {
        let settings = &self.shared.settings;
        let url = [self.base_url(), &call.path, &call.query].concat();
        let mut request = Request::builder().method(call.method.clone()).uri(url);
        if let Some(headers) = request.headers_mut() {
            headers.insert(KEY, settings.key.clone());
            headers.insert(USER_AGENT, settings.user_agent.clone());
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            if let Some(body) = &call.body {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
        }
        match call.body {
            Some(_) => self.run(request.body(SendBody::from_reader(witness))?),
            None => self.run(request.body(SendBody::none())?),
        }
    }

    fn run(&self, request: Request<SendBody<'_>>) -> Result<Response<Body>, ureq::Error> {
        let Shared { settings, agent, .. } = &*self.shared;
        if self.shared.foreign || self.timeout != settings.timeout {
            agent.run(agent::configured_for_api(agent, settings, self.timeout, request))
        } else {
            agent.run(request)
        }
    }

    /// Waits until `wait` is over, and until the service's wish to be left alone is; never longer than the retry policy's
    /// longest wait.
    fn wait_before_sending(&self, wait: Duration) {
        let now = Instant::now();
        let longest = self.retry().longest_wait();
        loop {
            let slow = Duration::from_millis(self.shared.slow_until.load(Ordering::Relaxed));
            let until = (self.shared.made + slow).saturating_duration_since(now).max(wait);
            let left = until.min(longest).saturating_sub(now.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left);
        }
    }

    /// Makes every call of this client wait.
    fn slow_down(&self, wait: Duration) {
        let until = (self.shared.made.elapsed() + wait.min(self.retry().longest_wait())).as_millis() + 1;
        self.shared
            .slow_until
            .fetch_max(u64::try_from(until).unwrap_or_default(), Ordering::Relaxed);
    }
}

impl<'c> Answer<'c> {
    fn retry(self) -> Next<'c> {
        Next::Retry {
            error: self.refused(),
            after: retry_after(&self.headers),
        }
    }
}

impl Sent<'_> {
    pub(crate) fn redact(&self, text: &str) -> String {
        self.transport.redact(text, &[])
    }

    /// Returns what is known of the call without an answer.
    fn context(&self) -> Context {
        Context {
            method: method_name(&self.call.method),
            path: self.call.path.clone(),
            attempts: self.attempts,
            elapsed: self.began.elapsed(),
            ..Context::default()
        }
    }

    fn error(&self, cause: Cause, context: Context) -> Box<CallError> {
        Box::new(CallError {
            cause,
            advice: "",
            context,
        })
    }

    fn unknown(&self, cause: Cause, context: Context) -> Error {
        let advice = self.call.once.unwrap_or_default();
        let error = Error::OutcomeUnknown(Box::new(CallError { cause, advice, context }));
        warn!(target: LOG, "{}; outcome unknown", self.in_short(&error));
        error
    }

    /// Returns the host that the call connects to, or the proxy.
    fn peer(&self) -> String {
        let Shared { settings, agent, .. } = &*self.transport.shared;
        peer(agent, &settings.base_url)
    }

    /// Says what the log may say of an error: nothing of an answer's body.
    fn in_short(&self, error: &Error) -> String {
        let mut text = format!("{} {}", self.call.method, self.call.path);
        if let Some(status) = error.status() {
            text += &format!(": status {status}");
        }
        if let Error::OutcomeUnknown(e) | Error::Network(e) = error {
            match e.cause.kind {
                CauseKind::Status => {}
                CauseKind::Json => text += ": not the JSON that the API promises",
                _ => text += &format!(": {}", e.cause.message),
            }
        }
        text
    }

    fn log(&self, result: &Result<Answer<'_>>) {
        if !log_enabled!(target: LOG, Level::Debug) {
            return;
        }
        let context = match result {
            Ok(answer) => Some(answer.context()),
            Err(e) => e.context().cloned(),
        };
        let context = context.unwrap_or_default();
        debug!(
            target: LOG,
            "{} {}: status {}, attempt {}, {:.3} s, request {}",
            self.call.method,
            self.call.path,
            context.status.map_or("none".to_owned(), |status| status.to_string()),
            self.attempts,
            self.began.elapsed().as_secs_f64(),
            context.request_id.as_deref().unwrap_or("none"),
        );
    }
}

/// Returns the host that a request connects to, or the proxy.
fn peer(agent: &Agent, uri: &Uri) -> String {
    match agent::proxy_for(agent, uri).filter(|proxy| !proxy.is_no_proxy(uri)) {
        Some(proxy) => format!("the proxy {}:{}", proxy.host(), proxy.port()),
        None => uri
            .authority()
            .map(|authority| authority.to_string())
            .unwrap_or_default(),
    }
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "GET",
    }
}

/// Refuses a limit of zero.
pub(crate) fn check_limit<T: PartialEq + Default>(field: &'static str, limit: T) -> Result<()> {
    if limit == T::default() {
        return Err(Error::invalid(field, "a limit of zero lets nothing succeed"));
    }
    Ok(())
}
