//! One test binary: a module per subject, the servers it runs against in `support`. In an order to
//! read them in.

#![allow(unreachable_pub)]

// The servers, and what else tests share.
mod support;

// What is sent, and what is made of good answers and of plain refusals.
mod calls;
// How a client is made, and the environment.
mod client;
// Until a project is ready.
mod wait;

// Making, finding and listing projects.
mod projects;
// From files to an edited and exported project.
mod edit;
mod upload;

// From presigned URLs to files.
mod download;

// From an answer to a tree of versions.
mod history;
// Edits that build on each other.
mod chain;
// A project and what was done to it, in a file.
mod job;
// Chains whose process is killed.
mod killed;

// What each call makes of each thing that a network can do to it.
mod faults;
// What costs is sent again only with proof that nothing was sent.
mod once;
// The redirect that is followed.
mod redirects;
// How the service's limit is waited for.
mod pace;
// How long a call takes, how much memory, how many threads.
mod bounds;

// An agent of the caller's own.
mod agent;
// What each feature of the crate adds.
mod features;
// Which servers are believed.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
// Through which proxy a call goes, and what that sees.
mod proxy;
// Who is told the key, and who a query.
mod secrets;
// What holds of every answer, however wrong.
mod properties;

// The script server itself.
mod script;
