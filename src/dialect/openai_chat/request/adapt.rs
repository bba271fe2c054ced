//! A caller's own body for a server with another accent (`wire.md` §2: columns M, D and Q are targets of OpenAI's own
//! requests). The encoder decides what the server is sent; wherever it would say what the caller has said, the caller's
//! text stays, byte for byte.

use serde_json::value::RawValue;
use serde_json::Value;

use super::super::profile::{self, CallIds, Native, Profile, Replay};
use super::encode::encode_keeping;
use crate::dialect::canonical::{ChatRequest, Disposition, Loss};
use crate::dialect::{Dialect, Target};
use crate::json::scalar::{filled, kind_of, says_something, string, Kind};
use crate::json::{Edit, Members};

/// Whether bodies of this dialect's own callers have to be adapted for a provider with this profile.
#[must_use]
pub fn is_needed(profile: &str) -> bool {
    profile::of(profile).native == Native::Adapted
}

/// Members to set (`Some`) or to take out. `request` is `body` decoded. What the server has no word for stays, because
/// the provider decides about it, unless the caller has allowed to drop it.
#[must_use]
pub fn adapt(
    members: &Members<'_>,
    request: &ChatRequest,
    target: &Target<'_>,
    dropping: bool,
) -> Vec<(String, Option<String>)> {
    let profile = profile::of(target.provider);
    let encoded = match dropping {
        true => Dialect::OpenAiChat.encode_request(request, target),
        false => encode_keeping(request, target),
    };
    let Ok(written) = Members::read(&encoded.body) else { return Vec::new() };
    let unsupported = || encoded.losses.iter().filter(|loss| loss.disposition == Disposition::Unsupported);
    let refused: Vec<&str> =
        unsupported().map(|loss| loss.field.split(['.', '[']).next().unwrap_or_default()).collect();
    let turn_of = |field: &str| {
        let (turn, inside) = field.strip_prefix("messages[")?.split_once(']')?;
        turn.parse::<usize>().ok().filter(|_| inside.starts_with(".content") || inside.starts_with(".tool_calls"))
    };
    let refused_turns: Vec<usize> = unsupported().filter_map(|loss| turn_of(&loss.field)).collect();
    let mut edits = Vec::new();
    for (name, raw) in members.iter() {
        let instead = written.raw(name);
        let keeps = !dropping && refused.iter().any(|field| belongs(name, field));
        let edit = match name {
            "model" | "stream" => continue,
            "stream_options" if profile.stream_options => continue,
            "messages" => messages(raw, instead, profile, &refused_turns, dropping).map(Some),
            // Legacy functions are tools by now.
            _ if instead.is_none() => (!keeps).then_some(None),
            _ => instead.filter(|new| rewrites(name, raw, new, profile)).map(|new| Some(new.get().to_owned())),
        };
        edits.extend(edit.map(|edit| (name.to_owned(), edit)));
    }
    let added = written.iter().filter(|(name, _)| *name != "stream_options" && members.raw(name).is_none());
    edits.extend(added.map(|(name, raw)| (name.to_owned(), Some(raw.get().to_owned()))));
    edits
}

/// Of the losses that the encoder reports those that there are: what the server is sent as the caller wrote it has lost nothing
/// on the way.
#[must_use]
pub fn lost(
    body: &[u8],
    request: &ChatRequest,
    target: &Target<'_>,
    dropping: bool,
    mut losses: Vec<Loss>,
) -> Vec<Loss> {
    let Some(members) = Members::read(body).ok().filter(|_| !losses.is_empty()) else { return losses };
    let changes = adapt(&members, request, target, dropping);
    let sent = members.edit(&edits(&changes).collect::<Vec<_>>());
    let Ok(sent) = Members::read(&sent) else { return losses };
    losses.retain(|loss| {
        let said = at(&members, &loss.field);
        said.is_none() || said != at(&sent, &loss.field)
    });
    losses
}

/// The value at a path such as `messages[2].name`, if it is there and says something.
fn at(members: &Members<'_>, path: &str) -> Option<Value> {
    let mut steps = path.split(['.', '[']);
    let top: Value = members.parse(steps.next()?).ok()??;
    let value = steps.try_fold(&top, |value, step| match step.strip_suffix(']') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => value.get(step),
    })?;
    (!value.is_null()).then(|| value.clone())
}

/// The edits as [`Members::edit`] takes them.
pub fn edits(list: &[(String, Option<String>)]) -> impl Iterator<Item = Edit<'_>> {
    list.iter().map(|(name, text)| match text {
        Some(text) => Edit::Set(name, text.as_str().into()),
        None => Edit::Remove(name),
    })
}

/// Whether a member is one of those that a loss is about.
fn belongs(member: &str, field: &str) -> bool {
    member == field
        || match field {
            "logprobs" => member == "top_logprobs",
            "reasoning" => matches!(member, "thinking" | "enable_thinking" | "thinking_budget"),
            _ => false,
        }
}

