//! What an issuer says about a caller, read by the names that its settings give: permissions are a shield, so what cannot be
//! understood is refused, never skipped.
//!
//! Most of it stands in one object, by default `signalbox`:
//! `{"limits": {"budget": {"usd": "5", "period": "day"}, "models": ["openai/*"]}, "policies": ["cheapest"],
//! "data_policy": {"regions": ["eu"], "data_collection": "deny"}, "roles": ["operator"], "explain": true, "capture": true}`.
//! Everything in it narrows what configuration allows, but for `roles` and `explain`, and roles count only where the issuer
//! may grant them.

use serde::Deserialize;
use serde_json::Value;

use super::limits::Limits;
use super::settings::{ClaimNames, Role};

/// What a caller may do, as its issuer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Bounds on use.
    pub limits: Limits,
    /// Lists of policies, each of which must hold the request's.
    pub policies: Vec<Vec<String>>,
    /// Lists of regions, each of which must hold a provider's.
    pub regions: Vec<Vec<String>>,
    /// No provider that may train on prompts or pass them on.
    pub deny_data_collection: bool,
    /// Roles that the issuer gives.
    pub roles: Vec<Role>,
    /// May see rule texts, missing secrets and health values.
    pub explain: bool,
    /// Its requests may be kept with their payloads, and it may see those that are.
    pub capture: bool,
}

/// Permissions cannot be read: whoever is named may do nothing, because guessing would allow too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wire {
    limits: Limits,
    #[serde(deserialize_with = "present")]
    policies: Option<Vec<String>>,
    #[serde(deserialize_with = "present")]
    data_policy: Option<Value>,
    roles: Vec<Role>,
    explain: bool,
    capture: bool,
}

/// In the words of the routing field `provider.data_collection`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DataPolicy {
    #[serde(deserialize_with = "present")]
    regions: Option<Vec<String>>,
    data_collection: DataCollection,
}

#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum DataCollection {
    #[default]
    Allow,
    Deny,
}

/// A claim by name, or by JSON pointer where the name begins with `/`.
#[must_use]
pub fn claim<'c>(claims: &'c Value, name: &str) -> Option<&'c Value> {
    if name.starts_with('/') {
        claims.pointer(name)
    } else {
        claims.get(name)
    }
}

/// A claim that is a list of texts, or one text.
///
/// # Errors
/// It is neither.
pub fn texts(claims: &Value, name: &str) -> Result<Vec<String>, Unreadable> {
    match claim(claims, name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(list) => Vec::deserialize(list).map_err(|_| Unreadable),
    }
}

impl Permissions {
    /// Reads the claims.
    ///
    /// # Errors
    /// One of them is there and cannot be understood.
    pub fn read(claims: &Value, names: &ClaimNames) -> Result<Self, Unreadable> {
        let mut read = match claim(claims, &names.gateway) {
            None => Self::default(),
            Some(object) => Self::of_object(object)?,
        };
        let own = |name: &Option<String>| name.as_deref().and_then(|name| claim(claims, name));
        if let Some(limits) = own(&names.limits) {
            read.limits = read.limits.stricter(&Limits::deserialize(limits).map_err(|_| Unreadable)?);
        }
        if let Some(models) = own(&names.models) {
            read.limits.models.push(Vec::deserialize(models).map_err(|_| Unreadable)?);
        }
        if let Some(policies) = own(&names.policies) {
            read.policies.push(Vec::deserialize(policies).map_err(|_| Unreadable)?);
        }
        if let Some(data) = own(&names.data_policy) {
            read.add_data_policy(data)?;
        }
        if let Some(roles) = &names.roles {
            // An issuer's own list of roles may hold many that mean nothing here.
            let known = |word: &String| Role::deserialize(Value::from(word.as_str())).ok();
            read.roles.extend(texts(claims, roles)?.iter().filter_map(known));
        }
        Ok(read)
    }

    fn of_object(object: &Value) -> Result<Self, Unreadable> {
        // Serde would also read it from a list, and from an empty one no limits.
        let wire = if object.is_object() {
            Wire::deserialize(object).map_err(|_| Unreadable)?
        } else {
            return Err(Unreadable);
        };
        let mut read = Self {
            limits: wire.limits,
            policies: wire.policies.into_iter().collect(),
            roles: wire.roles,
            explain: wire.explain,
            capture: wire.capture,
            ..Self::default()
        };
        if let Some(data) = &wire.data_policy {
            read.add_data_policy(data)?;
        }
        Ok(read)
    }

    fn add_data_policy(&mut self, data: &Value) -> Result<(), Unreadable> {
        let data = if data.is_object() {
            DataPolicy::deserialize(data).map_err(|_| Unreadable)?
        } else {
            return Err(Unreadable);
        };
        self.regions.extend(data.regions);
        self.deny_data_collection |= data.data_collection == DataCollection::Deny;
        Ok(())
    }
}

/// A permission that is there must be one: `null` does not lift it.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_in_two_places_narrows_twice() {
        let names = ClaimNames {
            limits: Some("/acme/limits".into()),
            models: Some("https://acme.example/models".into()),
            policies: Some("policies".into()),
            data_policy: Some("data".into()),
            roles: Some("/realm/roles".into()),
            ..ClaimNames::default()
        };
        let claims = json!({
            "signalbox": {"limits": {"requests_per_minute": 30, "models": ["openai/*"]}, "policies": ["best", "cheapest"],
                "data_policy": {"regions": ["eu", "us"]}},
            "acme": {"limits": {"requests_per_minute": 10}}, "https://acme.example/models": ["*"],
            "policies": ["cheapest"], "data": {"regions": ["eu"], "data_collection": "deny"},
            "realm": {"roles": ["operator", "offline_access"]},
        });
        let read = Permissions::read(&claims, &names).unwrap();
        assert_eq!(read.limits.requests_per_minute, Some(10));
        assert_eq!((read.limits.models.len(), read.policies.len(), read.regions.len()), (2, 2, 2));
        assert_eq!((read.deny_data_collection, read.roles, read.explain), (true, vec![Role::Operator], false));
        assert_eq!(Permissions::read(&json!({}), &names), Ok(Permissions::default()));
    }

    #[test]
    fn what_cannot_be_understood_allows_nothing() {
        let names = ClaimNames { data_policy: Some("data".into()), models: Some("m".into()), ..ClaimNames::default() };
        for claims in [
            json!({"signalbox": {"policies": "best"}}),
            json!({"signalbox": {"policies": null}}),
            json!({"signalbox": {"data_policy": null}}),
            json!({"signalbox": {"data_policy": []}}),
            json!({"signalbox": {"data_policy": {"regions": null}}}),
            json!({"signalbox": {"data_policy": {"data_collection": "no"}}}),
            json!({"signalbox": {"roles": ["admin"]}}),
            json!({"data": {"region": ["eu"]}}),
            json!({"data": null}),
            json!({"m": "openai/*"}),
        ] {
            assert_eq!(Permissions::read(&claims, &names), Err(Unreadable), "{claims}");
        }
    }
}
