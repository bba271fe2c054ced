//! Turns of a Gemini client: parts → canonical parts, calls and results paired by id, else by name and order.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::decode::{add_extras, extra, once};
use super::locate;
use crate::dialect::canonical::{Extra, Media, MediaSource, Part, ReasoningPart, Role, ToolCall, ToolResult};
use crate::dialect::gemini::response::{part_kind, part_of_blob, type_of};
use crate::dialect::gemini::types::{Blob, FileData, FunctionCall, FunctionResponse, Object, Part as WirePart, Text};
use crate::dialect::gemini::{extras, foreign};
use crate::dialect::{fields, Dialect};
use crate::error::GatewayError;

/// Reads turns in order and remembers the calls.
#[derive(Debug, Default)]
pub struct Reader {
    calls: Vec<Called>,
    /// Members that the hub has no word for.
    pub extras: Vec<Extra>,
    /// Who had the thoughts that were read last, as far as a seal says so.
    pub made_by: Option<String>,
}

#[derive(Debug)]
struct Called {
    id: String,
    name: String,
    answered: bool,
}

impl Reader {
    /// Reads one turn's parts. Function results become turns of their own, because the hub keeps them apart.
    ///
    /// # Errors
    /// The caller's, naming the part.
    pub fn parts(
        &mut self,
        parts: Vec<WirePart<'_>>,
        path: &str,
        role: Role,
    ) -> Result<Vec<(Role, Vec<Part>)>, GatewayError> {
        let mut turns: Vec<(Role, Vec<Part>)> = Vec::new();
        for (at, part) in parts.into_iter().enumerate() {
            let path = format!("{path}.parts[{at}]");
            says_one_thing(&part, &path)?;
            let (role, read) = match part.function_response {
                Some(raw) => {
                    add_extras(&format!("{path}."), part.rest, &mut self.extras)?;
                    (Role::Tool, vec![self.result(raw, &path)?])
                }
                None => (role, self.part(part, &path)?),
            };
            match turns.last_mut() {
                Some((last, list)) if *last == role => {
                    if read.iter().any(is_unsealed) {
                        // They hold the thoughts whole: what was shown of them before is the same again.
                        while list.pop_if(|part| is_shown(part)).is_some() {}
                    }
                    list.extend(read);
                }
                _ => turns.push((role, read)),
            }
        }
        Ok(turns)
    }

    /// A part, with other providers' thoughts out of its signature before it.
    fn part(&mut self, mut part: WirePart<'_>, path: &str) -> Result<Vec<Part>, GatewayError> {
        let Some(carried) = part.signature.as_deref().and_then(foreign::open) else {
            return self.plain_part(part, path);
        };
        part.signature = None;
        self.made_by = Some(carried.by).filter(|by| !by.is_empty());
        let mut list: Vec<Part> = carried.blocks.into_iter().map(|block| Part::Reasoning(block.part)).collect();
        let rest = self.plain_part(part, path)?;
        list.extend(rest.into_iter().filter(|part| !matches!(part, Part::Text(text) if text.is_empty())));
        Ok(list)
    }

    fn plain_part(&mut self, part: WirePart<'_>, path: &str) -> Result<Vec<Part>, GatewayError> {
        if let Some(call) = part.function_call {
            add_extras(&format!("{path}."), part.rest, &mut self.extras)?;
            return Ok(vec![Part::ToolCall(self.call(call, part.signature, path)?)]);
        }
        if let Some(media) = self.media(&part, path)? {
            return Ok(vec![media]);
        }
        if let Some((kind, raw)) = extras::native(&part) {
            return Ok(vec![Part::Native { dialect: Dialect::Gemini, kind, raw }]);
        }
        add_extras(&format!("{path}."), part.rest, &mut self.extras)?;
        let text = part.text.map(|Text(text)| text.into_owned());
        let signature = part.signature.map(|Text(signature)| signature.into_owned());
        let reasoning = |text, signature| {
            Part::Reasoning(ReasoningPart { text, signature, redacted: false, origin: Dialect::Gemini })
        };
        if part.thought == Some(true) {
            return Ok(vec![reasoning(text.unwrap_or_default(), signature)]);
        }
        let signed = signature.map(|signature| reasoning(String::new(), Some(signature)));
        // A signature comes before the text it stands on; alone it stands on an empty part.
        let text = text.filter(|text| signed.is_none() || !text.is_empty()).map(Part::Text);
        Ok(signed.into_iter().chain(text).collect())
    }

