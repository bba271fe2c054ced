//! A token, taken apart and checked against its issuer's settings; the signature is the caller's to verify.
//!
//! Everything here happens before any key is fetched or any signature computed, so that junk costs nothing. What is
//! refused and why: `security.md` §1 "JWT attacks"; read `tests/jwt.rs` first. A [`Rejected`] is for operators' logs; a
//! caller never learns which check failed.

use std::fmt;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use serde_json::Value;

use super::settings::{Algorithm, Issuer, Mode, Settings};
use super::strict;

/// Longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest header, decoded.
pub const MAX_HEADER_BYTES: usize = 1024;
/// Longest key id.
pub const MAX_KID_BYTES: usize = 256;

/// Why a credential does not hold. For operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Not a bearer token at all, or not three parts of base64url.
    Shape,
    /// More bytes than a token may have.
    TooLong,
    /// The header is no object, is critical about something, or names no usable key.
    Header,
    /// The signature algorithm is none of ours or none of the issuer's.
    Algorithm,
    /// A token of another kind: refresh, ID, logout.
    TokenType,
    /// The claims are no object, repeat a member or nest too deep.
    Claims,
    /// No such issuer, or its tokens arrive elsewhere.
    Issuer,
    /// Meant for somebody else.
    Audience,
    /// Issued to a client that is not allowed.
    Client,
    /// Expired, not yet valid, or without a usable time.
    Time,
    /// Valid for longer than the issuer's settings accept.
    Lifetime,
    /// Its claims are not what the issuer's settings require.
    Required,
    /// The token's or key's id is banned.
    Banned,
    /// No name for the principal or tenant.
    Subject,
    /// The issuer has no such key.
    Key,
    /// The signature does not hold.
    Signature,
    /// It lets in once, and has.
    Used,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "shape",
            Self::TooLong => "too_long",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::TokenType => "token_type",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Client => "client",
            Self::Time => "time",
            Self::Lifetime => "lifetime",
            Self::Required => "required",
            Self::Banned => "banned",
            Self::Subject => "subject",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Used => "used",
        })
    }
}

/// How a token says that it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// With a private key.
    Key(Algorithm),
    /// With a secret (HS256), which no issuer with public keys has.
    Secret,
}

/// A token taken apart. Nothing in it is believed yet.
#[derive(Debug)]
pub struct Token<'t> {
    /// What the signature signs: header and claims as sent.
    pub signing_input: &'t str,
    /// The signature's bytes.
    pub signature: Vec<u8>,
    /// What the header says of its signature.
    pub signing: Signing,
    /// The header's key id.
    pub kid: Option<String>,
    /// The claims, an object.
    pub claims: Value,
    kind: Option<String>,
}

