//! The servers that stand in for the real one.

pub mod canned;
pub mod faulty;
pub mod logs;
pub mod simulator;
