//! Members that the hub has no word for and a Gemini model may have one.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::canonical::{ChatRequest, Extra, Loss, ToolChoice};
use crate::dialect::gemini::types::{Object, Text, Thinking};
use crate::dialect::gemini::write::Json;
use crate::dialect::openai_chat::media::pictured;
use crate::dialect::{fields, Dialect, Target};

/// Google's own tools: they run at Google.
const SERVER_TOOLS: [&str; 10] = [
    "googleSearch",
    "google_search",
    "urlContext",
    "url_context",
    "codeExecution",
    "code_execution",
    "fileSearch",
    "file_search",
    "googleMaps",
    "google_maps",
];

/// What is passed on, by its place in the request.
#[derive(Debug, Default)]
pub struct Passed<'r> {
    top: Vec<(&'static str, &'r str)>,
    /// Members of `generationConfig`.
    pub config: Vec<(&'r str, &'r str)>,
    /// Members of `toolConfig`.
    pub tool_config: Vec<(&'r str, &'r str)>,
    /// Tools that run at Google, by name.
    pub server_tools: Vec<(&'r str, &'r str)>,
    /// Functions that may be called: their names, and whether one must be.
    pub allowed: Option<(Vec<String>, bool)>,
    /// Whether a function must be called, for names that come without a word about that.
    must_call: bool,
    /// `includeThoughts`.
    pub include_thoughts: Option<bool>,
    /// Google's `thinking_config` inside another dialect's request.
    pub thinking: Option<Thinking<'r>>,
}

impl<'r> Passed<'r> {
    /// Sorts the members: passed on, left out and reported, or refused.
    pub fn read(request: &'r ChatRequest, target: &Target<'_>, losses: &mut Vec<Loss>) -> Self {
        let must_call = request.tool_choice == Some(ToolChoice::Required);
        let mut passed = Self { must_call, ..Self::default() };
        // A stored response is one to be referred to, which nothing kept at Google is.
        let responses = request.origin == Some(Dialect::OpenAiResponses);
        for extra in request.extras.iter().filter(|extra| !extra.is_default) {
            if (responses && extra.field == "store") || !passed.take(extra, losses) {
                losses.extend(fields::loss(request.origin, extra, Dialect::Gemini, target.provider));
            }
        }
        passed
    }

    /// Writes what stands on the request's top level.
    pub fn write_top(&self, wire: &mut Json<'_>) {
        for (name, value) in &self.top {
            wire.raw(name, value);
        }
    }

