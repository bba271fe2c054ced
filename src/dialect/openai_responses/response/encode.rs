//! Canonical → wire. The writers of the answer around its items are the stream's too.

use serde_json::value::RawValue;

use super::super::{finish, foreign};
use super::items::{write_message, write_picture, write_reasoning, Call, MessagePart, Text};
use super::usage;
use crate::dialect::canonical::{
    ChatResponse, Choice, Extra, Finish, Loss, Media, MediaSource, Part, ReasoningPart, Usage,
};
use crate::dialect::citation::{self, Citation};
use crate::dialect::openai_chat::write::Object;
use crate::dialect::{custom, Dialect, Encoded, ReplyContext, Tail};
use crate::json::scalar::{count, filled, says_something};
use crate::json::{Edit, Members};

/// Writes an answer. It has one choice: a caller of this dialect cannot ask for more.
#[must_use]
pub fn encode(response: &ChatResponse, context: &ReplyContext, tail: &Tail) -> Encoded {
    let mut losses = Vec::new();
    let ids = Ids::of(response.id.as_deref(), context);
    let choice = response.choices.iter().min_by_key(|choice| choice.index);
    let speaks = choice.is_some_and(|choice| choice.parts.iter().any(|part| matches!(part, Part::Text(_))));
    let Beside { tier, text } = Beside::read(&response.extras, speaks, &mut losses);
    let output = choice.map(|choice| items(choice, &ids, text, &context.answered_by, &mut losses)).unwrap_or_default();
    for other in response.choices.iter().filter(|other| choice.is_some_and(|choice| choice.index != other.index)) {
        losses.push(Loss::unsupported(format!("choices[{}]", other.index), "an answer in Responses is one"));
    }
    let end = choice.and_then(|choice| choice.finish.as_ref());
    let mut body = Vec::with_capacity(2048);
    let mut out = Object::begin(&mut body);
    let (model, created) = (response.model.as_deref(), response.created);
    head(&mut out, &ids, model, created, context);
    let counts = tail.usage.as_ref().or(response.usage.as_ref());
    closing(&mut out, end, &output, tier.as_deref(), counts, tail.cost_usd.as_deref());
    if let Some(signalbox) = &tail.signalbox {
        out.raw("signalbox", signalbox);
    }
    out.end();
    Encoded { body, losses }
}

/// Ids of an answer and of its items: the provider's id where there is one, under this dialect's prefixes. The same
/// answer gets the same ids, in a stream and whole.
#[derive(Debug, Clone)]
pub(in super::super) struct Ids {
    answer: String,
    /// The first item's, a message, where another writer has chosen it.
    message: Option<String>,
}

impl Ids {
    /// The ids of an answer.
    pub fn of(id: Option<&str>, context: &ReplyContext) -> Self {
        let id = id.filter(|id| !id.is_empty()).unwrap_or(&context.request_id);
        Self { answer: id.strip_prefix("resp_").unwrap_or(id).to_owned(), message: None }
    }

    /// The answer's.
    pub fn response(&self) -> String {
        format!("resp_{}", self.answer)
    }

    /// An item's; `prefix` is its kind's.
    pub fn item(&self, prefix: &str, at: usize) -> String {
        let known = self.message.clone().filter(|_| at == 0 && prefix == "msg");
        known.unwrap_or_else(|| format!("{prefix}_{}_{at}", self.answer))
    }

    /// The first item is a message of this id.
    pub fn begin_with(&mut self, message: Option<String>) {
        self.message = message;
    }
}

/// The members that an answer begins with, in every event that holds one: ids, and what the request said.
pub(in super::super) fn head(
    out: &mut Object<'_>,
    ids: &Ids,
    model: Option<&str>,
    created: Option<u64>,
    context: &ReplyContext,
) {
    out.text("id", &ids.response());
    out.text("object", "response");
    out.number("created_at", created.unwrap_or(context.now_secs));
    out.text("model", model.filter(|model| !model.is_empty()).unwrap_or(&context.model));
    if context.echo.is_empty() {
        out.raw_members(&super::super::native::echo(&Members::default()));
    } else {
        out.raw_members(&context.echo);
    }
}

/// The members that say how far an answer has come. Without an `end` it is complete.
pub(in super::super) fn closing(
    out: &mut Object<'_>,
    end: Option<&Finish>,
    output: &[Vec<u8>],
    tier: Option<&str>,
    counts: Option<&Usage>,
    cost_usd: Option<&str>,
) {
    let (status, why) = end.map_or(("completed", None), |end| finish::encode(end.reason));
    out.text("status", status);
    match status {
        "failed" => out.object("error", |error| {
            error.text("code", "server_error");
            error.text("message", "the model's turn failed");
        }),
        _ => out.raw("error", "null"),
    }
    match why {
        Some(why) => out.object("incomplete_details", |details| details.text("reason", why)),
        None => out.raw("incomplete_details", "null"),
    }
    if let Some(raw) = end.map(|end| end.raw.as_str()).filter(|raw| !raw.is_empty() && *raw != status) {
        out.text("native_finish_reason", raw);
    }
    if let Some(tier) = tier {
        out.raw("service_tier", tier);
    }
    out.list("output", output, |out, item| out.extend_from_slice(item));
    match counts {
        Some(counts) => out.object("usage", |out| usage::encode(out, counts, cost_usd)),
        None => out.raw("usage", "null"),
    }
}

