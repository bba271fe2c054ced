//! Signed reasoning on its way through a client of another dialect (ADR 0006).
//!
//! Providers refuse or degrade a tool loop whose signed thinking does not come back, and clients bring back only what their
//! own dialect has. So what one provider has to see again is packed into a text that travels where such a client keeps
//! texts unread: behind a tool call's id (OpenAI chat), in a thinking block's signature (Anthropic), in a thought signature
//! (Gemini). Nothing is stored here. The package names who made it, so that nobody else is shown it.
//!
//! It is no secret and no proof: providers verify their own signatures. A checksum tells a package that a client cut.

mod bytes;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;

use super::canonical::{ChatRequest, Part, ReasoningPart, Turn};
use super::Dialect;
use bytes::{Reader, Writer};

/// What stands between a tool call's own id and the package behind it. Letters of every dialect's ids.
pub const ID_MARK: &str = "__signalbox_";

/// Longest package behind an id, in characters. Claude's and Gemini's signatures of a tool loop have 0.3 to 4 kB as
/// recorded; clients and proxies bound whole bodies, not ids, and an id is sent twice per call.
pub const LONGEST_IN_ID: usize = 16 * 1024;

/// Stands in for a thought signature that did not come back; Google documents it for that (`wire.md` §3.2).
pub const SKIP_SIGNATURE: &str = "skip_thought_signature_validator";

const VERSION: u8 = 1;

/// A package.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Carried {
    /// `provider/model` that made it; empty where that is not known.
    pub by: String,
    /// Reasoning blocks, in order.
    pub blocks: Vec<Block>,
    /// Gemini's signature of the call that carries the package.
    pub call: Option<String>,
}

/// A reasoning block and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Bytes of the choice's visible text that came before it.
    pub at: usize,
    /// The block itself.
    pub part: ReasoningPart,
}

/// Whose signed reasoning a history carries: nobody else can read it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// This `provider/model`'s.
    Model(String),
    /// Some provider's that speaks this dialect, the caller's own.
    Dialect(Dialect),
}

/// An id as a client sent it back.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened<'a> {
    /// The id that the provider gave.
    pub id: &'a str,
    /// What it carried.
    pub carried: Option<Carried>,
}

impl Carried {
    /// Whether there is nothing to carry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.call.is_none()
    }

    /// The package as letters `[A-Za-z0-9_-]`.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_bytes())
    }

    /// Reads [`Carried::to_text`]; `None` for anything else, a damaged package included.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    /// The package as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.byte(VERSION);
        out.text(&self.by);
        out.signature(self.call.as_deref());
        out.number(self.blocks.len());
        for Block { at, part } in &self.blocks {
            out.byte(u8::from(part.redacted));
            out.text(part.origin.name());
            out.number(*at);
            out.text(&part.text);
            out.signature(part.signature.as_deref());
        }
        out.sealed()
    }

    /// Reads [`Carried::to_bytes`]; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::unsealed(bytes)?;
        if from.byte()? != VERSION {
            return None;
        }
        let (by, call, count) = (from.text()?, from.signature()?, from.number()?);
        let mut blocks = Vec::new();
        for _ in 0..count {
            let redacted = from.byte()? != 0;
            let origin = Dialect::named(&from.text()?)?;
            let at = from.number()?;
            let (text, signature) = (from.text()?, from.signature()?);
            blocks.push(Block { at, part: ReasoningPart { text, signature, redacted, origin } });
        }
        from.is_empty().then_some(Self { by, blocks, call })
    }

    /// The id with this package behind it. One that would be too long keeps the call's own signature, without which
    /// Gemini refuses the call, and leaves the blocks out; `false` says that something stayed behind.
    #[must_use]
    pub fn behind(mut self, id: &str) -> (String, bool) {
        if self.is_empty() {
            return (id.to_owned(), true);
        }
        let mut text = self.to_text();
        let fits = text.len() <= LONGEST_IN_ID;
        if !fits {
            self.blocks.clear();
            text = if self.is_empty() { String::new() } else { self.to_text() };
        }
        if text.is_empty() || text.len() > LONGEST_IN_ID {
            return (id.to_owned(), false);
        }
        (format!("{id}{ID_MARK}{text}"), fits)
    }
}

/// Takes an id and its package apart. An id without the mark is its own; behind a damaged package only the id is left.
#[must_use]
pub fn open_id(id: &str) -> Opened<'_> {
    match id.rsplit_once(ID_MARK) {
        Some((id, text)) => Opened { id, carried: Carried::from_text(text) },
        None => Opened { id, carried: None },
    }
}

/// Whether a provider of another dialect reads Google's thought signatures: only Google's own servers do. `provider` is its
/// name or profile.
#[must_use]
pub fn reads_google_signatures(provider: &str) -> bool {
    ["gemini", "google", "vertex"].iter().any(|name| provider.starts_with(name))
}

/// A request without the signed reasoning that `provider` (its configured name) cannot read although it speaks the maker's
/// dialect, because another account had it; `all` takes out whatever is signed. `None` when nothing is to be taken out.
#[must_use]
pub fn without_signed(request: &ChatRequest, provider: &str, all: bool) -> Option<ChatRequest> {
    let stranger = |by: &str| by.split_once('/').is_some_and(|(maker, _)| maker != provider);
    let strange: Vec<usize> = request.signed_turns.iter().filter(|s| stranger(&s.by)).map(|s| s.turn).collect();
    let goes = |turn: usize| all || strange.contains(&turn);
    let is_signed = |part: &Part| match part {
        Part::Reasoning(block) => block.signature.is_some(),
        Part::ToolCall(call) => call.signature.is_some(),
        _ => false,
    };
    let signed = |(at, turn): (usize, &Turn)| goes(at) && turn.parts.iter().any(is_signed);
    if !request.turns.iter().enumerate().any(signed) {
        return None;
    }
    let mut request = request.clone();
    for (_, turn) in request.turns.iter_mut().enumerate().filter(|(at, _)| goes(*at)) {
        turn.parts.retain(|part| !matches!(part, Part::Reasoning(block) if block.signature.is_some()));
        for part in &mut turn.parts {
            if let Part::ToolCall(call) = part {
                call.signature = None;
            }
        }
    }
    Some(request)
}

/// Bytes that packages take in a text of ids, marks included: nothing that a model reads.
#[must_use]
pub fn weight(text: &[u8]) -> u64 {
    let package = |at: usize| {
        let rest = text.get(at + ID_MARK.len()..).unwrap_or_default();
        ID_MARK.len() + run(rest).len()
    };
    memchr::memmem::find_iter(text, ID_MARK).map(|at| package(at) as u64).sum()
}

/// The maker of the last package that stands in a body behind `mark`; `from` reads what follows it.
pub fn last_maker(body: &[u8], mark: &str, from: impl Fn(&[u8]) -> Option<Carried>) -> Option<String> {
    // Most bodies hold none, and a search from the front says so many times faster.
    let marked = body.get(memchr::memmem::find(body, mark.as_bytes())?..)?;
    let at = memchr::memmem::rfind(marked, mark.as_bytes())?;
    from(marked.get(at..)?).map(|carried| carried.by).filter(|by| !by.is_empty())
}

/// The letters of a package at the start of a text.
#[must_use]
pub fn run(text: &[u8]) -> &[u8] {
    let letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let end = text.iter().position(|b| !letter(b)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
