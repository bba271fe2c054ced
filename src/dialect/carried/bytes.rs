//! The package's bytes: lengths as LEB128, texts in UTF-8, signatures in base64 as what they encode, a checksum at the end.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;

/// A signature's forms.
const ABSENT: u8 = 0;
const PLAIN: u8 = 1;
const BASE64: u8 = 2;

/// Bytes of the checksum.
const SUM: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Most signatures are base64: a quarter is saved where decoding is known to be undone by encoding.
    pub fn signature(&mut self, signature: Option<&str>) {
        let Some(text) = signature else { return self.byte(ABSENT) };
        match STANDARD.decode(text).ok().filter(|bytes| STANDARD.encode(bytes) == text) {
            Some(bytes) => {
                self.byte(BASE64);
                self.bytes(&bytes);
            }
            None => {
                self.byte(PLAIN);
                self.text(text);
            }
        }
    }

    pub fn sealed(mut self) -> Vec<u8> {
        let sum = checksum(&self.0);
        self.0.extend_from_slice(&sum);
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn unsealed(bytes: &'a [u8]) -> Option<Self> {
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM)?)?;
        (checksum(content) == sum).then_some(Self(content))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn number(&mut self) -> Option<usize> {
        let mut number = 0usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// The outer `None` is a defect, the inner one no signature.
    #[allow(clippy::option_option)]
    pub fn signature(&mut self) -> Option<Option<String>> {
        match self.byte()? {
            ABSENT => Some(None),
            PLAIN => self.text().map(Some),
            BASE64 => Some(Some(STANDARD.encode(self.bytes()?))),
            _ => None,
        }
    }
}

/// FNV-1a: a client that cuts texts is to be noticed, nobody is to be kept out.
fn checksum(bytes: &[u8]) -> [u8; SUM] {
    bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)).to_be_bytes()
}
