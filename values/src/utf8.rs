//! Texts as bytes.

/// Bytes with their high bit set, eight at a time: every prompt is counted.
#[must_use]
pub fn count_not_ascii(text: &[u8]) -> u64 {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from((u64::from_ne_bytes(*word) & HIGH_BITS).count_ones())).sum();
    in_words + rest.iter().filter(|byte| **byte >= 0x80).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_ascii_are_counted_at_any_length_and_place() {
        for length in 0..40 {
            let text = "aé中😀b".repeat(length);
            for from in 0..text.len().min(9) {
                let bytes = text.as_bytes().get(from..).unwrap_or_default();
                assert_eq!(count_not_ascii(bytes), bytes.iter().filter(|byte| **byte >= 0x80).count() as u64);
            }
        }
    }
}
