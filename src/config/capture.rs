//! Which requests are kept with what was asked and answered, what of it is masked, and for how long (docs/captures.md).
//! Without the member none is.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use regex_lite::RegexBuilder;

use super::choice::Policy;
use super::provider::Secret;
use super::telemetry::share;
use super::Environment;
use crate::document::{Item, Object};
use crate::redact::find::KINDS;
use crate::redact::path::{Path, Paths};
use crate::redact::{Pattern, Settings};
use crate::sorted::Map;

/// What is kept, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// For requests under every other policy.
    pub rule: Rule,
    /// By policy.
    pub policies: Map<String, Rule>,
    /// Callers whose credential says `capture` are kept.
    pub claim: bool,
    /// Bytes that are kept of a request, as it came and as it was sent.
    pub max_request_bytes: usize,
    /// Bytes that are kept of an answer, as it came and as it was sent.
    pub max_response_bytes: usize,
    /// Milliseconds after which a capture is not shown any more.
    pub keep_ms: u64,
    /// What is masked.
    pub redaction: Settings,
    /// Under which of these captures are sealed: the first one for new ones, all of them for reading. Empty: they are not.
    pub keys: Vec<Secret>,
    /// Captures are to be sealed, and the secret is not there: nothing is kept.
    pub lacks_key: bool,
}

/// Which requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// Share of them, in millionths.
    pub sample_micro: i64,
    /// Those that failed by a provider's fault or ours, or only after another candidate had failed.
    pub errors: bool,
}

impl Capture {
    /// What holds under a policy.
    #[must_use]
    pub fn rule(&self, policy: &str) -> Rule {
        self.policies.get(policy).copied().unwrap_or(self.rule)
    }
}

/// Members of `capture`.
pub const CAPTURE: &[&str] = &[
    "sample",
    "errors",
    "policies",
    "claim",
    "max_request_bytes",
    "max_response_bytes",
    "keep_days",
    "redaction",
    "encryption_key_env",
];
/// Members of one of its policies.
pub const RULE: &[&str] = &["sample", "errors"];
/// Members of `capture.redaction`.
pub const REDACTION: &[&str] = &["kinds", "patterns", "allow", "deny"];

/// A long conversation; four of them and their answers fit into an isolate beside everything else.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;
const MAX_RESPONSE_BYTES: u64 = 1024 * 1024;
const MOST_BYTES: u64 = 8 * 1024 * 1024;
const KEEP_DAYS: u64 = 30;
const DAY_MS: u64 = 86_400_000;
/// AES-256.
const KEY_BYTES: usize = 32;
/// Patterns run over all that is kept: a large one is a slip.
const PATTERN_BYTES: usize = 256 * 1024;

pub(super) fn read(item: &Item<'_>, policies: &Map<String, Policy>, environment: &Environment<'_>) -> Option<Capture> {
    let object = item.object(CAPTURE)?;
    let own = object.member("policies").map_or_else(Vec::new, |v| v.entries());
    for (name, item) in own.iter().filter(|(name, _)| !policies.contains_key(*name)) {
        item.problem(format!("no policy is named {name:?}"));
    }
    let bytes = |name, standard| {
        let count = object.member(name).map_or(Some(standard), |v| v.count(1, MOST_BYTES))?;
        usize::try_from(count).ok()
    };
    let days = object.member("keep_days").map_or(Some(KEEP_DAYS), |v| v.count(1, 3_650))?;
    let (keys, lacks_key) = keys(&object, environment);
    Some(Capture {
        rule: rule(&object)?,
        policies: own
            .iter()
            .filter_map(|(name, item)| Some(((*name).to_owned(), rule(&item.object(RULE)?)?)))
            .collect(),
        claim: object.member("claim").map_or(Some(false), |v| v.flag())?,
        max_request_bytes: bytes("max_request_bytes", MAX_REQUEST_BYTES)?,
        max_response_bytes: bytes("max_response_bytes", MAX_RESPONSE_BYTES)?,
        keep_ms: days.saturating_mul(DAY_MS),
        redaction: object.member("redaction").map_or(Some(Settings::default()), |v| redaction(&v))?,
        keys,
        lacks_key,
    })
}

fn rule(object: &Object<'_>) -> Option<Rule> {
    Some(Rule {
        sample_micro: share(object, "sample", 0.0)?,
        errors: object.member("errors").map_or(Some(false), |v| v.flag())?,
    })
}

pub(super) fn redaction(item: &Item<'_>) -> Option<Settings> {
    let object = item.object(REDACTION)?;
    let standard = Settings::default();
    let kinds = match object.member("kinds") {
        Some(list) => list.items().iter().map(|word| word.word(&KINDS)).collect::<Option<_>>()?,
        None => standard.kinds,
    };
    let patterns = object.member("patterns").map_or_else(Vec::new, |v| v.entries());
    Some(Settings {
        kinds,
        patterns: patterns.iter().filter_map(|(name, item)| pattern(name, item)).collect(),
        paths: Paths { allow: paths(&object, "allow"), deny: paths(&object, "deny") },
    })
}

fn pattern(name: &str, item: &Item<'_>) -> Option<Pattern> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        item.problem("its name stands in the mask: letters, digits, _ and - only");
    }
    match RegexBuilder::new(item.text()?).size_limit(PATTERN_BYTES).build() {
        Ok(regex) if regex.is_match("") => {
            item.problem("matches where nothing stands");
            None
        }
        Ok(regex) => Some(Pattern { name: name.to_owned(), regex }),
        Err(why) => {
            item.problem(format!("no regular expression: {why}"));
            None
        }
    }
}

fn paths(object: &Object<'_>, name: &str) -> Vec<Path> {
    let list = object.member(name).map_or_else(Vec::new, |v| v.items());
    let path = |item: &Item<'_>| {
        let path = Path::parse(item.text()?);
        if path.is_none() {
            item.problem("must be a path such as messages.*.content or **.api_key");
        }
        path
    };
    list.iter().filter_map(path).collect()
}

/// The keys that are there, and whether the one for new captures is not.
fn keys(object: &Object<'_>, environment: &Environment<'_>) -> (Vec<Secret>, bool) {
    let Some(item) = object.member("encryption_key_env") else { return (Vec::new(), false) };
    let mut keys = Vec::new();
    let mut lacks_key = false;
    for (at, name) in item.one_or_more().iter().enumerate() {
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            item.problem("must be the name of a secret, not the secret");
            continue;
        }
        match environment(name).filter(|value| !value.trim().is_empty()) {
            None => lacks_key |= at == 0,
            Some(value) if STANDARD.decode(value.trim()).is_ok_and(|key| key.len() == KEY_BYTES) => {
                keys.push(Secret::new(value.trim()));
            }
            Some(_) => item.problem(format!("the secret {name} must be {KEY_BYTES} bytes in base64")),
        }
    }
    (keys, lacks_key)
}
