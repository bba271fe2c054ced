//! Who calls. The gateway verifies assertions that configured issuers sign; it stores no users and issues nothing
//! (DESIGN §1.6, `security.md` §1).
//!
//! A request passes: [`credential`] (which token), [`jwt`] (would it hold), [`jwks`] (under which key), the platform's
//! cryptography, [`claims`] and [`principal`] (who that is and what it may do). Read `tests/jwt.rs` first.

pub mod claims;
pub mod credential;
pub mod hmac;
pub mod jwks;
pub mod jwt;
pub mod limits;
pub mod ports;
pub mod principal;
pub mod requirement;
pub mod settings;
pub mod strict;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::address::document_url;
use crate::error::{ErrorKind, GatewayError};
use crate::http::Headers;
use crate::sorted::Map;
use credential::Credential;
use jwks::{Key, KeyCache, KeySet, Plan};
use jwt::{Rejected, Signing, Token, Valid, MAX_TOKEN_BYTES};
use ports::{Fetcher, JwksSource, PortFailure, SignatureVerifier};
use principal::BadClaims;
use settings::KeyPlace;

pub use limits::Limits;
pub use principal::Principal;
pub use settings::{Algorithm, ClaimNames, Issuer, Mode, Settings};

/// How long a verified token is believed without looking at it again.
const VERIFIED_MS: u64 = 5 * 60_000;
/// Verified tokens remembered in one isolate.
const VERIFIED_TOKENS: usize = 1_024;
/// Steps in which a request looks for keys that another one fetches.
const LOOK_AGAIN_MS: u64 = 25;
/// How long it does so: a little longer than a fetch may take.
const PATIENCE_MS: u64 = 5_500;

/// The gate: one configuration's identity settings with what this isolate has learned under them. A new configuration is
/// a new gate, so that nothing verified under the old one outlives it.
pub struct Gate {
    settings: Settings,
    principal_key: Vec<u8>,
    local: Rc<Principal>,
    /// By issuer: what its assertions may be signed with.
    secrets: Map<String, Vec<String>>,
    metrics_token: Option<String>,
    keys: Keys,
    verified: RefCell<Verified>,
}

/// Key sets by where they are. They outlive gates, and a fetch beside a request outlives that.
type Keys = Rc<RefCell<Map<KeyPlace, KeyCache>>>;

/// How a caller has come.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'r> {
    /// The request's headers.
    pub headers: &'r Headers,
    /// Its query, without `?`.
    pub query: &'r str,
    /// The issuer as which a service binding introduces the Worker that calls; nobody on the internet can say this.
    pub introduced: Option<&'r str>,
}

/// Why a caller is not let in: what to answer, and for operators' logs which check it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The answer. Does not say which check failed.
    pub error: GatewayError,
    /// The check. For operators only.
    pub reason: Reason,
}

/// Which check a caller did not pass. For operators only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Identity is not configured.
    Unconfigured,
    /// No credential.
    Missing,
    /// Several that differ.
    Several,
    /// A key in the URL.
    InQuery,
    /// One that does not hold.
    Rejected(Rejected),
    /// One that holds, with groups or limits that cannot be read.
    Unreadable,
    /// The issuer's keys cannot be had, what has been used is not known, or the platform's cryptography failed.
    Unavailable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unconfigured => f.write_str("unconfigured"),
            Self::Missing => f.write_str("missing"),
            Self::Several => f.write_str("several"),
            Self::InQuery => f.write_str("in_query"),
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Unreadable => f.write_str("unreadable_claims"),
            Self::Unavailable => f.write_str("keys_unavailable"),
        }
    }
}

impl From<Refusal> for GatewayError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl Gate {
    /// A gate. `principal_key` is the secret `SIGNALBOX_PRINCIPAL_KEY`; empty = ids that every installation shares.
    #[must_use]
    pub fn new(settings: Settings, principal_key: &[u8]) -> Self {
        Self {
            local: Rc::new(Principal::local(principal_key)),
            principal_key: principal_key.to_vec(),
            settings,
            secrets: Map::new(),
            metrics_token: None,
            keys: Keys::default(),
            verified: RefCell::default(),
        }
    }

