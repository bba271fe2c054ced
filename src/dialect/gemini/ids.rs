//! Ids for calls that came without one. Deterministic, so that a replay gives the same; unique within a conversation as
//! far as the answers differ; legal in every dialect (`wire.md` §3.2 "Tool ids").

/// Longest part of a response id that is used: OpenAI allows 40 characters in all.
const SEED_CHARS: usize = 28;

/// Gives ids to the calls of one answer.
#[derive(Debug, Default)]
pub struct Minter {
    seed: String,
    minted: u32,
}

impl Minter {
    /// Fixes what tells this answer from others: its own id, else the bytes of its beginning.
    pub fn seed(&mut self, response_id: Option<&str>, bytes: &[u8]) {
        self.seed = match response_id.filter(|id| !id.is_empty()) {
            Some(id) => id
                .chars()
                .take(SEED_CHARS)
                .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
                .collect(),
            None => format!("{:016x}", fingerprint(&[bytes])),
        };
    }

    /// The next id.
    pub fn mint(&mut self) -> String {
        let id = format!("call_{}_{}", self.seed, self.minted);
        self.minted = self.minted.saturating_add(1);
        id
    }
}

/// FNV-1a over pieces with a separator: tells texts apart, resists nobody.
pub fn fingerprint(pieces: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for piece in pieces {
        for byte in piece.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_differ_within_and_between_answers() {
        let mut one = Minter::default();
        one.seed(Some("J3dH/pyWENS3g8UPyrefuAE-and-much-more-than-fits"), b"");
        let first = one.mint();
        assert_eq!(first, "call_J3dH_pyWENS3g8UPyrefuAE-and-_0");
        assert!(first.len() <= 40);
        assert_ne!(one.mint(), first);
        let (mut two, mut three) = (Minter::default(), Minter::default());
        two.seed(None, b"a");
        three.seed(None, b"b");
        assert_ne!(two.mint(), three.mint());
    }
}
