//! A server that answers every request alike and keeps what it received, byte for byte.

use std::net::SocketAddr;

use imagen_ai::{Client, ClientBuilder, RetryPolicy};

use super::faulty::{Faulty, Reply};

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
        headers
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value.as_str()))
    }
}

pub struct Canned(Faulty);

impl Canned {
    pub fn new(status: usize, body: impl Into<Vec<u8>>) -> Self {
        Self::with_headers(status, &[], body)
    }

    pub fn with_headers(status: usize, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let reply = Reply::status(status).body(body);
        Self(Faulty::start([headers
            .iter()
            .fold(reply, |reply, (name, value)| {
                reply.header(*name, *value)
            })]))
    }

    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    pub fn base_url(&self) -> String {
        format!("{}/v1", self.0.url())
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
        let requests = self.0.received().into_iter();
        let seen = requests.map(|request| Seen {
            method: request.method().to_owned(),
            path: request.path().to_owned(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            headers: request.headers,
        });
        seen.collect()
    }

    /// What arrived, of which there must be one.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen[0].clone()
    }
}