    /// Takes the secrets that assertions are signed with, and `METRICS_TOKEN`. `environment` is asked by name.
    #[must_use]
    pub fn with_secrets(mut self, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let secret = |name: &String| environment(name).filter(|secret| !secret.trim().is_empty());
        let of = |issuer: &Issuer| (issuer.issuer.clone(), issuer.secret_env.iter().filter_map(secret).collect());
        self.secrets = self.settings.issuers.iter().map(of).collect();
        self.metrics_token = secret(&METRICS_TOKEN.to_owned());
        self
    }

    /// Shares the public keys that another gate has fetched: they hang on their address, not on the configuration.
    #[must_use]
    pub fn with_keys_of(mut self, old: &Self) -> Self {
        self.keys = old.keys.clone();
        self
    }

    /// Whether a scraper of metrics has brought the secret `METRICS_TOKEN`: those mint no tokens.
    #[must_use]
    pub fn is_scraper(&self, headers: &Headers) -> bool {
        let bearer = match credential::find(headers, "", &[Mode::Jwt]) {
            Credential::Token { token, .. } => token,
            _ => return false,
        };
        self.metrics_token.as_ref().is_some_and(|token| hmac::equal(token.as_bytes(), bearer.as_bytes()))
    }

    /// An id that hangs on these names, and cannot be guessed from them without this installation's key.
    #[must_use]
    pub fn id_of(&self, names: &[&str]) -> String {
        let names: Vec<Option<&str>> = names.iter().map(|name| Some(*name)).collect();
        principal::keyed_id(&self.principal_key, &names)
    }

