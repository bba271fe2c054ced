//! Small edits for answers of this dialect that pass through untranslated: our cost and our report go in, every other
//! byte stays as the provider wrote it.

mod history;

use serde_json::value::RawValue;

pub use history::{for_server, signed_by};

use super::write::{is_number, Object};
use super::{profile, usage};
use crate::dialect::{Observation, ReplyContext, Tail};
use crate::json::{Edit, Members};
use crate::sse::Frame;

/// Sets `usage.cost` and the `signalbox` member of a whole answer. An answer without usage gets no cost; what is not an
/// object comes back unchanged. `cost_usd` is a decimal number as text, `signalbox` a JSON object.
#[must_use]
pub fn add_cost(body: &[u8], cost_usd: Option<&str>, signalbox: Option<&str>) -> Vec<u8> {
    let Ok(members) = Members::read(body) else { return body.to_vec() };
    let usage = cost_usd.filter(|cost| is_number(cost)).and_then(|cost| priced(members.present("usage")?, cost));
    let mut edits = Vec::with_capacity(2);
    if let Some(usage) = usage {
        edits.push(Edit::Set("usage", usage.into()));
    }
    if let Some(signalbox) = signalbox {
        edits.push(Edit::Set("signalbox", signalbox.into()));
    }
    members.edit(&edits)
}

fn priced(usage: &RawValue, cost_usd: &str) -> Option<String> {
    let usage = Members::read(usage.get().as_bytes()).ok()?;
    String::from_utf8(usage.edit(&[Edit::Set("cost", cost_usd.into())])).ok()
}

/// The same for one event of a stream: the event's bytes with the cost in its usage and the `signalbox` member beside it.
/// An event without JSON comes back unchanged.
#[must_use]
pub fn add_cost_to_event(frame: &Frame<'_>, cost_usd: Option<&str>, signalbox: Option<&str>) -> Vec<u8> {
    let Some(data) = frame.data.as_deref() else { return frame.raw.to_vec() };
    let edited = add_cost(data, cost_usd, signalbox);
    with_data(frame, &edited)
}

/// An event's bytes with other data in them.
pub(in crate::dialect) fn with_data(frame: &Frame<'_>, edited: &[u8]) -> Vec<u8> {
    let data = frame.data.as_deref().unwrap_or_default();
    if edited == data {
        return frame.raw.to_vec();
    }
    let start = memchr::memmem::find(frame.raw, data);
    match start.and_then(|at| Some((frame.raw.get(..at)?, frame.raw.get(at + data.len()..)?))) {
        Some((before, after)) => [before, edited, after].concat(),
        None => rejoined(frame.raw, edited),
    }
}

/// An event whose data stood on several lines: the other lines stay, the data becomes one line where the first stood.
/// Line ends inside JSON are white space, so none is lost with them.
fn rejoined(raw: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + data.len());
    let mut written = false;
    for line in raw.split_inclusive(|b| *b == b'\n') {
        if !line.starts_with(b"data:") {
            out.extend_from_slice(line);
        } else if !std::mem::replace(&mut written, true) {
            out.extend_from_slice(b"data: ");
            out.extend(data.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
            out.extend_from_slice(if line.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
        }
    }
    out
}

/// The usage chunk that a client asked for and the provider did not send: `choices: []`, the counts, the cost. It goes out
/// before `[DONE]`. Without any counts it carries `usage: null`; empty when there is nothing to say at all.
#[must_use]
pub fn usage_tail_event(seen: &Observation, context: &ReplyContext, tail: &Tail) -> Vec<u8> {
    let counts = tail.usage.or(seen.usage);
    if counts.is_none() && tail.signalbox.is_none() {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"data: ");
    let mut chunk = Object::begin(&mut out);
    match &seen.id {
        Some(id) => chunk.text("id", id),
        None => chunk.text("id", &format!("chatcmpl-{}", context.request_id)),
    }
    chunk.text("object", "chat.completion.chunk");
    chunk.number("created", context.now_secs);
    chunk.text("model", seen.model.as_deref().unwrap_or(&context.model));
    chunk.raw("choices", "[]");
    match counts {
        Some(counts) => chunk.object("usage", |out| usage::encode(out, &counts, tail.cost_usd.as_deref())),
        None => chunk.raw("usage", "null"),
    }
    if let Some(signalbox) = &tail.signalbox {
        chunk.raw("signalbox", signalbox);
    }
    chunk.end();
    out.extend_from_slice(b"\n\n");
    out
}

/// Whether a server's answers are such that OpenAI's own clients can read them.
#[must_use]
pub fn shows_answers(profile: &str) -> bool {
    profile::of(profile).answers == profile::Answers::Native
}

/// Whether a provider knows the option of [`ask_for_usage`]; the others report usage unasked. `provider` is its name or
/// profile.
#[must_use]
pub fn has_usage_option(provider: &str) -> bool {
    profile::of(provider).stream_options
}

/// The edit that makes a provider report usage in a stream whose caller did not ask; `None` when the caller did.
#[must_use]
pub fn ask_for_usage(members: &Members<'_>) -> Option<Edit<'static>> {
    let set = |text: String| Some(Edit::Set("stream_options", text.into()));
    let Some(raw) = members.present("stream_options") else { return set(r#"{"include_usage":true}"#.to_owned()) };
    let options = Members::read(raw.get().as_bytes()).ok()?;
    if options.raw("include_usage").is_some_and(|asked| asked.get() == "true") {
        return None;
    }
    set(String::from_utf8(options.edit(&[Edit::Set("include_usage", "true".into())])).ok()?)
}

/// Whether a server's thoughts are to be taken out where the caller does not want them: it shows some, and does not know
/// the word for that itself.
#[must_use]
pub fn shows_thoughts(profile: &str) -> bool {
    let profile = profile::of(profile);
    profile.replay != profile::Replay::None && profile.thinking != profile::Thinking::OpenRouter
}

/// The edits that put OpenRouter's `reasoning.effort` into OpenAI's word for it, for servers that refuse what they do not
/// know; none where the caller wrote both, or something that has no such word. `reasoning.exclude` asks for what such
/// servers do.
#[must_use]
pub fn effort_in_own_words(members: &Members<'_>, provider: &str) -> Option<Vec<Edit<'static>>> {
    let profile = profile::of(provider);
    if !profile.takes("safety_identifier") || profile.thinking != profile::Thinking::Effort {
        return None;
    }
    let reasoning = Members::read(members.present("reasoning")?.get().as_bytes()).ok()?;
    let only_excludes = reasoning.iter().all(|(name, value)| name == "exclude" && value.get() == "true");
    match reasoning.present("effort").filter(|_| members.present("reasoning_effort").is_none()) {
        Some(effort) => {
            let effort = effort.get().to_owned();
            Some(vec![Edit::Remove("reasoning"), Edit::Set("reasoning_effort", effort.into())])
        }
        None => only_excludes.then(|| vec![Edit::Remove("reasoning")]),
    }
}

#[cfg(test)]
mod tests;
