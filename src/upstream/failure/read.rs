//! Error objects in any of the shapes that providers use, for the dialects' decoders and for replies that are in no
//! dialect.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::ProviderError;

/// Every member that any of the shapes uses; each as source text, because their types differ between providers.
#[derive(Deserialize, Default)]
struct Shape<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    errors: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    msg: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    /// Workers AI behind its binding.
    #[serde(borrow, default, rename = "internalCode")]
    internal_code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    param: Option<&'a RawValue>,
}

/// Reads an error body or event of any known shape; `None` when it is none of them:
/// `{"error":{message,type,status,code,param}}` (OpenAI, Anthropic, Gemini, OpenRouter) and the same in an array or in
/// `response` (a failed Responses event), `{"error":"text"}`, flat `{message,type,code,param}` (Mistral, DashScope),
/// `{"errors":[{code,message}]}` and `{internalCode,description}` (Cloudflare) and `{"detail":…}` (validation lists).
#[must_use]
pub fn read_error(body: &[u8]) -> Option<ProviderError> {
    let text = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}').trim();
    if text.starts_with('[') {
        let list: Vec<&RawValue> = crate::json::from_str(text).ok()?;
        return read_object(list.first()?.get());
    }
    read_object(text)
}

fn read_object(text: &str) -> Option<ProviderError> {
    let shape = shape(text)?;
    if let Some(error) = shape.error.filter(|error| error.get() != "null") {
        if let Some(inner) = self::shape(error.get()) {
            // Some relays wrap what they got once more.
            let wrapped = inner.error.filter(|_| inner.message.is_none());
            if let Some((error, shape)) = wrapped.and_then(|error| Some((error, self::shape(error.get())?))) {
                return Some(report(&shape, error.get()));
            }
            return Some(report(&inner, error.get()));
        }
        let message = string(error)?.into_owned();
        return Some(ProviderError { message, ..report(&shape, text) });
    }
    if let Some(response) = shape.response {
        return self::shape(response.get())?
            .error
            .filter(|e| e.get() != "null")
            .and_then(|_| read_object(response.get()));
    }
    if let Some(first) = shape.errors.as_ref().and_then(|list| list.first()) {
        // The whole text is kept: the wrapper tells whose codes these are.
        return Some(report(&self::shape(first.get())?, text));
    }
    if let Some(detail) = shape.detail {
        return Some(ProviderError { message: detail_message(detail), ..report(&shape, text) });
    }
    let says = shape.message.or(shape.msg).and_then(string).is_some() || shape.internal_code.is_some();
    says.then(|| report(&shape, text))
}

fn shape(text: &str) -> Option<Shape<'_>> {
    // Serde also reads a sequence into a struct; only objects are meant.
    text.trim_start().starts_with('{').then(|| crate::json::from_str(text).ok()).flatten()
}

fn report(shape: &Shape<'_>, raw: &str) -> ProviderError {
    let word = |value: Option<&RawValue>| value.and_then(scalar);
    ProviderError {
        message: shape.message.or(shape.msg).or(shape.description).and_then(string).unwrap_or_default().into_owned(),
        kind: word(shape.kind).or_else(|| shape.status.and_then(string).map(Cow::into_owned)),
        code: word(shape.code.or(shape.internal_code)),
        param: word(shape.param),
        raw: raw.to_owned(),
    }
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    crate::json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0)
}

/// A string or a number as text.
fn scalar(value: &RawValue) -> Option<String> {
    match string(value) {
        Some(text) => Some(text.into_owned()).filter(|t| !t.is_empty()),
        None => crate::json::from_str::<f64>(value.get()).ok().map(|_| value.get().to_owned()),
    }
}

/// `"text"`, `[{loc, msg, type}]` (one line per entry) or `{message}`.
fn detail_message(detail: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow, default)]
        loc: Vec<&'a RawValue>,
        #[serde(borrow, default, alias = "message")]
        msg: Option<Cow<'a, str>>,
    }
    let line = |entry: &Entry<'_>| {
        let path: Vec<String> = entry.loc.iter().filter_map(|part| scalar(part)).collect();
        let text = entry.msg.as_deref().unwrap_or_default();
        if path.is_empty() {
            text.to_owned()
        } else {
            format!("{}: {text}", path.join("."))
        }
    };
    if let Some(text) = string(detail) {
        return text.into_owned();
    }
    if let Ok(entries) = crate::json::from_str::<Vec<Entry<'_>>>(detail.get()) {
        return entries.iter().map(line).collect::<Vec<_>>().join("; ");
    }
    crate::json::from_str::<Entry<'_>>(detail.get()).map(|entry| line(&entry)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Option<(String, Option<String>, Option<String>)> {
        read_error(body.as_bytes()).map(|e| (e.message, e.kind, e.code))
    }

    #[test]
    fn every_shape_of_an_error_is_read() {
        let some = |message: &str, kind: &str, code: &str| {
            let word = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
            Some((message.to_owned(), word(kind), word(code)))
        };
        for (body, expected) in [
            (r#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#, some("m", "t", "c")),
            (r#"{"type":"error","error":{"type":"t","message":"m"},"request_id":"r"}"#, some("m", "t", "")),
            ("\u{feff}\r\n [{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"S\"}}\n]", some("m", "S", "400")),
            (r#"{"error":"m","code":"c"}"#, some("m", "", "c")),
            (r#"{"error":{"error":{"message":"m","type":"t","code":"c"}}}"#, some("m", "t", "c")),
            (r#"{"object":"error","message":"m","type":"t","code":3280,"param":"p"}"#, some("m", "t", "3280")),
            (r#"{"code":"Arrearage","message":"m","request_id":"r"}"#, some("m", "", "Arrearage")),
            (r#"{"internalCode":3036,"name":"n","description":"m"}"#, some("m", "", "3036")),
            (r#"{"errors":[{"code":3040,"message":"m"}],"success":false,"result":null}"#, some("m", "", "3040")),
            (r#"{"detail":[{"loc":["body","n",0],"msg":"bad","type":"x"}]}"#, some("body.n.0: bad", "", "")),
            (r#"{"detail":"m"}"#, some("m", "", "")),
            (r#"{"type":"response.failed","response":{"error":{"code":"c","message":"m"}}}"#, some("m", "", "c")),
            (r#"{"type":"error","code":"c","message":"m","param":null}"#, some("m", "error", "c")),
            (r#"{"error":{"message":"caf\u00e9","status":403}}"#, some("café", "", "")),
            (r#"{"error":null,"choices":[]}"#, None),
            (r#"{"response":{"error":null}}"#, None),
            (r#"{"choices":[]}"#, None),
            ("<html><body>502</body></html>", None),
            ("", None),
            ("[]", None),
            ("{\"error\":", None),
        ] {
            assert_eq!(fields(body), expected, "{body}");
        }
    }

    #[test]
    fn the_error_object_is_kept_as_written() {
        let error = read_error(br#"{"error": {"z": 1.0, "message": "m", "a": [ ]}}"#).unwrap();
        assert_eq!(error.raw, r#"{"z": 1.0, "message": "m", "a": [ ]}"#);
    }
}