    /// Whether what hangs on the key cannot be made elsewhere.
    #[must_use]
    pub fn has_own_key(&self) -> bool {
        !self.principal_key.is_empty()
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who calls.
    ///
    /// # Errors
    /// The caller's (400, 401, 403), the configuration's (503), or the issuer's (503, worth a retry).
    pub async fn identify(
        &self,
        arrival: Arrival<'_>,
        now_ms: u64,
        verifier: &impl SignatureVerifier,
        source: &impl JwksSource,
    ) -> Result<Rc<Principal>, Refusal> {
        match self.settings.mode.as_slice() {
            [] => return Err(Refusal::of(Reason::Unconfigured)),
            [Mode::None] => return Ok(self.local.clone()),
            _ => {}
        }
        if let Some(issuer) = arrival.introduced.and_then(|name| self.settings.issuer(name, Mode::ServiceBinding)) {
            return self.introduced(arrival, issuer);
        }
        let (token, via) = match credential::find(arrival.headers, arrival.query, &self.settings.mode) {
            Credential::None => return Err(Refusal::of(Reason::Missing)),
            Credential::Several => return Err(Refusal::of(Reason::Several)),
            Credential::InQuery => return Err(Refusal::of(Reason::InQuery)),
            Credential::Unusable => return Err(Rejected::Shape.into()),
            Credential::Token { token, via } => (token, via),
        };
        // The whole token is the key, and as what it came: a prefix is shared with others (CVE-2026-35030).
        let digest = Sha256::new().chain_update([via as u8]).chain_update(token.as_bytes()).finalize();
        let digest: [u8; 32] = digest.into();
        if let Some(principal) = self.verified.borrow().known(&digest, now_ms) {
            return Ok(principal);
        }
        let token = Token::parse(token)?;
        let valid = token.check(&self.settings, via, now_ms)?;
        if !self.is_signed(&token, &valid, via, now_ms, verifier, source).await? {
            return Err(Rejected::Signature.into());
        }
        let principal = self.principal(&token.claims, valid.issuer)?;
        if valid.issuer.single_use {
            return use_up(&token, valid.until_ms, source).await.map(|()| principal);
        }
        let until_ms = valid.until_ms.min(now_ms.saturating_add(VERIFIED_MS));
        self.verified.borrow_mut().remember(digest, principal.clone(), until_ms, now_ms);
        Ok(principal)
    }

    /// Who calls through a Worker that is trusted to say so. What it says is JSON, as it is or as base64url.
    fn introduced(&self, arrival: Arrival<'_>, issuer: &Issuer) -> Result<Rc<Principal>, Refusal> {
        let mut said = arrival.headers.iter().filter(|(name, _)| *name == credential::PRINCIPAL_HEADER);
        let (_, text) = said.next().ok_or_else(|| Refusal::of(Reason::Missing))?;
        if said.next().is_some() {
            return Err(Refusal::of(Reason::Several));
        }
        let text = text.trim();
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong.into());
        }
        let claims = if text.starts_with('{') {
            strict::object(text.as_bytes())
        } else {
            strict::object(&URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejected::Shape)?)
        };
        let claims = Value::Object(claims.ok_or(Rejected::Claims)?);
        if !issuer.require.as_ref().is_none_or(|require| require.holds(&claims)) {
            return Err(Rejected::Required.into());
        }
        self.principal(&claims, issuer)
    }

    fn principal(&self, claims: &Value, issuer: &Issuer) -> Result<Rc<Principal>, Refusal> {
        Principal::of_claims(claims, issuer, &self.principal_key).map(Rc::new).map_err(|bad| match bad {
            BadClaims::Anonymous => Refusal::from(Rejected::Subject),
            BadClaims::Unreadable => Refusal::of(Reason::Unreadable),
        })
    }

    async fn is_signed(
        &self,
        token: &Token<'_>,
        valid: &Valid<'_>,
        via: Mode,
        now_ms: u64,
        verifier: &impl SignatureVerifier,
        source: &impl JwksSource,
    ) -> Result<bool, Refusal> {
        let input = token.signing_input.as_bytes();
        let Signing::Key(algorithm) = token.signing else {
            let secrets = self.secrets.get(&valid.issuer.issuer).map(Vec::as_slice).unwrap_or_default();
            let signs = |secret: &String| hmac::equal(&hmac::hmac_sha256(secret.as_bytes(), input), &token.signature);
            return Ok(secrets.iter().any(signs));
        };
        let place = valid.issuer.key_place(via).ok_or(Rejected::Algorithm)?;
        let key = self.key(place, token.kid.as_deref(), algorithm, now_ms, source).await?;
        if !key.well_formed(&token.signature) {
            return Ok(false);
        }
        let holds = verifier.verify(algorithm, &key.jwk, input, &token.signature).await;
        holds.map_err(|_| Refusal::of(Reason::Unavailable))
    }

    async fn key(
        &self,
        place: KeyPlace,
        kid: Option<&str>,
        algorithm: Algorithm,
        now_ms: u64,
        source: &impl JwksSource,
    ) -> Result<Key, Refusal> {
        let mut waited_ms = 0;
        let mut fetched = false;
        loop {
            let now = now_ms.saturating_add(waited_ms);
            // Borrowed for this one step: other requests come between the awaits.
            let plan = self.keys.borrow_mut().entry(place.clone()).or_default().plan(kid, algorithm, fetched, now);
            let refresh = || refresh(self.keys.clone(), source.fetcher(), place.clone(), self.settings.local, now);
            match plan {
                Plan::Use(key) => return Ok(key),
                Plan::UseAndRefresh(key) => {
                    source.beside(Box::pin(refresh()));
                    return Ok(key);
                }
                Plan::Unknown => return Err(Rejected::Key.into()),
                Plan::Unavailable => return Err(Refusal::of(Reason::Unavailable)),
                Plan::Wait if waited_ms >= PATIENCE_MS => return Err(Refusal::of(Reason::Unavailable)),
                Plan::Wait => {
                    source.pause(LOOK_AGAIN_MS).await;
                    waited_ms += LOOK_AGAIN_MS;
                }
                Plan::Fetch => {
                    refresh().await;
                    fetched = true;
                }
            }
        }
    }
}

/// Has an assertion remembered until it is over, and for clocks that differ a little longer. What is signed is remembered and
/// not the signature, which some algorithms can write in two ways.
async fn use_up(token: &Token<'_>, until_ms: u64, source: &impl JwksSource) -> Result<(), Refusal> {
    const LONGER_MS: u64 = 60_000;
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(token.signing_input.as_bytes()));
    match source.first_use(&digest, until_ms.saturating_add(LONGER_MS)).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejected::Used.into()),
        Err(PortFailure) => Err(Refusal::of(Reason::Unavailable)),
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Fetches the key set of a place and files it, or that it could not be had.
async fn refresh(keys: Keys, fetch: Fetcher, place: KeyPlace, local: bool, now_ms: u64) {
    let served = key_set(&fetch, &place, local).await;
    let outcome = served.as_ref().map(|(set, cache_control)| (set.clone(), cache_control.as_str()));
    keys.borrow_mut().entry(place).or_default().fetched(outcome, now_ms);
}