fn items(choice: &Choice, ids: &Ids, beside: Text, by: &str, losses: &mut Vec<Loss>) -> Vec<Vec<u8>> {
    let mut texts = texts(choice, beside).into_iter();
    let mut goes_on = false;
    let mut output: Vec<Vec<u8>> = Vec::new();
    let mut said: Vec<MessagePart> = Vec::new();
    let cut = choice.finish.as_ref().is_some_and(|end| finish::encode(end.reason).0 == "incomplete");
    let last = choice.parts.len().saturating_sub(1);
    let status = |at: usize| if cut && at == last { "incomplete" } else { "completed" };
    for (at, part) in choice.parts.iter().enumerate() {
        match part {
            Part::Text(_) if goes_on => {}
            Part::Text(_) => said.extend(texts.next().map(MessagePart::Text)),
            Part::Refusal(text) => said.push(MessagePart::Refusal(text.clone())),
            Part::Reasoning(block) => {
                close(&mut said, &mut output, ids, "completed");
                let item = write_reasoning(&ids.item("rs", output.len()), &block.text, encrypted(block, by).as_deref());
                output.push(item);
            }
            Part::ToolCall(call) => {
                close(&mut said, &mut output, ids, "completed");
                if let Some(signature) = &call.signature {
                    let sealed = foreign::seal_call(signature, by);
                    output.push(write_reasoning(&ids.item("rs", output.len()), "", Some(&sealed)));
                }
                output.push(Call::from(call).write(ids, output.len(), status(at)));
            }
            Part::Native { .. } if custom::is_call(part) => {
                close(&mut said, &mut output, ids, "completed");
                let call = custom::Call::of(part).unwrap_or_default();
                output.push(Call::from(&call).write(ids, output.len(), status(at)));
            }
            Part::Image(Media { source: MediaSource::Base64 { mime, data }, .. }) => {
                close(&mut said, &mut output, ids, "completed");
                output.push(write_picture(&ids.item("ig", output.len()), mime, data, "completed"));
            }
            Part::Native { dialect: Dialect::OpenAiResponses, raw, .. } => {
                close(&mut said, &mut output, ids, "completed");
                output.push(raw.get().as_bytes().to_vec());
            }
            other => {
                let kind = match other {
                    Part::Native { kind, .. } => kind.as_str(),
                    Part::Image(_) => "picture",
                    Part::Audio(_) => "sound",
                    _ => "part",
                };
                let reason = format!("an answer in Responses cannot carry this `{kind}`");
                losses.push(Loss::unsupported(format!("choices[{}].content[{at}]", choice.index), reason));
            }
        }
        goes_on = matches!(part, Part::Text(_));
    }
    close(&mut said, &mut output, ids, if cut { "incomplete" } else { "completed" });
    output
}

/// The choice's texts, those that follow one another as one, with what stands beside them. Sources count from the beginning
/// of all the choice says: each goes to the text in which it begins.
fn texts(choice: &Choice, beside: Text) -> Vec<Text> {
    let mut texts: Vec<(u64, Text)> = Vec::new();
    let (mut said, mut goes_on) = (0, false);
    for part in &choice.parts {
        if let Part::Text(text) = part {
            match texts.last_mut().filter(|_| goes_on) {
                Some((_, open)) => open.text.push_str(text),
                None => texts.push((said, Text { text: text.clone(), ..Text::default() })),
            }
            said += text.chars().count() as u64;
        }
        goes_on = matches!(part, Part::Text(_));
    }
    if let Some((_, first)) = texts.first_mut() {
        first.logprobs = beside.logprobs;
    }
    for source in beside.annotations {
        let start = begins_at(&source);
        let place = texts.iter().rposition(|(before, _)| *before <= start).unwrap_or_default();
        if let Some((before, text)) = texts.get_mut(place) {
            text.annotations.push(moved(&source, *before));
        }
    }
    texts.into_iter().map(|(_, text)| text).collect()
}

/// Where in the choice's text an annotation begins, in characters.
pub(in super::super) fn begins_at(annotation: &str) -> u64 {
    let read = Members::read(annotation.as_bytes()).unwrap_or_default();
    count(read.present("start_index")).unwrap_or_default()
}

/// An annotation as it is counted in a text before which others have so many characters.
pub(in super::super) fn moved(annotation: &str, before: u64) -> String {
    let Some(read) = Members::read(annotation.as_bytes()).ok().filter(|_| before > 0) else {
        return annotation.to_owned();
    };
    let places = ["start_index", "end_index"].into_iter().filter_map(|name| Some((name, count(read.present(name))?)));
    let edits: Vec<Edit<'_>> =
        places.map(|(name, at)| Edit::Set(name, at.saturating_sub(before).to_string().into())).collect();
    String::from_utf8(read.edit(&edits)).unwrap_or_default()
}

