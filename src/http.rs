//! Plain values for requests and responses, so that the core never names a platform type.

/// Header names in lower case, in order of appearance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

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

/// A caller's request, body read whole.
#[derive(Debug, Clone, Default)]
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

/// One call to a provider, ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct UpstreamRequest {
    /// Absolute URL.
    pub url: String,
    /// Headers, the key among them.
    pub headers: Headers,
    /// JSON body.
    pub body: Vec<u8>,
}
