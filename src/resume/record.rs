//! What is remembered of an answer besides its bytes, and what follows from it for those who ask for the answer.

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::error::{ErrorKind, GatewayError};
use crate::http::ResponseHead;
use crate::resume::errand::Run;
use crate::resume::numbering::Numbering;
use crate::resume::rows::{Row, Rows};

/// What is remembered of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Id of the principal whose it is.
    pub principal: String,
    /// What was asked, hashed.
    pub hash: String,
    /// The request that brought it.
    pub request_id: String,
    /// The language it is in.
    pub dialect: Dialect,
    /// Readers get one JSON array instead of events.
    pub array: bool,
    /// Status and headers, once they are known.
    pub head: Option<(u16, Vec<(String, String)>)>,
    /// It is a whole body and no stream.
    pub whole: bool,
    /// How far it is.
    pub stage: Stage,
    /// Milliseconds for which it is kept after its end.
    pub keep_ms: u64,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is being written.
    Running,
    /// It is complete.
    Complete,
    /// It ended in an error.
    Failed,
}

/// What becomes of a request that has this answer's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// It is carried out.
    Begin,
    /// It gets the answer that there is, or that is coming.
    Join,
    /// It is another request under the same key.
    Refuse,
}

impl Record {
    /// The record of a request that begins.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        Self {
            principal: run.principal.id.clone(),
            hash: run.hash.clone(),
            request_id: run.request_id.clone(),
            dialect: run.dialect,
            array: run.array,
            head: None,
            whole: false,
            stage: Stage::Running,
            keep_ms: run.keep_ms,
        }
    }

    /// What becomes of a request that finds this record. An error is no result: the next one who asks is served anew.
    #[must_use]
    pub fn plan(&self, run: &Run) -> Plan {
        if self.principal != run.principal.id || self.hash != run.hash {
            Plan::Refuse
        } else if self.stage == Stage::Failed || self.head.as_ref().is_some_and(|(status, _)| *status >= 400) {
            Plan::Begin
        } else {
            Plan::Join
        }
    }

    /// Whether a principal may read it, or cancel it, as a stream.
    #[must_use]
    pub fn is_stream_of(&self, principal: &str) -> bool {
        self.principal == principal && self.head.is_some() && !self.whole
    }

    /// Status line and headers have come.
    pub fn answered(&mut self, head: ResponseHead) {
        let headers = head.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.head = Some((head.status, headers));
    }

    /// The writer is no more, and nobody will go on with the answer: how it ends. `last` is the number of the last event
    /// that is stored, `row` the bytes of the last row.
    pub fn interrupted(&mut self, last: u64, row: &[u8]) -> Vec<Row> {
        self.stage = Stage::Failed;
        let mut rows = Rows::default();
        if self.head.is_some() && !self.whole {
            let number = self.dialect.number_behind(row).unwrap_or(last);
            let event = self.cut("The answer was interrupted: what had come until then is all there is.", number);
            Numbering::new(self.dialect, last).push(&event, &mut rows);
        }
        rows.take(0)
    }

    /// The typed end of a stream that has none of its own, with its number where the dialect numbers events.
    #[must_use]
    pub fn cut(&self, why: &str, number: u64) -> Vec<u8> {
        self.dialect.encode_stream_error(&GatewayError::new(ErrorKind::StreamCut, why), &self.request_id, None, number)
    }
}
