//! What the Worker asks of an answer's keeper. It is handed over within the deployment; nothing of it comes from outside.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dialect::Dialect;
use crate::hex::hex;
use crate::http::{Headers, Request};
use crate::identity::credential::is_credential;
use crate::identity::Principal;
use crate::telemetry::trace::TraceContext;

/// A request to be carried out, or to be joined to the same one that was.
#[derive(Debug, Serialize, Deserialize)]
pub struct Run {
    /// The answer's name.
    pub id: String,
    /// Method, path, query.
    pub line: [String; 3],
    /// The caller's headers, credentials left out.
    pub headers: Vec<(String, String)>,
    /// Who calls, verified.
    pub principal: Principal,
    /// Our id for the request.
    pub request_id: String,
    /// Its trace.
    pub trace: TraceContext,
    /// When it came.
    pub arrived_ms: u64,
    /// The configuration under which it came.
    pub version: String,
    /// What is asked, hashed: the same key with another hash is another request.
    pub hash: String,
    /// The caller's language.
    pub dialect: Dialect,
    /// Readers get one JSON array instead of events.
    pub array: bool,
    /// Milliseconds for which the answer is kept after its end.
    pub keep_ms: u64,
}

/// An answer to be read, or to be given up.
#[derive(Debug, Serialize, Deserialize)]
pub struct Visit {
    /// Who asks, by id.
    pub principal: String,
    /// The last event that the reader has.
    pub after: u64,
}

/// Headers that are not handed over beside credentials, which have been looked at: what concerns one connection's browser.
const LEFT_OUT: [&str; 3] = ["cookie", "origin", "content-length"];

impl Run {
    /// The request, its body apart.
    #[must_use]
    pub fn request(&self) -> Request {
        let [method, path, query] = self.line.clone();
        Request { method, path, query, headers: self.headers.iter().cloned().collect(), body: Vec::new() }
    }

    /// As it is sent: one line, then the request's body as it came.
    #[must_use]
    pub fn with_body(&self, body: &[u8]) -> Vec<u8> {
        let mut out = serde_json::to_vec(self).unwrap_or_default();
        out.push(b'\n');
        out.extend_from_slice(body);
        out
    }

    /// Reads what [`Run::with_body`] wrote.
    #[must_use]
    pub fn parse(sent: &[u8]) -> Option<(Self, Vec<u8>)> {
        let end = memchr::memchr(b'\n', sent)?;
        let (line, body) = sent.split_at_checked(end)?;
        Some((crate::json::from_slice(line).ok()?, body.get(1..)?.to_vec()))
    }
}

/// The headers that are handed over.
#[must_use]
pub fn handed_over(headers: &Headers) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| !LEFT_OUT.contains(name) && !is_credential(name));
    kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What a request asks, hashed: where it goes and its body.
#[must_use]
pub fn hash(request: &Request, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(&request.path).chain_update("?").chain_update(&request.query);
    let digest = digest.chain_update("\n").chain_update(body).finalize();
    hex(&digest)
}
