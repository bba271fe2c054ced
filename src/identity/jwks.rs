//! An issuer's public keys: which one a token means, and when they have to be fetched again. No clock, no network.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::jwt::decode;
use super::settings::Algorithm;

/// Largest key set that is read.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Most keys in a set.
const MAX_KEYS: usize = 32;
/// RSA moduli: smaller ones are weak, larger ones slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The keys of a set that can verify signatures.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's own members as a JSON Web Key, without `use`, `key_ops`, `alg` and the rest.
    pub jwk: Rc<str>,
    kid: Option<String>,
    kind: Kind,
    /// Where the key names its algorithm, it serves no other.
    algorithm: Option<Algorithm>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa { modulus_bytes: usize },
    P256,
    P384,
    Ed25519,
}

#[derive(Deserialize)]
struct SetWire<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct KeyWire {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a key set. A key that is unusable (for encryption, symmetric, weak, of an unknown algorithm) is left out.
    ///
    /// # Errors
    /// The issuer's: not a key set, or larger than any honest one.
    pub fn parse(body: &[u8]) -> Result<Self, BadKeySet> {
        if body.len() > MAX_BODY_BYTES {
            return Err(BadKeySet);
        }
        let wire: SetWire<'_> = crate::json::from_slice(body).map_err(|_| BadKeySet)?;
        if wire.keys.len() > MAX_KEYS {
            return Err(BadKeySet);
        }
        let read = |raw: &&RawValue| crate::json::from_str(raw.get()).ok().and_then(Key::of_wire);
        Ok(Self { keys: wire.keys.iter().filter_map(read).collect() })
    }

    /// The key for a token: by exact id, or the only one where the token names none. Two keys that both fit are none.
    #[must_use]
    pub fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut named = self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        let chosen = match kid {
            None => {
                let only = named.next();
                only.filter(|_| named.next().is_none())
            }
            Some(_) => {
                let mut fitting = named.filter(|key| key.fits(algorithm));
                let first = fitting.next();
                first.filter(|_| fitting.next().is_none())
            }
        };
        chosen.filter(|key| key.fits(algorithm))
    }
}

/// What was served is not a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKeySet;

