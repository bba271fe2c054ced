//! Tool call ids as servers take them.

use super::super::profile::CallIds;

/// Tool call ids as a server takes them: legal ones unchanged, others replaced by one made of them, the same for a call
/// and its result.
#[derive(Debug)]
pub(in crate::dialect) struct Ids {
    rule: CallIds,
    made: Vec<(String, String)>,
}

impl Ids {
    /// No ids yet.
    pub fn new(rule: CallIds) -> Self {
        Self { rule, made: Vec::new() }
    }

    /// The id to send for one of the caller's.
    pub fn of(&mut self, id: &str) -> String {
        let legal = match self.rule {
            CallIds::Any => true,
            CallIds::UpTo40 => id.len() <= 40,
            CallIds::NineAlphanumerics => id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()),
        };
        if legal {
            return id.to_owned();
        }
        if let Some((_, made)) = self.made.iter().find(|(known, _)| known == id) {
            return made.clone();
        }
        let mut salt = 0u8;
        let mut made = self.make(id, salt);
        while self.made.iter().any(|(_, taken)| *taken == made) && salt < u8::MAX {
            salt += 1;
            made = self.make(id, salt);
        }
        self.made.push((id.to_owned(), made.clone()));
        made
    }

    fn make(&self, id: &str, salt: u8) -> String {
        use sha2::{Digest, Sha256};
        const LETTERS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let digest = Sha256::new().chain_update([salt]).chain_update(id).finalize();
        let letters = digest.iter().filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
        let (prefix, length) = if self.rule == CallIds::UpTo40 { ("call_", 24) } else { ("", 9) };
        prefix.chars().chain(letters.take(length).map(|letter| char::from(*letter))).collect()
    }
}
