//! What the servers that speak this dialect accept of it: the columns M, D and Q of `wire.md` §2 and the accents of §1.8,
//! as data (`data/profiles.json`; `data/README.md` says what each member means).
//!
//! Answers need no profile: `types`, `response` and `usage` read every server's spelling, because one server writes
//! several of them by version. What a profile says of answers is only whether a caller can be shown them as they are.

use crate::dialect::cache_marks::Form;
use crate::dialect::family::Family;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::document::{parse, Item, Object, Problem, Problems};
use crate::sorted;

/// The compiled-in profiles.
pub const PROFILES: &str = include_str!("../../../data/profiles.json");

/// The profile of a server that is not known.
pub const PLAIN: &str = "openai-compatible";

/// A server's accent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Profile {
    /// Names of providers that have it without saying so, besides its own.
    pub names: Vec<String>,
    /// The header of the key.
    pub key: Key,
    /// How addresses are made.
    pub urls: Urls,
    /// It has `/responses` beside `/chat/completions`.
    pub responses: bool,
    /// It counts a prompt's tokens at `/responses/input_tokens`.
    pub counter: bool,
    /// What becomes of a body that a caller wrote in this dialect.
    pub native: Native,
    /// What becomes of an answer for a caller of this dialect.
    pub answers: Answers,
    /// The name of the bound on generated tokens.
    pub max_tokens: String,
    /// Without a bound answers are cut far too early: one is always sent.
    pub bound_required: bool,
    /// The name of the seed, where there is one.
    pub seed: Option<String>,
    /// The member for the end user's id.
    pub user: Option<String>,
    /// `top_k` is an extension that it has.
    pub top_k: bool,
    /// `n` above 1.
    pub choices: bool,
    /// `frequency_penalty`.
    pub frequency_penalty: bool,
    /// `presence_penalty`.
    pub presence_penalty: bool,
    /// `logprobs`.
    pub logprobs: bool,
    /// Most stop sequences.
    pub stops: u64,
    /// `parallel_tool_calls: false`.
    pub parallel_switch: bool,
    /// `tool_choice` required or named has an effect.
    pub forced_tools: bool,
    /// `response_format` of type `json_schema`.
    pub json_schema: bool,
    /// The schema stands in `response_format.json_schema` itself, and only whole answers follow it (Workers AI).
    pub bare_schema: bool,
    /// Which schemas it enforces under `strict`.
    pub schema: SchemaSubset,
    /// `strict` on functions.
    pub strict: bool,
    /// A function without parameters needs an empty schema.
    pub parameters_required: bool,
    /// `stream_options` exists; where not, usage comes unasked.
    pub stream_options: bool,
    /// It stops an answer, and charging for it, when the connection of its stream is closed.
    pub stops_on_close: bool,
    /// The role `developer` exists; where not, it is `system`.
    pub developer: bool,
    /// A message of texts only may be a list of them.
    pub text_lists: bool,
    /// A message may carry its speaker's `name`.
    pub speaker: bool,
    /// Refusals have their own part type.
    pub refusals: bool,
    /// Results of tools carry the function's name.
    pub tool_names: bool,
    /// How thinking is asked for.
    pub thinking: Thinking,
    /// Where reasoning of earlier turns goes.
    pub replay: Replay,
    /// How sounds and documents are written.
    pub media: MediaForm,
    /// Which tool call ids it accepts.
    pub call_id: CallIds,
    /// How it is made to go on from a text.
    pub prefill: Prefill,
    /// Members of OpenAI's own (`prediction`, `logit_bias`, …) that it takes; `tools` = tools other than functions,
    /// `custom_tools` = see [`crate::dialect::custom`], `pictures` = `image` among `modalities`.
    pub own_members: Vec<String>,
}

impl Profile {
    /// Whether it takes a member that is OpenAI's own.
    #[must_use]
    pub fn takes(&self, member: &str) -> bool {
        self.own_members.iter().any(|own| own == member)
    }

    /// The form in which a model there takes cache marks (`wire.md` §2 row `prompt_cache_breakpoint`).
    pub(in crate::dialect) fn marks(&self, model: &Family) -> Form {
        match self.thinking {
            Thinking::OpenRouter | Thinking::Qwen => Form::Anthropic,
            _ if model.cache_breakpoints => Form::OpenAi,
            _ => Form::None,
        }
    }
}

/// The header of the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Key {
    /// `authorization: Bearer …`.
    #[default]
    Bearer,
    /// `api-key`.
    ApiKey,
}

/// How addresses are made of a base URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Urls {
    /// The path follows the base.
    #[default]
    Plain,
    /// Azure's two forms.
    Azure,
}

