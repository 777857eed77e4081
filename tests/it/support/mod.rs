//! The servers that stand in for the real one.

pub mod canned;
pub mod child;
pub mod faulty;
pub mod logs;
pub mod proxy;
pub mod simulator;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub mod tls;
