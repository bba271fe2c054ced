//! HMAC-SHA-256 (RFC 2104), and comparison that takes the same time wherever two texts differ.

use sha2::{Digest, Sha256};

/// The code of a message.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let digest = Sha256::digest(key);
    let key = if key.len() > BLOCK { digest.as_slice() } else { key };
    let padded = |pad: u8| (0..BLOCK).map(|at| key.get(at).copied().unwrap_or(0) ^ pad).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// Whether two texts are equal. What is compared are their hashes, so that neither the place of a difference nor a length
/// shows in the time it takes.
#[must_use]
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::hex;

    #[test]
    fn the_keyed_hash_is_hmac() {
        // RFC 4231, test cases 2 and 6.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn equal_is_what_is_equal() {
        assert!(equal(b"", b"") && equal(b"secret", b"secret"));
        for other in [&b"secre"[..], b"secret ", b"Secret", b""] {
            assert!(!equal(b"secret", other));
        }
    }
}
