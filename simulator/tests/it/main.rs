//! The simulator, called over the network as any HTTP client would.

mod callbacks;
mod copilot;
mod edit;
mod failures;
mod limits;
mod names;
mod parts;
mod photos;
mod program;
mod projects;
mod refusals;
mod settings;
mod slow;
mod storage;
mod support;
