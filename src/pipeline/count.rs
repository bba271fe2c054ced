//! Counting a prompt's tokens: `/v1/messages/count_tokens` and `:countTokens`. A model is asked for its own count, in its own
//! dialect; where its provider has no counter there is none (ADR 0011).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::canonical::Loss;
use crate::dialect::openai_chat::profile;
use crate::dialect::view::View;
use crate::dialect::{
    anthropic_messages, carried, gemini, openai_responses, Dialect, Observation, StreamFault, Target,
};
use crate::error::{ErrorKind, GatewayError};
use crate::json::{quoted, Edit, Members};
use crate::pipeline::choose::{self, Candidate};
use crate::pipeline::exchange::Exchange;
use crate::pipeline::work::{Addressed, Chat, Work};
use crate::pipeline::{attempts, enter, prepare, reply, told};
use crate::ports::Platform;

/// A prompt that is to be counted.
#[derive(Debug)]
pub struct Count<'b> {
    /// The chat request whose prompt it is.
    pub chat: Chat<'b>,
    /// The whole body, where the chat request is a member of it (Gemini's `generateContentRequest`).
    around: Option<&'b [u8]>,
}

/// The member of Gemini's bodies that holds a whole chat request instead of bare contents.
const WHOLE_REQUEST: [&str; 2] = ["generateContentRequest", "generate_content_request"];

/// The way of a count. `path_model`: the model, where it stands in the path.
///
/// # Errors
/// The caller's, or that nobody can count it.
pub async fn count<P: Platform>(
    exchange: &mut Exchange<'_, P>,
    dialect: Dialect,
    path_model: Option<String>,
) -> Result<(), GatewayError> {
    let body = enter::body(exchange).await?;
    let inner = whole_request(dialect, &body)?;
    // An answer's bound, which reading a request insists on, is not part of a prompt.
    let bounded = bounded(dialect, inner);
    let chat = Chat::prompt(bounded.as_deref().unwrap_or(inner));
    let mut view = match dialect {
        Dialect::AnthropicMessages => anthropic_messages::view::view_count_tokens(inner)?,
        other => other.view(inner)?,
    };
    if let Some(model) = path_model {
        view.model = model.into();
    }
    view.stream = false;
    view.max_output_tokens = Some(0);
    let around = (inner.len() != body.len()).then_some(body.as_slice());
    let asked = choose::asked(exchange, &mut view)?;
    exchange.explain = asked.explain;
    let work = Work::Count(Count { chat, around });
    let choice = choose::choose(exchange, &view, asked, work)?;
    if let Some(first) = choice.candidates.first().filter(|first| !has_counter(first.dialect, &first.provider.profile))
    {
        let mut head = reply::json_head(exchange, 200);
        head.headers.push("x-signalbox-losses", reply::losses_text(&first.losses));
        exchange.platform.reply(head, estimate(dialect, view.estimated_input_tokens));
        told::page(exchange, 200);
        return Ok(());
    }
    let mut run = attempts::Run::new(exchange, &view, &choice);
    run.drive().await;
    told::served(&run);
    Ok(())
}

impl Count<'_> {
    /// What cannot be counted at a target as it would be asked there.
    ///
    /// # Errors
    /// The caller's.
    pub fn losses(
        &mut self,
        from: Dialect,
        asked: &Addressed<'_>,
        dialect: Dialect,
        target: &Target<'_>,
    ) -> Result<Vec<Loss>, GatewayError> {
        if !has_counter(dialect, target.provider) {
            return Ok(vec![Loss::unsupported("count_tokens", "the model's provider has no counter")]);
        }
        let mut losses = dialect.encode_request(self.chat.canonical(from, asked)?, target).losses;
        if dialect == Dialect::OpenAiResponses {
            let reason = "counted as Responses is asked; Chat Completions frames a prompt in its own way";
            losses.push(Loss::converted("count_tokens", reason));
        }
        Ok(losses)
    }

    /// The body for a candidate.
    #[must_use]
    pub fn body(
        &self,
        from: Dialect,
        view: &View<'_>,
        chosen: &Candidate<'_>,
        unsigned: bool,
        losses: &mut Vec<Loss>,
    ) -> Vec<u8> {
        let foreign = self.chat.decoded().filter(|_| chosen.dialect != from);
        match (chosen.dialect, foreign) {
            (dialect, Some(request)) => {
                // As an answer would be asked for: without reasoning that another provider signed.
                let changed = carried::without_signed(request, &chosen.provider.name, unsigned);
                let body = dialect.encode_request(changed.as_ref().unwrap_or(request), &chosen.target()).body;
                match dialect {
                    Dialect::Gemini => as_member(&body, &chosen.model),
                    Dialect::OpenAiChat | Dialect::OpenAiResponses => prompt_only(&body, &openai_responses::COUNTED),
                    Dialect::AnthropicMessages => prompt_only(&body, &anthropic_messages::COUNTED),
                }
            }
            (Dialect::Gemini, None) => {
                let inner = prepare::native_body(from, view, chosen, None, unsigned, losses);
                self.around.map_or_else(|| inner.clone(), |around| with_member(around, &inner, &chosen.model))
            }
            (_, None) => prepare::native_body(from, view, chosen, None, unsigned, losses),
        }
    }

    /// A counter's answer in the caller's words: its own bytes in its own dialect.
    ///
    /// # Errors
    /// An error in a 200, or no count.
    pub fn answer(caller: Dialect, source: Dialect, body: Vec<u8>) -> Result<(Vec<u8>, Observation), StreamFault> {
        if let Some(error) = source.decode_error(&body) {
            return Err(StreamFault::Provider(error));
        }
        let counted: Counted = crate::json::from_slice(&body).unwrap_or_default();
        let tokens = if source == Dialect::Gemini { counted.gemini } else { counted.others };
        let tokens = tokens.ok_or_else(|| StreamFault::Malformed("a count without a number".to_owned()))?;
        let body = if caller == source { body } else { write(caller, tokens) };
        Ok((body, Observation { done: true, ..Observation::default() }))
    }
}

