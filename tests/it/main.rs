//! One test binary: a module per subject, the servers it runs against in `support`.

#![allow(unreachable_pub)]

mod agent;
mod bounds;
mod calls;
mod chain;
mod client;
mod download;
mod faults;
mod faulty;
mod features;
mod history;
mod properties;
mod proxy;
mod secrets;
mod simulator;
mod support;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
mod wait;
