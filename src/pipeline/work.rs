//! What is asked of candidates: an answer, the size of a prompt, or vectors. Choosing, attempts, settling and telling are
//! the same for all; the bodies are not, and that is what stands here.

use crate::dialect::canonical::{ChatRequest, ChatResponse, FinishReason, Loss};
use crate::dialect::carried::Signer;
use crate::dialect::gathered::{self, Whole};
use crate::dialect::openai_chat::request::adapt;
use crate::dialect::view::View;
use crate::dialect::{Dialect, Observation, StreamFault, Target};
use crate::embedding::{Asked, Form};
use crate::error::GatewayError;
use crate::http::UpstreamRequest;
use crate::pipeline::choose::Candidate;
use crate::pipeline::count::Count;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::prepare::Prepared;
use crate::policy::input::Purpose;
use crate::ports::Platform;
use crate::upstream::registry::{self, Forwarded, Operation};

/// A request by its kind.
#[derive(Debug)]
pub enum Work<'b> {
    /// An answer from a model.
    Answer(Chat<'b>),
    /// The number of a prompt's tokens.
    Count(Count<'b>),
    /// Vectors.
    Embed(Asked<'b>),
}

/// A chat request.
#[derive(Debug)]
pub struct Chat<'b> {
    /// Its body.
    body: &'b [u8],
    /// Nothing is asked for: what the request says of its answer does not matter.
    prompt_only: bool,
    /// It in the hub's words, once a candidate speaks another dialect.
    canonical: Option<ChatRequest>,
}

/// A body that is no answer to what was asked.
#[derive(Debug)]
pub struct Rejected {
    /// Why.
    pub fault: StreamFault,
    /// What it said all the same.
    pub seen: Observation,
}

/// A whole answer that was understood.
pub enum Answer {
    /// In the caller's dialect already.
    Native(Vec<u8>, Observation),
    /// To be written anew.
    Foreign(Box<ChatResponse>, Observation),
}

impl<'b> Work<'b> {
    /// A chat request that wants an answer.
    #[must_use]
    pub fn answer(body: &'b [u8]) -> Self {
        Self::Answer(Chat::new(body))
    }

    /// What a model is wanted for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Answer(_) => Purpose::Answer,
            Self::Count(_) => Purpose::Count,
            Self::Embed(_) => Purpose::Embed,
        }
    }

    /// The chat request in the hub's words, where a candidate needed it.
    #[must_use]
    pub fn canonical(&self) -> Option<&ChatRequest> {
        match self {
            Self::Answer(chat) | Self::Count(Count { chat, .. }) => chat.decoded(),
            Self::Embed(_) => None,
        }
    }

    /// What of the request is not exact at a target of another dialect.
    ///
    /// # Errors
    /// The caller's: a body that cannot be read whole.
    pub fn losses(
        &mut self,
        from: Dialect,
        asked: &Addressed<'_>,
        dialect: Dialect,
        target: &Target<'_>,
    ) -> Result<Vec<Loss>, GatewayError> {
        match self {
            Self::Answer(chat) => Ok(dialect.encode_request(chat.canonical(from, asked)?, target).losses),
            Self::Count(count) => count.losses(from, asked, dialect, target),
            Self::Embed(wanted) => Ok(wanted.losses(dialect)),
        }
    }

    /// Of the losses at a server of the caller's own dialect those that there are, see [`adapt::lost`].
    #[must_use]
    pub fn lost(&self, target: &Target<'_>, dropping: bool, losses: Vec<Loss>) -> Vec<Loss> {
        match self {
            Self::Answer(Chat { body, canonical: Some(request), .. }) => {
                adapt::lost(body, request, target, dropping, losses)
            }
            _ => losses,
        }
    }

    /// Who signed reasoning in the history (see [`Dialect::signed_by`]).
    #[must_use]
    pub fn signed_by(&self, dialect: Dialect) -> Option<Signer> {
        match self {
            Self::Answer(chat) | Self::Count(Count { chat, .. }) => dialect.signed_by(chat.body),
            Self::Embed(_) => None,
        }
    }

    /// Writes the call to a candidate; see [`Prepared::request`].
    pub fn request<P: Platform>(
        &self,
        exchange: &Exchange<'_, P>,
        view: &View<'_>,
        chosen: &Candidate<'_>,
        unsigned: bool,
        losses: &mut Vec<Loss>,
    ) -> UpstreamRequest {
        let prepared = Prepared { canonical: self.canonical() };
        match self {
            Self::Answer(_) => prepared.request(exchange, view, chosen, unsigned, losses),
            Self::Count(count) => {
                let body = count.body(exchange.dialect, view, chosen, unsigned, losses);
                prepared.call(exchange, chosen, Operation::CountTokens, body)
            }
            Self::Embed(asked) => {
                let body = asked.write(view, chosen.dialect, &chosen.model).body;
                let traceparent = Some(exchange.attempt_traceparent());
                let forwarded = Forwarded { traceparent, key: chosen.keys.current(), ..Forwarded::default() };
                let operation = if asked.is_single(chosen.dialect) { Operation::EmbedOne } else { Operation::Embed };
                registry::request(chosen.provider, chosen.dialect, &chosen.model, operation, &forwarded, body)
            }
        }
    }

    /// Reads a candidate's whole answer. `estimated`: prompt tokens, for a dialect that has to say a number.
    ///
    /// # Errors
    /// An error in a 200, or no answer to what was asked.
    pub fn understand<P: Platform>(
        &self,
        exchange: &Exchange<'_, P>,
        chosen: &Candidate<'_>,
        estimated: u64,
        body: Vec<u8>,
    ) -> Result<Answer, Box<Rejected>> {
        let read = match self {
            Self::Answer(_) => return understand(exchange.dialect, chosen, body),
            Self::Count(_) => Count::answer(exchange.dialect, chosen.dialect, body),
            Self::Embed(asked) => asked.answer(body, chosen.dialect, &chosen.model, estimated),
        };
        let (body, seen) = read.map_err(|fault| Rejected { fault, seen: Observation::default() })?;
        Ok(Answer::Native(body, seen))
    }

    /// Whether an answer from a provider of that dialect says our estimate where the provider counted nothing.
    #[must_use]
    pub fn tells_estimate(&self, source: Dialect) -> bool {
        matches!(self, Self::Embed(asked) if asked.form == Form::OpenAi && source == Dialect::Gemini)
    }

    /// Whether tokens are generated for it.
    #[must_use]
    pub fn generates(&self) -> bool {
        matches!(self, Self::Answer(_))
    }

    /// Whether providers charge for it.
    #[must_use]
    pub fn is_charged(&self) -> bool {
        !matches!(self, Self::Count(_))
    }
}

