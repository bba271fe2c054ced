//! The members that the loader knows, by the name of the definition in `docs/config.schema.json` that must list the same.

use super::{bounds, capture, choice, continuation, feedback, hedge, limits, prices, provider, rule, telemetry};
use crate::catalogue::{learned, model};
use crate::redact::find;

/// Definition → members. The empty name is the document itself.
pub const SHAPES: [(&str, &[&str]); 36] = [
    ("", super::ROOT),
    ("request_bounds", super::BOUNDS),
    ("overload", super::OVERLOAD),
    ("cors", super::CORS),
    ("streams", super::STREAMS),
    ("prices", prices::PRICES),
    ("feedback", feedback::FEEDBACK),
    ("provider", provider::PROVIDER),
    ("breaker", provider::BREAKER),
    ("model", model::MODEL),
    ("quality", model::QUALITY),
    ("learned", learned::LEARNED),
    ("table", learned::TABLE),
    ("function", learned::FUNCTION),
    ("alias", choice::ALIAS),
    ("policy", choice::POLICY),
    ("weights", choice::WEIGHTS),
    ("task", choice::TASK),
    ("rule", rule::RULE),
    ("boost", rule::BOOST),
    ("constraints", bounds::BOUNDS),
    ("stickiness", choice::STICKINESS),
    ("data", choice::DATA),
    ("attempts", choice::ATTEMPTS),
    ("patience", choice::PATIENCE),
    ("continuation", continuation::CONTINUATION),
    ("hedge", hedge::HEDGE),
    ("telemetry", telemetry::TELEMETRY),
    ("tail", telemetry::TAIL),
    ("collector", telemetry::COLLECTOR),
    ("capture", capture::CAPTURE),
    ("capture_rule", capture::RULE),
    ("redaction", capture::REDACTION),
    ("limits", limits::LIMITS),
    ("limit", limits::LIMIT),
    ("budget", limits::BUDGET),
];

/// Definition → words that it allows.
#[must_use]
pub fn words() -> Vec<(&'static str, Vec<&'static str>)> {
    fn first<T>(words: &[(&'static str, T)]) -> Vec<&'static str> {
        words.iter().map(|(word, _)| *word).collect()
    }
    vec![
        ("kind", first(&provider::KINDS)),
        ("profile", provider::profiles()),
        ("capability", model::CAPABILITIES.to_vec()),
        ("tier", first(&model::TIERS)),
        ("reasoning", first(&model::REASONING)),
        ("quality_kind", first(&model::QUALITY_KINDS)),
        ("exposure", first(&choice::EXPOSURES)),
        ("when_all_open", first(&choice::WHEN_ALL_OPEN)),
        ("continuation_mode", first(&continuation::CONTINUATIONS)),
        ("hedge_mode", first(&hedge::HEDGE_MODES)),
        ("content_filter", first(&choice::CONTENT_FILTERS)),
        ("telemetry_profile", first(&telemetry::TELEMETRY_PROFILES)),
        ("encoding", first(&telemetry::ENCODINGS)),
        ("flavour", first(&telemetry::FLAVOURS)),
        ("signal", telemetry::SIGNALS.to_vec()),
        ("redaction_kind", first(&find::KINDS)),
        ("period", limits::PERIODS.to_vec()),
        ("price_format", first(&crate::catalogue::import::FORMATS)),
    ]
}