    /// Media without a signature; signed media and files at Google stay native.
    fn media(&mut self, part: &WirePart<'_>, path: &str) -> Result<Option<Part>, GatewayError> {
        if part.signature.is_some() {
            return Ok(None);
        }
        let mut read = if let Some(raw) = part.inline_data {
            let mut blob: Blob<'_> = read(raw, &format!("{path}.inlineData"))?;
            add_extras(&format!("{path}.inlineData."), std::mem::take(&mut blob.rest), &mut self.extras)?;
            if blob.mime.is_none() || blob.data.is_none() {
                return Err(GatewayError::invalid(format!("{path}.inlineData"), "inlineData needs mimeType and data"));
            }
            part_of_blob(blob)
        } else if let Some(raw) = part.file_data {
            let file: FileData<'_> = read(raw, &format!("{path}.fileData"))?;
            let Some(Text(url)) = file.uri else {
                return Err(GatewayError::invalid(format!("{path}.fileData.fileUri"), "fileData needs a fileUri"));
            };
            if google_only(&url) {
                return Ok(None);
            }
            add_extras(&format!("{path}.fileData."), file.rest, &mut self.extras)?;
            let mime = file.mime.as_deref().map(type_of);
            let place = part_kind(mime.as_deref().unwrap_or_default());
            let name = file.name.map(|Text(name)| name.into_owned());
            place(Media { source: MediaSource::Url { url: url.into_owned(), mime }, detail: None, name })
        } else {
            return Ok(None);
        };
        if let Part::Image(media) | Part::Audio(media) = &mut read {
            // Only documents have names elsewhere.
            let member = if part.inline_data.is_some() { "inlineData" } else { "fileData" };
            let name = media.name.take().and_then(|name| serde_json::value::to_raw_value(&name).ok());
            self.extras.extend(name.map(|name| extra(&format!("{path}.{member}.displayName"), name)));
        }
        let rest = part.rest.iter().map(|(name, value)| (name.clone(), *value)).collect();
        add_extras(&format!("{path}."), rest, &mut self.extras)?;
        Ok(Some(read))
    }

    fn call(
        &mut self,
        call: FunctionCall<'_>,
        signature: Option<Text<'_>>,
        path: &str,
    ) -> Result<ToolCall, GatewayError> {
        let Some(name) = call.name else {
            return Err(GatewayError::invalid(format!("{path}.functionCall.name"), "a function call needs a name"));
        };
        let id = match call.id.filter(|id| !id.is_empty()) {
            Some(id) => id.to_string(),
            None => self.mint(),
        };
        self.calls.push(Called { id: id.clone(), name: name.to_string(), answered: false });
        let path = format!("{path}.functionCall");
        // A call in pieces is of a stream: here its arguments would be lost.
        let pieces = call.partial_args.map(|pieces| pieces.0.len()).filter(|pieces| *pieces > 0);
        let pieces = pieces.and_then(|pieces| serde_json::value::to_raw_value(&pieces).ok());
        self.extras.extend(pieces.map(|pieces| extra(&format!("{path}.partialArgs"), pieces)));
        let more = call.will_continue.and_then(|more| serde_json::value::to_raw_value(&more).ok());
        self.extras.extend(more.map(|more| extra(&format!("{path}.willContinue"), more)));
        add_extras(&format!("{path}."), call.rest, &mut self.extras)?;
        Ok(ToolCall {
            id,
            name: name.to_string(),
            arguments: call.args.map_or("{}", RawValue::get).to_owned(),
            signature: signature.map(|Text(signature)| signature.into_owned()),
        })
    }

    /// The same calls get the same ids in every later request of a conversation: prompt caches depend on it.
    fn mint(&self) -> String {
        let mut number = self.calls.len();
        loop {
            let id = format!("call_{number}");
            if !self.calls.iter().any(|call| call.id == id) {
                return id;
            }
            number += 1;
        }
    }

