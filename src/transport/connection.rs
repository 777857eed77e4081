//! The connections of the agents that a client makes for itself.
//!
//! They are built on `ureq`'s own, and `ureq` may change the traits between the two in a minor version.

use std::time;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport};

use super::key::{ApiKey, put_key};
use super::proxy::ProxyTransport;

/// Looks names up on the thread that asks.
///
/// `ureq`'s own starts a thread for every lookup that has a time limit, so for every call.
#[derive(Debug, Default)]
pub(super) struct CallingThreadResolver(DefaultResolver);

impl Resolver for CallingThreadResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let unlimited = NextTimeout {
            after: Duration::NotHappening,
            ..timeout
        };
        self.0.resolve(uri, config, unlimited)
    }
}

/// Tells connections to the API's host from those to proxies, which are all the others that the agent for the API
/// makes.
#[derive(Debug)]
pub(super) struct ApiConnector {
    pub(super) host: Uri,
    pub(super) key: ApiKey,
}

impl<In: Transport> Connector<In> for ApiConnector {
    type Out = Either<ProxyTransport<In>, ApiTransport<In>>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let same_host = details.uri.scheme() == self.host.scheme() && details.uri.authority() == self.host.authority();
        Ok(chained.map(|inner| {
            if same_host {
                Either::B(ApiTransport {
                    inner,
                    key: self.key.clone(),
                })
            } else {
                Either::A(ProxyTransport::new(inner, details.timeout.after))
            }
        }))
    }
}

/// The connection to the API's host, the only one that the key is put into.
#[derive(Debug)]
pub(super) struct ApiTransport<T> {
    inner: T,
    key: ApiKey,
}

impl<T: Transport> Transport for ApiTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.inner.buffers().output();
        let placed = output.get_mut(..amount).and_then(|sent| put_key(sent, &self.key));
        let result = self.inner.transmit_output(amount, in_ticks(timeout));
        // The buffer outlives the request.
        if let Some(key) = placed.and_then(|place| self.inner.buffers().output().get_mut(place)) {
            key.fill(b'*');
        }
        result
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(in_ticks(timeout))
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// The limit in whole ticks of a slow clock.
///
/// `ureq` tells the system what is left of a limit before each step, unless it is what it told before. Counted in
/// nanoseconds it never is, and that costs three system calls for each call of the API. Systems count such limits in
/// ticks of 1 to 10 ms anyway.
fn in_ticks(mut timeout: NextTimeout) -> NextTimeout {
    const TICK: u128 = 10;
    if let Duration::Exact(after) = &mut timeout.after {
        let milliseconds = (after.as_millis() / TICK + 1) * TICK;
        *after = time::Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
    }
    timeout
}

/// Keeps the limit of a single read from the head of an answer, which has a limit of its own.
#[derive(Debug)]
pub(super) struct PatientConnector;

impl<In: Transport> Connector<In> for PatientConnector {
    type Out = PatientTransport<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(PatientTransport))
    }
}

#[derive(Debug)]
pub(super) struct PatientTransport<T>(T);

impl<T: Transport> Transport for PatientTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if timeout.reason == ureq::Timeout::RecvResponse {
            timeout.per_read = None;
        }
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_same_for_every_step_of_a_quick_call_and_hardly_longer() {
        let of = |limit| match in_ticks(NextTimeout {
            after: limit,
            ..NextTimeout::default()
        })
        .after
        {
            Duration::Exact(after) => Some(after),
            Duration::NotHappening => None,
        };
        let micros = |micros| Duration::Exact(time::Duration::from_micros(micros));
        assert_eq!(of(micros(299_999_980)), Some(time::Duration::from_secs(300)));
        assert_eq!(of(micros(299_990_001)), Some(time::Duration::from_secs(300)));
        assert_eq!(of(micros(1)), Some(time::Duration::from_millis(10)));
        assert_eq!(of(Duration::NotHappening), None);
        assert!(of(Duration::Exact(time::Duration::MAX)).is_some());
    }
}
