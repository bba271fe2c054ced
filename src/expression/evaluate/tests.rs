//! The same trees by `cel`'s own evaluator: whatever is checked has the same answer there, or none in both.

use std::sync::{Arc, OnceLock};

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env};

use super::super::{always, perhaps, Expression, Kind, Scalar, Scope};
use super::*;

const SCOPE: Scope = &[
    (
        "model",
        &[
            always("name", Kind::One(Scalar::Text)),
            perhaps("region", Kind::One(Scalar::Text)),
            perhaps("price", Kind::One(Scalar::Double)),
            always("big", Kind::One(Scalar::Bool)),
        ],
    ),
    (
        "request",
        &[
            always("tokens", Kind::One(Scalar::Int)),
            perhaps("most", Kind::One(Scalar::Int)),
            always("groups", Kind::Many(Scalar::Text, 8)),
        ],
    ),
    ("claims", &[]),
];

/// With everything known, or with nothing that may be unknown.
struct World {
    knows: bool,
}

impl Facts for World {
    fn fact(&self, name: &str) -> Option<Fact<'_>> {
        match name {
            "model.name" => Some(Fact::Text("acmé/big")),
            "model.big" => Some(Fact::Bool(true)),
            "request.tokens" => Some(Fact::Int(1_000)),
            "request.groups" if self.knows => Some(Fact::Texts(vec!["staff", "eu-west", "é"])),
            "request.groups" => Some(Fact::Texts(Vec::new())),
            "model.region" if self.knows => Some(Fact::Text("eu")),
            "model.price" if self.knows => Some(Fact::Double(0.25)),
            "request.most" if self.knows => Some(Fact::Int(i64::MIN)),
            _ => None,
        }
    }

    fn open(&self, pointer: &str, kind: Option<Kind>) -> Option<Fact<'_>> {
        match (pointer, kind) {
            ("/org", None) => Some(Fact::Bool(true)),
            ("/org", Some(Kind::One(Scalar::Text))) => Some(Fact::Text("acme")),
            ("/roles", Some(Kind::Many(..))) => Some(Fact::Texts(vec!["admin", "staff"])),
            ("/age", Some(Kind::One(Scalar::Int))) => Some(Fact::Int(7)),
            _ => None,
        }
    }
}

struct Resolver<'f>(&'f dyn Facts);

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let value = Evaluation { facts: self.0, iteration: None }.named(variable).ok()?;
        Some(match value {
            Value::Bool(value) => CowVal::owned(CelBool::from(value)),
            Value::Int(value) => CowVal::owned(CelInt::from(value)),
            Value::Double(value) => CowVal::owned(CelDouble::from(value)),
            Value::Text(value) => CowVal::owned(CelString::from(value)),
            Value::List(values) => {
                let texts = values.into_iter().map(|value| -> Box<dyn Val> {
                    match value {
                        Value::Text(text) => Box::new(CelString::from(text)),
                        other => panic!("{other:?} is no text"),
                    }
                });
                CowVal::owned(CelList::from(texts.collect::<Vec<_>>()))
            }
        })
    }
}

fn by_cel(tree: &IdedExpr, facts: &dyn Facts) -> Result<bool, Unknown> {
    static FUNCTIONS: OnceLock<Arc<Env>> = OnceLock::new();
    let functions = FUNCTIONS.get_or_init(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));
    let resolver = Resolver(facts);
    let mut context = Context::with_env(Arc::clone(functions));
    context.set_variable_resolver(&resolver);
    let value = cel::Value::resolve_val(tree, &context).map_err(|_| Unknown)?;
    value.downcast_ref::<CelBool>().map(|answer| *answer.inner()).ok_or(Unknown)
}

/// Writes conditions that have types, most of them: `item` names what an iteration goes through.
struct Writer {
    state: u64,
    item: Option<Scalar>,
}

impl Writer {
    fn pick(&mut self, of: u64) -> u64 {
        // splitmix64
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % of
    }

    fn one_of(&mut self, words: &[&str]) -> String {
        let at = self.pick(words.len() as u64) as usize;
        words[at].to_owned()
    }

    fn scalar(&mut self) -> Scalar {
        [Scalar::Bool, Scalar::Int, Scalar::Double, Scalar::Text][self.pick(4) as usize]
    }

    fn of(&mut self, scalar: Scalar, depth: u32) -> String {
        if self.item == Some(scalar) && self.pick(3) == 0 {
            return "x".to_owned();
        }
        if depth > 0 && self.pick(8) == 0 {
            let condition = self.of(Scalar::Bool, depth - 1);
            return format!("({condition} ? {} : {})", self.of(scalar, depth - 1), self.of(scalar, depth - 1));
        }
        match scalar {
            Scalar::Bool => self.condition(depth),
            Scalar::Int => self.int(depth),
            Scalar::Double => self.double(depth),
            Scalar::Text => self.one_of(&[
                "'eu'",
                "''",
                "'\\u00e9'",
                "'acm'",
                "model.name",
                "model.region",
                "claims.org",
                "claims.none",
            ]),
        }
    }

