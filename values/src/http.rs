//! Plain values for requests and responses, so that the core never names a platform type.

use std::borrow::Cow;
use std::fmt;

/// Header names in lower case, in order of appearance. The `Debug` form shows no values: they may be credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A text as a header value can carry it in a comma-separated list: everything but visible ASCII is percent-encoded, and
/// so is the comma.
#[must_use]
pub fn header_text(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(out)
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of `name` (given in lower case).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Adds a value; the name is lowered.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl Into<String>) {
        self.0.push((name.as_ref().to_ascii_lowercase(), value.into()));
    }

    /// Replaces every value of `name` by one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(n, _)| *n != name);
        self.0.push((name, value.into()));
    }

    /// Name and value pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.push(name, value);
        }
        headers
    }
}

/// A caller's request, body read whole. The `Debug` form shows neither query (a key may stand in it) nor body.
#[derive(Clone, Default)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// Path without query, percent-encoding kept.
    pub path: String,
    /// Query without `?`, empty when there is none.
    pub query: String,
    /// Headers as received.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Status line and headers of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// HTTP status.
    pub status: u16,
    /// Headers to send.
    pub headers: Headers,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, headers, body, .. } = self;
        write!(f, "Request({method} {path}, {headers:?}, {} bytes)", body.len())
    }
}

/// One call to a provider, ready to be sent. The `Debug` form shows neither key nor body.
#[derive(Clone, Default)]
pub struct UpstreamRequest {
    /// Absolute URL; empty where `model` says which model to run.
    pub url: String,
    /// The model to run through the Worker's own AI binding, instead of a URL.
    pub model: Option<String>,
    /// Headers, the key among them.
    pub headers: Headers,
    /// JSON body.
    pub body: Vec<u8>,
}

impl fmt::Debug for UpstreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, model, headers, body } = self;
        let target = model.as_ref().unwrap_or(url);
        write!(f, "UpstreamRequest({target}, {headers:?}, {} bytes)", body.len())
    }
}
