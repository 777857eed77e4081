//! The servers that stand in for the real one, and what else tests share.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai::ureq::config::{ConfigBuilder, RedirectAuthHeaders};
use imagen_ai::ureq::{Agent, typestate::AgentScope};
use imagen_ai::{Client, ClientBuilder, Error, Result, RetryPolicy};

use simulator::Simulator;

#[cfg(not(windows))]
pub mod backlog;
pub mod child;
pub mod file;
pub mod logs;
pub mod nowhere;
pub mod proxy;
pub mod script;
pub use imagen_ai_simulator as simulator;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub mod tls;
pub mod wire;

/// An agent's settings as `ureq` has them, but for the kind of TLS that this build has: the one
/// that `ureq` would choose is refused where it is not there.
pub fn agent_config() -> ConfigBuilder<AgentScope> {
    let config = Agent::config_builder();
    #[cfg(all(feature = "native-tls", not(feature = "rustls")))]
    let config = {
        use imagen_ai::ureq::tls::{TlsConfig, TlsProvider};
        config.tls_config(
            TlsConfig::builder()
                .provider(TlsProvider::NativeTls)
                .build(),
        )
    };
    config
}

/// A client's settings with an agent of its own, and with one of a caller's.
pub fn with_both_agents(builder: impl Fn() -> ClientBuilder) -> [ClientBuilder; 2] {
    [builder(), builder().agent(agent_config().build().into())]
}

/// Settings that have everything as this client must not have it.
pub fn contrary_config() -> ConfigBuilder<AgentScope> {
    /// Longer than a script stalls.
    const AGES: Duration = Duration::from_secs(120);
    agent_config()
        .proxy(None)
        .http_status_as_error(true)
        .max_redirects(10)
        .max_redirects_will_error(true)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .https_only(true)
        .user_agent("contrary/1.0")
        .accept("text/html")
        .max_idle_age(AGES)
        .timeout_global(Some(AGES))
        .timeout_connect(Some(AGES))
}

pub fn contrary_agent() -> Agent {
    contrary_config().build().into()
}

/// A client of the simulator's that tries three times, with no wait to speak of.
pub fn client_of(simulator: &Simulator) -> Client {
    client_at(&simulator.base_url(), simulator.key())
}

/// The same for any server.
pub fn client_at(base_url: &str, key: &str) -> Client {
    let retry = RetryPolicy {
        max_attempts: 3,
        base_delay: ms(1),
        ..RetryPolicy::default()
    };
    let client = Client::builder(key).base_url(base_url).retry(retry);
    client.build().unwrap()
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Looks whether a call was refused for this argument, and returns what the error says.
#[track_caller]
pub fn refused<T: Debug>(result: Result<T>, argument: &str) -> String {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, Error::InvalidInput { field, .. } if *field == argument),
        "{error}"
    );
    format!("{error} {error:#?}")
}

/// How late a busy machine may be with what it is about to do.
pub const BUSY: Duration = Duration::from_secs(60);

/// For what another thread or process is about to do.
#[track_caller]
pub fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + BUSY;
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened");
        thread::sleep(ms(1));
    }
}

/// Runs a test of limits that a busy machine may not keep, and if it fails, once more with limits
/// that are so many times as long.
pub fn patiently(test: impl Fn(u32)) {
    if catch_unwind(AssertUnwindSafe(|| test(1))).is_err() {
        test(10);
    }
}

/// Does something for each of many, a few at a time, since most of them wait most of the time.
pub fn side_by_side<T: Sync>(many: &[T], each: impl Fn(&T) + Sync) {
    imagen_ai::parallel(many, 64, each);
}

/// Takes a lock that another thread may have held as it panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a link of a URL.
pub fn link(url: impl AsRef<str>) -> imagen_ai::SignedUrl {
    url.as_ref().into()
}
