//! Jobs: a project and what was done to it, kept in a file.

mod disk;
#[allow(dead_code, reason = "the jobs that use it follow")]
mod header;
#[allow(dead_code, reason = "the jobs that use it follow")]
mod journal;
