//! Copies of what passes while a request runs, bounded. What is over a bound is counted and not kept.

use super::{Id, Why};
use crate::config::capture::Capture as Settings;
use crate::http::{Headers, UpstreamRequest};

/// More than a bound, so that a secret across it is still seen whole; it is cut off after masking.
pub const SLACK: usize = 4096;

/// One request's.
#[derive(Debug)]
pub struct Tape {
    /// Its capture's name.
    pub id: Id,
    /// Why it will be kept; `None`: only if it fails.
    pub why: Option<Why>,
    /// The caller's body.
    pub request: Recording,
    /// The decision, as JSON.
    pub decision: String,
    /// Calls to providers.
    pub legs: Vec<Leg>,
    /// Status that was sent to the caller.
    pub status: u16,
    /// What was sent to the caller.
    pub answer: Recording,
    most_request: usize,
    most_response: usize,
}

/// One call to a provider.
#[derive(Debug)]
pub struct Leg {
    /// Which of the request's accounts it is.
    pub account: usize,
    /// Address, empty for a binding.
    pub url: String,
    /// As they were sent.
    pub headers: Headers,
    /// As it was sent.
    pub body: Recording,
    /// As it came.
    pub response: Recording,
}

/// Bytes and when they passed.
#[derive(Debug, Default)]
pub struct Recording {
    /// Up to the bound and [`SLACK`].
    pub bytes: Vec<u8>,
    /// Where each piece begins and when it passed, Unix ms.
    pub pieces: Vec<(usize, u64)>,
    /// How many there were in all.
    pub total: u64,
    /// The bound.
    pub most: usize,
    /// They are events.
    pub stream: bool,
}

impl Tape {
    /// A tape on which the caller's body stands.
    #[must_use]
    pub fn new(id: Id, why: Option<Why>, settings: &Settings, body: &[u8], decision: String) -> Self {
        let (most_request, most_response) = (settings.max_request_bytes, settings.max_response_bytes);
        let mut request = Recording::bounded(most_request);
        request.push(0, body);
        let answer = Recording::bounded(most_response);
        Self { id, why, request, decision, legs: Vec::new(), status: 0, answer, most_request, most_response }
    }

    /// A call goes out.
    pub fn sent(&mut self, account: usize, request: &UpstreamRequest) {
        let mut body = Recording::bounded(self.most_request);
        body.push(0, &request.body);
        let response = Recording::bounded(self.most_response);
        let (url, headers) = (request.url.clone(), request.headers.clone());
        self.legs.push(Leg { account, url, headers, body, response });
    }

    /// A call has brought something.
    pub fn heard(&mut self, account: usize, at_ms: u64, bytes: &[u8], stream: bool) {
        if let Some(leg) = self.legs.iter_mut().rev().find(|leg| leg.account == account) {
            leg.response.stream = stream;
            leg.response.push(at_ms, bytes);
        }
    }

    /// The caller gets something.
    pub fn said(&mut self, at_ms: u64, bytes: &[u8], stream: bool) {
        self.answer.stream = stream;
        self.answer.push(at_ms, bytes);
    }
}

impl Recording {
    /// An empty one.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Something passes.
    pub fn push(&mut self, at_ms: u64, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let room = (self.most + SLACK).saturating_sub(self.bytes.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        if !taken.is_empty() {
            self.pieces.push((self.bytes.len(), at_ms));
            self.bytes.extend_from_slice(taken);
        }
    }

    /// There were more than the bound.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.total > self.most as u64
    }
}
