//! The walk over `input`: each byte is passed once.

use crate::dialect::custom;
use crate::dialect::view::{estimate_tokens, View};
use crate::error::GatewayError;
use crate::json::scalar::{inside_quotes, kind, Kind};
use crate::json::scan::Cursor;
use crate::json::Members;

/// Members that stand for what was said before: with one of them there may be no input.
const REMEMBERED: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// Reads the items' facts into the view and gives the texts of the last user message that has any, as JSON strings.
///
/// # Errors
/// The caller's, naming the field.
pub(super) fn read<'a>(members: &Members<'a>, view: &mut View<'_>) -> Result<Vec<&'a str>, GatewayError> {
    let wrong = |what: &str| Err(GatewayError::invalid("input", format!("`input` {what}")));
    let Some(input) = members.present("input") else {
        let remembered = REMEMBERED.iter().any(|name| members.present(name).is_some());
        return if remembered { Ok(Vec::new()) } else { wrong("is required") };
    };
    if let Some(inside) = inside_quotes(input.get()) {
        view.turns = 1;
        view.estimated_input_tokens += estimate_tokens(inside.as_bytes());
        return if inside.is_empty() { wrong("must not be empty") } else { Ok(vec![input.get()]) };
    }
    let mut cursor = Cursor::new(input.get());
    if !cursor.enter(Kind::List) {
        return wrong("must be a string or a list");
    }
    let mut walk = Walk { cursor, view, at: 0, texts: Vec::new(), last_user: Vec::new() };
    while walk.cursor.more() {
        walk.item()?;
        walk.at += 1;
    }
    if walk.at == 0 {
        return wrong("must not be empty");
    }
    Ok(walk.last_user)
}

struct Walk<'a, 'v, 'w> {
    cursor: Cursor<'a>,
    view: &'v mut View<'w>,
    /// Position of the item.
    at: usize,
    /// Texts of the item.
    texts: Vec<&'a str>,
    last_user: Vec<&'a str>,
}

impl<'a> Walk<'a, '_, '_> {
    fn item(&mut self) -> Result<(), GatewayError> {
        if !self.cursor.enter(Kind::Object) {
            return self.wrong("", "an object");
        }
        let (mut declared, mut role, mut content) = (None, None, None);
        self.texts.clear();
        while let Some(name) = self.cursor.name() {
            match name.as_ref() {
                "type" => declared = self.cursor.value().and_then(inside_quotes),
                "role" => role = self.cursor.value().and_then(inside_quotes),
                "content" | "output" => {
                    content = Some(self.cursor.kind());
                    self.content()?;
                }
                // Opaque, and mostly not what it costs.
                "encrypted_content" => {
                    self.cursor.value();
                }
                "arguments" | "input" | "summary" | "action" | "result" => {
                    let value = self.cursor.value().unwrap_or_default();
                    self.view.estimated_input_tokens += estimate_tokens(value.as_bytes());
                }
                _ => {
                    self.cursor.value();
                }
            }
        }
        match declared {
            None | Some("message") => self.message(role, content),
            Some(kind) => {
                self.view.turns += 1;
                self.view.needs.tool_results |= kind.ends_with("_output");
                self.view.needs.custom_tools |= kind == custom::CALL;
                Ok(())
            }
        }
    }

    fn message(&mut self, role: Option<&str>, content: Option<Kind>) -> Result<(), GatewayError> {
        match role {
            Some("user" | "assistant") => self.view.turns += 1,
            Some("system" | "developer") => {}
            _ => return self.wrong(".role", "user, assistant, system or developer"),
        }
        if !matches!(content, Some(Kind::Text | Kind::List)) {
            return self.wrong(".content", "a string or a list of parts");
        }
        if role == Some("user") && !self.texts.is_empty() {
            std::mem::swap(&mut self.last_user, &mut self.texts);
        }
        Ok(())
    }

    fn content(&mut self) -> Result<(), GatewayError> {
        if self.cursor.enter(Kind::List) {
            let mut part = 0;
            while self.cursor.more() {
                self.part(part)?;
                part += 1;
            }
            return Ok(());
        }
        let value = self.cursor.value().unwrap_or_default();
        if kind(value) == Kind::Text {
            self.text(value);
        }
        Ok(())
    }

    fn part(&mut self, at: usize) -> Result<(), GatewayError> {
        if !self.cursor.enter(Kind::Object) {
            // Lists of other things stand in the outputs of hosted tools.
            self.cursor.value();
            return Ok(());
        }
        let (mut declared, mut text) = (None, None);
        while let Some(name) = self.cursor.name() {
            let value = self.cursor.value();
            match name.as_ref() {
                "type" => declared = value.and_then(inside_quotes),
                "text" | "refusal" => text = value.filter(|value| *value != "null"),
                _ => {}
            }
        }
        match declared {
            Some("input_text" | "output_text" | "text") => match text.filter(|text| kind(text) == Kind::Text) {
                Some(text) => self.text(text),
                None => return self.wrong(&format!(".content[{at}].text"), "a string"),
            },
            Some("input_image") => self.view.needs.vision = true,
            Some("input_audio") => self.view.needs.audio = true,
            Some("input_file") => self.view.needs.files = true,
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &'a str) {
        let inside = inside_quotes(text).unwrap_or_default();
        self.view.estimated_input_tokens += estimate_tokens(inside.as_bytes());
        if !inside.is_empty() {
            self.texts.push(text);
        }
    }

    fn wrong<T>(&self, field: &str, expected: &str) -> Result<T, GatewayError> {
        let path = format!("input[{}]{field}", self.at);
        Err(GatewayError::invalid(&path, format!("`{path}` must be {expected}")))
    }
}
