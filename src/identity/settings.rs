//! The `identity` member of the configuration: whose assertions count, and what they must say.
//!
//! It names issuers, groups and claims, never a person (DESIGN §1.6).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::requirement::Requirement;
use crate::address::document_url;

/// How callers are identified. The default, nothing set, lets nobody in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// In which ways, one or several; empty = not configured, every request is answered 503.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub mode: Vec<Mode>,
    /// Whose assertions count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<Issuer>,
    /// Read under the local commands: mode `none` and loopback http are allowed. No member of the document.
    #[serde(skip)]
    pub local: bool,
}

/// A way to identify callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By a signed token, sent as API key.
    Jwt,
    /// By Cloudflare Access's header `Cf-Access-Jwt-Assertion`.
    CloudflareAccess,
    /// By the header [`ASSERTION_HEADER`](super::credential::ASSERTION_HEADER), which an API gateway in front signs.
    SignedHeader,
    /// By what another Worker says over its service binding.
    ServiceBinding,
    /// Everybody is one local principal; refused outside local mode.
    None,
}

/// One issuer and what its assertions must say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` claim, compared byte for byte; for a service binding the name that the binding's `props` give.
    pub issuer: String,
    /// How its assertions arrive; needed only where several modes are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Where its public keys are; https, or loopback http in local mode. Absent = where its discovery document says
    /// (`jwt`), at Access's own place (`cloudflare-access`), or none (a secret, a binding).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Names of the secrets with which a `signed-header` may be signed (HS256), the old one beside the new one while they
    /// change. Such an issuer has no public keys.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub secret_env: Vec<String>,
    /// `aud` must hold one of these. A `signed-header` or a binding may do without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Signature algorithms; the token's header never widens this list. Access signs with RS256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<Algorithm>,
    /// Which claims carry what.
    #[serde(default)]
    pub claims: ClaimNames,
    /// What else the claims must say, in CEL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Requirement>,
    /// Longest lifetime accepted (`exp` − `iat`) in seconds.
    #[serde(default = "a_day")]
    pub max_age_s: u64,
    /// Seconds for which a `signed-header` holds, from its `iat` on and before it, at most [`MAX_SKEW_S`].
    #[serde(default = "a_minute")]
    pub window_s: u64,
    /// Whether a `signed-header` lets in once only. Its issuer gives each a `jti` of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub single_use: bool,
    /// Tolerated clock difference in seconds, at most [`MAX_SKEW_S`].
    #[serde(default = "a_minute")]
    pub skew_s: u64,
    /// Required `typ` header such as `at+jwt`; absent = `JWT`, `at+jwt` or none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Allowed `azp` (or `client_id`); empty = any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// Members of these groups are operators; empty = this issuer makes none by groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operator_groups: Vec<String>,
    /// Roles that its claims may give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Role>,
    /// Key ids that no longer count (emergency).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned_kids: Vec<String>,
    /// Token ids (`jti`) that no longer count (emergency).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned_jtis: Vec<String>,
}

/// What a caller may be besides a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May use the operator's endpoints.
    Operator,
}

/// Claim names. A name that begins with `/` is a JSON pointer (`/realm_access/roles`), any other is a top-level member.
///
/// Limits and permissions stand in one object, `gateway`; what an issuer has elsewhere is named here one by one. Where both
/// say something, the stricter holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    /// Who, within the tenant: a non-empty string.
    pub principal: String,
    /// The tenant; absent = the issuer has only one. Where named, a token without it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Groups: a list of strings, or one.
    pub groups: String,
    /// The object with `limits`, `policies`, `data_policy`, `roles`, `explain` and `capture` (see `identity::claims`).
    pub gateway: String,
    /// Limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
    /// Models that may be used: a list of patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<String>,
    /// Policies that may be used: a list of names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<String>,
    /// Who may see prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_policy: Option<String>,
    /// Roles: a list of words, or one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            principal: "sub".into(),
            tenant: None,
            groups: "groups".into(),
            gateway: "signalbox".into(),
            limits: None,
            models: None,
            policies: None,
            data_policy: None,
            roles: None,
        }
    }
}