/// Whether the encoder's text counts although the caller has written the member.
fn rewrites(name: &str, callers: &RawValue, encoders: &RawValue, profile: &Profile) -> bool {
    match name {
        "reasoning_effort" => callers.get() != encoders.get(),
        // Both bounds stood there.
        _ if name == profile.max_tokens => callers.get() != encoders.get(),
        "response_format" => profile.bare_schema && callers.get().contains("\"json_schema\""),
        "tool_choice" => callers.get().contains("\"allowed_tools\""),
        "tools" => {
            let narrowed = items(callers).len() != items(encoders).len();
            let bare = |tool: &&RawValue| function(tool).is_some_and(|f| f.present("parameters").is_none());
            narrowed || (profile.parameters_required && items(callers).iter().any(bare))
        }
        _ => false,
    }
}

fn items(raw: &RawValue) -> Vec<&RawValue> {
    crate::json::from_str(raw.get()).unwrap_or_default()
}

fn object(raw: &RawValue) -> Option<Members<'_>> {
    Members::read(raw.get().as_bytes()).ok()
}

fn function<'a>(tool: &'a RawValue) -> Option<Members<'a>> {
    object(tool)?.present("function").and_then(object)
}

/// The messages with those replaced that the server reads otherwise; `None` = none is. In the `refused` ones something has
/// no form there at all: they stay, because the provider decides about it, or lose it where that is allowed.
fn messages(
    callers: &RawValue,
    encoders: Option<&RawValue>,
    profile: &Profile,
    refused: &[usize],
    dropping: bool,
) -> Option<String> {
    let (theirs, ours) = (items(callers), items(encoders?));
    // The encoder writes a message for each turn, and a turn is a message; should they differ, its own list is whole.
    if theirs.len() != ours.len() {
        return Some(encoders?.get().to_owned());
    }
    let mut changed = false;
    let list: Vec<String> = theirs
        .into_iter()
        .zip(ours)
        .enumerate()
        .map(|(at, (theirs, ours))| {
            let Some(message) = object(theirs) else { return theirs.get().to_owned() };
            let rewritten = if refused.contains(&at) { dropping } else { differs(&message, profile) };
            if rewritten {
                changed = true;
                return ours.get().to_owned();
            }
            without_nulls(&message).inspect(|_| changed = true).unwrap_or_else(|| theirs.get().to_owned())
        })
        .collect();
    changed.then(|| format!("[{}]", list.join(",")))
}

/// Members that are absent in all but name, as clients send back of an answer: strict servers refuse them.
fn without_nulls(message: &Members<'_>) -> Option<String> {
    let null = |(name, raw): &(&str, &RawValue)| {
        *name != "content" && (kind_of(raw) == Kind::Null || (*name == "annotations" && !says_something(raw)))
    };
    let nulls: Vec<Edit<'_>> = message.iter().filter(null).map(|(name, _)| Edit::Remove(name)).collect();
    if nulls.is_empty() {
        return None;
    }
    String::from_utf8(message.edit(&nulls)).ok()
}

/// Whether a server reads a message otherwise than the caller means it.
fn differs(message: &Members<'_>, profile: &Profile) -> bool {
    let role = message.present("role").and_then(string).unwrap_or_default();
    let legal = |id: Option<&RawValue>| {
        filled(id).is_none_or(|id| match profile.call_id {
            CallIds::Any => true,
            CallIds::UpTo40 => id.len() <= 40,
            CallIds::NineAlphanumerics => id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()),
        })
    };
    let ids = message.present("tool_calls").map(items).unwrap_or_default();
    let ids_differ = ids.iter().any(|call| object(call).is_some_and(|call| !legal(call.present("id"))));
    let by_role = match role.as_ref() {
        "developer" => !profile.developer,
        "function" => true,
        "tool" => !legal(message.present("tool_call_id")) || (profile.tool_names && message.present("name").is_none()),
        "assistant" => ids_differ || replays_otherwise(message, profile),
        _ => false,
    };
    by_role || message.present("content").is_some_and(|content| reads_otherwise(content, profile))
}

/// An assistant's reasoning, refusal and legacy call under names that the server does not have.
fn replays_otherwise(message: &Members<'_>, profile: &Profile) -> bool {
    let says = |name: &str| message.present(name).is_some_and(says_something);
    let foreign: &[&str] = match profile.replay {
        // What it wants on every turn beside tools, `native::history` puts in.
        Replay::Content | Replay::ContentAlways => &["reasoning", "reasoning_details"],
        Replay::Reasoning => &["reasoning_content", "reasoning_details"],
        Replay::Details => &["reasoning_content"],
        Replay::None | Replay::Chunk => &["reasoning", "reasoning_content", "reasoning_details"],
    };
    foreign.iter().chain(&["signalbox", "function_call"]).any(|name| message.raw(name).is_some_and(says_something))
        || (says("refusal") && !profile.refusals)
}

/// Content in a form that the server does not take.
fn reads_otherwise(content: &RawValue, profile: &Profile) -> bool {
    if kind_of(content) != Kind::List {
        return false;
    }
    let kind =
        |part: &&RawValue| object(part).and_then(|part| string(part.present("type")?).map(|kind| kind.into_owned()));
    let kinds: Vec<Option<String>> = items(content).iter().map(kind).collect();
    let texts = kinds.iter().all(|kind| kind.as_deref() == Some("text"));
    let foreign = |kind: &Option<String>| matches!(kind.as_deref(), Some("refusal" | "input_audio" | "file"));
    (texts && !profile.text_lists) || kinds.iter().any(foreign)
}

#[cfg(test)]
mod tests;