    fn take(&mut self, extra: &'r Extra, losses: &mut Vec<Loss>) -> bool {
        let value = extra.value.get();
        match extra.field.as_str() {
            "safetySettings" | "safety_settings" => self.top.push(("safetySettings", value)),
            "cachedContent" | "cached_content" => self.top.push(("cachedContent", value)),
            "serviceTier" => self.top.push(("serviceTier", value)),
            "continuationToken" => self.top.push(("continuationToken", value)),
            "store" if value == "true" => {
                self.top.push(("store", value));
                losses.push(Loss::converted("store", "kept at Google, where it is no chat completion to be fetched"));
            }
            "modalities" => match pictured(value) {
                Some(true) => self.config.push(("responseModalities", r#"["TEXT","IMAGE"]"#)),
                Some(false) => self.config.push(("responseModalities", r#"["IMAGE"]"#)),
                None => return false,
            },
            "service_tier" => return self.service_tier(value, losses),
            "web_search_options" => return self.web_search(&extra.value, losses),
            "tool_choice" => return self.allowed_tools(value),
            "toolConfig.functionCallingConfig.allowedFunctionNames" => {
                let Ok(names) = crate::json::from_str(value) else { return false };
                self.allowed = Some((names, self.must_call));
            }
            "generationConfig.thinkingConfig.includeThoughts" => self.include_thoughts = Some(value == "true"),
            "google" => return self.google(&extra.value),
            "extra_body" => {
                let inner = Object::read(&extra.value).filter(|object| object.0.len() == 1);
                return inner.and_then(|object| object.value("google")).is_some_and(|google| self.google(google));
            }
            field => {
                if let Some(name) = field.strip_prefix("generationConfig.").filter(|name| !name.contains('.')) {
                    self.config.push((name, value));
                } else if let Some(name) = field.strip_prefix("toolConfig.").filter(|name| !name.contains('.')) {
                    self.tool_config.push((name, value));
                } else if let Some(name) = server_tool(field) {
                    self.server_tools.push((name, value));
                } else {
                    return false;
                }
            }
        }
        true
    }

    fn service_tier(&mut self, value: &'r str, losses: &mut Vec<Loss>) -> bool {
        let tier = match value {
            "\"auto\"" | "\"default\"" | "\"standard\"" => return true,
            "\"flex\"" | "\"priority\"" => value,
            _ => return false,
        };
        self.top.push(("serviceTier", tier));
        losses.push(Loss::converted("service_tier", "sent as Google's service tier of that name"));
        true
    }

    fn web_search(&mut self, value: &'r RawValue, losses: &mut Vec<Loss>) -> bool {
        let Some(Object(options)) = Object::read(value) else { return false };
        for (name, value) in options.iter().filter(|(_, value)| value.get() != "null") {
            let field = format!("web_search_options.{name}");
            losses.push(match name.as_ref() {
                "search_context_size" if value.get() == "\"medium\"" => continue,
                "search_context_size" => Loss::advisory(field, "Google Search has no such setting"),
                _ => Loss::unsupported(field, "Google Search takes no place from here"),
            });
        }
        self.server_tools.push(("googleSearch", "{}"));
        losses
            .push(Loss::converted("web_search_options", "searched with Google; citations come as grounding metadata"));
        true
    }

    /// OpenAI's `{"type":"allowed_tools","allowed_tools":{"mode","tools":[{"function":{"name"}}]}}`, or its flat form.
    fn allowed_tools(&mut self, value: &str) -> bool {
        #[derive(Deserialize)]
        struct Choice {
            allowed_tools: Option<Allowed>,
        }
        #[derive(Deserialize)]
        struct Allowed {
            mode: String,
            tools: Vec<AllowedTool>,
        }
        #[derive(Deserialize)]
        struct AllowedTool {
            name: Option<String>,
            function: Option<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let Ok(Choice { allowed_tools }) = crate::json::from_str(value) else { return false };
        let Some(allowed) = allowed_tools.or_else(|| crate::json::from_str(value).ok()) else { return false };
        let tools = allowed.tools.into_iter();
        let names: Option<Vec<String>> =
            tools.map(|tool| tool.name.or(tool.function.map(|named| named.name))).collect();
        let Some(names) = names else { return false };
        self.allowed = Some((names, allowed.mode == "required"));
        true
    }

    /// Google's own members inside a request of the OpenAI dialect, as its compatibility layer takes them.
    fn google(&mut self, value: &'r RawValue) -> bool {
        let Some(Object(members)) = Object::read(value) else { return false };
        let known = ["thinking_config", "cached_content", "safety_settings"];
        if !members.iter().all(|(name, _)| known.contains(&name.as_ref())) {
            return false;
        }
        for (name, value) in members {
            match name.as_ref() {
                "thinking_config" => match crate::json::from_str(value.get()) {
                    Ok(thinking) => self.thinking = Some(thinking),
                    Err(_) => return false,
                },
                "cached_content" => self.top.push(("cachedContent", value.get())),
                _ => self.top.push(("safetySettings", value.get())),
            }
        }
        true
    }
}

/// The tool in `tools[3].googleSearch`.
fn server_tool(field: &str) -> Option<&str> {
    let (index, name) = field.strip_prefix("tools[")?.split_once("].")?;
    index.parse::<u32>().ok()?;
    SERVER_TOOLS.contains(&name).then_some(name)
}

/// Reads the level of a [`Thinking`] that was passed on.
pub fn level_of<'a>(thinking: &'a Thinking<'_>) -> Option<&'a str> {
    thinking.level.as_ref().map(|Text(level)| level.as_ref())
}
