//! One test binary: a module per subject, the servers it runs against in `support`.

#![allow(unreachable_pub)]

mod support;

mod download;
