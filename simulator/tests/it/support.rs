//! A client that sends a request exactly as a test has it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::thread;
use std::time::{Duration, Instant};

use imagen_ai_simulator::{READY, Simulator};
use serde_json::{Value, json};

pub(crate) const IMAGE: &str = "DSC_0001.JPEG";

/// How long a test waits for what never happens, before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer: its status, all of it as text, and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Asserts the status, and that the answer, head and body, has this text in it.
    #[track_caller]
    pub(crate) fn is(self, status: u16, text: &str) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self.has(text)
    }

    #[track_caller]
    pub(crate) fn has(self, text: &str) -> Self {
        assert!(self.text.contains(text), "no {text}\n{}", self.text);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns a string of the body.
    #[track_caller]
    pub(crate) fn string(&self, pointer: &str) -> String {
        let json = self.json();
        let value = json.pointer(pointer).and_then(Value::as_str);
        value.expect(&self.text).to_owned()
    }
}

/// A simulator to call.
pub(crate) struct Service {
    simulator: Simulator,
}

impl Deref for Service {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl Service {
    pub(crate) fn start() -> Self {
        Self {
            simulator: Simulator::start(),
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "")
    }

    /// Sends JSON.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, &[], &body.to_string())
    }

    /// Sends an edit of a project as the vendor's clients do: JSON that is not called so.
    #[track_caller]
    pub(crate) fn edit(&self, project: &str, body: Value) -> Answer {
        let path = format!("/projects/{project}/edit");
        self.call("POST", &path, &["content-type:"], &body.to_string())
    }

    /// Sends a Copilot edit of an image.
    #[track_caller]
    pub(crate) fn copilot(&self, image: &str, parent: impl Into<Value>) -> Answer {
        let path = format!("/projects/{READY}/images/{image}/copilot");
        self.post(&path, prompt("brighten", parent))
    }

    /// Sends a request to a path under the base URL, with the key and called JSON where it has a
    /// body, unless the headers say otherwise.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut head = String::new();
        for header in headers {
            head += &format!("{header}\r\n");
        }
        if !head.contains("x-api-key") {
            head += &format!("x-api-key: {}\r\n", self.key());
        }
        if !body.is_empty() && !head.contains("content-type") {
            head += "content-type: application/json\r\n";
        }
        let url = self.base_url() + path;
        send(method, &url, &head, body.as_bytes()).has("\r\nx-request-id: sim-")
    }
}

/// The body of a Copilot edit of a profile-based project.
pub(crate) fn prompt(instruction: &str, parent: impl Into<Value>) -> Value {
    json!({
        "instruction": instruction,
        "parent_version_id": parent.into(),
        "project_source": "REGULAR",
    })
}

/// Fetches a presigned URL.
pub(crate) fn fetch(url: &str) -> Answer {
    send("GET", url, "", b"")
}

/// Uploads to a presigned URL.
pub(crate) fn put(url: &str, bytes: &[u8]) -> Answer {
    send("PUT", url, "", bytes)
}

/// Sends a request and reads its answer. `headers` end in a line break each. A body has a length.
pub(crate) fn send(method: &str, url: &str, headers: &str, body: &[u8]) -> Answer {
    let mut headers = headers.to_owned();
    if !body.is_empty() && !headers.contains("chunked") {
        headers += &format!("content-length: {}\r\n", body.len());
    }
    let stream = begin(method, url, &headers, body);
    answer_on(stream)
}

/// Connects, and sends the head and a part of the body.
pub(crate) fn begin(method: &str, url: &str, headers: &str, body: &[u8]) -> TcpStream {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    stream
}

/// Reads an answer: as much as its length says.
pub(crate) fn answer_on(mut stream: TcpStream) -> Answer {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if let Some(end) = end_of(&answer)
            && answer.len() >= end
        {
            break;
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..count]);
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    Answer {
        status: text[9..12].parse().unwrap(),
        body: answer[head_length(&answer).unwrap()..].to_vec(),
        text,
    }
}

/// Returns the length of a whole answer, once its head is there.
fn end_of(answer: &[u8]) -> Option<usize> {
    let end = head_length(answer)?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap_or("0").parse().unwrap();
    Some(end + length)
}

fn head_length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some(end + 4)
}

/// For what another thread is about to do.
#[track_caller]
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it never happened");
        thread::sleep(Duration::from_millis(1));
    }
}