    fn int(&mut self, depth: u32) -> String {
        if depth == 0 || self.pick(3) == 0 {
            let literals = ["0", "1", "7", "-1", "9223372036854775807", "-9223372036854775808"];
            return self.one_of(&[&literals[..], &["request.tokens", "request.most", "9007199254740993"]].concat());
        }
        match self.pick(4) {
            0 => format!("(-{})", self.of(Scalar::Int, depth - 1)),
            1 => format!("int({})", self.number(depth - 1)),
            2 => format!("size({})", self.of(Scalar::Text, depth - 1)),
            _ => {
                let sign = self.one_of(&["+", "-", "*", "/", "%"]);
                format!("({} {sign} {})", self.of(Scalar::Int, depth - 1), self.of(Scalar::Int, depth - 1))
            }
        }
    }

    fn double(&mut self, depth: u32) -> String {
        if depth == 0 || self.pick(3) == 0 {
            return self.one_of(&[
                "0.0",
                "1.5",
                "-2.0",
                "1e300",
                "9223372036854775808.0",
                "9007199254740992.0",
                "model.price",
            ]);
        }
        match self.pick(3) {
            0 => format!("(-{})", self.of(Scalar::Double, depth - 1)),
            1 => format!("double({})", self.number(depth - 1)),
            _ => {
                let sign = self.one_of(&["+", "-", "*", "/"]);
                format!("({} {sign} {})", self.of(Scalar::Double, depth - 1), self.of(Scalar::Double, depth - 1))
            }
        }
    }

    fn number(&mut self, depth: u32) -> String {
        if self.pick(2) == 0 {
            self.of(Scalar::Int, depth)
        } else {
            self.of(Scalar::Double, depth)
        }
    }

    fn list(&mut self, of: Scalar, depth: u32) -> String {
        if of == Scalar::Text && self.pick(2) == 0 {
            return self.one_of(&["request.groups", "claims.roles"]);
        }
        let items: Vec<String> = (0..=self.pick(3)).map(|_| self.of(of, depth)).collect();
        format!("[{}]", items.join(", "))
    }

    fn condition(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.one_of(&[
                "true",
                "false",
                "model.big",
                "has(model.region)",
                "has(request.most)",
                "has(claims.org)",
                "has(claims.none)",
            ]);
        }
        let depth = depth - 1;
        match self.pick(if self.item.is_none() { 9 } else { 7 }) {
            0 => format!("!{}", self.of(Scalar::Bool, depth)),
            1 | 2 => {
                let sign = self.one_of(&["&&", "||"]);
                format!("({} {sign} {})", self.of(Scalar::Bool, depth), self.of(Scalar::Bool, depth))
            }
            3 => {
                let sign = self.one_of(&["==", "!=", "<", "<=", ">", ">="]);
                format!("({} {sign} {})", self.number(depth), self.number(depth))
            }
            4 => {
                let (sign, of) = (self.one_of(&["==", "!="]), self.scalar());
                format!("({} {sign} {})", self.of(of, depth), self.of(of, depth))
            }
            5 if self.pick(2) == 0 => {
                let of = self.scalar();
                format!("({} in {})", self.of(of, depth), self.list(of, depth))
            }
            5 => {
                let sign = self.one_of(&["<", "<=", ">", ">="]);
                format!("({} {sign} {})", self.of(Scalar::Text, depth), self.of(Scalar::Text, depth))
            }
            6 => {
                let name = self.one_of(&["contains", "startsWith", "endsWith"]);
                format!("{}.{name}({})", self.of(Scalar::Text, depth), self.of(Scalar::Text, depth))
            }
            _ => {
                let (of, name) = (self.scalar(), self.one_of(&["exists", "all", "exists_one"]));
                let list = self.list(of, depth.min(1));
                self.item = Some(of);
                let asked = self.of(Scalar::Bool, depth);
                self.item = None;
                format!("{list}.{name}(x, {asked})")
            }
        }
    }
}

#[test]
fn every_checked_condition_has_the_answer_that_cel_itself_gives() {
    let mut writer = Writer { state: 1, item: None };
    let (mut read, mut answers) = (0, [0_u32; 3]);
    for _ in 0..20_000 {
        let depth = 1 + writer.pick(5) as u32;
        let source = writer.of(Scalar::Bool, depth);
        let Ok(condition) = Expression::read(&source, SCOPE, 100_000) else { continue };
        read += 1;
        for knows in [true, false] {
            let world = World { knows };
            let ours = condition.holds(&world);
            assert_eq!(ours, by_cel(&condition.tree, &world), "{source} (with everything known: {knows})");
            answers[ours.map_or(2, usize::from)] += 1;
        }
    }
    assert!(read > 12_000, "only {read} sources could be read");
    assert!(answers.iter().all(|count| *count > 2_000), "false, true, none: {answers:?}");
}
