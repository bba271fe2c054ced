//! Who calls. The gateway verifies assertions that configured issuers sign; it stores no users and issues nothing
//! (DESIGN §1.6, `security.md` §1).
//!
//! A request passes: [`credential`] (which token), [`jwt`] (would it hold), [`jwks`] (under which key), the platform's
//! cryptography, [`principal`] (who that is). Read `tests/jwt.rs` first.

pub mod credential;
pub mod jwks;
pub mod jwt;
pub mod limits;
pub mod ports;
pub mod principal;
pub mod settings;
pub mod strict;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::error::{ErrorKind, GatewayError};
use crate::http::Headers;
use credential::Credential;
use jwks::{Key, KeyCache, KeySet, Plan};
use jwt::{Rejected, Token, Valid};
use ports::{JwksSource, SignatureVerifier};
use principal::BadClaims;

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
const PATIENCE_MS: u64 = 3_500;

/// The gate: one configuration's identity settings with what this isolate has learned under them. A new configuration is
/// a new gate, so that nothing verified under the old one outlives it.
#[derive(Debug)]
pub struct Gate {
    settings: Settings,
    principal_key: Vec<u8>,
    local: Rc<Principal>,
    keys: RefCell<BTreeMap<String, KeyCache>>,
    verified: RefCell<Verified>,
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
    /// The issuer's keys cannot be had, or the platform's cryptography failed.
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
            keys: RefCell::default(),
            verified: RefCell::default(),
        }
    }

    /// Takes over the public keys that another gate has fetched: they hang on their URL, not on the configuration.
    #[must_use]
    pub fn with_keys_of(self, old: &Self) -> Self {
        self.keys.replace(old.keys.borrow().clone());
        self
    }

    /// An id that hangs on these names, and cannot be guessed from them without this installation's key.
    #[must_use]
    pub fn id_of(&self, names: &[&str]) -> String {
        let names: Vec<Option<&str>> = names.iter().map(|name| Some(*name)).collect();
        principal::keyed_id(&self.principal_key, &names)
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who calls. `query` is the request's, without `?`.
    ///
    /// # Errors
    /// The caller's (400, 401, 403), the configuration's (503), or the issuer's (503, worth a retry).
    pub async fn identify(
        &self,
        headers: &Headers,
        query: &str,
        now_ms: u64,
        verifier: &impl SignatureVerifier,
        source: &impl JwksSource,
    ) -> Result<Rc<Principal>, Refusal> {
        match self.settings.mode {
            None => return Err(Refusal::of(Reason::Unconfigured)),
            Some(Mode::None) => return Ok(self.local.clone()),
            Some(Mode::Jwt) => {}
        }
        let access = self.settings.issuers.iter().any(|issuer| issuer.cf_access);
        let (token, via_access) = match credential::find(headers, query, access) {
            Credential::None => return Err(Refusal::of(Reason::Missing)),
            Credential::Several => return Err(Refusal::of(Reason::Several)),
            Credential::InQuery => return Err(Refusal::of(Reason::InQuery)),
            Credential::Unusable => return Err(Rejected::Shape.into()),
            Credential::Token { token, via_access } => (token, via_access),
        };
        // The whole token is the key, and where it came from: a prefix is shared with others (CVE-2026-35030).
        let digest = Sha256::new().chain_update([u8::from(via_access)]).chain_update(token.as_bytes()).finalize();
        let digest: [u8; 32] = digest.into();
        if let Some(principal) = self.verified.borrow().known(&digest, now_ms) {
            return Ok(principal);
        }
        let token = Token::parse(token)?;
        let valid = token.check(&self.settings.issuers, via_access, now_ms)?;
        let key = self.key(&token, &valid, now_ms, source).await?;
        if !key.well_formed(&token.signature) {
            return Err(Rejected::Signature.into());
        }
        let holds = verifier
            .verify(token.algorithm, &key.jwk, token.signing_input.as_bytes(), &token.signature)
            .await
            .map_err(|_| Refusal::of(Reason::Unavailable))?;
        if !holds {
            return Err(Rejected::Signature.into());
        }
        let principal = Principal::of_token(&token, valid.issuer, &self.principal_key).map_err(|bad| match bad {
            BadClaims::Anonymous => Refusal::from(Rejected::Subject),
            BadClaims::Unreadable => Refusal::of(Reason::Unreadable),
        })?;
        let principal = Rc::new(principal);
        let until_ms = valid.until_ms.min(now_ms.saturating_add(VERIFIED_MS));
        self.verified.borrow_mut().remember(digest, principal.clone(), until_ms, now_ms);
        Ok(principal)
    }

    async fn key(
        &self,
        token: &Token<'_>,
        valid: &Valid<'_>,
        now_ms: u64,
        source: &impl JwksSource,
    ) -> Result<Key, Refusal> {
        let url = valid.issuer.jwks_url.as_str();
        let mut waited_ms = 0;
        let mut fetched = false;
        loop {
            let now = now_ms.saturating_add(waited_ms);
            // Borrowed for this one step: other requests come between the awaits.
            let plan = self.cache(url, |cache| cache.plan(token.kid.as_deref(), token.algorithm, fetched, now));
            match plan {
                Plan::Use(key) => return Ok(key),
                Plan::Unknown => return Err(Rejected::Key.into()),
                Plan::Unavailable => return Err(Refusal::of(Reason::Unavailable)),
                Plan::Wait if waited_ms >= PATIENCE_MS => return Err(Refusal::of(Reason::Unavailable)),
                Plan::Wait => {
                    source.pause(LOOK_AGAIN_MS).await;
                    waited_ms += LOOK_AGAIN_MS;
                }
                Plan::Fetch => {
                    let served = source.fetch(url).await.ok().filter(|served| served.status == 200);
                    let set = served.as_ref().and_then(|served| KeySet::parse(&served.body).ok());
                    let outcome = set.zip(served.as_ref().map(|served| served.cache_control.as_str()));
                    self.cache(url, |cache| cache.fetched(outcome, now));
                    fetched = true;
                }
            }
        }
    }

    fn cache<T>(&self, url: &str, use_it: impl FnOnce(&mut KeyCache) -> T) -> T {
        let mut caches = self.keys.borrow_mut();
        match caches.get_mut(url) {
            Some(cache) => use_it(cache),
            None => use_it(caches.entry(url.to_owned()).or_default()),
        }
    }
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
