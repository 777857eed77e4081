//! One test binary: a module per subject, the servers it runs against in `support`. In an order to read them in.

#![allow(unreachable_pub)]

// The servers, and what else tests share.
mod support;

// What is sent, and what is made of good answers and of plain refusals.
mod calls;
// How a client is made, and the environment.
mod client;
// Until a project is ready.
mod wait;
// From an answer of any shape to a tree of versions.
mod history;
// Edits that build on each other, over a bad network too.
mod chain;
// From presigned URLs to files.
mod download;

// What each call makes of each thing that a network can do to it.
mod faults;
// How long a call takes, how much memory, how many threads.
mod bounds;
// What holds of every answer, however wrong.
mod properties;
// Who is told the key, and who a query.
mod secrets;

// An agent of the caller's own.
mod agent;
// What each feature of the crate adds.
mod features;
// Through which proxy a call goes, and what that sees.
mod proxy;
// Which servers are believed.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;

// The fault server itself.
mod faulty;
// The simulator itself.
mod simulator;
