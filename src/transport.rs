//! The one way to the network.
//!
//! Every call of the API goes through [`Transport::send`], which owns headers, time limits, retries
//! and logging. What came back is an [`Answer`](answer::Answer), which owns the envelope, the
//! service's messages and the errors. Files go through `storage`.

mod agent;
mod answer;
mod attempt;
mod call;
mod cause;
mod pace;
mod redact;
mod redirect;
mod retry;
mod storage;

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use log::{Level, debug, log_enabled, warn};
use ureq::Agent;
use ureq::http::Uri;
use ureq::http::header::HeaderValue;

use self::answer::Tries;
use self::attempt::{Attempt, Next};
use self::pace::{SharedPace, Slot, Throttled};
use crate::error::{ApiError, ApiErrorKind, Context, Error, Result};

pub(crate) use self::agent::{check_agent, check_environment, is_https, parse_url, variable};
pub(crate) use self::answer::{Answer, ERROR_BODY, is_error, request_id};
pub(crate) use self::call::{Call, check_segment};
pub(crate) use self::redact::{is_unseen, one_line, quoted, redact};
pub use self::retry::RetryPolicy;
pub(crate) use self::retry::{may_pass, retry_after};
pub(crate) use self::storage::{FileCall, Rest, STALL, Tell, Transfer};

/// The target of this crate's log records.
pub(crate) const LOG: &str = "imagen_ai";

/// The limits of a client.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_answer_size: u64,
    pub(crate) retry: RetryPolicy,
}

