//! The servers that stand in for the real one, and what else tests share.

use imagen_ai::ureq::{Agent, config::ConfigBuilder, typestate::AgentScope};

pub mod canned;
pub mod child;
pub mod faulty;
pub mod logs;
pub mod proxy;
pub mod simulator;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub mod tls;

/// An agent's settings as `ureq` has them, but for the kind of TLS that this build has: the one that `ureq` would choose
/// is refused where it is not there.
pub fn agent_config() -> ConfigBuilder<AgentScope> {
    let config = Agent::config_builder();
    #[cfg(all(feature = "native-tls", not(feature = "rustls")))]
    let config = {
        use imagen_ai::ureq::tls::{TlsConfig, TlsProvider};
        config.tls_config(TlsConfig::builder().provider(TlsProvider::NativeTls).build())
    };
    config
}
