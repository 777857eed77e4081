//! The one way to the network.
//!
//! Every call of the API goes through [`Transport::call`], which owns headers, time limits, retries, the envelope, the
//! mapping of errors, and logging.

mod agent;
mod clean;
mod connection;
mod key;
mod proxy;
mod request;
mod response;
mod retry;
mod storage;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::{Level, debug, log_enabled, warn};
use serde::de::DeserializeOwned;
use ureq::config::Timeouts;
use ureq::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use ureq::http::{Request, Response, Uri};
use ureq::{Agent, Body, SendBody};

use self::agent::{MAX_IDLE, api_agent, lacks_tls, proxy_for};
use self::clean::Cleaner;
use self::request::Witness;
use self::response::{Answer, before_sending};
use crate::error::{ApiError, ApiErrorKind, CallError, Cause, CauseKind, EnhancementFailed, Error, Result};
use crate::types::{Enhancement, EnhancementAnswer, EnhancementStatus};

pub(crate) use self::agent::check_agent;
pub(crate) use self::clean::{MESSAGE, is_unseen};
pub(crate) use self::key::ApiKey;
pub(crate) use self::request::{BaseUrl, Call, Path};
pub(crate) use self::response::{cause_of, message_in, request_id};
pub use self::retry::RetryPolicy;
pub(crate) use self::retry::{Repeat, Verdict, judge_status, parse_retry_after};
pub(crate) use self::storage::{Fetch, FetchError, error_body, may_fetch, without_query};

/// `ureq` adds limits to the clock; a limit past this would overflow it, and means "none" all the same.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

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

/// What reaches the network: shared by a client and its clones, but for the limit of an attempt.
#[derive(Clone)]
pub(crate) struct Transport {
    shared: Arc<Shared>,
    timeout: Duration,
}

