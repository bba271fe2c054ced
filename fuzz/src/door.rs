//! What strangers bring to the door, and what operators write over it: tokens, headers, configurations.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use serde_json::Value;
use signalbox::config::{Config, Mode as Surroundings, DEFAULT};
use signalbox::cors;
use signalbox::http::Headers;
use signalbox::identity::credential::{find, Credential};
use signalbox::identity::jwt::{Signing, Token};
use signalbox::identity::requirement::Requirement;
use signalbox::identity::{strict, Mode, Principal, Settings};
use signalbox::json::bounds::Bounds;
use signalbox::telemetry::trace::TraceContext;
use signalbox::upstream::keys;

/// A target at the door.
#[derive(Clone, Copy)]
pub enum Target {
    Token,
    Headers,
    Config,
    Requirement,
}

pub const ALL: [Target; 4] = [Target::Token, Target::Headers, Target::Config, Target::Requirement];

const NOW_MS: u64 = 1_790_000_001_000;
const MODES: [Mode; 4] = [Mode::Jwt, Mode::CloudflareAccess, Mode::SignedHeader, Mode::ServiceBinding];
const ISSUERS: &str = r#"{"mode": ["jwt", "signed-header"], "issuers": [
    {"issuer": "https://id.example", "mode": "jwt", "audiences": ["signalbox"], "algorithms": ["RS256"], "claims": {"tenant": "org"}},
    {"issuer": "front", "mode": "signed-header", "secret_env": "S"}]}"#;

impl Target {
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Headers => "headers",
            Self::Config => "config",
            Self::Requirement => "requirement",
        }
    }

    pub fn run(self, input: &[u8]) {
        match self {
            Self::Token => token(input),
            Self::Headers => headers(input),
            Self::Config => config(input),
            Self::Requirement => requirement(input),
        }
    }
}

/// Only what names a configured issuer and holds now passes, in the form that any reader sees; a header alone changes that
/// for nobody.
fn token(input: &[u8]) {
    let settings: Settings = serde_json::from_str(ISSUERS).expect("they are settings");
    let text = String::from_utf8_lossy(input);
    for token in [text.as_ref(), &format!("{text}.{text}.{text}")] {
        let _ = Token::parse(token);
    }
    let claims = strict::object(input).map(Value::Object);
    if let Some(claims) = &claims {
        assert_eq!(serde_json::from_slice::<Value>(input).ok().as_ref(), Some(claims), "two readers agree");
    }
    for algorithm in ["RS256", "HS256", "none"] {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#);
        let token = [header.as_bytes(), input, b"signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let Ok(token) = Token::parse(&token) else { continue };
        assert_ne!(algorithm, "none");
        for mode in MODES {
            let Ok(valid) = token.check(&settings, mode, NOW_MS) else { continue };
            assert!(valid.until_ms > NOW_MS.saturating_sub(60_000) && token.claims["iss"] == valid.issuer.issuer);
            assert_eq!(token.signing == Signing::Secret, mode == Mode::SignedHeader, "secrets sign headers only");
            if let Ok(principal) = Principal::of_claims(&token.claims, valid.issuer, b"key") {
                assert!(!principal.operator, "no issuer of these grants it");
            }
        }
    }
    let _ = Bounds::default().check(input);
}

/// Lines of `name: value`. What comes out can stand in a header again, and a key in a query is never taken.
fn headers(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let headers: Headers = text.lines().filter_map(|line| line.split_once(':')).collect();
    if let Credential::Token { token, .. } = find(&headers, "", &MODES) {
        assert!(headers.iter().any(|(_, value)| value.contains(token)));
    }
    assert_eq!(find(&headers, "key=x", &MODES), Credential::InQuery);
    if let Ok(brought) = keys::of_caller(&headers) {
        assert!(brought.iter().all(|(_, key)| key.expose().bytes().all(|b| b.is_ascii_graphic())));
    }
    let origins = ["https://app.example".to_owned()];
    let origin = cors::allowed_origin(&headers, &origins, false);
    assert!(origin.is_none_or(|origin| origin == "https://app.example"));
    for (_, value) in cors::preflight(&headers, origin).iter() {
        assert!(value.bytes().all(|b| b >= 0x20 && b != 0x7f), "{value:?}");
    }
    let joined = TraceContext::join(headers.value("traceparent"), [1, 2, 3]);
    assert_eq!(joined.trace_id.len(), 32);
}

/// Whatever an operator writes is a configuration or a list of complaints, and no door is open outside of local mode.
fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Config::load(&[DEFAULT, &text], Surroundings::Production, &|_| None) {
        Ok(config) => {
            assert!(!config.identity.mode.contains(&Mode::None));
            let urls = config.providers.values().filter_map(|provider| provider.base_url.as_deref());
            urls.for_each(|url| assert!(url.to_ascii_lowercase().starts_with("https://"), "{url}"));
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
}

/// Whatever stands in a condition is refused when it is read or answered for any claims; what it asks for is known.
fn requirement(input: &[u8]) {
    let Ok(case) = serde_json::from_slice::<Value>(input) else { return };
    let source = case["require"].as_str().map_or_else(|| String::from_utf8_lossy(input).into_owned(), str::to_owned);
    let Ok(requirement) = Requirement::try_from(source) else { return };
    let holds = requirement.holds(&case["claims"]);
    assert_eq!(requirement.holds(&case["claims"]), holds, "the same claims, the same answer");
    assert!(requirement.names().iter().all(|name| name.starts_with('/')));
    let _ = requirement.holds(&case);
}