/// What becomes of a body that a caller wrote in this dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Native {
    /// It goes as it is.
    #[default]
    Untouched,
    /// What the server names otherwise or rejects is changed (`request::adapt`); the rest goes as it is.
    Adapted,
}

/// What becomes of an answer for a caller of this dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answers {
    /// It goes as it is.
    #[default]
    Native,
    /// It is written anew, because OpenAI's own clients could not read it (content as a list, arguments as an object).
    Translated,
}

/// Which schemas a server enforces under `strict`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SchemaSubset {
    /// OpenAI's strict subset.
    OpenAi,
    /// Not documented: the schema goes as it is, the server decides.
    #[default]
    Any,
}

/// How thinking is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Thinking {
    /// `reasoning_effort`.
    #[default]
    Effort,
    /// DeepSeek: `thinking.type` and three efforts.
    DeepSeek,
    /// Qwen: `enable_thinking` and `thinking_budget`.
    Qwen,
    /// OpenRouter: `reasoning: {effort | max_tokens | enabled}`.
    OpenRouter,
}

/// Where reasoning of earlier turns goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replay {
    /// Nowhere: the server has no field for it.
    #[default]
    None,
    /// `reasoning_content` on the message.
    Content,
    /// The same, and on every assistant turn once tools are in play (DeepSeek V4).
    ContentAlways,
    /// `reasoning` on the message.
    Reasoning,
    /// `reasoning_details` with signatures (OpenRouter).
    Details,
    /// A `thinking` chunk in the content (Mistral).
    Chunk,
}

/// How sounds and documents are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MediaForm {
    /// `input_audio` and `file` objects.
    OpenAi,
    /// OpenAI's, and `file_data` may be an address (OpenRouter).
    OpenAiOrUrl,
    /// A plain string as `input_audio`; documents as `document_url`.
    Mistral,
    /// Neither.
    #[default]
    None,
}

/// Which tool call ids a server accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallIds {
    /// At most 40 characters (OpenAI's documented limit).
    UpTo40,
    /// Exactly nine letters and digits (Mistral).
    NineAlphanumerics,
    /// Any.
    #[default]
    Any,
}

/// How a server is made to go on from a text in the last message (`wire.md` §5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prefill {
    /// Not at all, as far as is documented.
    #[default]
    None,
    /// `prefix: true` on the message; the answer repeats the text (Mistral).
    PrefixEchoed,
    /// `prefix: true` under `/beta`, with thinking switched off (DeepSeek).
    PrefixBeta,
    /// `partial: true` on the message, with thinking switched off (Qwen).
    Partial,
    /// `continue_final_message` without a generation prompt (vLLM).
    ContinueFinal,
}

/// A profile by its name; one that is not known is the plain one.
#[must_use]
pub fn of(name: &str) -> &'static Profile {
    // The table is compiled in and read by a test: the plain profile is always there.
    static NOTHING: OnceLock<Profile> = OnceLock::new();
    let table = table();
    table.get(name).or_else(|| table.get(PLAIN)).unwrap_or_else(|| NOTHING.get_or_init(Profile::default))
}

/// The profile that a provider has by its name, if its name tells one.
#[must_use]
pub fn named_after(provider: &str) -> Option<&'static str> {
    let known = table().iter().find(|(name, profile)| *name == provider || profile.names.iter().any(|n| n == provider));
    known.map(|(name, _)| name.as_str())
}

/// Every profile's name.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().keys().map(String::as_str)
}

fn table() -> &'static sorted::Map<String, Profile> {
    static TABLE: OnceLock<sorted::Map<String, Profile>> = OnceLock::new();
    TABLE.get_or_init(|| read(PROFILES).unwrap_or_default())
}

/// Reads profiles; each has the members of the one it is `like` and its own.
fn read(text: &str) -> Result<sorted::Map<String, Profile>, Vec<Problem>> {
    let document = parse(text).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let Some(root) = Item::root(&document, &problems).object(&["version", "profiles"]) else {
        return problems.verdict(sorted::Map::new());
    };
    let listed = root.required("profiles").and_then(|item| item.value().as_object());
    let merged: Map<String, Value> =
        listed.into_iter().flatten().map(|(name, _)| (name.clone(), whole(name, listed, 0))).collect();
    let merged = Value::Object(merged);
    let mut table = sorted::Map::new();
    for (name, item) in Item::root(&merged, &problems).entries() {
        if let Some(profile) = item.object(MEMBERS).and_then(|object| Profile::read(&object)) {
            table.insert(name.to_owned(), profile);
        }
    }
    problems.verdict(table)
}

