//! The walk over `messages`: each byte is passed once.

use crate::dialect::carried::weight;
use crate::dialect::custom;
use crate::dialect::view::{estimate_tokens, View};
use crate::error::GatewayError;
use crate::json::scalar::{inside_quotes, kind, Kind};
use crate::json::scan::Cursor;
use crate::json::Members;

/// Reads the messages' facts into the view and gives the texts of the last user turn that has any, as JSON strings.
///
/// # Errors
/// The caller's, naming the field.
pub(super) fn read<'a>(members: &Members<'a>, view: &mut View<'_>) -> Result<Vec<&'a str>, GatewayError> {
    let wrong = |what: &str| Err(GatewayError::invalid("messages", format!("`messages` {what}")));
    let Some(list) = members.present("messages") else { return wrong("is required") };
    let mut cursor = Cursor::new(list.get());
    if !cursor.enter(Kind::List) {
        return wrong("must be a list");
    }
    let mut walk = Walk { cursor, view, at: 0, texts: Vec::new(), last_user: Vec::new() };
    while walk.cursor.more() {
        walk.message()?;
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
    /// Position of the message.
    at: usize,
    /// Texts of the message.
    texts: Vec<&'a str>,
    last_user: Vec<&'a str>,
}

/// What a message's `content` is.
#[derive(PartialEq)]
enum Content {
    Absent,
    Legal,
    Foreign,
}

impl<'a> Walk<'a, '_, '_> {
    fn message(&mut self) -> Result<(), GatewayError> {
        if !self.cursor.enter(Kind::Object) {
            return self.wrong("", "an object");
        }
        let mut role = None;
        let mut content = Content::Absent;
        self.texts.clear();
        while let Some(name) = self.cursor.name() {
            match name.as_ref() {
                "content" => content = self.content()?,
                "role" => role = self.cursor.value().and_then(inside_quotes),
                "name" | "tool_call_id" => {
                    if !matches!(self.cursor.kind(), Kind::Text | Kind::Null) {
                        return self.wrong(&format!(".{name}"), "a string");
                    }
                    self.cursor.value();
                }
                "tool_calls" => {
                    if !matches!(self.cursor.kind(), Kind::List | Kind::Null) {
                        return self.wrong(".tool_calls", "a list");
                    }
                    let calls = self.cursor.value().filter(|calls| kind(calls) == Kind::List).unwrap_or_default();
                    self.view.needs.custom_tools |= custom::is_among(calls);
                    // What our ids carry is taken out before a model reads them.
                    let carried = weight(calls.as_bytes()).div_ceil(4);
                    let tokens = estimate_tokens(calls.as_bytes()).saturating_sub(carried);
                    self.view.estimated_input_tokens += tokens;
                }
                _ => {
                    self.cursor.value();
                }
            }
        }
        let may_lack_content = match role {
            Some("system" | "developer") => false,
            Some(role @ ("user" | "assistant")) => {
                self.view.turns += 1;
                role == "assistant"
            }
            Some(role @ ("tool" | "function")) => {
                self.view.turns += 1;
                self.view.needs.tool_results = true;
                role == "function"
            }
            _ => return self.wrong(".role", "system, developer, user, assistant, tool or function"),
        };
        if content == Content::Foreign || (content == Content::Absent && !may_lack_content) {
            return self.wrong(".content", "a string or a list of parts");
        }
        if role == Some("user") && !self.texts.is_empty() {
            std::mem::swap(&mut self.last_user, &mut self.texts);
        }
        Ok(())
    }

    fn content(&mut self) -> Result<Content, GatewayError> {
        match self.cursor.kind() {
            Kind::Text => {
                let text = self.cursor.value().unwrap_or_default();
                self.text(text);
                Ok(Content::Legal)
            }
            Kind::List => {
                self.cursor.enter(Kind::List);
                let mut part = 0;
                while self.cursor.more() {
                    self.part(part)?;
                    part += 1;
                }
                Ok(Content::Legal)
            }
            Kind::Null => {
                self.cursor.value();
                Ok(Content::Absent)
            }
            _ => {
                self.cursor.value();
                Ok(Content::Foreign)
            }
        }
    }

    fn part(&mut self, at: usize) -> Result<(), GatewayError> {
        if !self.cursor.enter(Kind::Object) {
            return self.wrong(&format!(".content[{at}]"), "an object");
        }
        let (mut declared, mut text, mut place) = (None, None, None);
        while let Some(name) = self.cursor.name() {
            let value = self.cursor.value().filter(|value| *value != "null");
            match name.as_ref() {
                "type" => declared = value.and_then(inside_quotes),
                "text" => text = value,
                // A part has one of these, named like its type; others may stand beside it as `null`.
                "image_url" | "input_audio" | "file" => place = value.map(kind).or(place),
                _ => {}
            }
        }
        let Some(declared) = declared else { return self.wrong(&format!(".content[{at}].type"), "a string") };
        match (declared, place) {
            ("text", _) => match text.filter(|text| kind(text) == Kind::Text) {
                Some(text) => self.text(text),
                None => return self.wrong(&format!(".content[{at}].text"), "a string"),
            },
            ("image_url", Some(Kind::Object | Kind::Text)) => self.view.needs.vision = true,
            ("input_audio", Some(Kind::Object | Kind::Text)) => self.view.needs.audio = true,
            ("file", Some(Kind::Object)) => self.view.needs.files = true,
            ("image_url" | "input_audio" | "file", _) => {
                return self.wrong(&format!(".content[{at}].{declared}"), "an object");
            }
            ("document_url", _) => self.view.needs.files = true,
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
        let path = format!("messages[{}]{field}", self.at);
        Err(GatewayError::invalid(&path, format!("`{path}` must be {expected}")))
    }
}
