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
use ureq::http::{Request, Response, Uri};
use ureq::{Agent, Body, SendBody};

use self::call::Witness;
use crate::error::{CallError, Cause, CauseKind, Context, Error, Result};

pub(crate) use self::agent::{HAS_TLS, check_agent, check_environment, is_https, is_loopback};
pub(crate) use self::answer::{Answer, ERROR_BODY, request_id};
pub(crate) use self::call::{Call, check_segment};
pub(crate) use self::redact::{is_unseen, redact};
pub use self::retry::RetryPolicy;
pub(crate) use self::retry::{may_pass, retry_after};
pub(crate) use self::storage::{STALL, Tell, Transfer, no_link, parse};

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
    /// Send it again, after the wait that the error tells, if it does.
    Retry(Error),
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
        let shared = self.shared.clone();
        Self { shared, timeout }
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
        let (mut wait, mut attempts, began) = (Duration::ZERO, 0, Instant::now());
        let result = loop {
            self.wait_before_sending(wait);
            attempts += 1;
            let error = match self.attempt(Sent { transport: self, call, attempts, began }) {
                Next::Done(answer) => break Ok(answer),
                Next::Fail(error) => break Err(error),
                Next::Retry(error) => error,
            };
            let Some(again) = self.retry().wait_after(attempts, error.retry_after()) else {
                break Err(error);
            };
            if let Some(429 | 503) = error.status() {
                self.slow_down(again);
            }
            warn!(target: LOG, "{}; trying again in {:.1} s", in_short(call, &error), again.as_secs_f64());
            wait = again;
        };
        if log_enabled!(target: LOG, Level::Debug) {
            let context = result.as_ref().map_or_else(|e| e.context().cloned(), |answer| Some(answer.context()));
            let context = context.unwrap_or_default();
            let status = context.status.map_or("none".to_owned(), |status| status.to_string());
            let (method, path, seconds) = (call.method, &call.path, began.elapsed().as_secs_f64());
            let id = context.request_id.as_deref().unwrap_or("none");
            debug!(target: LOG, "{method} {path}: status {status}, attempt {attempts}, {seconds:.3} s, request {id}");
        }
        result
    }

    /// Sends the request once, and decides what that means for the call.
    fn attempt<'c>(&'c self, sent: Sent<'c>) -> Next<'c> {
        let (call, once) = (sent.call, sent.call.once.is_some());
        let mut witness = Witness::new(call.body.as_deref().unwrap_or_default());
        let mut answer = match self.request(call, &mut witness) {
            Ok(response) => Answer::receive(sent, response, self.shared.settings.max_answer_size),
            Err(e) => {
                let untouched = match call.body {
                    Some(_) => !witness.asked,
                    None => cause::is_before_sending(&e),
                };
                let cause = cause::of(&e, &sent);
                return match cause::is_proxy_authentication(&e) {
                    _ if once && !untouched => Next::Fail(sent.unknown(cause, sent.context())),
                    true => Next::Fail(Error::Network(sent.error(cause, sent.context()))),
                    false => Next::Retry(Error::Network(sent.error(cause, sent.context()))),
                };
            }
        };
        match (answer.status, answer.broken.take()) {
            (200..=299, None) => Next::Done(answer),
            (200..=299, Some(cause)) if once => Next::Fail(answer.unknown(cause)),
            (200..=299, Some(cause)) if cause.kind == CauseKind::TooLarge => {
                Next::Fail(Error::Decode(answer.error(cause)))
            }
            (200..=299, Some(cause)) => Next::Retry(Error::Network(answer.error(cause))),
            (408 | 500..=599, _) if once => {
                let words = format!("{} {}", answer.status, answer.said());
                Next::Fail(answer.unknown(Cause::new(CauseKind::Status, words)))
            }
            (429, _) => Next::Retry(answer.refused()),
            (status, _) if may_pass(status) && !once => Next::Retry(answer.refused()),
            _ => Next::Fail(answer.refused()),
        }
    }

    fn request(&self, call: &Call, witness: &mut Witness<'_>) -> Result<Response<Body>, ureq::Error> {
        let settings = &self.shared.settings;
        let url = [self.base_url(), &call.path, &call.query].concat();
        let mut request = Request::builder().method(call.method).uri(url);
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
        let Shared { settings, agent, foreign, .. } = &*self.shared;
        match *foreign || self.timeout != settings.timeout {
            true => agent.run(self.shared.for_api(self.timeout, request)),
            false => agent.run(request),
        }
    }

    /// Waits until `wait` is over, and until the service's wish to be left alone is; never longer than the retry policy's
    /// longest wait.
    fn wait_before_sending(&self, wait: Duration) {
        if wait.is_zero() && self.shared.slow_until.load(Ordering::Relaxed) == 0 {
            return;
        }
        let began = self.shared.made.elapsed();
        let longest = began.saturating_add(self.retry().longest_wait());
        loop {
            let slow = Duration::from_millis(self.shared.slow_until.load(Ordering::Relaxed));
            let until = slow.max(began.saturating_add(wait)).min(longest);
            let left = until.saturating_sub(self.shared.made.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left);
        }
    }

    /// Makes every call of this client wait.
    fn slow_down(&self, wait: Duration) {
        let until = self.shared.made.elapsed().saturating_add(wait).as_millis() + 1;
        let until = u64::try_from(until).unwrap_or_default();
        self.shared.slow_until.fetch_max(until, Ordering::Relaxed);
    }
}

impl Sent<'_> {
    pub(crate) fn redact(&self, text: &str) -> String {
        self.transport.redact(text, &[])
    }

    /// Returns what is known of the call without an answer.
    fn context(&self) -> Context {
        Context {
            method: self.call.method,
            path: self.call.path.clone(),
            attempts: self.attempts,
            elapsed: self.began.elapsed(),
            ..Context::default()
        }
    }

    fn error(&self, cause: Cause, context: Context) -> Box<CallError> {
        Box::new(CallError { cause, advice: "", context })
    }

    fn unknown(&self, cause: Cause, context: Context) -> Error {
        let advice = self.call.once.unwrap_or_default();
        let error = Error::OutcomeUnknown(Box::new(CallError { cause, advice, context }));
        warn!(target: LOG, "{}; outcome unknown", in_short(self.call, &error));
        error
    }

    /// Returns the host that the call connects to, and the proxy if there is one.
    fn peer(&self) -> String {
        let Shared { settings, agent, .. } = &*self.transport.shared;
        agent::peer(agent, &settings.base_url)
    }
}

/// Says what the log may say of an error: nothing of the body of an answer, which can repeat the request.
fn in_short(call: &Call, error: &Error) -> String {
    let why = error.status().map_or_else(|| error.summary(), |status| format!("status {status}"));
    format!("{} {}: {why}", call.method, call.path)
}

/// Refuses a limit of zero.
pub(crate) fn check_limit<T: PartialEq + Default>(field: &'static str, limit: T) -> Result<()> {
    if limit == T::default() {
        return Err(Error::invalid(field, "a limit of zero lets nothing succeed"));
    }
    Ok(())
}
