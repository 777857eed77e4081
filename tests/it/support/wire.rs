//! The API on `mockito`: what a call must send, and what it is answered.
//!
//! ```text
//! let mut wire = Wire::new();
//! let sent = wire
//!     .answers("POST", "/v1/projects/p/finalize", 200, OK)
//!     .match_body(r#"{"project_source":"REGULAR"}"#)
//!     .create();
//! wire.client().project("p").finalize().unwrap();
//! sent.assert();
//! ```
//!
//! Of several mocks that a request fits, the first one answers that still expects a request, and
//! the last one if none does. So `.expect(1)` on each but the last makes a sequence.
//!
//! There are 50 servers at most: a test that holds more at once waits for ever.

use std::net::SocketAddr;

use imagen_ai::{Client, ClientBuilder, RetryPolicy};
use mockito::{Matcher, Mock, ServerGuard};

use super::ms;

pub const KEY: &str = "sk-wire-0123456789";

/// An answer that every call can read.
pub const OK: &str = r#"{"status":"SUCCESS","version_id":7,"project_uuid":"p","prompts":[],
    "enhanced_image_url":"https://s3.example/a.jpg?sig=presigned",
    "files_list":[{"download_link":"https://s3.example/a.jpg?sig=presigned"}]}"#;

/// Of which the API has any use, and storage.
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// A server of `mockito`'s, which answers 501 to what no mock of it expects.
pub struct Wire(pub ServerGuard);

impl Wire {
    pub fn new() -> Self {
        Self(mockito::Server::new())
    }

    /// One that gives this answer to every request.
    pub fn answering(status: usize, body: impl AsRef<[u8]>) -> Self {
        let mut wire = Self::new();
        for method in METHODS {
            let mock = wire.answers(method, Matcher::Any, status, &body);
            mock.create();
        }
        wire
    }

    /// The answer to requests of this method and this path, with its query, that have the key. It
    /// is there once it is `create`d.
    pub fn answers(
        &mut self,
        method: &str,
        path: impl Into<Matcher>,
        status: usize,
        body: impl AsRef<[u8]>,
    ) -> Mock {
        let mock = self.0.mock(method, path).match_header("x-api-key", KEY);
        mock.with_status(status).with_body(body)
    }

    /// Any request at all, of which there must be none when [`assert_all`] is called.
    pub fn hears_nothing(&mut self) -> Vec<Mock> {
        let mut mocks = Vec::new();
        for method in METHODS {
            mocks.push(self.0.mock(method, Matcher::Any).expect(0).create());
        }
        mocks
    }

    pub fn addr(&self) -> SocketAddr {
        self.0.socket_address()
    }

    pub fn url(&self) -> String {
        self.0.url()
    }

    /// A client that calls this server, once a call.
    pub fn builder(&self) -> ClientBuilder {
        let client = Client::builder(KEY).base_url(format!("{}/v1", self.url()));
        client.retry(RetryPolicy::none())
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    /// A client that tries three times, with no wait to speak of.
    pub fn patient_client(&self) -> Client {
        let retry = RetryPolicy {
            max_attempts: 3,
            base_delay: ms(1),
            ..RetryPolicy::default()
        };
        self.builder().retry(retry).build().unwrap()
    }
}

/// Each of them was asked as often as it expects.
#[track_caller]
pub fn assert_all(mocks: &[Mock]) {
    for mock in mocks {
        mock.assert();
    }
}
