//! The one way to the network.
//!
//! Every call of the API goes through [`Transport::send`], which owns headers, time limits, retries
//! and logging. What came back is an [`Answer`](answer::Answer), which owns the envelope, the
//! service's messages and the errors. Files go through `storage`.

mod agent;
mod answer;
mod call;
mod cause;
mod redact;
mod retry;
mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::{Level, debug, log_enabled, warn};
use ureq::config::Timeouts;
use ureq::http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT,
};
use ureq::http::{Request, Response, Uri};
use ureq::{Agent, Body, SendBody};

use self::agent::{configured, of_call};
use crate::error::{Cause, CauseKind, Context, Error, Result};

pub(crate) use self::agent::{check_agent, check_environment, is_https, parse_url, variable};
pub(crate) use self::answer::{Answer, ERROR_BODY, request_id};
pub(crate) use self::call::{Call, check_segment};
pub(crate) use self::redact::{is_unseen, one_line, redact};
pub use self::retry::RetryPolicy;
pub(crate) use self::retry::{may_pass, retry_after};
pub(crate) use self::storage::{FileCall, Rest, STALL, Tell, Transfer};

/// The target of this crate's log records.
pub(crate) const LOG: &str = "imagen_ai";

/// The header that holds the key.
const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The limits of a client.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_answer_size: u64,
    pub(crate) retry: RetryPolicy,
}

/// What reaches the network: shared by a client and its clones, but for the limit of an attempt.
#[derive(Clone)]
pub(crate) struct Transport {
    shared: Arc<Shared>,
    timeout: Duration,
}

struct Shared {
    /// Without a slash at the end.
    base_url: String,
    key: HeaderValue,
    user_agent: HeaderValue,
    limits: Limits,
    agent: Agent,
    /// The agent for object storage.
    files: Agent,
    /// Whether both are one of the caller's, which is configured for every request.
    foreign: bool,
    made: Instant,
    /// Until when the service asked this client to wait, in milliseconds since it was made. Not
    /// behind a lock, which all threads would meet at for every call.
    slow_until: AtomicU64,
}

