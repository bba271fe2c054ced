//! What collectors that ask for it are told of prompts and answers. Where none does nothing is copied; where one does, only of
//! requests that may be exported, and it is read and masked beside other work, when the answer is on its way.

use crate::capture::said::{Said, MOST_BYTES};
use crate::capture::tape::Recording;
use crate::pipeline::attempts::Run;
use crate::pipeline::capturing::known;
use crate::pipeline::exchange::Exchange;
use crate::ports::{MakeContent, Platform};
use crate::telemetry::record::RequestRecord;
use crate::telemetry::sampling;

/// Has the answer recorded, if a collector may be told of it.
pub fn begin<P: Platform>(exchange: &Exchange<'_, P>) {
    let telemetry = &exchange.gateway.config.telemetry;
    let wanted = telemetry.tells_content() && exchange.platform.wants_records() && exchange.replay.is_none();
    if wanted && sampling::may_be_exported(&exchange.trace.trace_id, telemetry) {
        exchange.said.replace(Some(Recording::bounded(MOST_BYTES)));
    }
}

/// What makes the content, if the request is one that is exported.
pub fn finish<P: Platform>(run: &Run<'_, P>, record: &RequestRecord) -> Option<MakeContent> {
    let exchange = run.exchange;
    let answer = exchange.said.take()?;
    let telemetry = &exchange.gateway.config.telemetry;
    if !sampling::exported(record, telemetry) {
        return None;
    }
    let body = run.view.members.source();
    let said = Said {
        dialect: exchange.dialect,
        request: if body.len() <= MOST_BYTES { body.to_vec() } else { Vec::new() },
        // A status that tells of an error comes with no answer.
        answer: if record.status < 300 || record.stream { answer } else { Recording::default() },
        settings: telemetry.redaction.clone(),
        known: known(run),
        most: telemetry.content_bytes,
    };
    Some(Box::new(move || said.content()))
}
