//! Which call a fragment of a streamed tool call belongs to.
//!
//! OpenAI keys fragments by `index`. Imitators start anywhere, leave the index out, give every call index 0, repeat the
//! name on every fragment, or send it late; a call is told from the next by index, then id, then by whether its arguments
//! are a complete value already.

use std::borrow::Cow;

use super::super::response::{arguments_text, call_signature, minted_id, real_id};
use super::super::types::{WireCustom, WireFunction, WireToolCall};
use crate::dialect::canonical::StreamEvent;
use crate::json::scalar::{count, filled};

/// The calls of one choice.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

/// What a fragment says of its call besides name and arguments.
#[derive(Debug, Default)]
struct Told {
    is_custom: bool,
    signature: Option<String>,
}

#[derive(Debug, Default)]
struct Call {
    /// The provider's key.
    index: Option<u64>,
    /// The provider's id, empty when it gave none.
    id: String,
    /// A custom tool's: what it says is its input.
    custom: bool,
    /// The name has been seen and the start is out.
    started: bool,
    /// Arguments that came before the name.
    waiting: String,
    shape: Shape,
}

impl Call {
    fn start(&mut self, choice: u32, index: u32, name: String, signature: Option<String>) -> StreamEvent {
        self.started = true;
        let id = self.id.clone();
        match self.custom {
            true => StreamEvent::CustomCallStart { choice, index, id, name },
            false => StreamEvent::ToolCallStart { choice, index, id, name, signature },
        }
    }

    fn more(&self, choice: u32, index: u32, text: String) -> StreamEvent {
        match self.custom {
            true => StreamEvent::CustomCallDelta { choice, index, input: text },
            false => StreamEvent::ToolCallDelta { choice, index, arguments: text },
        }
    }
}

impl Calls {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Reads one fragment. `chunk` is the event's bytes: what makes a minted id differ from others.
    pub fn fragment(&mut self, choice: u32, call: &WireToolCall<'_>, chunk: &[u8], out: &mut Vec<StreamEvent>) {
        let id = real_id(call).unwrap_or_default();
        let index = count(call.index);
        // `ChatCompletionChunk…ToolCall.Custom` of the SDK: a name and pieces of the input, as a function has arguments.
        let custom = call.custom.and_then(|raw| crate::json::from_str::<WireCustom<'_>>(raw.get()).ok());
        let function = custom.as_ref().map(|custom| WireFunction { name: custom.name, arguments: custom.input });
        let told = Told { is_custom: function.is_some(), signature: call_signature(call) };
        self.read(choice, index, &id, function.as_ref().or(call.function.as_ref()), told, chunk, out);
    }

    /// Reads a fragment of the legacy `function_call`: at most one call, without index and id.
    pub fn legacy(&mut self, choice: u32, function: &WireFunction<'_>, chunk: &[u8], out: &mut Vec<StreamEvent>) {
        self.read(choice, Some(0), "", Some(function), Told::default(), chunk, out);
    }

    #[allow(clippy::too_many_arguments)]
    fn read(
        &mut self,
        choice: u32,
        index: Option<u64>,
        id: &str,
        function: Option<&WireFunction<'_>>,
        told: Told,
        chunk: &[u8],
        out: &mut Vec<StreamEvent>,
    ) {
        let name = function.and_then(|function| filled(function.name)).unwrap_or_default();
        let arguments = function.and_then(|function| function.arguments).map_or(Cow::Borrowed(""), arguments_text);
        let at = self.position(index, id, !name.is_empty());
        let position = u32::try_from(at).unwrap_or(u32::MAX);
        let Some(call) = self.0.get_mut(at) else { return };
        call.custom |= told.is_custom;
        if !call.started && !name.is_empty() {
            if call.id.is_empty() {
                call.id = if id.is_empty() { minted_id(choice, position, &[chunk]) } else { id.to_owned() };
            }
            out.push(call.start(choice, position, name.into_owned(), told.signature));
        }
        if !call.custom {
            call.shape.read(&arguments);
        }
        if !call.started {
            call.waiting.push_str(&arguments);
            return;
        }
        let arguments = if call.waiting.is_empty() {
            arguments.into_owned()
        } else {
            std::mem::take(&mut call.waiting) + &arguments
        };
        if !arguments.is_empty() {
            out.push(call.more(choice, position, arguments));
        }
    }

    /// The place of a fragment's call, made when it is new.
    fn position(&mut self, index: Option<u64>, id: &str, named: bool) -> usize {
        let found = match index {
            Some(index) => self.0.iter().rposition(|call| call.index == Some(index)),
            None if !id.is_empty() => self.0.iter().rposition(|call| call.id == id),
            None => self.0.len().checked_sub(1),
        };
        let continues = |call: &Call| {
            let other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
            // A name on a call whose arguments are whole begins another, unless an id says that it is the same.
            let same_id = !id.is_empty() && call.id == id;
            !(named && (other_id || (!same_id && call.started && call.shape.complete())))
        };
        match found.filter(|at| self.0.get(*at).is_some_and(continues)) {
            Some(at) => at,
            None => {
                self.0.push(Call { index, id: id.to_owned(), ..Call::default() });
                self.0.len() - 1
            }
        }
    }

    /// Ends every call. One that never had arguments gets the empty object; one that never had a name is started without,
    /// so that what came of it is not lost.
    pub fn end(&mut self, choice: u32, out: &mut Vec<StreamEvent>) {
        for (at, call) in self.0.iter_mut().enumerate() {
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            if !call.started {
                if call.id.is_empty() {
                    call.id = minted_id(choice, index, &[call.waiting.as_bytes()]);
                }
                out.push(call.start(choice, index, String::new(), None));
            }
            let rest = std::mem::take(&mut call.waiting);
            let arguments = if call.shape.empty() && !call.custom { "{}".to_owned() } else { rest };
            if !arguments.is_empty() {
                out.push(call.more(choice, index, arguments));
            }
            out.push(StreamEvent::ToolCallEnd { choice, index });
        }
    }
}

/// How far a JSON value that arrives in pieces has come. It does not check, it only counts brackets outside strings.
#[derive(Debug, Default)]
struct Shape {
    depth: u32,
    in_string: bool,
    escaped: bool,
    seen: bool,
}

impl Shape {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if std::mem::take(&mut self.escaped) => {}
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.seen |= !byte.is_ascii_whitespace();
        }
    }

    fn complete(&self) -> bool {
        self.seen && self.depth == 0 && !self.in_string
    }

    fn empty(&self) -> bool {
        !self.seen
    }
}
