//! Embeddings: texts in, vectors out, in OpenAI's words (`/v1/embeddings`) and Gemini's (`:embedContent`,
//! `:batchEmbedContents`). Facts: openai's `EmbeddingCreateParams`, ai.google.dev/api/embeddings.
//!
//! Numbers stay the text that the provider wrote; only between OpenAI's two encodings are they read, as the 32-bit floats
//! that they are. Vectors of different models cannot be compared, so that nothing here ever mixes them: see
//! `policy::names`. Read `tests/embeddings.rs` first.

mod gemini;
mod openai;
pub mod vector;

use serde_json::value::RawValue;

use crate::dialect::canonical::{Loss, Usage};
use crate::dialect::view::View;
use crate::dialect::{Dialect, Encoded, Observation, StreamFault};
use crate::error::GatewayError;

/// How a caller asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/v1/embeddings`.
    OpenAi,
    /// `:embedContent`.
    Gemini,
    /// `:batchEmbedContents`.
    GeminiBatch,
}

/// A request for vectors.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// How it was asked.
    pub form: Form,
    /// What is to be embedded, in order.
    pub inputs: Vec<Input<'a>>,
    /// Length of the vectors, where one was asked for.
    pub dimensions: Option<u64>,
    /// OpenAI's callers: vectors as base64 of little-endian 32-bit floats.
    pub base64: bool,
    /// What has no word in the other dialect, as it fares there.
    unsaid: Vec<Loss>,
}

/// One thing to be embedded.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// A text, as JSON.
    Text(&'a RawValue),
    /// Tokens, pictures or several parts: only its own dialect can say it.
    Native,
}

/// An answer's vectors.
#[derive(Debug)]
struct Vectors<'a> {
    /// In the order of the inputs, each a JSON array or a base64 text.
    list: Vec<&'a RawValue>,
    model: Option<String>,
    usage: Option<Usage>,
}

/// Reads a request. `path_model`: the model in a Gemini path. The view is what routing needs to know of it.
///
/// # Errors
/// The caller's, naming the field.
pub fn read<'a>(form: Form, path_model: Option<String>, body: &'a [u8]) -> Result<(Asked<'a>, View<'a>), GatewayError> {
    match form {
        Form::OpenAi => openai::read(body),
        Form::Gemini | Form::GeminiBatch => gemini::read(form, path_model.unwrap_or_default(), body),
    }
}

impl Asked<'_> {
    /// What is not exact at a provider of a dialect. A provider's own dialect says everything.
    #[must_use]
    pub fn losses(&self, target: Dialect) -> Vec<Loss> {
        if !has_embeddings(target) {
            return vec![Loss::unsupported("model", "its provider has no embeddings")];
        }
        if self.is_native(target) {
            return Vec::new();
        }
        let mut losses = self.unsaid.clone();
        if target == Dialect::Gemini && self.dimensions.is_some() {
            losses.push(Loss::converted("dimensions", "Gemini may not bring shortened vectors back to length 1"));
        }
        losses
    }

    /// Whether some input can be said in its own dialect only. It is never left out of what is embedded.
    #[must_use]
    pub fn has_native_input(&self) -> bool {
        self.inputs.iter().any(|input| matches!(input, Input::Native))
    }

    /// The body for a model of a provider, and what is not exact in it.
    #[must_use]
    pub fn write(&self, view: &View<'_>, target: Dialect, model: &str) -> Encoded {
        let body = match (self.form, target) {
            (Form::OpenAi, Dialect::Gemini) => gemini::write(self, model),
            (Form::OpenAi, _) => openai::native(view, model),
            (_, Dialect::Gemini) => gemini::native(self.form, view, model),
            (_, _) => openai::write(self, model),
        };
        Encoded { body, losses: self.losses(target) }
    }

    /// A provider's answer in the caller's words, and what it tells. In the caller's own dialect every byte stays, unless
    /// the provider has not used the encoding that was asked for. `estimated`: prompt tokens, where it has not counted.
    ///
    /// # Errors
    /// An error in a 200, or no answer to what was asked: other vectors than there were inputs.
    pub fn answer(
        &self,
        body: Vec<u8>,
        source: Dialect,
        model: &str,
        estimated: u64,
    ) -> Result<(Vec<u8>, Observation), StreamFault> {
        if let Some(error) = source.decode_error(&body) {
            return Err(StreamFault::Provider(error));
        }
        let vectors = if source == Dialect::Gemini { gemini::vectors(&body) } else { openai::vectors(&body) }?;
        if vectors.list.len() != self.inputs.len() {
            let (got, asked) = (vectors.list.len(), self.inputs.len());
            return Err(StreamFault::Malformed(format!("{got} vectors for {asked} inputs")));
        }
        let observation =
            Observation { model: vectors.model.clone(), usage: vectors.usage, done: true, ..Observation::default() };
        let written = match self.form {
            Form::OpenAi if source == Dialect::Gemini => Some(openai::answer(self, &vectors, model, estimated)?),
            Form::OpenAi => openai::in_asked_encoding(self, &vectors, &body)?,
            Form::Gemini | Form::GeminiBatch if source == Dialect::Gemini => None,
            Form::Gemini | Form::GeminiBatch => Some(gemini::answer(self.form, &vectors)?),
        };
        Ok((written.unwrap_or(body), observation))
    }

    /// Whether Gemini is asked for one vector in its own words, which is a method of its own.
    #[must_use]
    pub fn is_single(&self, target: Dialect) -> bool {
        self.form == Form::Gemini && target == Dialect::Gemini
    }

    fn is_native(&self, target: Dialect) -> bool {
        (self.form == Form::OpenAi) != (target == Dialect::Gemini)
    }
}

/// Whether a dialect has embeddings: OpenAI's stand beside either of its dialects.
#[must_use]
pub fn has_embeddings(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini)
}

fn malformed(error: &serde_json::Error) -> StreamFault {
    StreamFault::Malformed(format!("not embeddings, at line {} column {}", error.line(), error.column()))
}
