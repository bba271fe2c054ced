//! A caller, as far as this gateway knows one: an id that cannot be traced back, and what the issuer says it may do.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::{claim, texts, Permissions};
use super::hmac::hmac_sha256;
use super::limits::Limits;
use super::settings::{Issuer, Role};

/// Longest name of a principal or tenant, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Bytes of the hash that an id keeps: 144 bits, 24 characters.
const ID_BYTES: usize = 18;
/// The key where the operator gives none. Ids are then the same in every installation.
const DEFAULT_KEY: &[u8] = b"signalbox principal v1";

/// A verified caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Keyed hash of (issuer, tenant, subject), 24 characters of base64url. What ledgers, logs and spans call the caller.
    pub id: String,
    /// Whose assertion it is; `local` in mode `none`.
    pub issuer: String,
    /// The tenant, where the issuer has several.
    pub tenant: Option<String>,
    /// Groups the issuer says the caller is in.
    pub groups: Vec<String>,
    /// Limits the issuer signed. Configuration's own may be stricter: [`Limits::stricter`].
    #[serde(with = "super::limits::plain")]
    pub limits: Limits,
    /// Lists of policies, each of which must hold the request's.
    pub policies: Vec<Vec<String>>,
    /// Lists of regions, each of which must hold a provider's.
    pub regions: Vec<Vec<String>>,
    /// No provider that may train on prompts or pass them on.
    pub deny_data_collection: bool,
    /// May see rule texts, missing secrets and health values (DESIGN §2 "Response headers").
    pub explain: bool,
    /// Its requests may be kept with their payloads, and it may see those that are.
    #[serde(default)]
    pub capture: bool,
    /// May use the operator's endpoints.
    pub operator: bool,
}

/// Why a verified token makes no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadClaims {
    /// The token does not say who: it does not identify.
    Anonymous,
    /// Groups or limits cannot be read: it identifies and may do nothing, because guessing would allow too much.
    Unreadable,
}

impl Principal {
    /// The one principal of mode `none`: the person at this machine.
    #[must_use]
    pub fn local(key: &[u8]) -> Self {
        Self {
            id: id(key, "local", None, "local"),
            issuer: "local".to_owned(),
            tenant: None,
            groups: Vec::new(),
            limits: Limits::default(),
            policies: Vec::new(),
            regions: Vec::new(),
            deny_data_collection: false,
            explain: true,
            capture: false,
            operator: true,
        }
    }

    /// The caller that an issuer's claims name. They have been verified.
    ///
    /// # Errors
    /// The claims do not fit the issuer's settings.
    pub fn of_claims(claims: &Value, issuer: &Issuer, key: &[u8]) -> Result<Self, BadClaims> {
        let name = |name: &str| {
            let text = claim(claims, name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty() && text.len() <= MAX_NAME_BYTES).ok_or(BadClaims::Anonymous)
        };
        let subject = name(&issuer.claims.principal)?;
        let tenant = issuer.claims.tenant.as_deref().map(name).transpose()?;
        let groups = texts(claims, &issuer.claims.groups).map_err(|_| BadClaims::Unreadable)?;
        let permissions = Permissions::read(claims, &issuer.claims).map_err(|_| BadClaims::Unreadable)?;
        let granted = permissions.roles.contains(&Role::Operator) && issuer.grants.contains(&Role::Operator);
        let operator = granted || groups.iter().any(|group| issuer.operator_groups.contains(group));
        Ok(Self {
            id: id(key, &issuer.issuer, tenant, subject),
            issuer: issuer.issuer.clone(),
            tenant: tenant.map(str::to_owned),
            groups,
            limits: permissions.limits,
            policies: permissions.policies,
            regions: permissions.regions,
            deny_data_collection: permissions.deny_data_collection,
            explain: permissions.explain || operator,
            capture: permissions.capture,
            operator,
        })
    }
}

/// The id of a triple.
fn id(key: &[u8], issuer: &str, tenant: Option<&str>, subject: &str) -> String {
    keyed_id(key, &[Some(issuer), tenant, Some(subject)])
}

/// HMAC-SHA-256 over names, each behind its length so that no two lists run together: 24 characters of base64url.
pub(super) fn keyed_id(key: &[u8], names: &[Option<&str>]) -> String {
    let mut message = Vec::with_capacity(256);
    for name in names {
        match name {
            Some(name) => {
                message.push(1);
                message.extend_from_slice(&(name.len() as u64).to_be_bytes());
                message.extend_from_slice(name.as_bytes());
            }
            None => message.push(0),
        }
    }
    let hash = hmac_sha256(if key.is_empty() { DEFAULT_KEY } else { key }, &message);
    URL_SAFE_NO_PAD.encode(hash.get(..ID_BYTES).unwrap_or(&hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_apart_whatever_is_not_the_same() {
        let ids = [
            id(b"k", "a", Some("b"), "c"),
            id(b"k", "ab", None, "c"),
            id(b"k", "a", None, "bc"),
            id(b"k", "a", Some(""), "bc"),
            id(b"k", "a", Some("bc"), ""),
            id(b"k", "a", Some("b\u{1}c"), "d"),
            id(b"k", "a", Some("b"), "c\u{1}d"),
            id(b"l", "a", Some("b"), "c"),
            id(b"", "a", Some("b"), "c"),
        ];
        for (at, one) in ids.iter().enumerate() {
            assert_eq!(one.len(), 24);
            assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert!(ids.iter().skip(at + 1).all(|other| other != one));
        }
        assert_eq!(id(b"k", "a", Some("b"), "c"), ids[0], "and the same caller is always the same");
    }
}