/// Where an issuer's public keys are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyPlace {
    /// The key set itself.
    Set(String),
    /// The discovery document of this issuer (OpenID Connect Discovery 1.0 §4).
    Discovery(String),
}

impl Issuer {
    /// Where its public keys are; `None` where it has none.
    #[must_use]
    pub fn key_place(&self, mode: Mode) -> Option<KeyPlace> {
        let issuer = &self.issuer;
        match (mode, &self.jwks_url) {
            (Mode::Jwt | Mode::CloudflareAccess | Mode::SignedHeader, Some(url)) => Some(KeyPlace::Set(url.clone())),
            (Mode::Jwt, None) => Some(KeyPlace::Discovery(issuer.clone())),
            (Mode::CloudflareAccess, None) => Some(KeyPlace::Set(format!("{issuer}/cdn-cgi/access/certs"))),
            (Mode::SignedHeader | Mode::ServiceBinding | Mode::None, _) => None,
        }
    }

    /// Whether its tokens may be signed so.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm, mode: Mode) -> bool {
        let standard = mode == Mode::CloudflareAccess && self.algorithms.is_empty() && algorithm == Algorithm::RS256;
        standard || self.algorithms.contains(&algorithm)
    }
}

impl KeyPlace {
    /// The address that is called first.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Set(url) => url.clone(),
            Self::Discovery(issuer) => format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')),
        }
    }
}

/// A signature algorithm by its JOSE name. Symmetric ones do not exist here: a key set is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    const ALL: [Self; 7] = [Self::RS256, Self::RS384, Self::RS512, Self::PS256, Self::ES256, Self::ES384, Self::EdDSA];

    /// The algorithm of a JOSE name, exact in case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        // RFC 9864 gives Ed25519 a name of its own.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The JOSE name, exact in case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// Largest tolerated clock difference in seconds.
pub const MAX_SKEW_S: u64 = 300;

/// Claims by which people go.
const PERSONAL: [&str; 6] = ["sub", "email", "preferred_username", "upn", "username", "name"];

impl Settings {
    /// Whether anybody can be let in.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.mode.is_empty()
    }

    /// How an issuer's assertions arrive.
    #[must_use]
    pub fn mode_of(&self, issuer: &Issuer) -> Option<Mode> {
        match (issuer.mode, self.mode.as_slice()) {
            (Some(mode), _) => Some(mode),
            (None, [only]) => Some(*only),
            (None, _) => None,
        }
    }

    /// The issuer of that name whose assertions arrive so.
    #[must_use]
    pub fn issuer(&self, name: &str, mode: Mode) -> Option<&Issuer> {
        let mut of_mode = self.issuers.iter().filter(|issuer| self.mode_of(issuer) == Some(mode));
        of_mode.find(|issuer| issuer.issuer == name && self.mode.contains(&mode))
    }

    /// Everything that is wrong, as `path: reason` lines; empty = valid.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.mode.is_empty() && !self.issuers.is_empty() {
            found.push("identity.mode: required where there are issuers, such as \"jwt\"".to_owned());
        }
        if self.mode.contains(&Mode::None) {
            if !self.local {
                found.push("identity.mode: \"none\" is for local use only".to_owned());
            } else if self.mode.len() > 1 {
                found.push("identity.mode: \"none\" lets everybody in and stands alone".to_owned());
            }
        }
        for mode in self.mode.iter().filter(|mode| **mode != Mode::None) {
            if !self.issuers.iter().any(|issuer| self.mode_of(issuer) == Some(*mode)) {
                found.push(format!("identity.issuers: at least one of mode {} is required", word(*mode)));
            }
        }
        for (at, issuer) in self.issuers.iter().enumerate() {
            let place = format!("identity.issuers[{at}]");
            // One issuer may be heard in several ways: its callers are the same.
            let same = |other: &&Issuer| other.issuer == issuer.issuer && self.mode_of(other) == self.mode_of(issuer);
            if self.issuers.iter().take(at).any(|other| same(&other)) {
                found.push(format!("{place}.issuer: stands twice"));
            }
            match self.mode_of(issuer) {
                Some(mode) if self.mode.contains(&mode) => {
                    found.extend(issuer.problems(mode, self.local).map(|problem| format!("{place}.{problem}")));
                }
                Some(_) => found.push(format!("{place}.mode: is none of identity.mode")),
                None if self.mode.is_empty() => {}
                None => found.push(format!("{place}.mode: required where several modes are on")),
            }
        }
        found
    }
}

