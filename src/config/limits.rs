//! Default limits: for everyone, for an issuer, a group or a policy, in the words of the signed claim (`identity::limits`).
//! Limits of one principal travel in its claims; an entry that names a principal is refused: users are not configuration.

use serde::Deserialize;

use crate::document::Item;
use crate::identity::limits::Limits as Limit;
use crate::sorted::Map;

/// Default limits and whom they concern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// For every principal.
    pub everyone: Limit,
    /// By issuer.
    pub issuers: Map<String, Limit>,
    /// By group.
    pub groups: Map<String, Limit>,
    /// By policy of the request.
    pub policies: Map<String, Limit>,
}

impl Limits {
    /// Whether nobody has any.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.issuers.is_empty()
            && self.groups.is_empty()
            && self.policies.is_empty()
            && self.everyone == Limit::default()
    }

    /// The default limits of a request: of all that concern it the strictest. The claim's own come on top.
    #[must_use]
    pub fn of(&self, issuer: &str, groups: &[String], policy: &str) -> Limit {
        let own = [self.issuers.get(issuer), self.policies.get(policy)];
        let concerned = own.into_iter().chain(groups.iter().map(|group| self.groups.get(group))).flatten();
        concerned.fold(self.everyone.clone(), |all, limit| all.stricter(limit))
    }
}

/// Words for the period of a budget.
pub const PERIODS: [&str; 2] = ["day", "month"];

/// Members of `limits`.
pub const LIMITS: &[&str] = &["default", "issuers", "groups", "policies"];
/// Members of one entry.
pub const LIMIT: &[&str] = &[
    "budget",
    "requests_per_minute",
    "tokens_per_minute",
    "concurrent_requests",
    "max_output_tokens",
    "max_cost_usd",
    "models",
];
/// Members of a budget.
pub const BUDGET: &[&str] = &["usd", "period", "models"];

/// What an entry for one person would be called.
const PERSONAL: [&str; 10] =
    ["principal", "principals", "user", "users", "subject", "subjects", "sub", "tenant", "tenants", "emails"];

pub(super) fn read(item: &Item<'_>) -> Option<Limits> {
    if let Some(map) = item.value().as_object() {
        for name in map.keys().filter(|name| PERSONAL.contains(&name.as_str())) {
            item.problem(format!(
                "{name}: limits name no principal; what one principal may use travels in its signed claims"
            ));
        }
    }
    let object = item.object(LIMITS)?;
    let table = |name| -> Map<String, Limit> {
        let entries = object.member(name).map_or_else(Vec::new, |v| v.entries());
        entries.iter().filter_map(|(name, item)| Some(((*name).to_owned(), limit(item)?))).collect()
    };
    Some(Limits {
        everyone: object.member("default").map_or(Some(Limit::default()), |v| limit(&v))?,
        issuers: table("issuers"),
        groups: table("groups"),
        policies: table("policies"),
    })
}

/// The claim's own reader decides; going through the members first gives its complaints a place.
fn limit(item: &Item<'_>) -> Option<Limit> {
    let object = item.object(LIMIT)?;
    for name in LIMIT {
        let Some(member) = object.member(name) else { continue };
        let alone = serde_json::json!({ *name: member.value() });
        if let Err(error) = Limit::deserialize(alone) {
            member.problem(error.to_string());
        }
    }
    Limit::deserialize(item.value()).ok()
}