/// What Gemini's bodies do not say themselves.
#[derive(Debug)]
pub struct Addressed<'a> {
    /// The model as the caller wrote it.
    pub model: &'a str,
    /// Whether a stream is wanted.
    pub stream: bool,
}

impl<'b> Chat<'b> {
    /// A chat request's body.
    #[must_use]
    pub fn new(body: &'b [u8]) -> Self {
        Self { body, prompt_only: false, canonical: None }
    }

    /// The same without an answer: how that is to be bounded and drawn is no part of it.
    #[must_use]
    pub fn prompt(body: &'b [u8]) -> Self {
        Self { prompt_only: true, ..Self::new(body) }
    }

    /// It in the hub's words, if it was needed in them.
    #[must_use]
    pub fn decoded(&self) -> Option<&ChatRequest> {
        self.canonical.as_ref()
    }

    /// It in the hub's words.
    ///
    /// # Errors
    /// The caller's.
    pub fn canonical(&mut self, from: Dialect, asked: &Addressed<'_>) -> Result<&ChatRequest, GatewayError> {
        let request = match self.canonical.take() {
            Some(request) => request,
            None => {
                let request = from.decode_request(self.body)?;
                let request = if self.prompt_only { request.prompt() } else { request };
                ChatRequest { model: asked.model.to_owned(), stream: asked.stream, ..request }
            }
        };
        Ok(self.canonical.insert(request))
    }
}

fn understand(caller: Dialect, chosen: &Candidate<'_>, body: Vec<u8>) -> Result<Answer, Box<Rejected>> {
    let dialect = chosen.dialect;
    let rejected = |body: &[u8], fault| Box::new(Rejected { fault, seen: gathered::rejected(dialect, body) });
    let whole = if gathered::is_stream(&body) {
        gathered::whole(dialect, &body).map_err(|fault| rejected(&body, fault))?
    } else {
        Whole::Native(body)
    };
    let answer = match whole {
        Whole::Read(response, seen) => Answer::Foreign(Box::new(response), seen),
        Whole::Native(body) => {
            let seen = dialect.observe_response(&body).map_err(|fault| rejected(&body, fault))?;
            if chosen.answers_in(caller) {
                Answer::Native(body, seen)
            } else {
                match dialect.decode_response(&body) {
                    Ok(response) => Answer::Foreign(Box::new(response), seen),
                    Err(fault) => return Err(Box::new(Rejected { fault, seen })),
                }
            }
        }
    };
    match answer {
        Answer::Native(_, seen) | Answer::Foreign(_, seen) if seen.finish == Some(FinishReason::Failed) => {
            let word = seen.raw_finish.as_deref().unwrap_or_default();
            let fault = StreamFault::Malformed(format!("the model's turn failed: {word}"));
            Err(Box::new(Rejected { fault, seen }))
        }
        answer => Ok(answer),
    }
}
