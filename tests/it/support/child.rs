//! A test in a process of its own, for what depends on the environment or counts what a process
//! has.

use std::ffi::OsStr;
use std::process::Command;

/// Set in such a process.
const MARK: &str = "IMAGEN_AI_TEST_CHILD";

/// Whether this is such a process.
pub fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// One test of this binary, with these variables and no others that a client looks at.
pub fn command<V: AsRef<OsStr>>(test: &str, variables: &[(&str, V)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    command
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1");
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    for name in ["IMAGEN_API_KEY", "IMAGEN_BASE_URL"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

/// Runs it, and returns what it printed once it has passed.
#[track_caller]
pub fn run<V: AsRef<OsStr>>(test: &str, variables: &[(&str, V)]) -> String {
    let output = command(test, variables).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(
        text.contains("1 passed"),
        "no test is called {test}: {text}"
    );
    text
}