async fn key_set(fetch: &Fetcher, place: &KeyPlace, local: bool) -> Option<(KeySet, String)> {
    #[derive(Deserialize)]
    struct Discovered {
        issuer: String,
        jwks_uri: String,
    }
    let get = |url: String| async { fetch(url).await.ok().filter(|served| served.status == 200) };
    let first = get(place.url()).await?;
    let served = match place {
        KeyPlace::Set(_) => first,
        KeyPlace::Discovery(issuer) => {
            let found: Discovered = crate::json::from_slice(&first.body).ok()?;
            // OpenID Connect Discovery 1.0 §4.3: a document that speaks for another issuer speaks for none.
            let url = document_url(&found.jwks_uri, local).ok().filter(|_| found.issuer == *issuer)?;
            get(url.to_owned()).await?
        }
    };
    Some((KeySet::parse(&served.body).ok()?, served.cache_control))
}

impl Refusal {
    fn of(reason: Reason) -> Self {
        let error = match reason {
            Reason::Unconfigured => GatewayError::new(ErrorKind::Unconfigured, UNCONFIGURED),
            Reason::Missing => GatewayError::new(ErrorKind::Unauthenticated, MISSING),
            Reason::Rejected(_) => GatewayError::new(ErrorKind::Unauthenticated, "The credential is not valid here."),
            Reason::Several => GatewayError::new(
                ErrorKind::InvalidRequest,
                "The request carries more than one credential. Send exactly one.",
            ),
            Reason::InQuery => GatewayError::invalid("key", IN_QUERY),
            Reason::Unreadable => GatewayError::new(
                ErrorKind::Forbidden,
                "The credential's groups or limits cannot be read, so nothing is allowed. Ask whoever issues it.",
            ),
            Reason::Unavailable => GatewayError {
                status: Some(503),
                code: Some("identity_unavailable".to_owned()),
                retry_after_ms: Some(10_000),
                should_retry: true,
                ..GatewayError::new(ErrorKind::Internal, "Credentials cannot be verified at the moment.")
            },
        };
        Self { error, reason }
    }
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        Self::of(Reason::Rejected(rejected))
    }
}

/// The secret that lets a scraper of metrics in.
pub const METRICS_TOKEN: &str = "METRICS_TOKEN";

const UNCONFIGURED: &str = "This gateway has no identity configured, so it lets nobody in. Set `identity` in its \
     configuration: {\"mode\":\"jwt\",\"issuers\":[{\"issuer\",\"jwks_url\",\"audiences\",\"algorithms\"}]}. For local \
     use `npm start` and `npm run dev` allow {\"mode\":\"none\"}.";
const MISSING: &str = "The request carries no credential. Send a token of a configured issuer as API key: \
     `Authorization: Bearer TOKEN`, `x-api-key` or `x-goog-api-key`.";

const IN_QUERY: &str = "A key in the URL is not accepted, because URLs end up in logs and histories. Send it in the \
     header `x-goog-api-key` (or `Authorization: Bearer`), and replace the key that was sent.";

/// Tokens that were verified a short while ago, by the hash of the whole token.
#[derive(Debug, Default)]
struct Verified(HashMap<[u8; 32], (Rc<Principal>, u64)>);

impl Verified {
    fn known(&self, digest: &[u8; 32], now_ms: u64) -> Option<Rc<Principal>> {
        self.0.get(digest).filter(|(_, until_ms)| now_ms < *until_ms).map(|(principal, _)| principal.clone())
    }

    fn remember(&mut self, digest: [u8; 32], principal: Rc<Principal>, until_ms: u64, now_ms: u64) {
        if self.0.len() >= VERIFIED_TOKENS {
            self.0.retain(|_, (_, until_ms)| now_ms < *until_ms);
        }
        if self.0.len() >= VERIFIED_TOKENS {
            self.0.clear();
        }
        self.0.insert(digest, (principal, until_ms));
    }
}
