//! The `identity` member of the configuration: whose assertions count, and what they must say.
//!
//! It names issuers, groups and claims, never a person (DESIGN §1.6).

use serde::{Deserialize, Serialize};

/// How callers are identified. The default, nothing set, lets nobody in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `jwt`, or `none` under the local commands; absent = not configured, every request is answered 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Issuers for mode `jwt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<Issuer>,
}

/// How callers are identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By a signed token of a configured issuer.
    Jwt,
    /// Everybody is one local principal; refused outside local mode.
    None,
}

/// One issuer and what its tokens must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` claim, compared byte for byte.
    pub issuer: String,
    /// Where its public keys are; https, or loopback http in local mode.
    pub jwks_url: String,
    /// `aud` must hold one of these.
    pub audiences: Vec<String>,
    /// Signature algorithms; the token's header never widens this list.
    pub algorithms: Vec<Algorithm>,
    /// Which claims carry what.
    #[serde(default)]
    pub claims: ClaimNames,
    /// Longest lifetime accepted (`exp` − `iat`) in seconds.
    #[serde(default = "a_day")]
    pub max_age_s: u64,
    /// Tolerated clock difference in seconds, at most [`MAX_SKEW_S`].
    #[serde(default = "a_minute")]
    pub skew_s: u64,
    /// Required `typ` header such as `at+jwt`; absent = `JWT`, `at+jwt` or none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Allowed `azp` (or `client_id`); empty = any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// Members of these groups are operators; empty = this issuer makes none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operator_groups: Vec<String>,
    /// Tokens arrive in Cloudflare Access's header `Cf-Access-Jwt-Assertion` rather than as an API key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cf_access: bool,
    /// Key ids that no longer count (emergency).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned_kids: Vec<String>,
    /// Token ids (`jti`) that no longer count (emergency).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned_jtis: Vec<String>,
}

/// Claim names. A name that begins with `/` is a JSON pointer (`/realm_access/roles`), any other is a top-level member.
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
    /// The object with limits and `explain` (see `identity::limits`).
    pub gateway: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { principal: "sub".into(), tenant: None, groups: "groups".into(), gateway: "signalbox".into() }
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

impl Settings {
    /// Everything that is wrong, as `path: reason` lines; empty = valid. `local` allows mode `none` and loopback http.
    #[must_use]
    pub fn problems(&self, local: bool) -> Vec<String> {
        let mut found = Vec::new();
        match self.mode {
            None if !self.issuers.is_empty() => found.push("identity.mode: required, \"jwt\"".into()),
            Some(Mode::None) if !local => found.push("identity.mode: \"none\" is for local use only".into()),
            Some(Mode::Jwt) if self.issuers.is_empty() => {
                found.push("identity.issuers: at least one is required".into())
            }
            _ => {}
        }
        for (at, issuer) in self.issuers.iter().enumerate() {
            let mut problem =
                |member: &str, reason: &str| found.push(format!("identity.issuers[{at}].{member}: {reason}"));
            if issuer.issuer.is_empty() {
                problem("issuer", "must not be empty");
            }
            if self.issuers.iter().take(at).any(|other| other.issuer == issuer.issuer) {
                problem("issuer", "stands twice");
            }
            if !is_key_set_url(&issuer.jwks_url, local) {
                problem("jwks_url", "must be an https URL without user name");
            }
            if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
                problem("audiences", "at least one, none empty");
            }
            if issuer.algorithms.is_empty() {
                problem("algorithms", "at least one");
            }
            if issuer.max_age_s == 0 {
                problem("max_age_s", "must be positive");
            }
            if issuer.skew_s > MAX_SKEW_S {
                problem("skew_s", "at most 300");
            }
            if issuer.claims.principal.is_empty() {
                problem("claims.principal", "must not be empty");
            }
        }
        found
    }
}

fn is_key_set_url(url: &str, local: bool) -> bool {
    let (rest, secure) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') || url.contains(char::is_whitespace) || url.contains('\\') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    !host.is_empty() && (secure || (local && matches!(host, "localhost" | "127.0.0.1" | "::1")))
}

fn a_day() -> u64 {
    86_400
}

fn a_minute() -> u64 {
    60
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Settings {
        serde_json::from_str(json).unwrap()
    }

    const EXAMPLE: &str = r#"{"mode":"jwt","issuers":[{"issuer":"https://id.example","jwks_url":"https://id.example/jwks",
        "audiences":["signalbox"],"algorithms":["RS256"],"claims":{"principal":"sub","tenant":"org"}}]}"#;

    #[test]
    fn the_documented_example_is_valid_and_survives_a_round_trip() {
        let parsed = settings(EXAMPLE);
        assert_eq!(parsed.problems(false), Vec::<String>::new());
        assert_eq!((parsed.issuers[0].max_age_s, parsed.issuers[0].skew_s), (86_400, 60));
        assert_eq!(settings(&serde_json::to_string(&parsed).unwrap()), parsed);
    }

    #[test]
    fn open_doors_are_refused_outside_local_mode() {
        assert_eq!(settings(r#"{"mode":"none"}"#).problems(true), Vec::<String>::new());
        assert_eq!(settings(r#"{"mode":"none"}"#).problems(false).len(), 1);
        let http = settings(&EXAMPLE.replace("https://id.example/jwks", "http://127.0.0.1:9/jwks"));
        assert_eq!(http.problems(true), Vec::<String>::new());
        assert_eq!(http.problems(false).len(), 1);
    }

    #[test]
    fn each_mistake_is_named_by_its_path() {
        for (from, to, path) in [
            ("https://id.example/jwks", "http://evil.example/jwks", "identity.issuers[0].jwks_url"),
            ("https://id.example/jwks", "https://a@evil.example/", "identity.issuers[0].jwks_url"),
            ("https://id.example/jwks", "http://127.0.0.1.evil.example/", "identity.issuers[0].jwks_url"),
            ("https://id.example/jwks", "https://", "identity.issuers[0].jwks_url"),
            ("[\"signalbox\"]", "[]", "identity.issuers[0].audiences"),
            ("[\"RS256\"]", "[]", "identity.issuers[0].algorithms"),
            ("\"claims\"", "\"skew_s\":301,\"claims\"", "identity.issuers[0].skew_s"),
            ("\"claims\"", "\"max_age_s\":0,\"claims\"", "identity.issuers[0].max_age_s"),
            ("\"mode\":\"jwt\",", "", "identity.mode"),
        ] {
            let found = settings(&EXAMPLE.replace(from, to)).problems(true);
            assert_eq!(found.len(), 1, "{to}: {found:?}");
            assert!(found[0].starts_with(path), "{found:?}");
        }
    }

    #[test]
    fn weak_and_unknown_algorithms_and_members_do_not_parse() {
        for algorithm in ["none", "HS256", "rs256", "ES256K"] {
            assert!(serde_json::from_str::<Settings>(&EXAMPLE.replace("RS256", algorithm)).is_err(), "{algorithm}");
        }
        assert!(serde_json::from_str::<Settings>(&EXAMPLE.replace("audiences", "audience")).is_err());
    }
}
