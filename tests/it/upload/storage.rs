//! A service that gives links to itself, and does to each `PUT` what its script says. It keeps no bodies.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::lock;

pub const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What happens to one `PUT`, once its head is there.
#[derive(Clone)]
pub enum Step {
    /// This answer and nothing else, with the body unread.
    Early(String),
    /// 100, the whole body, this answer.
    Late(String),
    /// The whole body without 100, this answer.
    Silent(String),
    /// 100, so many bytes of the body, this answer, and a reset.
    Cut(u64, String),
    /// 100, and silence.
    Stall,
    /// 100, the start of the body, this, the rest of the body, 200.
    During(Arc<dyn Fn() + Send + Sync>),
}

pub struct Storage {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Step>>,
    /// Head and body of each request for links; head and length of the body of each `PUT`.
    links: Mutex<Vec<(String, String)>>,
    puts: Mutex<Vec<(String, u64)>>,
}

impl Storage {
    /// The last step repeats.
    pub fn start(script: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        *lock(&shared.script) = script.into_iter().collect();
        let server = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                thread::spawn(move || server.serve(stream, addr));
            }
        });
        Self { addr, shared }
    }

    pub fn links(&self) -> Vec<(String, String)> {
        lock(&self.shared.links).clone()
    }

    pub fn puts(&self) -> Vec<(String, u64)> {
        lock(&self.shared.puts).clone()
    }
}

impl Shared {
    /// One request a connection.
    fn serve(&self, mut stream: TcpStream, addr: SocketAddr) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let header = |name| head.lines().find_map(|line| line.strip_prefix(name));
        let length: u64 = header("content-length: ").map_or(0, |length| length.parse().unwrap());
        if head.starts_with("POST") {
            let mut body = String::new();
            (&stream).take(length).read_to_string(&mut body).unwrap();
            let answer = self.give_links(&body, addr);
            lock(&self.links).push((head, body));
            let _ = stream.write_all(answer.as_bytes());
            return;
        }
        let step = match lock(&self.script) {
            script if script.len() == 1 => script[0].clone(),
            mut script => script.pop_front().unwrap(),
        };
        if !matches!(step, Step::Early(_) | Step::Silent(_)) {
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let read = |limit| io::copy(&mut (&stream).take(limit), &mut io::sink()).unwrap_or(0);
        let (answer, read) = match step {
            Step::Early(answer) => (answer, 0),
            Step::Late(answer) | Step::Silent(answer) => (answer, read(length)),
            Step::Cut(bytes, answer) => (answer, read(bytes)),
            Step::Stall => {
                // Longer than any client of these tests waits.
                lock(&self.puts).push((head, 0));
                return thread::sleep(Duration::from_secs(5));
            }
            Step::During(act) => {
                let start = read(1000);
                act();
                (OK.to_owned(), start + read(length - start))
            }
        };
        lock(&self.puts).push((head, read));
        let _ = stream.write_all(answer.as_bytes());
    }

    /// Links to this server; none for names with "nolink" in them. They come in the opposite order.
    fn give_links(&self, body: &str, addr: SocketAddr) -> String {
        let body: Value = serde_json::from_str(body).unwrap();
        let number = lock(&self.links).len();
        let files = body["files_list"].as_array().unwrap().iter().rev();
        let links = files.filter_map(|file| {
            let name = file["file_name"].as_str()?;
            let link = format!("http://{addr}/{name}?X-Amz-Signature=SECRET-{number}");
            (!name.contains("nolink")).then(|| json!({ "file_name": name, "upload_link": link }))
        });
        let body = json!({ "files_list": links.collect::<Vec<_>>() }).to_string();
        OK.replace("Length: 0", &format!("Length: {}", body.len())) + &body
    }
}
