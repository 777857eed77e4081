//! The connections of the agents that a client makes for itself.
//!
//! They are built on `ureq`'s own, and `ureq` may change the traits between the two in a minor version.

use std::io;

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
                    look: Look::Taken,
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
    look: Look,
}

/// Whether the server was seen to keep the connection open since its last answer.
///
/// `ureq` looks twice, and three system calls each time: when it puts a connection aside and when it takes it up again.
/// What the first look would see the second one sees as well, so the first is left out, and a connection that the server
/// has closed may lie there until then. And no request is sent on a connection without a look, even if `ureq` should look
/// only once some day.
#[derive(Debug, PartialEq)]
enum Look {
    /// It was looked at, or it is new.
    Taken,
    /// An answer has come.
    Due,
    /// It was put aside without a look.
    Owed,
}

impl<T: Transport> Transport for ApiTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.look == Look::Owed && !self.is_open() {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        let output = self.inner.buffers().output();
        let placed = output.get_mut(..amount).and_then(|sent| put_key(sent, &self.key));
        let result = self.inner.transmit_output(amount, timeout);
        // The buffer outlives the request.
        if let Some(key) = placed.and_then(|place| self.inner.buffers().output().get_mut(place)) {
            key.fill(b'*');
        }
        result
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.look = Look::Due;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        if self.look == Look::Due {
            self.look = Look::Owed;
            return true;
        }
        self.look = Look::Taken;
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Keeps the limit of a single read from the head of an answer, which has a limit of its own.
#[derive(Debug)]
pub(super) struct PatientConnector;

impl<In: Transport> Connector<In> for PatientConnector {
    type Out = PatientTransport<In>;

    #[inline]
    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(PatientTransport))
    }
}

#[derive(Debug)]
pub(super) struct PatientTransport<T>(T);

impl<T: Transport> Transport for PatientTransport<T> {
    #[inline]
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    #[inline]
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    #[inline]
    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if timeout.reason == ureq::Timeout::RecvResponse {
            timeout.per_read = None;
        }
        self.0.await_input(timeout)
    }

    #[inline]
    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    #[inline]
    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// Counts what is asked of it.
    #[derive(Debug)]
    struct Counting {
        buffers: LazyBuffers,
        open: bool,
        looks: usize,
        sent: usize,
    }

    impl Transport for Counting {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, _amount: usize, _timeout: NextTimeout) -> Result<(), ureq::Error> {
            self.sent += 1;
            Ok(())
        }

        fn await_input(&mut self, _timeout: NextTimeout) -> Result<bool, ureq::Error> {
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            self.looks += 1;
            self.open
        }
    }

    #[test]
    fn a_connection_is_looked_at_once_between_two_calls_whoever_asks() {
        let soon = NextTimeout::default();
        let mut connection = ApiTransport {
            inner: Counting {
                buffers: LazyBuffers::new(64, 64),
                open: true,
                looks: 0,
                sent: 0,
            },
            key: ApiKey::new("k", "api_key").unwrap(),
            look: Look::Taken,
        };
        // As `ureq` does it: put aside, taken up again.
        for call in 0..3 {
            connection.transmit_output(0, soon).unwrap();
            connection.transmit_output(0, soon).unwrap();
            connection.await_input(soon).unwrap();
            assert!(connection.is_open());
            assert_eq!(connection.inner.looks, call);
            assert!(connection.is_open());
            assert_eq!(connection.inner.looks, call + 1);
        }
        connection.transmit_output(0, soon).unwrap();

        // Closed in between.
        connection.await_input(soon).unwrap();
        connection.inner.open = false;
        connection.is_open();
        assert!(!connection.is_open());

        // If it were looked at only when it is put aside.
        connection.await_input(soon).unwrap();
        connection.is_open();
        let sent = connection.inner.sent;
        let error = connection.transmit_output(0, soon).unwrap_err();
        assert!(matches!(error, ureq::Error::Io(e) if e.kind() == io::ErrorKind::NotConnected));
        assert_eq!(connection.inner.sent, sent);
    }
}
