//! A native request at arm's length.
//!
//! The body is read once for its members; `messages` and the blocks in them are read again only as far as their types,
//! because skipping JSON is many times cheaper than building it. Texts are measured as they stand, escapes and all.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::request;
use super::super::types::Text;
use crate::dialect::view::{estimate_tokens, sample_of, Needs, View};
use crate::error::GatewayError;
use crate::json::Members;

/// Reads the facts of a `/v1/messages` request.
///
/// # Errors
/// The caller's, naming the field (`messages.1.content.0.type`).
pub fn view(body: &[u8]) -> Result<View<'_>, GatewayError> {
    read(body, true)
}

/// Reads the facts of a `/v1/messages/count_tokens` request: the same without `max_tokens`.
///
/// # Errors
/// As [`view`].
pub fn view_count_tokens(body: &[u8]) -> Result<View<'_>, GatewayError> {
    read(body, false)
}

fn read(body: &[u8], bounded: bool) -> Result<View<'_>, GatewayError> {
    let members = Members::read(body).map_err(|error| request::unreadable(&error))?;
    let model: Text<'_> = required(&members, "model", "a valid string")?;
    if model.as_str().is_empty() {
        return Err(GatewayError::invalid("model", "String should have at least 1 character"));
    }
    let bound: Option<u64> = optional(&members, "max_tokens", "a valid non-negative integer")?;
    if bounded && bound.is_none() {
        return Err(GatewayError::invalid("max_tokens", "Field required"));
    }
    let mut view = View {
        model: model.0,
        stream: optional(&members, "stream", "a valid boolean")?.unwrap_or(false),
        include_usage: true,
        max_output_tokens: bound,
        ..View::default()
    };
    let messages: Vec<Message<'_>> = match members.parse("messages") {
        Ok(Some(messages)) => messages,
        Ok(None) => return Err(GatewayError::invalid("messages", "Field required")),
        Err(_) => return Err(located(body, "messages")),
    };
    if messages.is_empty() {
        return Err(GatewayError::invalid("messages", "at least one message is required"));
    }
    let mut scan = Scan::default();
    for message in &messages {
        scan.content(message.content, false).map_err(|Unreadable| located(body, "messages"))?;
        view.turns = view.turns.saturating_add(u32::from(message.role != Role::System));
    }
    if let Some(system) = members.present("system") {
        scan.content(system, false).map_err(|Unreadable| located(body, "system"))?;
    }
    parameters(&members, &mut view, &mut scan)?;
    view.sample = messages.iter().rev().filter(|m| m.role == Role::User).find_map(sample).unwrap_or_default();
    view.needs = scan.needs;
    view.estimated_input_tokens = scan.tokens;
    view.members = members;
    Ok(view)
}

#[derive(Deserialize)]
struct Message<'a> {
    role: Role,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
    System,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Something is not as the dialect says; where exactly is found out by [`located`].
struct Unreadable;

#[derive(Default)]
struct Scan {
    needs: Needs,
    tokens: u64,
}

impl Scan {
    fn content(&mut self, raw: &RawValue, in_result: bool) -> Result<(), Unreadable> {
        if raw.get().starts_with('"') {
            self.measure(raw);
            return Ok(());
        }
        let blocks: Vec<Block<'_>> = crate::json::from_str(raw.get()).map_err(|_| Unreadable)?;
        for block in blocks {
            self.block(&block, in_result)?;
        }
        Ok(())
    }

    fn block(&mut self, block: &Block<'_>, in_result: bool) -> Result<(), Unreadable> {
        match block.kind.as_str() {
            "text" => self.measure(block.text.filter(|text| text.get().starts_with('"')).ok_or(Unreadable)?),
            "image" => self.needs.vision = true,
            "document" => {
                self.needs.files = true;
                let source = block.source.and_then(|s| crate::json::from_str::<Typed<'_>>(s.get()).ok());
                let text = source.filter(|s| s.kind.as_ref().is_some_and(|kind| kind.as_str() == "text"));
                text.and_then(|source| source.data).into_iter().for_each(|data| self.measure(data));
            }
            "tool_use" | "server_tool_use" => block.input.into_iter().for_each(|input| self.measure(input)),
            "tool_result" if in_result => return Err(Unreadable),
            "tool_result" => {
                self.needs.tool_results = true;
                // A result holds no results: what claims so is left to the reader that refuses it.
                if let Some(raw) = block.content {
                    self.content(raw, true)?;
                }
            }
            "thinking" => block.thinking.into_iter().for_each(|thinking| self.measure(thinking)),
            "search_result" => block.content.into_iter().for_each(|content| self.measure(content)),
            _ => {}
        }
        Ok(())
    }

    fn measure(&mut self, raw: &RawValue) {
        self.tokens = self.tokens.saturating_add(tokens_of(raw.get()));
    }
}

/// Tokens of a text by its JSON source: an escape stands for one character. An escaped backslash is counted as two
/// escapes, which is within the estimate's error.
fn tokens_of(json: &str) -> u64 {
    let bytes = json.as_bytes();
    let plain = estimate_tokens(bytes);
    if memchr::memchr(b'\\', bytes).is_none() {
        return plain;
    }
    let escapes = bytes.iter().filter(|byte| **byte == b'\\').count() as u64;
    // A wide escape is six ASCII bytes for what counts like one character of three.
    let unicode = memmem::find_iter(bytes, b"\\u").filter(|at| bytes.get(at + 2..at + 4) != Some(b"00")).count() as u64;
    plain.saturating_sub(escapes.saturating_sub(unicode) / 4).saturating_sub(unicode.saturating_mul(6) / 4) + unicode
}

fn parameters<'a>(members: &Members<'a>, view: &mut View<'a>, scan: &mut Scan) -> Result<(), GatewayError> {
    let tools: Option<Vec<&RawValue>> = optional(members, "tools", "a valid list")?;
    if let Some(tools) = tools.filter(|tools| !tools.is_empty()) {
        scan.needs.tools = true;
        tools.into_iter().for_each(|tool| scan.measure(tool));
    }
    let choice: Option<Typed<'_>> = optional(members, "tool_choice", "an object with a type")?;
    let forced = choice.and_then(|choice| choice.kind);
    scan.needs.forced_tools = forced.is_some_and(|kind| matches!(kind.as_str(), "any" | "tool"));

