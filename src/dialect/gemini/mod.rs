//! Gemini `generateContent` and `streamGenerateContent` (`wire.md` §1.4).
//!
//! The body names no model: it stands in the path (see [`path`]). A stream is a series of partial responses without a
//! terminator, framed as server-sent events (`alt=sse`) or as one JSON array ([`mod@array`]). Read `tests/dialect_gemini.rs`
//! first.

pub mod array;
pub mod error;
pub mod native;
pub mod request;
pub mod response;
pub mod stream;
pub mod view;

mod extras;
mod finish;
mod foreign;
mod ids;
mod model;
mod partial_args;
mod schema;
mod types;
mod usage;
mod write;

/// Path and query of a call: `/v1beta/models/{model}:generateContent`, or the event stream of it. A name that already
/// begins with `models/` or `tunedModels/` keeps that prefix, as Google's SDKs have it; the rest is percent-encoded.
#[must_use]
pub fn path(model: &str, stream: bool) -> String {
    let (collection, name) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), name)) => (collection, name),
        _ => ("models", model),
    };
    let mut out = String::with_capacity(64 + name.len());
    out.push_str("/v1beta/");
    out.push_str(collection);
    out.push('/');
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    out.push_str(if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" });
    out
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn the_path_names_model_and_method() {
        assert_eq!(path("gemini-3.5-flash", false), "/v1beta/models/gemini-3.5-flash:generateContent");
        assert_eq!(path("models/gemini-4", true), "/v1beta/models/gemini-4:streamGenerateContent?alt=sse");
        assert_eq!(path("tunedModels/mine", false), "/v1beta/tunedModels/mine:generateContent");
        assert_eq!(path("acme/a b:ö?", false), "/v1beta/models/acme%2Fa%20b%3A%C3%B6%3F:generateContent");
    }
}
