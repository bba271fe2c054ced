//! Gemini's words: a `content` to a request, and a batch is a list of requests.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{malformed, vector, Asked, Form, Input, Vectors};
use crate::dialect::canonical::{Loss, Usage};
use crate::dialect::gemini::path::bare;
use crate::dialect::view::{estimate_tokens, View};
use crate::dialect::{tokens, StreamFault};
use crate::error::{ErrorKind, GatewayError};
use crate::json::{quoted, write_quoted, Edit, Members};

/// Reads a request.
pub fn read(form: Form, model: String, body: &[u8]) -> Result<(Asked<'_>, View<'_>), GatewayError> {
    let members = object(body)?;
    let mut asked = Asked { form, inputs: Vec::new(), dimensions: None, base64: false, unsaid: Vec::new() };
    let mut tokens = 0;
    if form == Form::Gemini {
        tokens = one(&members, "", &model, true, &mut asked)?;
    } else {
        let raw = members.present("requests");
        let list: Vec<&RawValue> = raw
            .and_then(|raw| crate::json::from_str(raw.get()).ok())
            .ok_or_else(|| GatewayError::invalid("requests", "requests: must be an array of requests"))?;
        if list.is_empty() {
            return Err(GatewayError::invalid("requests", "requests: must not be empty"));
        }
        for (at, raw) in list.into_iter().enumerate() {
            let request = object(raw.get().as_bytes())?;
            tokens += one(&request, &format!("requests[{at}]."), &model, at == 0, &mut asked)?;
        }
        let others = members.iter().filter(|(name, value)| *name != "requests" && value.get() != "null");
        asked.unsaid.extend(others.map(|(name, _)| unsaid(name.to_owned())));
    }
    let view = View {
        model: model.into(),
        max_output_tokens: Some(0),
        estimated_input_tokens: tokens,
        include_usage: true,
        members,
        ..View::default()
    };
    Ok((asked, view))
}

/// Reads one request of perhaps several, gives its estimated tokens. `prefix`: what stands before the names of its fields.
fn one<'a>(
    request: &Members<'a>,
    prefix: &str,
    model: &str,
    first: bool,
    asked: &mut Asked<'a>,
) -> Result<u64, GatewayError> {
    let invalid = |name: &str, what: &str| {
        let field = format!("{prefix}{name}");
        GatewayError::invalid(field.clone(), format!("{field}: {what}"))
    };
    let mut dimensions = None;
    for (name, value) in request.iter().filter(|(_, value)| value.get() != "null") {
        match name {
            "content" => {}
            "model" => {
                let named: Text<'_> = read_as(value).ok_or_else(|| invalid(name, "must be a string"))?;
                if bare(&named.0) != bare(model) {
                    return Err(invalid(name, "must be the model in the path"));
                }
            }
            "taskType" | "task_type" if value.get() == "\"TASK_TYPE_UNSPECIFIED\"" => {}
            "outputDimensionality" | "output_dimensionality" => {
                dimensions = Some(read_as::<u64>(value).ok_or_else(|| invalid(name, "must be a whole number"))?);
            }
            _ => asked.unsaid.push(unsaid(format!("{prefix}{name}"))),
        }
    }
    if first {
        asked.dimensions = dimensions;
    } else if asked.dimensions != dimensions {
        let field = format!("{prefix}outputDimensionality");
        asked.unsaid.push(Loss::unsupported(field, "all vectors of one request have one length at OpenAI"));
    }
    let content = request.present("content").ok_or_else(|| invalid("content", "is not specified"))?;
    let input = only_text(content);
    if input.is_none() {
        let field = format!("{prefix}content.parts");
        asked.unsaid.push(Loss::unsupported(field, "OpenAI embeds texts: one part with nothing but a text"));
    }
    asked.inputs.push(input.map_or(Input::Native, Input::Text));
    Ok(estimate_tokens(input.map_or("", RawValue::get).as_bytes()))
}

/// The text of a content that is nothing else.
fn only_text(content: &RawValue) -> Option<&RawValue> {
    let content = Members::read(content.get().as_bytes()).ok()?;
    let parts = content.present("parts")?;
    let list: Vec<&RawValue> = if parts.get().starts_with('[') { read_as(parts)? } else { vec![parts] };
    let [part] = list.as_slice() else { return None };
    let part = Members::read(part.get().as_bytes()).ok()?;
    let alone = part.iter().all(|(name, value)| name == "text" || value.get() == "null");
    part.present("text").filter(|text| alone && text.get().starts_with('"'))
}