impl<'t> Token<'t> {
    /// Takes a token apart. `jku`, `x5u`, `jwk` and `x5c` are not looked at: keys come from the configured place only.
    ///
    /// # Errors
    /// The caller's.
    pub fn parse(token: &'t str) -> Result<Self, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Rejected::Shape);
        };
        let signing_input = token.get(..header.len() + 1 + claims.len()).ok_or(Rejected::Shape)?;
        let header = decode(header)?;
        if header.len() > MAX_HEADER_BYTES {
            return Err(Rejected::TooLong);
        }
        let header = strict::object(&header).ok_or(Rejected::Header)?;
        // Each of these changes what the other parts mean.
        if ["crit", "b64", "zip", "enc"].iter().any(|name| header.contains_key(*name)) {
            return Err(Rejected::Header);
        }
        let signing = match header.get("alg").and_then(Value::as_str) {
            Some("HS256") => Signing::Secret,
            Some(name) => Algorithm::named(name).map(Signing::Key).ok_or(Rejected::Algorithm)?,
            None => return Err(Rejected::Algorithm),
        };
        let kid = text(header.get("kid")).map_err(|()| Rejected::Header)?;
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(Rejected::Header);
        }
        let kind = text(header.get("typ")).map_err(|()| Rejected::TokenType)?;
        let signature = decode(signature)?;
        if signature.is_empty() {
            return Err(Rejected::Signature);
        }
        let claims = strict::object(&decode(claims)?).ok_or(Rejected::Claims)?;
        Ok(Self { signing_input, signature, signing, kid, claims: Value::Object(claims), kind })
    }

    /// Finds the token's issuer and checks everything it must say. `via` tells as what it came.
    ///
    /// # Errors
    /// The caller's.
    pub fn check<'s>(&self, settings: &'s Settings, via: Mode, now_ms: u64) -> Result<Valid<'s>, Rejected> {
        let named = self.claims.get("iss").and_then(Value::as_str).ok_or(Rejected::Issuer)?;
        let issuer = settings.issuer(named, via).ok_or(Rejected::Issuer)?;
        let allowed = match self.signing {
            Signing::Key(algorithm) => issuer.allows(algorithm, via),
            Signing::Secret => !issuer.secret_env.is_empty(),
        };
        if !allowed {
            return Err(Rejected::Algorithm);
        }
        self.check_kind(issuer)?;
        self.check_audience(issuer)?;
        let until_ms = if via == Mode::SignedHeader {
            self.check_window(issuer, now_ms)
        } else {
            self.check_time(issuer, now_ms)
        }?;
        let banned = |list: &[String], id: Option<&str>| id.is_some_and(|id| list.iter().any(|banned| banned == id));
        if banned(&issuer.banned_kids, self.kid.as_deref())
            || banned(&issuer.banned_jtis, self.claims.get("jti").and_then(Value::as_str))
        {
            return Err(Rejected::Banned);
        }
        if !issuer.require.as_ref().is_none_or(|require| require.holds(&self.claims)) {
            return Err(Rejected::Required);
        }
        Ok(Valid { issuer, until_ms })
    }

    /// An ID, refresh or logout token proves something else than the right to call.
    fn check_kind(&self, issuer: &Issuer) -> Result<(), Rejected> {
        let kind = self.kind.as_deref().map(media_type);
        let fits = match (&issuer.token_type, &kind) {
            (Some(required), Some(kind)) => media_type(required) == *kind,
            (Some(_), None) => false,
            (None, Some(kind)) => kind == "jwt" || kind == "at+jwt",
            (None, None) => true,
        };
        // An ID token bears the nonce of a browser's login; only a type that says so makes it an access token.
        let id_token = self.claims.get("nonce").is_some() && kind.as_deref() != Some("at+jwt");
        // Keycloak and Cognito say the kind in a claim.
        let other = |claim: &str, kinds: &[&str]| {
            let said = self.claims.get(claim).and_then(Value::as_str);
            said.is_some_and(|said| kinds.iter().any(|kind| said.eq_ignore_ascii_case(kind)))
        };
        if !fits || id_token || other("typ", &["id", "refresh", "offline", "logout"]) || other("token_use", &["id"]) {
            return Err(Rejected::TokenType);
        }
        Ok(())
    }

    fn check_audience(&self, issuer: &Issuer) -> Result<(), Rejected> {
        let ours = |aud: &Value| aud.as_str().is_some_and(|aud| issuer.audiences.iter().any(|ours| ours == aud));
        let fits = match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().all(Value::is_string) && list.iter().any(ours),
            Some(one) => ours(one),
            None => issuer.audiences.is_empty(),
        };
        if !fits {
            return Err(Rejected::Audience);
        }
        if !issuer.clients.is_empty() {
            let client = self.claims.get("azp").or_else(|| self.claims.get("client_id")).and_then(Value::as_str);
            if !client.is_some_and(|client| issuer.clients.iter().any(|allowed| allowed == client)) {
                return Err(Rejected::Client);
            }
        }
        Ok(())
    }

    /// Returns `exp` in Unix ms.
    fn check_time(&self, issuer: &Issuer, now_ms: u64) -> Result<u64, Rejected> {
        let skew_ms = issuer.skew_s.saturating_mul(1_000);
        let (exp, nbf, iat) = (self.time("exp")?.ok_or(Rejected::Time)?, self.time("nbf")?, self.time("iat")?);
        let later = |at: Option<u64>| at.is_some_and(|at| at > now_ms.saturating_add(skew_ms));
        if now_ms >= exp.saturating_add(skew_ms) || later(nbf) || later(iat) || iat.is_some_and(|iat| iat >= exp) {
            return Err(Rejected::Time);
        }
        let lifetime = exp.saturating_sub(iat.unwrap_or(now_ms));
        if lifetime > issuer.max_age_s.saturating_mul(1_000) {
            return Err(Rejected::Lifetime);
        }
        Ok(exp)
    }

    /// An assertion is of now: its time lies within the window around our clock. Returns when it ends, Unix ms.
    fn check_window(&self, issuer: &Issuer, now_ms: u64) -> Result<u64, Rejected> {
        let window_ms = issuer.window_s.saturating_mul(1_000);
        let (iat, exp) = (self.time("iat")?.ok_or(Rejected::Time)?, self.time("exp")?);
        let until_ms = iat.saturating_add(window_ms).min(exp.unwrap_or(u64::MAX));
        if now_ms >= until_ms || iat > now_ms.saturating_add(window_ms) {
            return Err(Rejected::Time);
        }
        Ok(until_ms)
    }

    /// A claim of time, Unix ms. Whole seconds only: a float or text is a sign of somebody else's parser.
    fn time(&self, name: &str) -> Result<Option<u64>, Rejected> {
        match self.claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(|secs| Some(secs.saturating_mul(1_000))).ok_or(Rejected::Time),
        }
    }
}

/// A token that would hold if its signature does.
#[derive(Debug, Clone, Copy)]
pub struct Valid<'s> {
    /// Whose it says it is.
    pub issuer: &'s Issuer,
    /// Its `exp`, Unix ms.
    pub until_ms: u64,
}

/// Base64url without padding, in its one canonical spelling.
pub(super) fn decode(part: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Shape)
}

/// `at+jwt` and `application/at+jwt` are one type (RFC 7515 §4.1.9), in any case.
fn media_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
}

fn text(value: Option<&Value>) -> Result<Option<String>, ()> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(()),
    }
}