impl Key {
    fn of_wire(wire: KeyWire) -> Option<Self> {
        let signs = wire.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && wire.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs {
            return None;
        }
        let algorithm = match wire.alg.as_deref() {
            None => None,
            Some(name) => Some(Algorithm::named(name)?),
        };
        // The parts are checked to be base64url, so they stand in JSON as they are.
        let length = |part: &str| decode(part).ok().map(|bytes| bytes.len());
        let point = |crv: &str, bytes: usize| {
            let (x, y) = (wire.x.as_deref()?, wire.y.as_deref()?);
            (length(x)? == bytes && length(y)? == bytes)
                .then(|| format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#))
        };
        let (kind, jwk) = match (wire.kty.as_str(), wire.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (wire.n.as_deref()?, wire.e.as_deref()?);
                let modulus_bytes = rsa_modulus_bytes(&decode(n).ok()?, &decode(e).ok()?)?;
                (Kind::Rsa { modulus_bytes }, format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#))
            }
            ("EC", Some("P-256")) => (Kind::P256, point("P-256", 32)?),
            ("EC", Some("P-384")) => (Kind::P384, point("P-384", 48)?),
            ("OKP", Some("Ed25519")) => {
                let x = wire.x.as_deref().filter(|x| length(x) == Some(32))?;
                (Kind::Ed25519, format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#))
            }
            _ => return None,
        };
        let key = Self { jwk: jwk.into(), kid: wire.kid, kind, algorithm };
        algorithm.is_none_or(|algorithm| key.fits(algorithm)).then_some(key)
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        let by_kind = match self.kind {
            Kind::Rsa { .. } => matches!(algorithm, A::RS256 | A::RS384 | A::RS512 | A::PS256),
            Kind::P256 => algorithm == A::ES256,
            Kind::P384 => algorithm == A::ES384,
            Kind::Ed25519 => algorithm == A::EdDSA,
        };
        by_kind && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether a signature has the one form that this key's signatures have: fixed length, and for ECDSA neither r nor s
    /// zero. (DER and the all-zero signature end here.)
    #[must_use]
    pub fn well_formed(&self, signature: &[u8]) -> bool {
        let halves = |bytes: usize| {
            let (r, s) = signature.split_at(signature.len() / 2);
            signature.len() == bytes && r.iter().any(|b| *b != 0) && s.iter().any(|b| *b != 0)
        };
        match self.kind {
            Kind::Rsa { modulus_bytes } => signature.len() == modulus_bytes,
            Kind::P256 => halves(64),
            Kind::P384 => halves(96),
            Kind::Ed25519 => signature.len() == 64,
        }
    }
}

/// The modulus's length, if it and the exponent are sound: 2048 to 4096 bits, an odd exponent above 1.
fn rsa_modulus_bytes(n: &[u8], e: &[u8]) -> Option<usize> {
    let significant = |bytes: &[u8]| bytes.iter().position(|b| *b != 0).map(|at| bytes.len() - at);
    let modulus_bytes = significant(n)?;
    let top = n.get(n.len() - modulus_bytes)?;
    let bits = modulus_bytes * 8 - top.leading_zeros() as usize;
    let last = *e.last()?;
    let exponent = significant(e)? <= 8 && last % 2 == 1 && (significant(e)? > 1 || last > 1);
    (exponent && RSA_BITS.contains(&bits)).then_some(modulus_bytes)
}

/// Bounds on how long a set is fresh, whatever `cache-control` says.
const FRESH_MS: std::ops::RangeInclusive<u64> = 10 * MINUTE_MS..=60 * MINUTE_MS;
/// How long known keys serve while the issuer cannot be reached.
const STALE_MS: u64 = 24 * 60 * MINUTE_MS;
/// An unknown key id causes a fetch no more often.
const REFETCH_MS: u64 = MINUTE_MS;
/// After a failed fetch the issuer is left alone for so long.
const BACKOFF_MS: u64 = 10_000;
/// How long a fetch is believed to be under way.
const LEASE_MS: u64 = 5_000;
const MINUTE_MS: u64 = 60_000;

/// One issuer's keys in this isolate, and what is known of their age.
#[derive(Debug, Default, Clone)]
pub struct KeyCache {
    set: Option<Rc<KeySet>>,
    fetched_ms: u64,
    fresh_until_ms: u64,
    /// Last fetch that an unknown key id caused.
    refetched_ms: Option<u64>,
    /// A fetch is under way until then; a lease, because a request can vanish while it fetches.
    fetching_until_ms: u64,
    /// The last fetch failed; not again before then.
    retry_ms: Option<u64>,
}

/// What to do about a token's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Here it is.
    Use(Key),
    /// Here it is, from a set that is due: use it, and have the set fetched beside the request.
    UseAndRefresh(Key),
    /// Fetch the set, report to [`KeyCache::fetched`], ask again.
    Fetch,
    /// Another request fetches: look again in a moment.
    Wait,
    /// The issuer has no such key.
    Unknown,
    /// The issuer cannot be reached, and without it nothing can be said.
    Unavailable,
}

impl KeyCache {
    /// What to do about a token's key now. `fetched` tells that this request has just fetched the set: then it does not
    /// fetch again.
    pub fn plan(&mut self, kid: Option<&str>, algorithm: Algorithm, fetched: bool, now_ms: u64) -> Plan {
        let set = self.set.as_ref().filter(|_| now_ms < self.fetched_ms.saturating_add(STALE_MS));
        let key = set.and_then(|set| set.choose(kid, algorithm)).cloned();
        let fresh = set.is_some() && now_ms < self.fresh_until_ms;
        let resting = self.retry_ms.is_some_and(|at| now_ms < at);
        let under_way = now_ms < self.fetching_until_ms;
        match key {
            // Nobody waits for a fetch whose outcome is not needed, and while the issuer is down the keys serve on.
            Some(key) if fresh || under_way || resting || fetched => Plan::Use(key),
            Some(key) => {
                self.fetching_until_ms = now_ms.saturating_add(LEASE_MS);
                Plan::UseAndRefresh(key)
            }
            None if under_way => Plan::Wait,
            None if resting => Plan::Unavailable,
            None if fetched => Plan::Unknown,
            None if fresh && self.refetched_ms.is_some_and(|at| now_ms < at.saturating_add(REFETCH_MS)) => {
                Plan::Unknown
            }
            _ => {
                if fresh {
                    self.refetched_ms = Some(now_ms);
                }
                self.fetching_until_ms = now_ms.saturating_add(LEASE_MS);
                Plan::Fetch
            }
        }
    }

    /// Reports how a fetch went: a set with its `cache-control`, or nothing usable.
    pub fn fetched(&mut self, outcome: Option<(KeySet, &str)>, now_ms: u64) {
        self.fetching_until_ms = 0;
        match outcome {
            Some((set, cache_control)) => {
                let asked_ms = max_age_s(cache_control).unwrap_or(0).saturating_mul(1_000);
                let fresh_ms = asked_ms.clamp(*FRESH_MS.start(), *FRESH_MS.end());
                self.set = Some(Rc::new(set));
                self.fetched_ms = now_ms;
                self.fresh_until_ms = now_ms.saturating_add(fresh_ms);
                self.retry_ms = None;
            }
            None => self.retry_ms = Some(now_ms.saturating_add(BACKOFF_MS)),
        }
    }
}

fn max_age_s(cache_control: &str) -> Option<u64> {
    let directives = cache_control.split(',').filter_map(|directive| directive.split_once('='));
    let mut ages = directives.filter(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"));
    ages.next().and_then(|(_, age)| age.trim().trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests;