#[derive(Deserialize, Default)]
struct Counted {
    #[serde(default, rename = "input_tokens")]
    others: Option<u64>,
    #[serde(default, rename = "totalTokens")]
    gemini: Option<u64>,
}

fn write(caller: Dialect, tokens: u64) -> Vec<u8> {
    let name = if caller == Dialect::Gemini { "totalTokens" } else { "input_tokens" };
    format!("{{\"{name}\":{tokens}}}").into_bytes()
}

/// Our own estimate, for a caller who lets what cannot be done be dropped. It says what it is.
fn estimate(caller: Dialect, tokens: u64) -> Vec<u8> {
    let body = write(caller, tokens);
    let mark = Edit::Set("signalbox", "{\"estimated\":true}".into());
    Members::read(&body).map(|members| members.edit(&[mark])).unwrap_or_default()
}

/// Whether a provider of a dialect and profile counts (`wire.md` §1.2, §1.3; ai.google.dev/api/tokens).
#[must_use]
pub fn has_counter(dialect: Dialect, profile: &str) -> bool {
    match dialect {
        Dialect::AnthropicMessages | Dialect::Gemini => true,
        Dialect::OpenAiResponses => profile::of(profile).counter,
        Dialect::OpenAiChat => false,
    }
}

/// A request that we wrote, without what belongs to its answer: counters refuse members that they do not know.
fn prompt_only(request: &[u8], counted: &[&str]) -> Vec<u8> {
    let Ok(members) = Members::read(request) else { return request.to_vec() };
    let others = members.iter().map(|(name, _)| name).filter(|name| !counted.contains(name));
    let edits: Vec<Edit<'_>> = others.map(Edit::Remove).collect();
    members.edit(&edits)
}

fn whole_request(dialect: Dialect, body: &[u8]) -> Result<&[u8], GatewayError> {
    if dialect != Dialect::Gemini {
        return Ok(body);
    }
    let members =
        Members::read(body).map_err(|error| GatewayError::new(ErrorKind::InvalidRequest, error.to_string()))?;
    Ok(WHOLE_REQUEST.iter().find_map(|name| members.present(name)).map_or(body, |raw| raw.get().as_bytes()))
}

/// The request with the bound that decoding needs, where the dialect demands one.
fn bounded(dialect: Dialect, body: &[u8]) -> Option<Vec<u8>> {
    let members = Members::read(body).ok().filter(|_| dialect == Dialect::AnthropicMessages)?;
    let missing = members.present("max_tokens").is_none();
    missing.then(|| members.edit(&[Edit::Set("max_tokens", "1000000".into())]))
}

/// A chat request as Gemini's counter takes it whole, model included.
fn as_member(request: &[u8], model: &str) -> Vec<u8> {
    let named = Members::read(request).map(|members| members.edit(&[model_name(model)])).unwrap_or_default();
    [b"{\"generateContentRequest\":", named.as_slice(), b"}"].concat()
}

/// The caller's own body with its chat request for another model.
fn with_member(around: &[u8], request: &[u8], model: &str) -> Vec<u8> {
    let Ok(members) = Members::read(around) else { return around.to_vec() };
    let inner = Members::read(request).map(|inner| match inner.present("model") {
        Some(name) if !is_name_of(name, model) => inner.edit(&[model_name(model)]),
        _ => request.to_vec(),
    });
    let text = inner.ok().and_then(|inner| String::from_utf8(inner).ok());
    let name = WHOLE_REQUEST.iter().find(|name| members.raw(name).is_some());
    match (name, text) {
        (Some(name), Some(text)) => members.edit(&[Edit::Set(name, text.into())]),
        _ => around.to_vec(),
    }
}

fn is_name_of(raw: &RawValue, model: &str) -> bool {
    crate::json::from_str::<String>(raw.get()).is_ok_and(|name| gemini::path::bare(&name) == gemini::path::bare(model))
}

fn model_name(model: &str) -> Edit<'static> {
    let name = format!("models/{}", gemini::path::bare(model));
    Edit::Set("model", String::from_utf8(quoted(&name)).unwrap_or_default().into())
}