fn unsaid(field: String) -> Loss {
    Loss::unsupported(field, "has no equivalent in OpenAI's embeddings")
}

/// The caller's own text for a provider of the same dialect: only the model's names in it are changed.
pub fn native(form: Form, view: &View<'_>, model: &str) -> Vec<u8> {
    let name = resource(model);
    if form == Form::Gemini {
        return named(&view.members, &name).unwrap_or_else(|| view.members.source().to_vec());
    }
    let list: Vec<&RawValue> = view.members.parse("requests").ok().flatten().unwrap_or_default();
    let renamed: Vec<Option<Vec<u8>>> =
        list.iter().map(|raw| named(&Members::read(raw.get().as_bytes()).unwrap_or_default(), &name)).collect();
    if renamed.iter().all(Option::is_none) {
        return view.members.source().to_vec();
    }
    let mut out = b"[".to_vec();
    for (at, (raw, renamed)) in list.iter().zip(&renamed).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(renamed.as_deref().unwrap_or(raw.get().as_bytes()));
    }
    out.push(b']');
    view.members.edit(&[Edit::Set("requests", String::from_utf8(out).unwrap_or_default().into())])
}

/// A request with another model's name in it; `None` where it names none, or this one.
fn named(request: &Members<'_>, name: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8(quoted(name)).ok()?;
    let other = request.present("model").is_some_and(|raw| raw.get() != text);
    other.then(|| request.edit(&[Edit::Set("model", text.into())]))
}

fn resource(model: &str) -> String {
    format!("models/{}", bare(model))
}

/// A request in these words: always a batch.
pub fn write(asked: &Asked<'_>, model: &str) -> Vec<u8> {
    let mut out = b"{\"requests\":[".to_vec();
    for (at, input) in asked.inputs.iter().enumerate() {
        let Input::Text(text) = input else { continue };
        out.extend_from_slice(if at > 0 { b",{\"model\":" } else { b"{\"model\":" });
        write_quoted(&mut out, &resource(model));
        out.extend_from_slice(b",\"content\":{\"parts\":[{\"text\":");
        out.extend_from_slice(text.get().as_bytes());
        out.extend_from_slice(b"}]}");
        if let Some(dimensions) = asked.dimensions {
            out.extend_from_slice(format!(",\"outputDimensionality\":{dimensions}").as_bytes());
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    embeddings: Vec<Embedding<'a>>,
    #[serde(borrow, default)]
    embedding: Option<Embedding<'a>>,
    #[serde(borrow, default, rename = "usageMetadata")]
    usage: Option<Counts<'a>>,
}

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

#[derive(Deserialize)]
struct Counts<'a> {
    #[serde(borrow, rename = "promptTokenCount")]
    prompt: Option<&'a RawValue>,
}

/// Reads an answer to either method.
pub fn vectors(body: &[u8]) -> Result<Vectors<'_>, StreamFault> {
    let Answer { embeddings, embedding, usage } = crate::json::from_slice(body).map_err(|error| malformed(&error))?;
    let usage = tokens::read(usage.and_then(|counts| counts.prompt));
    Ok(Vectors {
        list: embeddings.into_iter().chain(embedding).map(|one| one.values).collect(),
        model: None,
        usage: usage.map(|input_tokens| Usage { input_tokens, ..Usage::default() }),
    })
}

/// An answer in these words.
pub fn answer(form: Form, vectors: &Vectors<'_>) -> Result<Vec<u8>, StreamFault> {
    let values = |raw: &&RawValue| vector::as_array(raw.get()).map(|array| format!("{{\"values\":{array}}}"));
    let list = vectors.list.iter().map(values).collect::<Result<Vec<String>, StreamFault>>()?.join(",");
    let list = if form == Form::Gemini { format!("\"embedding\":{list}") } else { format!("\"embeddings\":[{list}]") };
    let usage = vectors.usage.map_or_else(String::new, |usage| {
        let tokens = usage.input_tokens;
        format!(",\"usageMetadata\":{{\"promptTokenCount\":{tokens},\"totalTokenCount\":{tokens}}}")
    });
    Ok(format!("{{{list}{usage}}}").into_bytes())
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn read_as<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    crate::json::from_str(raw.get()).ok()
}

fn object(body: &[u8]) -> Result<Members<'_>, GatewayError> {
    Members::read(body).map_err(|error| GatewayError::new(ErrorKind::InvalidRequest, error.to_string()))
}
