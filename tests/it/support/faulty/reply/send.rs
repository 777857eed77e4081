//! Sending a reply: the errand first, then byte after byte up to the cut.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use super::super::file::File;
use super::super::proxy;
use super::super::wire::{Request, Wire};
use super::super::{CAP, Shared};
use super::{After, End, Errand, Framing, Header, Limits, Point, Reply};

/// How much is written at once.
const BLOCK: usize = 64 << 10;

/// What a connection goes on with after a reply.
pub(crate) enum Flow {
    KeepAlive,
    End(End),
}

/// Some bytes to be sent, held, made or repeated.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Slice { of: File, from: u64, len: u64 },
    Endless(Vec<u8>),
}

impl Piece {
    pub(crate) fn endless(bytes: &[u8]) -> Self {
        Self::Endless(bytes.repeat(BLOCK.div_ceil(bytes.len().max(1))))
    }

    /// The next bytes after `offset`, or nothing at the end.
    fn block(&self, offset: u64) -> Option<Cow<'_, [u8]>> {
        let rest = |len: u64| Some(len.saturating_sub(offset)).filter(|&rest| rest > 0);
        match self {
            Self::Bytes(bytes) => rest(bytes.len() as u64).map(|_| bytes[offset as usize..].into()),
            Self::Slice { of, from, len } => {
                rest(*len).map(|rest| of.read(from + offset, rest.min(BLOCK as u64) as usize).into())
            }
            Self::Endless(bytes) => rest(CAP).map(|_| bytes.into()),
        }
    }

    /// What a `Content-Length` has to say; more than anyone can wait for if there is no end.
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Slice { len, .. } => *len,
            Self::Endless(_) => 1 << 40,
        }
    }
}

/// Sending it.
impl Reply {
    pub(crate) fn point(&self) -> Point {
        self.point
    }

    pub(crate) fn send(self, request: &Request, wire: &mut Wire) -> io::Result<Flow> {
        let reply = self.settle(request, wire.shared())?;
        send(&reply.before, &Limits::default(), wire)?;
        if let Some(end) = send(&reply.head(), &reply.head_limits, wire)? {
            return Ok(Flow::End(end));
        }
        if let Some(end) = send(&reply.framed_body(), &reply.body_limits, wire)? {
            return Ok(Flow::End(end));
        }
        for after in &reply.after {
            match after {
                After::Wait(time) => wire.shared().pause(*time)?,
                After::Send(bytes) => wire.write(bytes)?,
                After::End(end) => return Ok(Flow::End(*end)),
            }
        }
        let closes = reply.closes() || request.header("connection") == Some("close");
        Ok(match closes {
            true => Flow::End(End::Close),
            false => Flow::KeepAlive,
        })
    }

    /// Whether the answer itself says that the connection ends with it.
    fn closes(&self) -> bool {
        let says_so =
            |(name, value): &Header| name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"close");
        matches!(self.framing, Framing::UntilClose) || self.headers.iter().any(says_so)
    }

    /// Runs the errand and takes the answer that comes of it.
    fn settle(mut self, request: &Request, shared: &Arc<Shared>) -> io::Result<Self> {
        let found = match std::mem::replace(&mut self.errand, Errand::None) {
            Errand::None => return Ok(self),
            Errand::File(file) => file.answer(request),
            Errand::Relay(target) => proxy::ask(target, request, shared)?,
            Errand::Forward(target) => {
                proxy::ask(target, request, shared)?;
                return Ok(self);
            }
            Errand::ForwardLate(target, delay) => {
                proxy::ask_late(target, request.clone(), delay, shared);
                return Ok(self);
            }
        };
        self.status = found.status;
        self.body = found.body;
        self.headers.splice(..0, found.headers);
        Ok(self)
    }

    fn head(&self) -> Vec<Piece> {
        let Some(status) = &self.status else {
            return Vec::new();
        };
        let length = self.body.iter().map(Piece::len).sum::<u64>();
        let framing = match self.framing {
            // An answer that never has a body must not announce one.
            Framing::Length if ["204", "304"].contains(&&*status.code) => None,
            Framing::Length => Some(format!("Content-Length: {length}")),
            Framing::Chunked(_) => Some("Transfer-Encoding: chunked".into()),
            Framing::UntilClose | Framing::ByHand => None,
        };
        let end = self.line_end.as_bytes();
        let mut head = format!("{} {} {}", status.version, status.code, status.reason).into_bytes();
        head.extend(framing.iter().flat_map(|line| [end, line.as_bytes()]).flatten());
        for (name, value) in &self.headers {
            head.extend([end, name, b": ", value].concat());
        }
        head.extend(end);
        match &self.head_rest {
            Some(endless) => vec![Piece::Bytes(head), endless.clone()],
            None => vec![Piece::Bytes([&head, end].concat())],
        }
    }

    fn framed_body(&self) -> Cow<'_, [Piece]> {
        let Framing::Chunked(sizes) = &self.framing else {
            return Cow::Borrowed(&self.body);
        };
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(sizes[sizes.len() - 1]));
        let mut pieces = Vec::new();
        for piece in &self.body {
            if let Piece::Endless(bytes) = piece {
                pieces.push(Piece::Endless(chunk(bytes)));
                continue;
            }
            let mut content = Vec::new();
            while let Some(block) = piece.block(content.len() as u64) {
                content.extend_from_slice(&block);
            }
            let mut rest = &content[..];
            while !rest.is_empty() {
                let (this, next) = rest.split_at(rest.len().min(sizes.next().unwrap_or(1)));
                pieces.push(Piece::Bytes(chunk(this)));
                rest = next;
            }
        }
        pieces.push(Piece::Bytes(chunk(b"")));
        Cow::Owned(pieces)
    }
}

/// One chunk; an empty one is the last.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Sends the pieces within the limits, and says so if it was cut.
fn send(pieces: &[Piece], limits: &Limits, wire: &mut Wire) -> io::Result<Option<End>> {
    let mut left = limits.cut.map_or(u64::MAX, |(bytes, _)| bytes);
    let cut = limits.cut.map(|(_, end)| end);
    for piece in pieces {
        let mut offset = 0;
        while let Some(block) = piece.block(offset) {
            let block = &block[..left.min(block.len() as u64) as usize];
            match limits.drip {
                None => wire.write(block)?,
                Some((bytes, every)) => {
                    for drop in block.chunks(bytes) {
                        wire.write(drop)?;
                        wire.shared().pause(every)?;
                    }
                }
            }
            offset += block.len() as u64;
            left -= block.len() as u64;
            if left == 0 {
                return Ok(cut);
            }
        }
    }
    Ok(cut)
}
