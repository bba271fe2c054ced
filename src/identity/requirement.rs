//! What an issuer's claims must say beyond their own: a condition in CEL over `claims`, read and checked with the configuration
//! (`{"require": "claims.dept in ['labs', 'research'] && 'mfa' in claims.amr"}`).
//!
//! A claim has the type that its use wants: one of another type, or none at all, leaves the condition without an answer, and
//! without an answer nobody is let in.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::claim;
use crate::expression::{Expression, Fact, Facts, Kind, Scalar, Scope, MOST_VALUES};

/// A condition over claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement(Expression);

const SCOPE: Scope = &[("claims", &[])];
/// Steps of one evaluation: once per token that is new.
const STEPS: u32 = 20_000;

impl TryFrom<String> for Requirement {
    type Error = String;
    fn try_from(source: String) -> Result<Self, String> {
        let read = Expression::read(&source, SCOPE, STEPS);
        read.map(Self).map_err(|why| format!("require: {why}"))
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.0.source().to_owned()
    }
}

impl Requirement {
    /// Whether claims are as they must be.
    #[must_use]
    pub fn holds(&self, claims: &Value) -> bool {
        self.0.holds(&Claims(claims)) == Ok(true)
    }

    /// The claims that it asks for, as JSON pointers.
    #[must_use]
    pub fn names(&self) -> &[String] {
        self.0.opened()
    }
}

struct Claims<'c>(&'c Value);

impl Facts for Claims<'_> {
    fn fact(&self, _name: &str) -> Option<Fact<'_>> {
        None
    }

    fn open(&self, pointer: &str, kind: Option<Kind>) -> Option<Fact<'_>> {
        let said = claim(self.0, pointer).filter(|said| !said.is_null())?;
        match kind {
            None => Some(Fact::Bool(true)),
            Some(Kind::One(Scalar::Bool)) => said.as_bool().map(Fact::Bool),
            Some(Kind::One(Scalar::Int)) => said.as_i64().map(Fact::Int),
            Some(Kind::One(Scalar::Double)) => said.as_f64().map(Fact::Double),
            Some(Kind::One(Scalar::Text)) => said.as_str().map(Fact::Text),
            // What issuers give as a list where there are several, they may give as one text where there is one.
            Some(Kind::Many(..)) => {
                let list = said.as_array().map_or(std::slice::from_ref(said), Vec::as_slice);
                let few = u32::try_from(list.len()).is_ok_and(|values| values <= MOST_VALUES);
                list.iter().map(Value::as_str).collect::<Option<Vec<_>>>().filter(|_| few).map(Fact::Texts)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(source: &str) -> Result<Requirement, String> {
        Requirement::try_from(source.to_owned())
    }

    #[test]
    fn a_claim_is_read_as_what_it_is_compared_with() {
        let claims = json!({"dept": "a", "amr": ["pwd", "mfa"], "level": 3, "share": 0.5, "org": {"id": "x/y"}, "beta": true,
            "none": [], "scope": "read write", "https://acme.example/unit": "rail", "a~b": "c", "gone": null});
        for (source, holds) in [
            ("claims.dept == 'a'", true),
            ("'a' == claims.dept", true),
            ("claims.dept in ['b', 'a']", true),
            ("claims.dept == 'A'", false),
            ("claims.dept != 'b' && claims.dept < 'b'", true),
            ("'mfa' in claims.amr", true),
            ("'a' in claims.dept", true),
            ("claims.amr.exists(m, m == 'hwk' || m.startsWith('mf'))", true),
            ("claims.amr.all(m, m in ['pwd', 'mfa']) && size(claims.amr) == 2", true),
            ("claims.level >= 3 && claims.level + 1 == 4 && -claims.level < 0 && claims.level in [1, 3]", true),
            ("claims.level >= 2.5 && claims.share < 1.0 && double(claims.level) / 2.0 == 1.5", true),
            ("claims.beta", true),
            ("!claims.beta", false),
            ("claims.beta ? claims.dept == 'a' : false", true),
            ("claims.org.id == 'x/y' && claims['org']['id'].endsWith('/y')", true),
            ("claims['https://acme.example/unit'] == 'rail' && claims['a~b'] == 'c'", true),
            ("claims.scope.contains('write')", true),
            ("has(claims.dept) && has(claims.org.id) && !has(claims.gone) && !has(claims.org.other)", true),
            ("has(claims.missing) && claims.missing == 'a'", false),
            ("claims.dept == claims.dept && claims.dept != claims.scope", true),
            ("true", true),
        ] {
            assert_eq!(read(source).unwrap().holds(&claims), holds, "{source}");
        }
    }

    #[test]
    fn what_has_no_answer_lets_nobody_in() {
        let claims = json!({"dept": 3, "amr": [1], "level": "3", "beta": "true", "half": 2.5, "gone": null,
            "many": vec!["a"; 2_000]});
        for source in [
            "claims.dept == 'a'",
            "claims.dept != 'a'",
            "!(claims.dept == 'a')",
            "claims.missing != 'a'",
            "claims.gone != 'a'",
            "!('mfa' in claims.amr)",
            "claims.level < 9",
            "claims.half > 2",
            "claims.beta",
            "!claims.beta",
            "claims.org.id != 'a'",
            "claims.dept.inner != 'a'",
            "!('b' in claims.many)",
            "claims.half / 0.0 == 1.0 && claims.missing == 'a'",
            "9223372036854775807 + claims.dept > 0",
        ] {
            assert!(!read(source).unwrap().holds(&claims), "{source}");
        }
    }

    #[test]
    fn what_could_never_be_answered_is_refused_when_it_is_read() {
        for (source, told) in [
            ("claims == 'a'", "name one of its members"),
            ("claim.dept == 'a'", "no such variable here; known: claims"),
            ("claims.dept", ""),
            ("claims.dept + 'a' == 'b'", "not possible"),
            ("3 in claims.levels", "hold strings"),
            ("claims.groups.exists(claims, true)", "the name is taken"),
            ("claims.groups.exists(g, g.name == 'a')", "no such variable"),
            ("claims[0] == 'a'", "name one of its members"),
            ("claims[claims.a] == 'a'", "name one of its members"),
            ("claims.name.matches('a')", "not possible"),
            ("claims.dept ==", "line 1"),
            (&format!("claims.amr.exists(m, {})", ["m == 'a'"; 40].join(" || ")), "steps"),
        ] {
            match read(source) {
                Ok(_) => assert_eq!(told, "", "{source} was taken"),
                Err(why) => assert!(!told.is_empty() && why.contains(told), "{source}: {why}"),
            }
        }
    }

    #[test]
    fn every_claim_that_is_asked_for_is_known_by_its_pointer() {
        let read = read("has(claims.a) && claims['b/c'].d == 'x' && claims.e.exists(e, e == claims.f)").unwrap();
        assert_eq!(read.names(), ["/a", "/b~1c/d", "/e", "/f"]);
    }
}