impl Transport {
    pub(crate) fn new(
        base_url: &Uri,
        key: HeaderValue,
        user_agent: HeaderValue,
        limits: Limits,
        agent: Option<Agent>,
    ) -> Self {
        if log_enabled!(target: "ureq_proto::util", Level::Trace) {
            warn!(
                target: LOG,
                "the logger takes trace records of ureq_proto, which hold every byte that is sent: the API key and the \
                 signatures of presigned URLs are among them"
            );
        }
        let (foreign, made, slow_until) = (agent.is_some(), Instant::now(), AtomicU64::new(0));
        let files = agent.clone().unwrap_or_else(|| agent::for_files(&limits));
        let agent = agent.unwrap_or_else(|| agent::for_calls(base_url, &limits));
        let base_url = base_url.to_string().trim_end_matches('/').to_owned();
        let shared = Shared {
            base_url,
            key,
            user_agent,
            limits,
            agent,
            files,
            foreign,
            made,
            slow_until,
        };
        Self {
            timeout: limits.timeout,
            shared: Arc::new(shared),
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
        &self.shared.base_url
    }

    /// Takes the key, these secrets and the queries of URLs out of a text.
    pub(crate) fn redact(&self, text: &str, secrets: &[&str]) -> String {
        redact(
            text,
            &[&[self.shared.key.to_str().unwrap_or_default()], secrets].concat(),
        )
    }

    /// Makes a call, as often as its safety and the retry policy allow.
    pub(crate) fn send<'c>(&'c self, call: &'c Call) -> Result<Answer<'c>> {
        check_limit("timeout", self.timeout)?;
        let (mut wait, mut attempts, began) = (Duration::ZERO, 0, Instant::now());
        let result = loop {
            self.wait_before_sending(wait);
            attempts += 1;
            let (error, again) = match self.attempt(call, attempts, began) {
                Ok(answer) => break Ok(answer),
                Err(failed) => failed,
            };
            let next = self
                .shared
                .limits
                .retry
                .wait_after(attempts, error.retry_after());
            let asked = error
                .retry_after()
                .filter(|asked| *asked <= self.shared.limits.retry.max_retry_after);
            if let (Some(429 | 503), Some(wait)) = (error.status(), next.or(asked)) {
                // Every call of this client waits.
                let until = self.shared.made.elapsed().saturating_add(wait).as_millis() + 1;
                self.shared
                    .slow_until
                    .fetch_max(until.try_into().unwrap_or_default(), Ordering::Relaxed);
            }
            let Some(next) = next.filter(|_| again) else {
                break Err(error);
            };
            warn!(target: LOG, "{}; trying again in {:.1} s", in_short(call, &error), next.as_secs_f64());
            wait = next;
        };
        if log_enabled!(target: LOG, Level::Debug) {
            let context = result
                .as_ref()
                .map_or_else(|e| e.context().cloned(), |answer| Some(answer.context()));
            let Context {
                method,
                path,
                status,
                request_id,
                attempts,
                elapsed,
                ..
            } = context.unwrap_or_default();
            let status = status.map_or("none".to_owned(), |status| status.to_string());
            let (seconds, id) = (
                elapsed.as_secs_f64(),
                request_id.as_deref().unwrap_or("none"),
            );
            debug!(target: LOG, "{method} {path}: status {status}, attempt {attempts}, {seconds:.3} s, request {id}");
        }
        result
    }

    /// Sends the request once. An error comes with whether the call may be sent again.
    fn attempt<'c>(
        &'c self,
        call: &'c Call,
        attempts: u32,
        began: Instant,
    ) -> Result<Answer<'c>, (Error, bool)> {
        let mut answer = Answer::new(self, call, attempts, began);
        let body = call.body.as_deref().unwrap_or_default();
        let mut left = body;
        let result = self.request(call, &mut left);
        let result = result
            .and_then(|response| answer.receive(response, self.shared.limits.max_answer_size));
        // `ureq` asks for the body once the head is written. As long as it has not, the service has
        // at most the head of a request whose body it was promised, and can have done
        // nothing.
        let untouched = match &result {
            _ if answer.status.is_some() => false,
            Err(e) if body.is_empty() => cause::is_before_sending(e),
            _ => left.len() == body.len(),
        };
        let once = call.once.is_some();
        let cause = result.as_ref().err().map(|e| self.cause(e));
        let error = match (answer.status, cause) {
            (Some(200..=299), None) => return Ok(answer),
            (None | Some(200..=299), Some(cause)) if once && !untouched => answer.unknown(cause),
            (Some(200..=299), Some(cause)) if cause.kind == CauseKind::TooLarge => {
                Error::Decode(answer.error(cause))
            }
            (None | Some(200..=299), Some(cause)) => Error::Network(answer.error(cause)),
            (Some(status @ (408 | 500..=599)), _) if once => {
                let message = format!("{status} {}", answer.redact(&answer.message()));
                answer.unknown(Cause {
                    kind: CauseKind::Status,
                    message,
                })
            }
            _ => answer.refused(),
        };
        let again = match &error {
            Error::Network(_) => !result.is_err_and(|e| cause::is_proxy_authentication(&e)),
            Error::Api(e) => may_pass(e.status) && (!once || e.status == 429),
            _ => false,
        };
        Err((error, again))
    }

    fn request(&self, call: &Call, body: &mut &[u8]) -> Result<Response<Body>, ureq::Error> {
        let url = [self.base_url(), &call.path, &call.query].concat();
        let mut request = Request::builder().method(call.method).uri(url).body(())?;
        let headers = request.headers_mut();
        headers.insert(KEY, self.shared.key.clone());
        headers.insert(USER_AGENT, self.shared.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        }
        // Without a length `ureq` sends an empty body in chunks, which some gateways refuse.
        if call.method != "GET" {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        match call.body {
            Some(_) => self.run(request.map(|()| SendBody::from_reader(body))),
            None => self.run(request.map(|()| SendBody::none())),
        }
    }

    fn run(&self, mut request: Request<SendBody<'_>>) -> Result<Response<Body>, ureq::Error> {
        let Shared {
            limits,
            agent,
            foreign,
            ..
        } = &*self.shared;
        if *foreign || self.timeout != limits.timeout {
            let theirs = if *foreign {
                agent.config().timeouts()
            } else {
                Timeouts::default()
            };
            request = configured(
                agent,
                request,
                0,
                of_call(limits, self.timeout, theirs),
                None,
            );
        }
        agent.run(request)
    }

    /// Waits, and until the service's wish to be left alone is over; never longer than the retry
    /// policy's longest wait.
    fn wait_before_sending(&self, wait: Duration) {
        sleep(wait);
        let slow_until = Duration::from_millis(self.shared.slow_until.load(Ordering::Relaxed));
        let left = slow_until.saturating_sub(self.shared.made.elapsed());
        let longest = self
            .shared
            .limits
            .retry
            .max_delay
            .max(self.shared.limits.retry.max_retry_after);
        sleep(left.min(longest.saturating_sub(wait)));
    }

    /// Says what went wrong with a call, and which host or proxy was not reached.
    fn cause(&self, error: &ureq::Error) -> Cause {
        let base_url = self.base_url().parse().unwrap_or_default();
        let message = format!(
            "{}: {}",
            agent::peer(&self.shared.agent, &base_url),
            cause::words(error)
        );
        Cause {
            kind: cause::kind_of(error),
            message: self.redact(&message, &[]),
        }
    }
}

/// Says what the log may say of an error: nothing of the body of an answer, which can repeat the
/// request.
fn in_short(call: &Call, error: &Error) -> String {
    let why = error
        .status()
        .map_or_else(|| error.summary(), |status| format!("status {status}"));
    format!("{} {}: {why}", call.method, call.path)
}

/// Refuses a limit of zero.
pub(crate) fn check_limit<T: PartialEq + Default>(field: &'static str, limit: T) -> Result<()> {
    if limit == T::default() {
        return Err(Error::invalid(
            field,
            "a limit of zero lets nothing succeed",
        ));
    }
    Ok(())
}
