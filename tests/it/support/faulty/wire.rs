//! One connection: reading requests from it, writing to it, and the ways to end it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reply::End;
use super::{PATIENCE, Shared};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The request line and the headers, with the line ends between them.
    pub head: String,
    /// Names and values as they were sent.
    pub headers: Vec<(String, String)>,
    /// As long as `Content-Length` says. The only body that the client sends in chunks has none.
    pub body: Vec<u8>,
    /// Which connection it came over, counted from 0.
    pub connection: usize,
}

impl Request {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The path with its query.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The first header of that name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value.as_str()))
    }
}

/// The name and value of each line after the first.
fn parse_headers(head: &str) -> Vec<(String, String)> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Where the head of a message ends, after its empty line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map(|at| at + 4)
}

pub(crate) struct Wire<'s> {
    shared: &'s Shared,
    stream: Arc<TcpStream>,
    /// Which connection this is, for the record.
    id: usize,
    /// What arrived and was not yet made sense of.
    buffer: Vec<u8>,
    /// Whether the last byte of `buffer` is still in the socket. See [`Wire::fill`].
    held: bool,
}

impl<'s> Wire<'s> {
    pub(crate) fn new(shared: &'s Shared, stream: Arc<TcpStream>, id: usize) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            shared,
            stream,
            id,
            buffer: Vec::new(),
            held: false,
        })
    }

    /// Sleeps, unless the server is dropped first.
    pub(crate) fn pause(&self, time: Duration) -> io::Result<()> {
        self.shared.pause(time)
    }

    /// Waits for more and says how much came, 0 at the end.
    ///
    /// The last byte is only looked at and stays in the socket until the next call. Closing a
    /// socket with unread bytes in it is how a reset is sent without the `SO_LINGER` that `std`
    /// doesn't have, and so there is always one.
    fn fill(&mut self) -> io::Result<usize> {
        self.release()?;
        let mut bytes = [0; 16 << 10];
        let count = self.stream.peek(&mut bytes)?;
        let Some(last) = count.checked_sub(1) else {
            return Ok(0);
        };
        (&*self.stream).read_exact(&mut bytes[..last])?;
        self.held = true;
        self.buffer.extend(&bytes[..count]);
        self.shared.state().heard[self.id].extend(&bytes[..count]);
        Ok(count)
    }

    fn release(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.held) {
            (&*self.stream).read_exact(&mut [0])?;
        }
        Ok(())
    }

    /// Reads until `part` finds what it looks for in the buffer, and takes as many bytes as it
    /// says.
    fn read_until<T>(&mut self, part: impl Fn(&[u8]) -> Option<(T, usize)>) -> io::Result<T> {
        loop {
            if let Some((found, length)) = part(&self.buffer) {
                self.buffer.drain(..length);
                return Ok(found);
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Returns when the first byte of a request is there.
    pub(crate) fn wait_for_request(&mut self) -> io::Result<()> {
        self.read_until(|bytes| (!bytes.is_empty()).then_some(((), 0)))
    }

    /// Reads a head and puts it on record.
    pub(crate) fn read_head(&mut self) -> io::Result<Request> {
        let head = self.read_until(|bytes| {
            let end = head_end(bytes)?;
            Some((String::from_utf8_lossy(&bytes[..end - 4]).into_owned(), end))
        })?;
        let request = Request {
            headers: parse_headers(&head),
            head,
            body: Vec::new(),
            connection: self.id,
        };
        self.shared.state().requests.push(request.clone());
        Ok(request)
    }

    /// Reads the body that the head announces and adds it to the record.
    pub(crate) fn read_body(&mut self, request: &mut Request) -> io::Result<()> {
        let length: usize = request
            .header("content-length")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        request.body = self.read_until(|bytes| Some((bytes.get(..length)?.to_vec(), length)))?;
        let mut state = self.shared.state();
        // One request of a connection is underway at a time, so its last one is this one.
        let record = state.requests.iter_mut().rfind(|r| r.connection == self.id);
        if let Some(record) = record {
            record.body.clone_from(&request.body);
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }

    pub(crate) fn end(mut self, how: End) -> io::Result<()> {
        match how {
            End::Close => {
                self.stream.shutdown(Shutdown::Write)?;
                self.drain()
            }
            End::Stall => self.drain(),
            End::HangUp => self.release(),
            End::Reset if self.held => Ok(()),
            End::Reset => self.fill().map(drop),
        }
    }

    /// Takes and records whatever still comes, until the client closes.
    fn drain(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.stream
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            if self.fill()? == 0 {
                return Ok(());
            }
            self.buffer.clear();
        }
    }
}
