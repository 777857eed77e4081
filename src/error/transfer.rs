//! Why a file did not arrive.

use std::fmt;

use super::Context;

/// A file that did not arrive whole, in either direction.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransferError {
    /// The file's name, as far as it is known.
    pub name: String,
    /// What to do about it.
    pub reason: TransferReason,
    /// The reason in words: the storage's message if it refused the link.
    pub message: String,
    /// How many bytes of the file had been transferred.
    pub bytes: u64,
    /// The last request.
    pub context: Context,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.bytes > 0 {
            write!(f, " after {} bytes", self.bytes)?;
        }
        Ok(())
    }
}

impl std::error::Error for TransferError {}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferReason {
    /// The service gave no link for the file.
    NoLink,
    /// The link has expired or is not valid: the storage said 403 in its own XML. Ask for fresh
    /// links.
    LinkExpired,
    /// The storage, or something before it, said no for another reason. The same link will do no
    /// better.
    Refused,
    /// The network or the storage failed again and again: try again.
    Broken,
    /// Nothing moved for as long as the stall limit, again and again: try again.
    Stalled,
    /// The file changed meanwhile: the one that is downloaded to a writer, which cannot take back
    /// what was written, or the local one that is uploaded. Begin again.
    Changed,
    /// A callback ended it.
    Cancelled,
    /// The file is larger than is allowed.
    TooLarge,
}
