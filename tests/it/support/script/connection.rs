//! One connection: reading requests, and the ways to end it.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use super::turn::{End, Reads};
use super::{PATIENCE, Shared};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The request line and the headers, with the line ends between them.
    pub head: String,
    /// As long as `Content-Length` says.
    pub body: Vec<u8>,
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
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let header = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value)
    }
}

pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) stream: TcpStream,
    /// Which one it is, for the record.
    pub(super) id: usize,
    /// What arrived and is not part of a request yet.
    pub(super) buffer: Vec<u8>,
    /// Whether the last byte of `buffer` is still in the socket. See [`Connection::fill`].
    pub(super) held: bool,
}

impl Connection {
    /// Plays turn after turn until one ends the connection or the client leaves.
    pub(super) fn serve(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.set_write_timeout(Some(PATIENCE))?;
        let mut next = self.shared.next_turn(Reads::Nothing);
        loop {
            if next.is_none() {
                // A connection that nothing comes over takes no turn.
                self.take(|bytes| bytes.first().map(|_| 0))?;
                next = self.shared.next_turn(Reads::Request);
            }
            let reads = next.as_ref().map_or(Reads::Request, |turn| turn.reads);
            let request = self.read(reads)?;
            let turn = next.take().unwrap_or_else(|| self.shared.decide(&request));
            if let Some(end) = turn.play(&request, &self)? {
                return self.end(end);
            }
            if reads < Reads::Request {
                return self.end(End::Stall);
            }
            self.shared.state().done += 1;
        }
    }

    /// Reads so much of a request, and puts it on record.
    fn read(&mut self, reads: Reads) -> io::Result<Request> {
        let mut request = Request::default();
        if reads == Reads::Nothing {
            return Ok(request);
        }
        let head = self.take(|bytes| {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
            Some(end + 4)
        })?;
        request.head = String::from_utf8_lossy(&head).trim_end().to_owned();
        let place = self.shared.record(request.clone());
        if reads == Reads::Request {
            let length = request.header("content-length").unwrap_or("0");
            let length = length.parse().map_err(io::Error::other)?;
            request.body = self.take(|bytes| (bytes.len() >= length).then_some(length))?;
            self.shared.state().requests[place] = request.clone();
        }
        Ok(request)
    }

    /// Waits for so many bytes as the buffer shows to be needed, and takes them.
    fn take(&mut self, needed: impl Fn(&[u8]) -> Option<usize>) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = needed(&self.buffer) {
                return Ok(self.buffer.drain(..length).collect());
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits for more, and says whether it came.
    ///
    /// The last byte is only looked at and stays in the socket until the next call: a socket that
    /// is closed with an unread byte in it sends a reset. `std` has no `SO_LINGER`.
    fn fill(&mut self) -> io::Result<bool> {
        self.release()?;
        let mut bytes = [0; 16 << 10];
        let count = self.stream.peek(&mut bytes)?;
        let Some(last) = count.checked_sub(1) else {
            return Ok(false);
        };
        self.stream.read_exact(&mut bytes[..last])?;
        self.held = true;
        self.buffer.extend(&bytes[..count]);
        self.shared.state().heard[self.id].extend(&bytes[..count]);
        Ok(true)
    }

    fn release(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.held) {
            self.stream.read_exact(&mut [0])?;
        }
        Ok(())
    }

    fn end(mut self, how: End) -> io::Result<()> {
        match how {
            End::HangUp => self.release()?,
            End::HangUpOnNext => {
                self.release()?;
                self.stream.peek(&mut [0])?;
            }
            End::Reset if !self.held => drop(self.fill()?),
            End::Reset => {}
            End::Close | End::Stall => return self.drain(how),
        }
        let shared = Arc::clone(&self.shared);
        drop(self);
        shared.state().done += 1;
        Ok(())
    }

    /// Records what still comes, until the client leaves.
    fn drain(mut self, how: End) -> io::Result<()> {
        if how == End::Close {
            self.stream.shutdown(Shutdown::Write)?;
        }
        self.shared.state().done += 1;
        while self.fill()? {}
        Ok(())
    }
}
