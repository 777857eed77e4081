//! One attempt at a call: sending the request, what came of it, and what comes next.

use std::time::Duration;

use ureq::config::Timeouts;
use ureq::http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT,
};
use ureq::http::{Request, Response, Uri};
use ureq::{Body, SendBody};

use super::agent::{self, configured, of_call};
use super::answer::{Answer, Tries};
use super::{Call, Transport, cause, may_pass, redirect};
use crate::error::{Cause, CauseKind, Error, Result};

/// The header that holds the key.
const KEY: HeaderName = HeaderName::from_static("x-api-key");

const CERTIFICATE_ADVICE: &str = "a wrong clock makes certificates invalid; a certificate \
    authority of your own is trusted with ClientBuilder::agent, those of the operating system with \
    the feature platform-verifier";

/// With no time to send a request, `ureq` gives it up once it is connected.
const NO_TIME_TO_SEND: Duration = Duration::ZERO;

/// What one attempt came to.
pub(super) enum Attempt<'c> {
    /// A success whose body arrived whole.
    Answered(Answer<'c>),
    /// The service, or a gateway, answered with another status.
    Refused(Answer<'c>),
    /// Nothing was sent.
    NotSent(Answer<'c>, Cause),
    /// Nothing was done, and another attempt would end in the same way.
    Barred(Answer<'c>, Cause),
    /// Something may have been sent, and no whole answer came.
    Lost(Answer<'c>, Cause),
}

/// What comes after an attempt.
pub(super) enum Next<'c> {
    Return(Result<Answer<'c>>),
    /// Nothing was done: wait for the service's limit. It counts as no failure.
    WaitForLimit(Error),
    /// Try again, if the policy has an attempt left; else this error.
    Retry(Error),
}

/// Decides what comes after an attempt.
pub(super) fn next<'c>(call: &Call, attempt: Attempt<'c>) -> Next<'c> {
    match attempt {
        Attempt::Answered(answer) => Next::Return(Ok(answer)),
        Attempt::Refused(answer) => next_after_refusal(call, &answer),
        Attempt::NotSent(answer, cause) => Next::Retry(Error::Network(answer.error(cause))),
        Attempt::Barred(answer, cause) => Next::Return(Err(barred(&answer, cause))),
        Attempt::Lost(answer, cause) if call.is_once() => Next::Return(Err(answer.unknown(cause))),
        Attempt::Lost(answer, cause) if cause.kind == CauseKind::TooLarge => {
            Next::Return(Err(Error::Decode(answer.error(cause))))
        }
        Attempt::Lost(answer, cause) => Next::Retry(Error::Network(answer.error(cause))),
    }
}

fn next_after_refusal<'c>(call: &Call, answer: &Answer<'c>) -> Next<'c> {
    match answer.status.unwrap_or_default() {
        429 => Next::WaitForLimit(answer.refused()),
        // A gateway may have passed the call on.
        408 | 500..=599 if call.is_once() => Next::Return(Err(answer.unknown_by_status())),
        status if may_pass(status) && !call.is_once() => Next::Retry(answer.refused()),
        _ => Next::Return(Err(answer.refused())),
    }
}

fn barred(answer: &Answer<'_>, cause: Cause) -> Error {
    let is_certificate = cause.kind == CauseKind::Tls;
    let mut error = answer.error(cause);
    if is_certificate {
        error.advice = CERTIFICATE_ADVICE;
    }
    Error::Network(error)
}

impl Transport {
    /// Sends a call once. A redirect to the other form of its path is followed, once.
    pub(super) fn attempt<'c>(&'c self, call: &'c Call, tries: Tries) -> Attempt<'c> {
        if call.is_once()
            && call.body.is_none()
            && let Err(e) = self.try_connection()
        {
            let is_unsent = true;
            return self.failed(Answer::new(self, call, tries), &e, is_unsent);
        }
        match self.exchange(call, &call.path, tries) {
            Attempt::Refused(answer) if self.leads_to_other_form(call, &answer) => {
                self.exchange(call, &redirect::other_form(&call.path), tries)
            }
            attempt => attempt,
        }
    }

