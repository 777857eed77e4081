//! The checksum that is kept of each uploaded file.

/// An odd number with its bits well mixed: the 64 bits of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the checksum that the simulator keeps of each uploaded file.
///
/// It is a polynomial of the bytes, modulo 2^64, so that the checksum of a file that came in parts
/// follows from those of its parts.
pub fn checksum(bytes: &[u8]) -> u64 {
    Digest::of(bytes).checksum
}

/// What is known of bytes that are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) length: u64,
    pub(crate) checksum: u64,
}

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut digest = Self::default();
        digest.add(bytes);
        digest
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // One more than the byte, so that zeros at the beginning count.
            let digit = u64::from(*byte) + 1;
            self.checksum = self.checksum.wrapping_mul(FACTOR).wrapping_add(digit);
        }
        self.length += bytes.len() as u64;
    }

    /// Adds bytes of which only the digest is known.
    pub(crate) fn append(&mut self, next: Self) {
        let shifted = self.checksum.wrapping_mul(power(FACTOR, next.length));
        self.checksum = shifted.wrapping_add(next.checksum);
        self.length += next.length;
    }
}

fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut power: u64 = 1;
    while exponent > 0 {
        if exponent % 2 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent /= 2;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_file_follows_from_those_of_its_parts() {
        let file: Vec<u8> = (0..1000_u32)
            .map(|number| number.to_le_bytes()[0])
            .collect();
        let mut joined = Digest::default();
        for part in [&file[..0], &file[..1], &file[1..700], &file[700..]] {
            joined.append(Digest::of(part));
        }
        assert_eq!(joined, Digest::of(&file));
    }

    #[test]
    fn length_order_and_zeros_count() {
        let sums = [
            checksum(b""),
            checksum(b"\0"),
            checksum(b"\0\0"),
            checksum(b"ab"),
            checksum(b"ba"),
        ];
        for (at, sum) in sums.iter().enumerate() {
            assert!(!sums[..at].contains(sum), "{sums:?}");
        }
    }
}
