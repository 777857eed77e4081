//! A mockito server that answers every request alike and keeps what it received, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use imagen_ai::{Client, ClientBuilder, RetryPolicy};
use mockito::{Matcher, Server, ServerGuard};

pub const KEY: &str = "sk-canned-0123456789";

/// An answer that every call can read.
pub const OK: &str = r#"{"status":"SUCCESS","version_id":7,"enhanced_image_url":"https://s3.example/a.jpg?sig=presigned",
    "project_uuid":"p","prompts":[],"files_list":[{"download_link":"https://s3.example/a.jpg?sig=presigned"}]}"#;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With the query, as it stood on the request line.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }
}

pub struct Canned {
    server: ServerGuard,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Canned {
    pub fn new(status: usize, body: impl Into<Vec<u8>>) -> Self {
        Self::with_headers(status, &[], body)
    }

    pub fn with_headers(status: usize, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let mut server = Server::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let body = body.into();
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD"] {
            let (seen, body) = (Arc::clone(&seen), body.clone());
            let mut mock = server.mock(method, Matcher::Any).with_status(status);
            for (name, value) in headers {
                mock = mock.with_header(*name, value);
            }
            mock.with_body_from_request(move |request| {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let headers = request.headers().iter();
                seen.lock().unwrap().push(Seen {
                    method: request.method().to_owned(),
                    path: request.path_and_query().to_owned(),
                    headers: headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
                    body: text(request.body().unwrap()),
                });
                body.clone()
            })
            .create();
        }
        Self { server, seen }
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.socket_address()
    }

    pub fn base_url(&self) -> String {
        format!("{}/v1", self.server.url())
    }

    /// A client that calls this server, once a call.
    pub fn builder(&self) -> ClientBuilder {
        let client = Client::builder(KEY).base_url(self.base_url());
        client.retry(RetryPolicy::none())
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What arrived, of which there must be one.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen[0].clone()
    }
}