/// A profile with what it takes over.
fn whole(name: &str, listed: Option<&Map<String, Value>>, depth: usize) -> Value {
    const DEEPEST: usize = 4;
    let Some(Value::Object(own)) = listed.and_then(|listed| listed.get(name)) else { return Value::Null };
    let base = own.get("like").and_then(Value::as_str).filter(|_| depth < DEEPEST);
    let mut members = match base.map(|base| whole(base, listed, depth + 1)) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    // Names, source and date are each profile's own.
    for own_only in ["names", "source", "date"] {
        members.remove(own_only);
    }
    members.extend(own.clone());
    Value::Object(members)
}

macro_rules! members {
    ($($name:ident: $read:expr;)*) => {
        impl Profile {
            fn read(object: &Object<'_>) -> Option<Self> {
                object.required("source").and_then(|item| item.text().map(str::len))?;
                object.required("date").and_then(|item| item.text().map(str::len))?;
                let names = object.member("names").map_or_else(Vec::new, |list| list.texts());
                Some(Self { names, $($name: object.required(stringify!($name)).and_then(|item| ($read)(&item))?,)* })
            }
        }

        /// Members of a profile.
        const MEMBERS: &[&str] = &["like", "names", "source", "date", $(stringify!($name),)*];
    };
}

members! {
    key: |item: &Item<'_>| item.word(&[("bearer", Key::Bearer), ("api-key", Key::ApiKey)]);
    urls: |item: &Item<'_>| item.word(&[("plain", Urls::Plain), ("azure", Urls::Azure)]);
    responses: Item::flag;
    counter: Item::flag;
    native: |item: &Item<'_>| item.word(&[("untouched", Native::Untouched), ("adapted", Native::Adapted)]);
    answers: |item: &Item<'_>| item.word(&[("native", Answers::Native), ("translated", Answers::Translated)]);
    max_tokens: |item: &Item<'_>| item.text().map(str::to_owned);
    bound_required: Item::flag;
    seed: name_or_null;
    user: name_or_null;
    top_k: Item::flag;
    choices: Item::flag;
    frequency_penalty: Item::flag;
    presence_penalty: Item::flag;
    logprobs: Item::flag;
    stops: |item: &Item<'_>| item.count(1, 1024);
    parallel_switch: Item::flag;
    forced_tools: Item::flag;
    json_schema: Item::flag;
    bare_schema: Item::flag;
    schema: |item: &Item<'_>| item.word(&[("openai", SchemaSubset::OpenAi), ("any", SchemaSubset::Any)]);
    strict: Item::flag;
    parameters_required: Item::flag;
    stream_options: Item::flag;
    stops_on_close: Item::flag;
    developer: Item::flag;
    text_lists: Item::flag;
    speaker: Item::flag;
    refusals: Item::flag;
    tool_names: Item::flag;
    thinking: |item: &Item<'_>| item.word(&THINKING);
    replay: |item: &Item<'_>| item.word(&REPLAY);
    media: |item: &Item<'_>| item.word(&MEDIA);
    call_id: |item: &Item<'_>| item.word(&CALL_IDS);
    prefill: |item: &Item<'_>| item.word(&PREFILLS);
    own_members: |item: &Item<'_>| Some(item.texts());
}

const THINKING: [(&str, Thinking); 4] = [
    ("effort", Thinking::Effort),
    ("deepseek", Thinking::DeepSeek),
    ("qwen", Thinking::Qwen),
    ("openrouter", Thinking::OpenRouter),
];
const REPLAY: [(&str, Replay); 6] = [
    ("none", Replay::None),
    ("reasoning_content", Replay::Content),
    ("reasoning_content_always", Replay::ContentAlways),
    ("reasoning", Replay::Reasoning),
    ("reasoning_details", Replay::Details),
    ("thinking_chunk", Replay::Chunk),
];
const MEDIA: [(&str, MediaForm); 4] = [
    ("openai", MediaForm::OpenAi),
    ("openai_or_url", MediaForm::OpenAiOrUrl),
    ("mistral", MediaForm::Mistral),
    ("none", MediaForm::None),
];
const CALL_IDS: [(&str, CallIds); 3] =
    [("any", CallIds::Any), ("up_to_40", CallIds::UpTo40), ("nine_alphanumerics", CallIds::NineAlphanumerics)];

const PREFILLS: [(&str, Prefill); 5] = [
    ("none", Prefill::None),
    ("prefix_echoed", Prefill::PrefixEchoed),
    ("prefix_beta", Prefill::PrefixBeta),
    ("partial", Prefill::Partial),
    ("continue_final", Prefill::ContinueFinal),
];

/// A member's name; `null` = the server has none.
#[allow(clippy::option_option)] // outer: could it be read; inner: is there one
fn name_or_null(item: &Item<'_>) -> Option<Option<String>> {
    if item.value().is_null() {
        return Some(None);
    }
    item.text().map(|text| Some(text.to_owned()))
}

#[cfg(test)]
mod tests;
