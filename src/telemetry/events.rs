//! A request as one data point of Workers Analytics Engine (binding `EVENTS`): what one may ask about many requests in SQL.
//! It samples, so it is for charts and never for bills. The places of blobs and doubles are documented in docs/telemetry.md and
//! only ever added to: what is stored is read by place.
//!
//! Limits (<https://developers.cloudflare.com/analytics/analytics-engine/limits/>): 20 blobs of 16 kB in all, 20 doubles, one
//! index of 96 bytes.

use super::record::RequestRecord;
use crate::accounting::Certainty;

/// The longest text of a blob: some are the caller's words.
const LONGEST_TEXT: usize = 256;
/// The longest index.
const LONGEST_INDEX: usize = 96;
/// Stands for a number that is not known, or of which there is none: Analytics Engine has no null.
const NONE: f64 = -1.0;

/// A data point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// What is sampled by: the principal, so that rare callers are not lost among busy ones.
    pub index: String,
    /// `blob1` first.
    pub blobs: Vec<String>,
    /// `double1` first.
    pub doubles: Vec<f64>,
}

/// A request as a data point.
#[must_use]
pub fn point(record: &RequestRecord) -> Point {
    let text = |text: &str| cut(text, LONGEST_TEXT);
    let some = |text: &Option<String>| cut(text.as_deref().unwrap_or_default(), LONGEST_TEXT);
    let attempts = record.attempts.iter().map(|a| format!("{}/{}:{}", a.provider, a.model, a.outcome));
    let usage = record.attempts.iter().fold([0; 5], |sums, attempt| {
        let usage = &attempt.usage;
        let own = [
            usage.input_tokens,
            usage.cached_input_tokens.unwrap_or(0),
            usage.cache_write_tokens(),
            usage.output_tokens,
            usage.reasoning_tokens.unwrap_or(0),
        ];
        std::array::from_fn(|at| sums.get(at).copied().unwrap_or(0) + own.get(at).copied().unwrap_or(0))
    });
    let outcome = record.blame.as_deref().unwrap_or(if record.status == 499 { "client_disconnected" } else { "ok" });
    let numbers = [
        f64::from(record.status),
        whole(record.duration_ms),
        record.ttft_ms.map_or(NONE, whole),
        whole(record.attempts.len() as u64),
    ];
    let more = [
        record.picousd().map_or(NONE, |picousd| whole(picousd) / 1e12),
        f64::from(u8::from(record.stream)),
        whole(record.losses.len() as u64),
        f64::from(record.candidates),
    ];
    Point {
        index: cut(&record.principal, LONGEST_INDEX),
        blobs: vec![
            text(&record.route),
            text(&record.dialect),
            text(outcome),
            some(&record.error),
            text(&record.requested_model),
            some(&record.model),
            text(&record.policy),
            text(&record.task),
            text(record.certainty().map_or("", Certainty::name)),
            text(&attempts.collect::<Vec<_>>().join(",")),
            text(&record.operation),
            text(&record.request_id),
            text(&record.trace_id),
            text(&record.config_version),
        ],
        doubles: numbers.into_iter().chain(usage.map(whole)).chain(more).collect(),
    }
}

/// No longer than so many bytes, cut between letters, on one line.
fn cut(text: &str, most: usize) -> String {
    let letters = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= most);
    letters.map(|(_, c)| if c.is_control() { ' ' } else { c }).collect()
}

#[allow(clippy::cast_precision_loss)] // for charts
fn whole(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::Cost;
    use crate::dialect::canonical::Usage;
    use crate::telemetry::record::AttemptRecord;

    fn record() -> RequestRecord {
        let attempt = |outcome: &str, input_tokens| AttemptRecord {
            provider: "openai".into(),
            model: "gpt-x".into(),
            outcome: outcome.into(),
            usage: Usage { input_tokens, output_tokens: 7, cached_input_tokens: Some(2), ..Usage::default() },
            ..AttemptRecord::default()
        };
        RequestRecord {
            request_id: "req_1".into(),
            route: "/v1/chat/completions".into(),
            principal: "p".repeat(200),
            requested_model: format!("auto\n{}", "ä".repeat(300)),
            status: 200,
            duration_ms: 1_500,
            attempts: vec![attempt("503", 0), attempt("200", 40)],
            cost: Some(Cost::Exact { picousd: 2_500_000_000 }),
            ..RequestRecord::default()
        }
    }

    #[test]
    fn a_point_has_what_the_documentation_says_in_its_place() {
        let told = point(&record());
        let documented = include_str!("../../docs/telemetry.md");
        let row =
            |kind: &str| documented.lines().find(|line| line.starts_with(&format!("| `{kind}1`"))).map(str::to_owned);
        let names = |kind: &str| row(kind).map_or(0, |row| row.split(" · ").count());
        assert_eq!((names("blob"), names("double")), (told.blobs.len(), told.doubles.len()), "docs/telemetry.md");
        assert_eq!(
            (told.blobs[0].as_str(), told.blobs[2].as_str(), told.blobs[8].as_str()),
            ("/v1/chat/completions", "ok", "exact")
        );
        assert_eq!(told.blobs[9], "openai/gpt-x:503,openai/gpt-x:200");
        assert_eq!(told.doubles[..10], [200.0, 1_500.0, -1.0, 2.0, 40.0, 4.0, 0.0, 14.0, 0.0, 0.002_5]);
    }

    #[test]
    fn a_point_fits_whatever_a_caller_writes() {
        let told = point(&record());
        assert_eq!(told.index.len(), LONGEST_INDEX);
        assert!(told.blobs.iter().all(|blob| blob.len() <= LONGEST_TEXT && !blob.contains('\n')));
        assert!(told.blobs.len() <= 20 && told.doubles.len() <= 20);
        assert!(told.blobs[4].starts_with("auto ää"), "a line end would begin another blob");
        let unknown = point(&RequestRecord { cost: Some(Cost::UNPRICED), ..record() });
        assert_eq!((unknown.doubles[9], unknown.blobs[8].as_str()), (-1.0, "unpriced"), "unknown is never 0");
    }
}
