//! One test binary: a module per subject, the servers it runs against in `support`.

#![allow(unreachable_pub)]

mod calls;
mod client;
mod download;
mod faulty;
mod simulator;
mod support;
mod wait;