impl Issuer {
    fn problems(&self, mode: Mode, local: bool) -> impl Iterator<Item = String> {
        let mut found = Vec::new();
        let mut check = |wrong: bool, member: &str, reason: &str| {
            if wrong {
                found.push(format!("{member}: {reason}"));
            }
        };
        let secret = !self.secret_env.is_empty();
        let place = self.key_place(mode);
        check(self.issuer.is_empty(), "issuer", "must not be empty");
        match &place {
            Some(KeyPlace::Set(url)) if self.jwks_url.is_some() => {
                if let Err(why) = document_url(url, local) {
                    check(true, "jwks_url", why);
                }
            }
            Some(place) => {
                let found_there = document_url(&self.issuer, local).is_ok() && !self.issuer.contains('?');
                check(!found_there, "jwks_url", &format!("required: {} cannot be called", place.url()));
            }
            None => {}
        }
        check(mode == Mode::SignedHeader && !secret && place.is_none(), "secret_env", "or jwks_url is required");
        check(secret && place.is_some(), "secret_env", "a secret and public keys do not go together");
        check(secret && mode != Mode::SignedHeader, "secret_env", "is for mode signed-header");
        // A key pasted where its name belongs would otherwise sit in logs as a name.
        let is_name = |n: &String| n.len() <= 128 && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        check(!self.secret_env.iter().all(is_name), "secret_env", "must name secrets: letters, digits and _");
        let signed = matches!(mode, Mode::Jwt | Mode::CloudflareAccess);
        check(
            (signed && self.audiences.is_empty()) || self.audiences.iter().any(String::is_empty),
            "audiences",
            "at least one, none empty",
        );
        let access = mode == Mode::CloudflareAccess;
        check(place.is_some() && !access && self.algorithms.is_empty(), "algorithms", "at least one");
        check(place.is_none() && !self.algorithms.is_empty(), "algorithms", "are those of public keys");
        check(self.max_age_s == 0, "max_age_s", "must be positive");
        check(self.skew_s > MAX_SKEW_S, "skew_s", "at most 300");
        check(self.window_s == 0 || self.window_s > MAX_SKEW_S, "window_s", "from 1 to 300");
        check(self.single_use && mode != Mode::SignedHeader, "single_use", "is for mode signed-header");
        check(self.claims.principal.is_empty(), "claims.principal", "must not be empty");
        let name = &self.claims.principal;
        let principal = if name.starts_with('/') { name.clone() } else { format!("/{name}") };
        let personal = |name: &String| *name == principal || PERSONAL.iter().any(|claim| name.get(1..) == Some(*claim));
        let names = self.require.iter().flat_map(|require| require.names()).any(personal);
        check(names, "require", "asks for no principal: whom an issuer identifies is the issuer's business");
        found.into_iter()
    }
}

/// The word in documents.
fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Jwt => "jwt",
        Mode::CloudflareAccess => "cloudflare-access",
        Mode::SignedHeader => "signed-header",
        Mode::ServiceBinding => "service-binding",
        Mode::None => "none",
    }
}

/// One value, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    use serde::de::Error as _;
    let list = match Value::deserialize(deserializer)? {
        Value::Array(list) => list,
        one => vec![one],
    };
    list.into_iter().map(|one| T::deserialize(one).map_err(D::Error::custom)).collect()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(value: &bool) -> bool {
    !value
}

fn a_day() -> u64 {
    86_400
}

fn a_minute() -> u64 {
    60
}

#[cfg(test)]
mod tests;
