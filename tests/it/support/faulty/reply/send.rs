//! Sending a reply: the errand first, then byte after byte up to the cut.

use std::borrow::Cow;
use std::io;

use super::super::CAP;
use super::super::wire::{Request, Wire};
use super::{After, End, Framing, Header, Limits, Reply};

/// How much is written at once.
const BLOCK: usize = 64 << 10;

/// What a connection goes on with after a reply.
pub(crate) enum Flow {
    KeepAlive,
    End(End),
}

/// Some bytes to be sent, once or again and again.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Endless(Vec<u8>),
}

impl Piece {
    pub(crate) fn endless(bytes: &[u8]) -> Self {
        Self::Endless(bytes.repeat(BLOCK.div_ceil(bytes.len().max(1))))
    }

    /// The next bytes after `offset`, or nothing at the end.
    fn block(&self, offset: u64) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(&bytes[offset as usize..]).filter(|rest| !rest.is_empty()),
            Self::Endless(bytes) => (offset < CAP).then_some(bytes),
        }
    }

    /// What a `Content-Length` has to say; more than anyone can wait for if there is no end.
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Endless(_) => 1 << 40,
        }
    }
}

/// Sending it.
impl Reply {
    pub(crate) fn send(mut self, request: &Request, wire: &mut Wire<'_>) -> io::Result<Flow> {
        if let Some(file) = self.file.take() {
            let found = file.answer(request);
            (self.status, self.body) = (found.status, found.body);
            self.headers.splice(..0, found.headers);
        }
        send(&self.before, &Limits::default(), wire)?;
        if let Some(end) = send(&self.head(), &self.head_limits, wire)? {
            return Ok(Flow::End(end));
        }
        if let Some(end) = send(&self.framed_body(), &self.body_limits, wire)? {
            return Ok(Flow::End(end));
        }
        for after in &self.after {
            match after {
                After::Wait(time) => wire.pause(*time)?,
                After::Send(bytes) => wire.write(bytes)?,
                After::End(end) => return Ok(Flow::End(*end)),
            }
        }
        let closes = self.closes() || request.header("connection") == Some("close");
        Ok(if closes {
            Flow::End(End::Close)
        } else {
            Flow::KeepAlive
        })
    }

    /// Whether the answer itself says that the connection ends with it.
    fn closes(&self) -> bool {
        let says_so = |(name, value): &Header| {
            name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"close")
        };
        matches!(self.framing, Framing::UntilClose) || self.headers.iter().any(says_so)
    }

    fn head(&self) -> Vec<Piece> {
        let Some(status) = &self.status else {
            return Vec::new();
        };
        let length = self.body.iter().map(Piece::len).sum::<u64>();
        let framing = match self.framing {
            // An answer that never has a body must not announce one.
            Framing::Length if ["204", "304"].contains(&&*status.code) => None,
            Framing::Length => Some(format!("Content-Length: {length}\r\n")),
            Framing::Chunked(_) => Some("Transfer-Encoding: chunked\r\n".to_owned()),
            Framing::UntilClose | Framing::ByHand => None,
        };
        let mut head =
            format!("{} {} {}\r\n", status.version, status.code, status.reason).into_bytes();
        for (name, value) in &self.headers {
            head.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        head.extend(framing.unwrap_or_default().into_bytes());
        match &self.head_rest {
            Some(endless) => vec![Piece::Bytes(head), endless.clone()],
            None => vec![Piece::Bytes([&head[..], b"\r\n"].concat())],
        }
    }

    fn framed_body(&self) -> Cow<'_, [Piece]> {
        let Framing::Chunked(sizes) = &self.framing else {
            return Cow::Borrowed(&self.body);
        };
        let mut sizes = sizes
            .iter()
            .copied()
            .chain(std::iter::repeat(sizes[sizes.len() - 1]));
        let mut pieces = Vec::new();
        for piece in &self.body {
            if let Piece::Endless(bytes) = piece {
                pieces.push(Piece::Endless(chunk(bytes)));
                continue;
            }
            let mut rest = piece.block(0).unwrap_or_default();
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
fn send(pieces: &[Piece], limits: &Limits, wire: &mut Wire<'_>) -> io::Result<Option<End>> {
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
                        wire.pause(every)?;
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
