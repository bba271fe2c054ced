//! A caller, as far as this gateway knows one: an id that cannot be traced back, and what the issuer says it may do.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::jwt::{Rejected, Token};
use super::limits::Limits;
use super::settings::Issuer;

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
    /// May see rule texts, missing secrets and health values (DESIGN §2 "Response headers").
    pub explain: bool,
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

/// The claim with limits.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GatewayClaim {
    limits: Limits,
    explain: bool,
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
            explain: true,
            operator: true,
        }
    }

    /// The caller that a verified token names.
    ///
    /// # Errors
    /// The issuer's claims do not fit its settings.
    pub fn of_token(token: &Token<'_>, issuer: &Issuer, key: &[u8]) -> Result<Self, BadClaims> {
        let name = |claim: &str| {
            let text = token.claim(claim).and_then(Value::as_str);
            text.filter(|text| !text.is_empty() && text.len() <= MAX_NAME_BYTES).ok_or(BadClaims::Anonymous)
        };
        let subject = name(&issuer.claims.principal)?;
        let tenant = issuer.claims.tenant.as_deref().map(name).transpose()?;
        let groups = match token.claim(&issuer.claims.groups) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(group)) => vec![group.clone()],
            Some(list) => Vec::<String>::deserialize(list).map_err(|_| BadClaims::Unreadable)?,
        };
        let GatewayClaim { limits, explain } = match token.claim(&issuer.claims.gateway) {
            None => GatewayClaim::default(),
            // Serde would also read it from a list, and from an empty one no limits.
            Some(claim @ Value::Object(_)) => GatewayClaim::deserialize(claim).map_err(|_| BadClaims::Unreadable)?,
            Some(_) => return Err(BadClaims::Unreadable),
        };
        let operator = groups.iter().any(|group| issuer.operator_groups.contains(group));
        Ok(Self {
            id: id(key, &issuer.issuer, tenant, subject),
            issuer: issuer.issuer.clone(),
            tenant: tenant.map(str::to_owned),
            groups,
            limits,
            explain: explain || operator,
            operator,
        })
    }
}

impl From<BadClaims> for Rejected {
    fn from(bad: BadClaims) -> Self {
        match bad {
            BadClaims::Anonymous => Self::Subject,
            BadClaims::Unreadable => Self::Claims,
        }
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

/// RFC 2104 with SHA-256.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let digest = Sha256::digest(key);
    let key = if key.len() > BLOCK { digest.as_slice() } else { key };
    let padded = |pad: u8| (0..BLOCK).map(|at| key.get(at).copied().unwrap_or(0) ^ pad).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_keyed_hash_is_hmac() {
        // RFC 4231, test cases 2 and 6.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

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
