//! The connection to a proxy, before it is a tunnel to anywhere.

use std::fmt;
use std::time::Instant;

use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

/// Holds a proxy to the time limit for connecting.
///
/// `ureq` gives that limit to each wait for a piece of the proxy's answer anew, so that a proxy which sends a byte now
/// and then would keep a call for hours.
pub(crate) struct ProxyTransport<T> {
    inner: T,
    /// When the answer must be there. `None` once it was, and when there is no limit.
    deadline: Option<Instant>,
    heard: bool,
}

impl<T> ProxyTransport<T> {
    /// For a connection that must be a tunnel after that time.
    pub(crate) fn new(inner: T, limit: Duration) -> Self {
        let deadline = match limit {
            Duration::Exact(after) => Instant::now().checked_add(after),
            Duration::NotHappening => None,
        };
        Self {
            inner,
            deadline,
            heard: false,
        }
    }
}

impl<T: Transport> Transport for ProxyTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.heard {
            // What is sent after the answer is for the server behind the proxy.
            self.deadline = None;
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.heard = true;
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ureq::Error::Timeout(timeout.reason));
            }
            timeout.after = Duration::Exact(left.min(*timeout.after));
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T: Transport> fmt::Debug for ProxyTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// Remembers how long it was allowed to wait.
    #[derive(Debug)]
    struct Patient(LazyBuffers, Option<Duration>);

    impl Transport for Patient {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.0
        }

        fn transmit_output(&mut self, _amount: usize, _timeout: NextTimeout) -> Result<(), ureq::Error> {
            Ok(())
        }

        fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
            self.1 = Some(timeout.after);
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    #[test]
    fn the_limit_holds_for_the_whole_answer_of_the_proxy_and_for_nothing_else() {
        let long = NextTimeout {
            after: Duration::from_secs(1000),
            ..NextTimeout::default()
        };
        let new = |limit| ProxyTransport::new(Patient(LazyBuffers::new(1, 1), None), limit);

        let mut proxy = new(Duration::from_secs(100));
        for _ in 0..2 {
            proxy.transmit_output(0, long).unwrap();
        }
        for _ in 0..2 {
            proxy.await_input(long).unwrap();
            assert!(proxy.inner.1.take().unwrap() <= std::time::Duration::from_secs(100).into());
        }
        proxy.transmit_output(0, long).unwrap();
        proxy.await_input(long).unwrap();
        assert_eq!(proxy.inner.1, Some(long.after));

        let mut late = new(Duration::from_secs(0));
        let error = late.await_input(long).unwrap_err();
        assert!(matches!(error, ureq::Error::Timeout(_)), "{error:?}");
        assert_eq!(late.inner.1, None);

        let mut unlimited = new(Duration::NotHappening);
        unlimited.await_input(long).unwrap();
        assert_eq!(unlimited.inner.1, Some(long.after));
    }
}
