//! Files from presigned URLs to disk: whole, under the right name, or not at all.

mod faults;
mod files;
mod many;

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use imagen_ai::{Client, ClientBuilder, Error, RetryPolicy, TransferError, TransferReason};

use crate::support::faulty::{End, Faulty, File, Reply};

const KEY: &str = "sk-download-0123456789";

const MIB: u64 = 1024 * 1024;

const RETRY: RetryPolicy = RetryPolicy {
    max_attempts: 3,
    base_delay: Duration::from_millis(2),
    max_delay: Duration::from_millis(5),
    max_retry_after: Duration::from_secs(5),
    max_throttled: Duration::from_secs(5),
};

/// A client whose API is nowhere: downloads do not need it.
fn builder() -> ClientBuilder {
    Client::builder(KEY)
        .base_url("http://127.0.0.1:9/v1")
        .retry(RETRY)
}

fn client() -> Client {
    builder().build().unwrap()
}

/// A presigned-looking URL of a server's.
fn url(server: &Faulty) -> String {
    format!(
        "{}/photos/DSC_0001.JPEG?X-Amz-Signature=SECRET-SIGNATURE",
        server.url()
    )
}

/// The names in a folder, hidden ones too, in order.
fn names(folder: &Path) -> Vec<String> {
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// The error of a transfer, after a look whether it keeps the secret.
#[track_caller]
fn failed<T: Debug>(result: Result<T, Error>) -> TransferError {
    let error = result.unwrap_err();
    let text = format!("{error} {error:?} {error:#?}");
    assert!(!text.contains("SECRET"), "{text}");
    match error {
        Error::Transfer(e) => *e,
        other => panic!("{other:?}"),
    }
}

/// Why a transfer failed, and what its error says.
#[track_caller]
fn reason<T: Debug>(result: Result<T, Error>) -> (TransferReason, String) {
    let error = failed(result);
    (error.reason, error.to_string())
}

/// Answers of a server that has one file and breaks off each time but the last.
fn broken(file: &File, times: usize, bytes: u64, end: End) -> Vec<Reply> {
    let mut script = vec![Reply::file(file).cut_body(bytes, end); times];
    script.push(Reply::file(file));
    script
}