    /// Finds out whether the service can be reached, without sending anything.
    ///
    /// A call with a body is known not to have been sent if `ureq` did not ask for the body. For
    /// one without, nothing else tells a connection that was not made from one that broke. (If the
    /// request that is tried here were sent, it would change nothing.)
    fn try_connection(&self) -> Result<(), ureq::Error> {
        let agent = &self.shared.agent;
        let request = Request::get(self.base_url()).body(SendBody::none())?;
        let mut timeouts = self.timeouts();
        timeouts.send_request = Some(NO_TIME_TO_SEND);
        let request = configured(agent, request, 0, timeouts, None);
        // `ureq` takes no connection that it has kept if its buffer has another size.
        let fresh_connection = agent.config().input_buffer_size() + 1;
        let request = agent
            .configure_request(request)
            .input_buffer_size(fresh_connection);
        match agent.run(request.build()) {
            Ok(_) | Err(ureq::Error::Timeout(ureq::Timeout::SendRequest)) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn leads_to_other_form(&self, call: &Call, answer: &Answer<'_>) -> bool {
        let is_followed = redirect::keeps_method(answer.status.unwrap_or_default(), call.method);
        let url: Uri = self.url(&call.path, "").parse().unwrap_or_default();
        let location = answer.location().unwrap_or_default();
        is_followed && redirect::is_other_form(location, &url)
    }

    /// Sends a request and reads what comes back.
    fn exchange<'c>(&'c self, call: &'c Call, path: &str, tries: Tries) -> Attempt<'c> {
        let mut answer = Answer::new(self, call, tries);
        let body = call.body.as_deref().unwrap_or_default();
        let mut unread = body;
        let response = match self.request(call, path, &mut unread) {
            Ok(response) => response,
            Err(e) => {
                // `ureq` asks for the body once the head is written. As long as it has not, the
                // service has at most the head of a request whose body it was promised, and can
                // have done nothing.
                let is_untouched = !body.is_empty() && unread.len() == body.len();
                let is_unsent = is_untouched || cause::is_before_connecting(&e);
                return self.failed(answer, &e, is_unsent);
            }
        };
        let received = answer.receive(response, self.shared.limits.max_answer_size);
        // The status of a refusal tells enough, even if its body was cut.
        if !answer.is_success() {
            return Attempt::Refused(answer);
        }
        match received {
            Ok(()) => Attempt::Answered(answer),
            Err(e) => Attempt::Lost(answer, self.cause(&e)),
        }
    }

    /// Says what an error means that came in place of an answer.
    fn failed<'c>(&self, answer: Answer<'c>, error: &ureq::Error, is_unsent: bool) -> Attempt<'c> {
        let cause = self.cause(error);
        let is_refused = cause::is_certificate(error) || cause::is_refused_by_proxy(error);
        if is_refused && (is_unsent || !answer.call.is_once()) {
            return Attempt::Barred(answer, cause);
        }
        if is_unsent {
            return Attempt::NotSent(answer, cause);
        }
        Attempt::Lost(answer, cause)
    }

    fn request(
        &self,
        call: &Call,
        path: &str,
        body: &mut &[u8],
    ) -> Result<Response<Body>, ureq::Error> {
        let url = self.url(path, &call.query);
        let mut request = Request::get(url).body(())?;
        *request.method_mut() = call.http_method();
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

    fn url(&self, path: &str, query: &str) -> String {
        [self.base_url(), path, query].concat()
    }

    fn run(&self, mut request: Request<SendBody<'_>>) -> Result<Response<Body>, ureq::Error> {
        let agent = &self.shared.agent;
        if self.shared.foreign || self.timeout != self.shared.limits.timeout {
            request = configured(agent, request, 0, self.timeouts(), None);
        }
        agent.run(request)
    }

    /// Returns the limits of an attempt. Those of a caller's agent hold too.
    fn timeouts(&self) -> Timeouts {
        let theirs = if self.shared.foreign {
            self.shared.agent.config().timeouts()
        } else {
            Timeouts::default()
        };
        of_call(&self.shared.limits, self.timeout, theirs)
    }

    /// Says what went wrong with a call, and which host or proxy was not reached.
    fn cause(&self, error: &ureq::Error) -> Cause {
        let base_url = self.base_url().parse().unwrap_or_default();
        let peer = agent::peer(&self.shared.agent, &base_url);
        let words = self.redact(&cause::words(error));
        Cause {
            kind: cause::kind_of(error),
            message: format!("{peer}: {words}"),
        }
    }
}