/// What reaches the network. A client and its clones share it, except for what one clone has for
/// itself.
#[derive(Clone)]
pub(crate) struct Transport {
    shared: Arc<Shared>,
    /// The limit of each phase of an attempt.
    timeout: Duration,
    /// Whether a 429 is returned at once, for a caller that waits itself.
    returns_refusals: bool,
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
    /// Whether both are the agent of the caller, which is configured for every request.
    foreign: bool,
    pace: SharedPace,
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
                "the logger takes trace records of ureq_proto, which hold every byte that is \
                 sent: the API key and the signatures of presigned URLs are among them"
            );
        }
        let foreign = agent.is_some();
        let files = agent.clone();
        let files = files.unwrap_or_else(|| agent::for_files(&limits));
        let agent = agent.unwrap_or_else(|| agent::for_calls(base_url, &limits));
        Self {
            timeout: limits.timeout,
            returns_refusals: false,
            shared: Arc::new(Shared {
                base_url: base_url.to_string().trim_end_matches('/').to_owned(),
                key,
                user_agent,
                limits,
                agent,
                files,
                foreign,
                pace: SharedPace::new(limits.retry.max_throttled),
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

    /// Returns the same for calls that return a 429 at once, with its `Retry-After`, so that the
    /// caller waits. The other calls of the client pause for it all the same.
    pub(crate) fn returning_refusals(&self) -> Self {
        Self {
            returns_refusals: true,
            ..self.clone()
        }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// Returns a text from elsewhere as it may be shown: one printable line, cut, without the key
    /// and without the queries of URLs.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redact_of_url(text, "")
    }

    /// Does the same for a text that may repeat the values of this query, which are a signature.
    fn redact_of_url(&self, text: &str, query: &str) -> String {
        let key = self.shared.key.to_str().unwrap_or_default();
        redact(text, key, query)
    }

    /// Makes a call, as often as its safety and the retry policy allow.
    pub(crate) fn send<'c>(&'c self, call: &'c Call) -> Result<Answer<'c>> {
        check_limit("timeout", self.timeout)?;
        let result = self.send_until_settled(call);
        if log_enabled!(target: LOG, Level::Debug) {
            log_result(&result);
        }
        result
    }

    fn send_until_settled<'c>(&'c self, call: &'c Call) -> Result<Answer<'c>> {
        let mut tries = Tries::default();
        let mut refusal = None;
        loop {
            let slot = self.wait_for_slot(call, &tries, refusal.take())?;
            tries.attempts += 1;
            let attempt = self.attempt(call, tries);
            self.tell_pace(slot, &attempt);
            match attempt::next(call, attempt) {
                Next::Return(result) => return result,
                Next::WaitForLimit(error) if self.is_final(&error) => return Err(error),
                Next::WaitForLimit(error) => {
                    let why = self.in_short(call, &error);
                    warn!(target: LOG, "{why}; waiting for the service's limit");
                    refusal = Some(error);
                }
                Next::Retry(error) => self.wait_after_failure(call, &mut tries, error)?,
            }
        }
    }

    /// Waits until the service's limit lets a call through. `refusal` is the error of the call's
    /// last attempt, if that was refused.
    fn wait_for_slot(&self, call: &Call, tries: &Tries, refusal: Option<Error>) -> Result<Slot> {
        let Throttled { left } = match self.shared.pace.wait_for_slot() {
            Ok(slot) => return Ok(slot),
            Err(throttled) => throttled,
        };
        let mut error = refusal.unwrap_or_else(|| self.unsent(call));
        if let Error::Api(e) = &mut error {
            e.context.retry_after = left;
            e.context.attempts = tries.attempts;
            e.context.elapsed = tries.began.elapsed();
        }
        Err(error)
    }

    /// Makes the error of a call that was not sent because of the service's limit.
    fn unsent(&self, call: &Call) -> Error {
        Error::Api(Box::new(ApiError {
            status: 429,
            kind: ApiErrorKind::RateLimited,
            message: "not sent: the service refuses this client's calls for now".to_owned(),
            advice: "",
            context: Context {
                method: call.method,
                path: self.redact(&call.path),
                ..Context::default()
            },
        }))
    }

    /// Tells the client's other calls what came of an attempt.
    fn tell_pace(&self, slot: Slot, attempt: &Attempt<'_>) {
        let RetryPolicy {
            max_retry_after,
            max_throttled,
            ..
        } = self.shared.limits.retry;
        // A pace that is told of nothing lets every call go at once.
        if max_throttled.is_zero() {
            return;
        }
        let pace = &self.shared.pace;
        let answer = match attempt {
            Attempt::NotSent(..) | Attempt::Barred(..) | Attempt::Lost(..) => {
                pace.unanswered(slot);
                return;
            }
            Attempt::Answered(answer) | Attempt::Refused(answer) => answer,
        };
        match answer.status {
            Some(429) => pace.refused(slot, answer.retry_after()),
            Some(503) => {
                pace.answered(slot);
                let asked = answer.retry_after().unwrap_or_default();
                if asked <= max_retry_after {
                    pace.pause(asked);
                }
            }
            _ => pace.answered(slot),
        }
    }

    /// Whether a refusal because of the service's limit is returned, and not waited for.
    fn is_final(&self, refusal: &Error) -> bool {
        let max_throttled = self.shared.limits.retry.max_throttled;
        let asked = refusal.retry_after().unwrap_or_default();
        let is_too_long = max_throttled.is_zero() || asked > max_throttled;
        self.returns_refusals || is_too_long || self.shared.pace.is_hopeless()
    }

    /// Waits until a failed call may be sent again, or returns its error.
    fn wait_after_failure(&self, call: &Call, tries: &mut Tries, error: Error) -> Result<()> {
        tries.failures += 1;
        let retry = &self.shared.limits.retry;
        let Some(wait) = retry.wait_after(tries.failures, error.retry_after()) else {
            return Err(error);
        };
        let why = self.in_short(call, &error);
        let seconds = wait.as_secs_f64();
        warn!(target: LOG, "{why}; trying again in {seconds:.1} s");
        sleep(wait);
        Ok(())
    }

    /// Returns what the log may say of an error. The body of the answer is left out, since it can
    /// repeat the request.
    fn in_short(&self, call: &Call, error: &Error) -> String {
        let why = match error.status() {
            Some(status) => format!("status {status}"),
            None => error.summary(),
        };
        let path = self.redact(&call.path);
        format!("{} {path}: {why}", call.method)
    }
}

fn log_result(result: &Result<Answer<'_>>) {
    let context = match result {
        Ok(answer) => answer.context(),
        Err(e) => e.context().cloned().unwrap_or_default(),
    };
    let Context {
        method,
        path,
        attempts,
        ..
    } = context;
    let status = context
        .status
        .map_or("none".to_owned(), |status| status.to_string());
    let seconds = context.elapsed.as_secs_f64();
    let id = context.request_id.as_deref().unwrap_or("none");
    debug!(
        target: LOG,
        "{method} {path}: status {status}, attempt {attempts}, {seconds:.3} s, request {id}"
    );
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
