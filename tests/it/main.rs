//! One test binary: a module per subject, the servers it runs against in `support`.

#![allow(unreachable_pub)]

mod edit;
mod projects;
mod support;
mod upload;
