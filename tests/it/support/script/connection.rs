//! One connection: reading requests, and the ways to end it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::turn::{End, Reads};
use super::{PATIENCE, Shared};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The request line and the headers, with the line ends between them.
    pub head: String,
    /// As long as `Content-Length` says.
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
        let mut headers = self.head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    fn length(&self) -> usize {
        let length = self.header("content-length").unwrap_or("0");
        length.parse().unwrap_or(0)
    }
}

pub(super) struct Connection<'s> {
    shared: &'s Shared,
    stream: Arc<TcpStream>,
    /// Which one it is, for the record.
    id: usize,
    /// What arrived and is not part of a request yet.
    buffer: Vec<u8>,
    /// Whether the last byte of `buffer` is still in the socket. See [`Connection::fill`].
    held: bool,
}

impl<'s> Connection<'s> {
    pub(super) fn new(shared: &'s Shared, stream: Arc<TcpStream>, id: usize) -> io::Result<Self> {
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

    /// Plays turn after turn until one ends the connection or the client leaves.
    pub(super) fn serve(mut self) -> io::Result<()> {
        let mut turn = self.shared.next_turn(Reads::Nothing);
        loop {
            if turn.is_none() {
                // A connection that nothing comes over takes no turn.
                self.read_until(|bytes| !bytes.is_empty())?;
                turn = self.shared.next_turn(Reads::Request);
            }
            let reads = turn.as_ref().map_or(Reads::Request, |turn| turn.reads);
            let mut request = Request::default();
            if reads >= Reads::Head {
                request = self.read_head()?;
            }
            if reads == Reads::Request {
                self.read_body(&mut request)?;
            }
            let playing = turn.take().unwrap_or_else(|| self.shared.decide(&request));
            if let Some(end) = playing.play(&request, &mut self)? {
                return self.end(end);
            }
            if reads < Reads::Head {
                request = self.read_head()?;
            }
            if reads < Reads::Request {
                self.read_body(&mut request)?;
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }

    pub(super) fn pause(&self, time: Duration) -> io::Result<()> {
        self.shared.pause(time)
    }

    pub(super) fn stop_listening(&self) {
        self.shared.stop_listening();
    }

    /// Reads a head and puts it on record.
    fn read_head(&mut self) -> io::Result<Request> {
        self.read_until(|bytes| head_length(bytes).is_some())?;
        let length = head_length(&self.buffer).unwrap_or_default();
        let head: Vec<u8> = self.buffer.drain(..length).collect();
        let request = Request {
            head: String::from_utf8_lossy(&head[..length - 4]).into_owned(),
            body: Vec::new(),
            connection: self.id,
        };
        self.shared.state().requests.push(request.clone());
        Ok(request)
    }

    /// Reads the body that the head announces and adds it to the record.
    fn read_body(&mut self, request: &mut Request) -> io::Result<()> {
        let length = request.length();
        self.read_until(|bytes| bytes.len() >= length)?;
        request.body = self.buffer.drain(..length).collect();
        let mut state = self.shared.state();
        // One request of a connection is underway at a time, so its last one is this one.
        let mut requests = state.requests.iter_mut();
        if let Some(record) = requests.rfind(|record| record.connection == self.id) {
            record.body.clone_from(&request.body);
        }
        Ok(())
    }

    fn read_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        while !is_enough(&self.buffer) {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Waits for more, and says whether it came.
    ///
    /// The last byte is only looked at and stays in the socket until the next call: a socket that
    /// is closed with an unread byte in it sends a reset. `std` has no `SO_LINGER`.
    fn fill(&mut self) -> io::Result<bool> {
        self.release()?;
        let mut bytes = [0; 16 << 10];
        let count = self.stream.peek(&mut bytes)?;
        if count == 0 {
            return Ok(false);
        }
        (&*self.stream).read_exact(&mut bytes[..count - 1])?;
        self.held = true;
        self.buffer.extend(&bytes[..count]);
        self.shared.state().heard[self.id].extend(&bytes[..count]);
        Ok(true)
    }

    fn release(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.held) {
            (&*self.stream).read_exact(&mut [0])?;
        }
        Ok(())
    }

    fn end(mut self, how: End) -> io::Result<()> {
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

    /// Takes and records what still comes, until the client closes.
    fn drain(&mut self) -> io::Result<()> {
        while self.fill()? {
            self.buffer.clear();
        }
        Ok(())
    }
}

/// The length of a head with the empty line at its end.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}