    let temperature: Option<f64> = optional(members, "temperature", "a valid number")?;
    let top_p: Option<f64> = optional(members, "top_p", "a valid number")?;
    let top_k: Option<u64> = optional(members, "top_k", "a valid integer")?;
    let moved = |value: Option<f64>| value.is_some_and(|value| (value - 1.0).abs() > f64::EPSILON);
    scan.needs.sampling = moved(temperature) || moved(top_p) || top_k.is_some();

    let config: Option<OutputConfig<'_>> = optional(members, "output_config", "an object")?;
    let config = config.unwrap_or_default();
    let present = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "null");
    scan.needs.json_schema = present(config.format) || members.present("output_format").is_some();
    let thinking: Option<Typed<'_>> = optional(members, "thinking", "an object with a type")?;
    let thinking = thinking.and_then(|thinking| thinking.kind);
    let off = thinking.as_ref().is_some_and(|kind| kind.as_str() == "disabled");
    scan.needs.reasoning = !off && (thinking.is_some() || config.effort.is_some());
    view.effort = config.effort.map(|effort| effort.0);

    let _: Option<Vec<&RawValue>> = optional(members, "stop_sequences", "a list of strings")?;
    let _: Option<Metadata<'_>> = optional(members, "metadata", "an object")?;
    Ok(())
}

#[derive(Default, Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow)]
    effort: Option<Text<'a>>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(rename = "user_id", borrow)]
    _user_id: Option<Text<'a>>,
}

/// What the user said in a message; `None` when it holds only results and media.
fn sample<'a>(message: &Message<'a>) -> Option<Cow<'a, str>> {
    if message.content.get().starts_with('"') {
        return ends_of(message.content.get()).filter(|text| !text.is_empty());
    }
    let blocks: Vec<Block<'a>> = crate::json::from_str(message.content.get()).ok()?;
    let texts = blocks.iter().filter(|block| block.kind.as_str() == "text").filter_map(|block| block.text);
    let mut texts = texts.filter_map(|text| ends_of(text.get()));
    let first = texts.next()?;
    let whole = texts.fold(first, |mut whole, text| {
        let joined = whole.to_mut();
        joined.push('\n');
        joined.push_str(&text);
        whole
    });
    Some(shortened(whole)).filter(|text| !text.is_empty())
}

/// A text by its JSON source, long ones by their ends: what lies between need not be unescaped. Spaces never stand inside an
/// escape, so the source can be cut there.
fn ends_of(json: &str) -> Option<Cow<'_, str>> {
    const END: usize = 9 * 1024;
    if json.len() > 4 * END {
        let bytes = json.as_bytes();
        let head = bytes.get(..END).and_then(|head| memchr::memrchr(b' ', head)).and_then(|at| json.get(..at));
        let from = json.len().saturating_sub(END);
        let tail = bytes.get(from..).and_then(|tail| memchr::memchr(b' ', tail)).and_then(|at| json.get(from + at..));
        if let (Some(head), Some(tail)) = (head, tail) {
            let text: String = crate::json::from_str(&format!("{head}{tail}")).ok()?;
            return Some(shortened(Cow::Owned(text)));
        }
    }
    let text: Text<'_> = crate::json::from_str(json).ok()?;
    Some(shortened(text.0))
}

fn shortened(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => sample_of(text),
        Cow::Owned(text) => match sample_of(&text) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(short) => Cow::Owned(short),
        },
    }
}

fn optional<'a, T: Deserialize<'a>>(
    members: &Members<'a>,
    name: &str,
    expected: &str,
) -> Result<Option<T>, GatewayError> {
    members.parse(name).map_err(|_| GatewayError::invalid(name, format!("Input should be {expected}")))
}

fn required<'a, T: Deserialize<'a>>(members: &Members<'a>, name: &str, expected: &str) -> Result<T, GatewayError> {
    optional(members, name, expected)?.ok_or_else(|| GatewayError::invalid(name, "Field required"))
}

/// The exact place of a mistake: the slow reader finds it, once the fast one has met it.
fn located(body: &[u8], member: &str) -> GatewayError {
    let place = request::mistake_in_content(body);
    place.unwrap_or_else(|| GatewayError::invalid(member, "Input does not match the expected shape."))
}
