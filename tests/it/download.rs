//! Files from presigned URLs to disk: whole, under the right name, or not at all.

mod answers;
mod faults;
mod files;
mod folder;
mod many;

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use imagen_ai::{
    Client, ClientBuilder, Error, RetryPolicy, SignedUrl, TransferError, TransferReason,
};

use crate::support::file::File;
use crate::support::script::{End, Turn};

const KEY: &str = "sk-download-0123456789";

const MIB: usize = 1024 * 1024;

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

/// A link as object storage signs it, to a file of a server.
fn signed(server: &str) -> SignedUrl {
    format!("{server}/photos/DSC_0001.JPEG?X-Amz-Signature=SECRET-SIGNATURE")
        .as_str()
        .into()
}

/// The names in a folder, hidden ones too, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        names.push(entry.unwrap().file_name().into_string().unwrap());
    }
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

/// Turns of a server that has one file and breaks off each time but the last.
fn broken(file: &File, times: usize, bytes: usize, end: End) -> Vec<Turn> {
    let mut script = vec![Turn::file(file).cut_body(bytes, end); times];
    script.push(Turn::file(file));
    script
}