fn close(said: &mut Vec<MessagePart>, output: &mut Vec<Vec<u8>>, ids: &Ids, status: &str) {
    if !said.is_empty() {
        let item = write_message(&ids.item("msg", output.len()), said, status);
        output.push(item);
        said.clear();
    }
}

/// What a reasoning item holds for its provider: its own blob, or a sealed block of another dialect. `by` is the
/// `provider/model` that answers.
pub(in super::super) fn encrypted(block: &ReasoningPart, by: &str) -> Option<String> {
    match block.origin {
        Dialect::OpenAiResponses => block.signature.clone(),
        _ => Some(foreign::seal(block, by)),
    }
}

/// Extras that have a place in an answer of this dialect.
#[derive(Debug, Default)]
struct Beside {
    tier: Option<String>,
    text: Text,
}

impl Beside {
    /// `speaks`: there is a text to stand beside.
    fn read(extras: &[Extra], speaks: bool, losses: &mut Vec<Loss>) -> Self {
        let mut beside = Self::default();
        for extra in extras {
            match place(extra).filter(|place| speaks || matches!(place, Place::Tier)) {
                Some(Place::Tier) => beside.tier = Some(extra.value.get().to_owned()),
                Some(Place::Annotations) => beside.text.annotations.extend(annotations(extra)),
                Some(Place::Logprobs) => {
                    beside.text.logprobs.extend(logprobs(extra));
                    losses.extend(of_refusal(extra));
                }
                None => losses.extend(lost(extra)),
            }
        }
        beside
    }
}

/// Where an extra stands in an answer of this dialect.
pub(in super::super) enum Place {
    /// `service_tier`.
    Tier,
    /// `annotations` of a text, here as Chat Completions writes them.
    Annotations,
    /// `logprobs` of a text, likewise.
    Logprobs,
}

/// Where an extra stands, if it has a place.
pub(in super::super) fn place(extra: &Extra) -> Option<Place> {
    match extra.field.as_str() {
        "service_tier" => Some(Place::Tier),
        "choices[0].message.annotations" | "choices[0].delta.annotations" | "choices[0].citations" => {
            Some(Place::Annotations)
        }
        "choices[0].logprobs" => Some(Place::Logprobs),
        _ => None,
    }
}

/// The hub's citations or Chat Completions' annotations in this dialect's form, counted as they are there.
pub(in super::super) fn annotations(extra: &Extra) -> Vec<String> {
    let pages = citation::of(extra, 0);
    if !pages.is_empty() {
        return pages.iter().filter_map(page).collect();
    }
    let all: Vec<&RawValue> = crate::json::from_str(extra.value.get()).unwrap_or_default();
    let flat = |raw: &RawValue| {
        let cited = Members::read(raw.get().as_bytes()).ok()?;
        let kind = filled(cited.present("type"))?;
        let inner = cited.present(&kind).and_then(|raw| Members::read(raw.get().as_bytes()).ok())?;
        let mut body = Vec::with_capacity(raw.get().len());
        let mut out = Object::begin(&mut body);
        out.text("type", &kind);
        for (name, value) in inner.iter() {
            out.raw(name, value.get());
        }
        out.end();
        String::from_utf8(body).ok()
    };
    all.into_iter().map(|raw| flat(raw).unwrap_or_else(|| raw.get().to_owned())).collect()
}

fn page(cited: &Citation) -> Option<String> {
    let mut body = Vec::with_capacity(128);
    let mut out = Object::begin(&mut body);
    out.text("type", "url_citation");
    out.number("start_index", cited.start as u64);
    out.number("end_index", cited.end as u64);
    out.text("title", &cited.title);
    out.text("url", &cited.url);
    out.end();
    String::from_utf8(body).ok()
}

/// The report of a refusal's log probabilities: only texts have some here.
pub(in super::super) fn of_refusal(extra: &Extra) -> Option<Loss> {
    let members = Members::read(extra.value.get().as_bytes()).ok()?;
    members.present("refusal").filter(|raw| says_something(raw))?;
    let reason = "a refusal in Responses has no log probabilities";
    Some(Loss::unsupported(format!("{}.refusal", extra.field), reason))
}

/// The entries of Chat Completions' `logprobs`.
pub(in super::super) fn logprobs(extra: &Extra) -> Vec<String> {
    let Ok(members) = Members::read(extra.value.get().as_bytes()) else { return Vec::new() };
    let entries = members.present("content").filter(|raw| says_something(raw));
    let entries: Vec<&RawValue> = entries.and_then(|raw| crate::json::from_str(raw.get()).ok()).unwrap_or_default();
    entries.into_iter().map(|raw| raw.get().to_owned()).collect()
}

/// The report of a response member that stays behind. Verdicts go into the `signalbox` member.
pub(in super::super) fn lost(extra: &Extra) -> Option<Loss> {
    let reason = "an answer in Responses has no place for it";
    match (extra.is_default || extra.is_verdict(), extra.advisory) {
        (true, _) => None,
        (false, true) => Some(Loss::advisory(extra.field.clone(), reason)),
        (false, false) => Some(Loss::unsupported(extra.field.clone(), reason)),
    }
}
