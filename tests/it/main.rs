//! One test binary: a module per subject, the servers it runs against in `support`.

#![allow(unreachable_pub)]

mod calls;
mod client;
mod faults;
mod download;
mod faulty;
mod properties;
mod secrets;
mod simulator;
mod support;
mod waits;
mod wait;