    fn result(&mut self, raw: &RawValue, path: &str) -> Result<Part, GatewayError> {
        let path = format!("{path}.functionResponse");
        let response: FunctionResponse<'_> = read(raw, &path)?;
        let name = response.name.as_deref().unwrap_or_default();
        let by_id = response.id.as_deref().and_then(|id| self.calls.iter_mut().find(|call| call.id == id));
        let call = match by_id {
            Some(call) => call,
            // The first that waits, so that results in order meet calls in order.
            None => self.calls.iter_mut().find(|call| call.name == name && !call.answered).ok_or_else(|| {
                GatewayError::invalid(&path, "no function call before this response has its id or name")
            })?,
        };
        call.answered = true;
        let (call_id, name) = (call.id.clone(), call.name.clone());
        let (text, is_error) = result_text(response.response);
        let mut parts: Vec<Part> = text.into_iter().map(Part::Text).collect();
        for (at, part) in response.parts.map(|parts| parts.0).unwrap_or_default().into_iter().enumerate() {
            let path = format!("{path}.parts[{at}]");
            says_one_thing(&part, &path)?;
            parts.extend(self.part(part, &path)?);
        }
        add_extras(&format!("{path}."), response.rest, &mut self.extras)?;
        Ok(Part::ToolResult(ToolResult { call_id, name: Some(name), parts, is_error }))
    }
}

/// Checks that a part is of one kind: what it holds is a union in Google's API (`Part.data`), of which a second member would
/// be lost. Notes on it are not of the union, and an empty text says nothing.
///
/// # Errors
/// The caller's.
fn says_one_thing(part: &WirePart<'_>, path: &str) -> Result<(), GatewayError> {
    const OTHERS: [&str; 4] = ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];
    once(&part.rest, &format!("{path}."))?;
    let known = [
        part.text.as_ref().is_some_and(|text| !text.is_empty()),
        part.function_call.is_some(),
        part.function_response.is_some(),
        part.inline_data.is_some(),
        part.file_data.is_some(),
    ];
    let others = part.rest.iter().map(|(name, _)| OTHERS.contains(&&*fields::camel(name)));
    if known.into_iter().chain(others).filter(|is_there| *is_there).count() < 2 {
        return Ok(());
    }
    let message = format!("{path} must be one of text, inlineData, functionCall and the like, not several");
    Err(GatewayError::invalid(path, message))
}

/// Thoughts of another provider, out of their seal.
fn is_unsealed(part: &Part) -> bool {
    matches!(part, Part::Reasoning(thought) if thought.origin != Dialect::Gemini)
}

/// Thoughts as a client was shown them.
fn is_shown(part: &Part) -> bool {
    matches!(part, Part::Reasoning(thought) if thought.origin == Dialect::Gemini && thought.signature.is_none())
}

/// A result's text: what stands under `output` or `error` (or under `result`, as is usual), else the whole object.
fn result_text(raw: Option<&RawValue>) -> (Option<String>, bool) {
    let Some(raw) = raw else { return (None, false) };
    let Some(Object(members)) = Object::read(raw) else { return (Some(raw.get().to_owned()), false) };
    if let [(name, value)] = members.as_slice() {
        let text = crate::json::from_str::<Text<'_>>(value.get()).map(|Text(text)| text.into_owned());
        match (name.as_ref(), text) {
            ("error", text) => return (Some(text.unwrap_or_else(|_| value.get().to_owned())), true),
            ("output" | "result", Ok(text)) => return (Some(text), false),
            _ => {}
        }
    }
    let is_error = members.iter().any(|(name, _)| name == "error") && !members.iter().any(|(name, _)| name == "output");
    (Some(raw.get().to_owned()), is_error)
}

/// Addresses that only Google can read: its file store, buckets, and videos that it takes by their page.
pub(super) fn google_only(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    url.starts_with("gs://")
        || rest.is_none() && url.starts_with("files/")
        || host == "generativelanguage.googleapis.com"
        || matches!(host, "youtube.com" | "www.youtube.com" | "m.youtube.com" | "youtu.be")
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, path: &str) -> Result<T, GatewayError> {
    crate::json::from_str(raw.get()).map_err(|error| locate::member(path, &error))
}
