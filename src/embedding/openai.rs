//! OpenAI's words: `input` is a text, a list of texts, a list of tokens or a list of such lists.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{malformed, vector, Asked, Form, Input, Vectors};
use crate::dialect::canonical::{Loss, Usage};
use crate::dialect::view::{estimate_tokens, View};
use crate::dialect::{tokens, StreamFault};
use crate::error::{ErrorKind, GatewayError};
use crate::json::{quoted, write_quoted, Edit, Members};
use crate::policy::routing::BODY_MEMBERS;
use crate::sorted;

/// Reads a request.
pub fn read(body: &[u8]) -> Result<(Asked<'_>, View<'_>), GatewayError> {
    let members =
        Members::read(body).map_err(|error| GatewayError::new(ErrorKind::InvalidRequest, error.to_string()))?;
    let model = parse::<Text<'_>>(&members, "model", "a string")?.map(|text| text.0).unwrap_or_default();
    let inputs = inputs(&members)?;
    let mut unsaid = Vec::new();
    for (name, value) in members.iter() {
        match name {
            "model" | "input" | "dimensions" | "encoding_format" => {}
            _ if value.get() == "null" || BODY_MEMBERS.contains(&name) => {}
            "user" => unsaid.push(Loss::advisory("user", "Gemini takes no end user's id")),
            _ => unsaid.push(Loss::unsupported(name, "has no equivalent in Gemini's embeddings")),
        }
    }
    if inputs.iter().any(|input| matches!(input, Input::Native)) {
        unsaid.push(Loss::unsupported("input", "tokens are of one tokeniser: other models want text"));
    }
    let base64 = match parse::<Text<'_>>(&members, "encoding_format", "a string")?.as_ref().map(|word| &*word.0) {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(GatewayError::invalid("encoding_format", "encoding_format: must be float or base64")),
    };
    let dimensions = parse::<u64>(&members, "dimensions", "a whole number")?;
    let input = members.present("input").map_or(0, |raw| estimate_tokens(raw.get().as_bytes()));
    let view = View {
        model,
        max_output_tokens: Some(0),
        estimated_input_tokens: input,
        include_usage: true,
        members,
        ..View::default()
    };
    Ok((Asked { form: Form::OpenAi, inputs, dimensions, base64, unsaid }, view))
}

fn inputs<'a>(members: &Members<'a>) -> Result<Vec<Input<'a>>, GatewayError> {
    let refused = || GatewayError::invalid("input", "input: must be a string or an array of strings or of tokens");
    let raw = members.present("input").ok_or_else(|| GatewayError::invalid("input", "input: is required"))?;
    if raw.get().starts_with('"') {
        return Ok(vec![Input::Text(raw)]);
    }
    let list: Vec<&RawValue> = crate::json::from_str(raw.get()).map_err(|_| refused())?;
    let of = |raw: &'a RawValue| match raw.get().as_bytes().first() {
        Some(b'"') => Some(Input::Text(raw)),
        Some(b'[') => Some(Input::Native),
        _ => None,
    };
    match list.first().map(|first| first.get().as_bytes()) {
        None => Err(GatewayError::invalid("input", "input: must not be empty")),
        Some([b'0'..=b'9', ..]) => Ok(vec![Input::Native]),
        Some(_) => list.into_iter().map(of).collect::<Option<_>>().ok_or_else(refused),
    }
}

/// The caller's own text for a provider of the same dialect.
pub fn native(view: &View<'_>, model: &str) -> Vec<u8> {
    let mut edits: Vec<Edit<'_>> =
        BODY_MEMBERS.iter().filter(|name| view.members.raw(name).is_some()).map(|name| Edit::Remove(name)).collect();
    if !view.names(model) {
        edits.push(Edit::Set("model", String::from_utf8(quoted(model)).unwrap_or_default().into()));
    }
    view.members.edit(&edits)
}

/// A request in these words.
pub fn write(asked: &Asked<'_>, model: &str) -> Vec<u8> {
    let mut out = b"{\"model\":".to_vec();
    write_quoted(&mut out, model);
    out.extend_from_slice(b",\"input\":[");
    let texts = asked.inputs.iter().filter_map(|input| match input {
        Input::Text(raw) => Some(raw.get()),
        Input::Native => None,
    });
    out.extend_from_slice(texts.collect::<Vec<_>>().join(",").as_bytes());
    out.push(b']');
    if let Some(dimensions) = asked.dimensions {
        out.extend_from_slice(format!(",\"dimensions\":{dimensions}").as_bytes());
    }
    out.push(b'}');
    out
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Vec<Item<'a>>,
    #[serde(default)]
    model: Option<String>,
    #[serde(borrow, default)]
    usage: Option<Counts<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

#[derive(Deserialize)]
struct Counts<'a> {
    #[serde(borrow)]
    prompt_tokens: Option<&'a RawValue>,
}

/// Reads an answer.
pub fn vectors(body: &[u8]) -> Result<Vectors<'_>, StreamFault> {
    let Answer { mut data, model, usage } = crate::json::from_slice(body).map_err(|error| malformed(&error))?;
    sorted::sort_by_key(&mut data, |item| item.index);
    let usage = tokens::read(usage.and_then(|counts| counts.prompt_tokens));
    Ok(Vectors {
        list: data.into_iter().map(|item| item.embedding).collect(),
        model,
        usage: usage.map(|input_tokens| Usage { input_tokens, ..Usage::default() }),
    })
}

/// The answer with its vectors in the encoding that the caller asked for; `None` where they are.
pub fn in_asked_encoding(
    asked: &Asked<'_>,
    vectors: &Vectors<'_>,
    body: &[u8],
) -> Result<Option<Vec<u8>>, StreamFault> {
    if vectors.list.iter().all(|vector| vector.get().starts_with('"') == asked.base64) {
        return Ok(None);
    }
    let data = String::from_utf8(data(asked, vectors)?).unwrap_or_default();
    let members = Members::read(body).map_err(|error| StreamFault::Malformed(error.to_string()))?;
    Ok(Some(members.edit(&[Edit::Set("data", data.into())])))
}

/// An answer in these words. Their usage is required, so that what the provider did not count is estimated.
pub fn answer(asked: &Asked<'_>, vectors: &Vectors<'_>, model: &str, estimated: u64) -> Result<Vec<u8>, StreamFault> {
    let mut out = b"{\"object\":\"list\",\"data\":".to_vec();
    out.extend_from_slice(&data(asked, vectors)?);
    out.extend_from_slice(b",\"model\":");
    write_quoted(&mut out, vectors.model.as_deref().unwrap_or(model));
    let tokens = vectors.usage.map_or(estimated, |usage| usage.input_tokens);
    out.extend_from_slice(format!(",\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}}}").as_bytes());
    Ok(out)
}

fn data(asked: &Asked<'_>, vectors: &Vectors<'_>) -> Result<Vec<u8>, StreamFault> {
    let mut out = b"[".to_vec();
    for (index, vector) in vectors.list.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":").as_bytes());
        let vector: Cow<'_, str> =
            if asked.base64 { vector::as_base64(vector.get()) } else { vector::as_array(vector.get()) }?;
        out.extend_from_slice(vector.as_bytes());
        out.push(b'}');
    }
    out.push(b']');
    Ok(out)
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn parse<'a, T: Deserialize<'a>>(members: &Members<'a>, name: &str, what: &str) -> Result<Option<T>, GatewayError> {
    members.parse(name).map_err(|_| GatewayError::invalid(name, format!("{name}: must be {what}")))
}