struct Shared {
    settings: Settings,
    agent: Agent,
    /// The agent for object storage, which never sees the key; made when it is first needed. A caller's own agent
    /// serves for both.
    storage: OnceLock<Agent>,
    /// Whether the agent is the caller's, so that what this client relies on must be set on every request.
    foreign: bool,
    key_header: Option<HeaderValue>,
    made: Instant,
    /// Until when the service asked this client to wait, in milliseconds since it was made. Not behind a lock, which
    /// all threads would meet at for every call.
    slow_until: AtomicU64,
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
        let agent = agent.unwrap_or_else(|| api_agent(&settings));
        if foreign && log_enabled!(target: "ureq_proto::util", Level::Trace) {
            warn!(
                target: LOG,
                "the logger takes trace records of ureq_proto, which hold every byte that is sent; with an agent of \
                 your own the API key is among them"
            );
        }
        Self {
            timeout: settings.timeout,
            shared: Arc::new(Shared {
                settings,
                agent,
                storage: OnceLock::new(),
                foreign,
                key_header,
                made: Instant::now(),
                slow_until: AtomicU64::new(0),
            }),
        }
    }

    /// The same with another limit of an attempt.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Makes a call whose answer is JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        self.json_with(call, |payload| serde_json::from_str(payload))
    }

    /// The same, read in the caller's own way.
    pub(crate) fn json_with<T>(&self, call: &Call, read: impl FnOnce(&str) -> serde_json::Result<T>) -> Result<T> {
        let (progress, answer) = self.call(call)?;
        read_json(&answer, read).map_err(|cause| self.not_as_promised(&progress, cause, &answer))
    }

    /// Makes a call whose answer is JSON or empty.
    pub(crate) fn json_or_default<T: DeserializeOwned + Default>(&self, call: &Call) -> Result<T> {
        let (progress, answer) = self.call(call)?;
        let read = answer.payload().and_then(|payload| match payload {
            None | Some("null") => Ok(T::default()),
            Some(payload) => serde_json::from_str(payload).map_err(|e| not_json(&e)),
        });
        read.map_err(|cause| self.not_as_promised(&progress, cause, &answer))
    }

    /// Makes a call whose answer does not matter once it is a success.
    pub(crate) fn nothing(&self, call: &Call) -> Result<()> {
        self.call(call).map(drop)
    }

    /// Makes an edit. What cannot be read of a 2xx may be an edit that was made.
    pub(crate) fn edit(&self, call: &Call) -> Result<Enhancement> {
        let (progress, answer) = self.call(call)?;
        let read = read_json(&answer, serde_json::from_str);
        let edit: EnhancementAnswer<'_> = read
            .map_err(|cause| Error::OutcomeUnknown(self.call_error(&progress, cause, Some(&answer))))
            .inspect_err(|e| tell_unknown(call, e))?;
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
    }

    fn not_as_promised(&self, progress: &Progress<'_>, cause: Cause, answer: &Answer) -> Error {
        Error::Decode(self.call_error(progress, cause, Some(answer)))
    }

    /// Makes a call, and gives its success as it came.
    fn call<'c>(&self, call: &'c Call) -> Result<(Progress<'c>, Answer)> {
        check_limit("timeout", self.timeout)?;
        let mut progress = Progress {
            call,
            began: Instant::now(),
            attempts: 0,
        };
        let answer = self.tries(&mut progress);
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
                status_word(status),
                progress.attempts,
                progress.began.elapsed().as_secs_f64(),
                id.as_deref().unwrap_or("none"),
            );
        }
        let answer = answer.inspect_err(|e| tell_unknown(call, e))?;
        Ok((progress, answer))
    }

    fn tries(&self, progress: &mut Progress<'_>) -> Result<Answer> {
        let retry = &self.shared.settings.retry;
        let mut wait = Duration::ZERO;
        loop {
            self.wait_before_sending(wait);
            progress.attempts += 1;
            let attempt = self.attempt(progress.call);
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

    fn attempt(&self, call: &Call) -> Attempt {
        let mut witness = Witness::new(call.body.as_deref().unwrap_or_default());
        let response = self.send(call, &mut witness);
        match response {
            Ok(response) => Attempt::Answered(Answer::read(
                response,
                self.shared.settings.max_answer_size.min(call.most),
            )),
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

    fn send(&self, call: &Call, witness: &mut Witness<'_>) -> Result<Response<Body>, ureq::Error> {
        let base = self.shared.settings.base_url.as_str();
        let path = call.path.as_str();
        let url = [base, path, call.query].concat();
        let mut request = Request::builder().method(call.method.http()).uri(url);
        if let Some(headers) = request.headers_mut() {
            if let Some(key) = &self.shared.key_header {
                headers.insert(HeaderName::from_static(key::HEADER), key.clone());
            }
            headers.insert(USER_AGENT, self.shared.settings.user_agent.clone());
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            if let Some(body) = &call.body {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
        }
        match call.body {
            Some(_) => self.run(request.body(SendBody::from_reader(witness))?),
            None => self.run(request.body(SendBody::none())?),
        }
    }

    fn run(&self, request: Request<SendBody<'_>>) -> Result<Response<Body>, ureq::Error> {
        let shared = &*self.shared;
        self.check_tls(&shared.agent, shared.settings.base_url.uri())?;
        if shared.foreign || self.timeout != shared.settings.timeout {
            shared.agent.run(self.configured(request))
        } else {
            shared.agent.run(request)
        }
    }

    /// Sets what this client relies on, so that no agent can undo it.
    fn configured<'b>(&self, request: Request<SendBody<'b>>) -> Request<SendBody<'b>> {
        let Shared { settings, agent, .. } = &*self.shared;
        let config = agent
            .configure_request(request)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .https_only(settings.base_url.is_https())
            .max_idle_age(MAX_IDLE)
            .timeout_global(self.limit(self.timeout, |agent| agent.global))
            .timeout_connect(self.limit(settings.connect_timeout, |agent| agent.connect))
            .proxy(proxy_for(agent, settings.base_url.uri()));
        config.build()
    }

    /// Our own limit, or a shorter one of the caller's own agent.
    fn limit(&self, ours: Duration, of_agent: fn(Timeouts) -> Option<Duration>) -> Option<Duration> {
        let theirs = self
            .shared
            .foreign
            .then(|| of_agent(self.shared.agent.config().timeouts()))
            .flatten();
        Some(ours.min(theirs.unwrap_or(ours)).min(LONGEST))
    }

    /// Refuses to connect to what needs TLS in a build that has none. Who brings an agent has been told by
    /// [`check_agent`].
    fn check_tls(&self, agent: &Agent, uri: &Uri) -> Result<(), ureq::Error> {
        if !self.shared.foreign && lacks_tls(agent, uri) {
            return Err(ureq::Error::TlsRequired);
        }
        Ok(())
    }

    /// Waits until `wait` is over, and until the service's wish to be left alone is; never longer than the retry
    /// policy's longest wait.
    fn wait_before_sending(&self, wait: Duration) {
        if wait.is_zero() && self.slow_until().is_none() {
            return;
        }
        let now = Instant::now();
        let longest = now + self.shared.settings.retry.longest_wait().min(LONGEST);
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
        match self.shared.slow_until.load(Ordering::Relaxed) {
            0 => None,
            until => Some(self.shared.made + Duration::from_millis(until)),
        }
    }

    /// Makes every call of this client wait.
    fn slow_down(&self, wait: Duration) {
        let until = (self.shared.made.elapsed() + wait.min(LONGEST)).as_millis() + 1;
        let until = u64::try_from(until).unwrap_or_default();
        self.shared.slow_until.fetch_max(until, Ordering::Relaxed);
    }

    fn cleaner(&self, call: &Call) -> Cleaner {
        Cleaner::new(&self.shared.settings.key, call)
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

/// Refuses a limit of zero.
pub(crate) fn check_limit<T: PartialEq + Default>(field: &'static str, limit: T) -> Result<()> {
    if limit == T::default() {
        return Err(Error::invalid(field, "a limit of zero lets nothing succeed"));
    }
    Ok(())
}

/// Warns of an edit that may have been made.
fn tell_unknown(call: &Call, error: &Error) {
    if let Error::OutcomeUnknown(_) = error {
        warn!(target: LOG, "{}; outcome unknown", in_short(call, error));
    }
}

/// Reads an answer that should not be empty.
fn read_json<'a, T>(answer: &'a Answer, read: impl FnOnce(&'a str) -> serde_json::Result<T>) -> Result<T, Cause> {
    match answer.payload()? {
        Some(payload) => read(payload).map_err(|e| not_json(&e)),
        None => Err(Cause::new(CauseKind::Json, "the body is empty")),
    }
}

fn not_json(error: &serde_json::Error) -> Cause {
    let message = format!("the answer is not the JSON that the API promises: {error}");
    Cause::new(CauseKind::Json, message)
}

/// The status in a log record.
pub(crate) fn status_word(status: Option<u16>) -> String {
    status.map_or("none".to_owned(), |status| status.to_string())
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
