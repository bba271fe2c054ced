//! The types of a tree. What passes here cannot make the evaluator panic, recurse deeply or run long.

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue};
use cel::IdedExpr;

use super::{Kind, Scalar, Scope, HAS, MOST_VALUES, OPEN};
use Kind::{Many, One};
use Scalar::{Bool, Double, Int, Text};

/// Deepest tree. Chains such as `a + b + c` lean to one side.
const MOST_LEVELS: u32 = 100;
/// What the macros call their accumulator.
const RESULT: &str = "@result";

type Checked<T> = Result<T, String>;

/// Checks a tree that is to answer yes or no, and replaces members by their full names. Answers with what it asks of open
/// variables, as JSON pointers.
pub(super) fn condition(tree: &mut IdedExpr, scope: Scope, budget: u32) -> Checked<Vec<String>> {
    let mut checker = Checker { scope, locals: Vec::new(), opened: Vec::new(), levels: 0, steps: 0, times: 1 };
    match checker.wanted(tree, One(Bool))? {
        One(Bool) if checker.steps <= budget => Ok(checker.opened),
        One(Bool) => Err(format!("may take {} steps, which is more than {budget}", checker.steps)),
        _ => Err("must be a condition: its value is not true or false".to_owned()),
    }
}

struct Checker {
    scope: Scope,
    /// Names that an iteration binds.
    locals: Vec<(String, Kind)>,
    /// Pointers into open variables.
    opened: Vec<String>,
    levels: u32,
    /// Steps of the longest evaluation.
    steps: u32,
    /// How often the part under examination is evaluated.
    times: u32,
}

impl Checker {
    fn kind(&mut self, node: &mut IdedExpr) -> Checked<Kind> {
        self.levels += 1;
        if self.levels > MOST_LEVELS {
            return Err("is nested too deeply".to_owned());
        }
        self.steps = self.steps.saturating_add(self.times);
        let kind = self.of(node);
        self.levels -= 1;
        kind
    }

    /// The same where an open variable's value would be of that kind.
    fn wanted(&mut self, node: &mut IdedExpr, kind: Kind) -> Checked<Kind> {
        let Some(pointer) = self.pointer(&node.expr) else { return self.kind(node) };
        let Some((word, _)) = OPEN.iter().find(|(_, of)| *of == Some(kind)) else {
            return Err(format!("{pointer}: lists that are not declared hold strings"));
        };
        node.expr = Expr::Ident(format!("{}{pointer}", word.trim_end_matches('/')));
        self.opened.push(pointer);
        self.steps = self.steps.saturating_add(self.times);
        Ok(kind)
    }

    /// Where in an open variable an expression points: `claims.org["https://acme.example/unit"]`.
    fn pointer(&self, expr: &Expr) -> Option<String> {
        let (inside, member) = match expr {
            Expr::Select(select) if !select.test => (&select.operand.expr, &select.field),
            Expr::Call(call) if call.func_name == op::INDEX => match call.args.as_slice() {
                [inside, IdedExpr { expr: Expr::Literal(LiteralValue::String(member)), .. }] => {
                    return self.joined(&inside.expr, member.inner());
                }
                _ => return None,
            },
            _ => return None,
        };
        self.joined(inside, member)
    }

    fn joined(&self, inside: &Expr, member: &str) -> Option<String> {
        let before = match inside {
            Expr::Ident(variable) => {
                let open = self.scope.iter().any(|(name, members)| name == variable && members.is_empty());
                open.then(String::new)?
            }
            deeper => self.pointer(deeper)?,
        };
        Some(format!("{before}/{}", member.replace('~', "~0").replace('/', "~1")))
    }

    fn of(&mut self, node: &mut IdedExpr) -> Checked<Kind> {
        if self.pointer(&node.expr).is_some() {
            return self.wanted(node, One(Text));
        }
        if let Expr::Select(select) = &node.expr {
            if let Some(pointer) = self.joined(&select.operand.expr, &select.field) {
                node.expr = Expr::Ident(format!("has{pointer}"));
                self.opened.push(pointer);
                return Ok(One(Bool));
            }
        }
        if let Some((name, kind)) = self.member(&node.expr)? {
            node.expr = Expr::Ident(name);
            return Ok(kind);
        }
        match &mut node.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Ok(One(Bool)),
                LiteralValue::Int(_) => Ok(One(Int)),
                LiteralValue::Double(_) => Ok(One(Double)),
                LiteralValue::String(_) => Ok(One(Text)),
                _ => Err("literals are true, false, numbers and strings".to_owned()),
            },
            Expr::Ident(name) => self.local(name).ok_or_else(|| self.no_value(name)),
            Expr::List(list) if list.optional_indices.is_empty() => {
                let mut of = None;
                for element in &mut list.elements {
                    match (self.kind(element)?, of) {
                        (One(scalar), None) => of = Some(scalar),
                        (One(scalar), Some(first)) if scalar == first => {}
                        _ => return Err("a list holds values of one type that are no lists".to_owned()),
                    }
                }
                let most = u32::try_from(list.elements.len()).unwrap_or(u32::MAX);
                of.map(|scalar| Many(scalar, most)).ok_or_else(|| "a list holds at least one value".to_owned())
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(iteration) => self.iteration(iteration),
            Expr::Select(select) => Err(format!("{}: only variables have members", select.field)),
            Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err("maps, structures and optional values are not supported".to_owned())
            }
        }
    }

    /// `variable.member` or `has(variable.member)`, and the name that stands for it.
    fn member(&self, expr: &Expr) -> Checked<Option<(String, Kind)>> {
        let Expr::Select(select) = expr else { return Ok(None) };
        let Expr::Ident(variable) = &select.operand.expr else { return Ok(None) };
        let Some((_, members)) = self.scope.iter().find(|(name, _)| name == variable) else {
            return Err(self.no_value(variable));
        };
        let Some(member) = members.iter().find(|member| member.name == select.field) else {
            let known: Vec<&str> = members.iter().map(|member| member.name).collect();
            return Err(format!("{variable}.{}: no such member; known: {}", select.field, known.join(", ")));
        };
        let name = format!("{variable}.{}", member.name);
        Ok(Some(if select.test { (format!("{HAS}{name}"), One(Bool)) } else { (name, member.kind) }))
    }

    fn local(&self, name: &str) -> Option<Kind> {
        self.locals.iter().find(|(local, _)| local == name).map(|(_, kind)| *kind)
    }

    fn no_value(&self, name: &str) -> String {
        if self.scope.iter().any(|(variable, _)| *variable == name) {
            return format!("{name}: name one of its members");
        }
        let known: Vec<&str> = self.scope.iter().map(|(variable, _)| *variable).collect();
        format!("{name}: no such variable here; known: {}", known.join(", "))
    }

    fn call(&mut self, call: &mut CallExpr) -> Checked<Kind> {
        let (name, method) = (call.func_name.as_str(), call.target.is_some());
        let mut arguments: Vec<&mut IdedExpr> =
            call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).collect();
        let open: Vec<bool> = arguments.iter().map(|argument| self.pointer(&argument.expr).is_some()).collect();
        let mut kinds = vec![One(Text); arguments.len()];
        // What is declared first: it says what is wanted of what is not.
        for round in [false, true] {
            for (at, argument) in arguments.iter_mut().enumerate().filter(|(at, _)| open.get(*at) == Some(&round)) {
                let other = kinds.iter().zip(&open).enumerate().find(|(i, (_, open))| *i != at && (!**open || *i < at));
                let kind = self.wanted(argument, wish(name, at, other.map(|(_, (kind, _))| *kind)))?;
                if let Some(place) = kinds.get_mut(at) {
                    *place = kind;
                }
            }
        }
        let kind = match (name, method, kinds.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR, false, [One(Bool), One(Bool)])
            | (op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, false, [One(Bool)]) => Some(One(Bool)),
            (op::CONDITIONAL, false, [One(Bool), yes, no]) if yes == no => Some(*yes),
            (op::EQUALS | op::NOT_EQUALS, false, [One(a), One(b)]) if a == b || (is_number(*a) && is_number(*b)) => {
                Some(One(Bool))
            }
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, false, [One(a), One(b)])
                if (is_number(*a) && is_number(*b)) || (*a, *b) == (Text, Text) =>
            {
                Some(One(Bool))
            }
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE, false, [One(a), One(b)])
                if a == b && is_number(*a) =>
            {
                Some(One(*a))
            }
            (op::MODULO, false, [One(Int), One(Int)]) => Some(One(Int)),
            (op::NEGATE, false, [One(a)]) if is_number(*a) => Some(One(*a)),
            (op::IN, false, [One(a), Many(b, most)]) if a == b => {
                self.steps = self.steps.saturating_add(most.saturating_mul(self.times));
                Some(One(Bool))
            }
            ("size", _, [One(Text) | Many(..)]) => Some(One(Int)),
            ("double", false, [One(Int | Double)]) => Some(One(Double)),
            ("int", false, [One(Int | Double)]) => Some(One(Int)),
            ("contains" | "startsWith" | "endsWith", true, [One(Text), One(Text)]) => Some(One(Bool)),
            _ => None,
        };
        kind.ok_or_else(|| {
            let kinds: Vec<String> = kinds.into_iter().map(word).collect();
            format!("{}: not possible with {}", shown(name), kinds.join(" and "))
        })
    }

    /// What `exists`, `exists_one` and `all` are written out as. Not within another: the steps would multiply.
    fn iteration(&mut self, iteration: &mut ComprehensionExpr) -> Checked<Kind> {
        let Many(of, most) = self.wanted(&mut iteration.iter_range, Many(Text, MOST_VALUES))? else {
            return Err("only lists are gone through".to_owned());
        };
        let (accumulator, variable) = (&iteration.accu_var, &iteration.iter_var);
        if !self.locals.is_empty() || iteration.iter_var2.is_some() || accumulator != RESULT {
            return Err("an iteration within another is not supported".to_owned());
        }
        if variable == RESULT || variable.contains('.') || self.scope.iter().any(|(name, _)| name == variable) {
            return Err(format!("{variable}: the name is taken"));
        }
        let start = match self.kind(&mut iteration.accu_init) {
            Ok(start @ One(Bool | Int)) => start,
            _ => return Err("of the macros there are has, exists, exists_one and all".to_owned()),
        };
        self.locals = vec![(accumulator.clone(), start), (variable.clone(), One(of))];
        self.times = most;
        let (go_on, step) = (self.kind(&mut iteration.loop_cond)?, self.kind(&mut iteration.loop_step)?);
        self.times = 1;
        let result = self.kind(&mut iteration.result)?;
        self.locals.clear();
        if go_on == One(Bool) && step == start {
            Ok(result)
        } else {
            Err("what is asked of each member of a list must be a condition".to_owned())
        }
    }
}

/// What an operation wants of an undeclared operand, the other one being as it is.
fn wish(name: &str, at: usize, other: Option<Kind>) -> Kind {
    match (name, at, other) {
        (op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE | op::CONDITIONAL, ..) => {
            One(Bool)
        }
        (op::IN, 0, Some(Many(scalar, _))) => One(scalar),
        (op::IN, 1, Some(One(scalar))) => Many(scalar, MOST_VALUES),
        (op::IN, 1, _) | ("size", ..) => Many(Text, MOST_VALUES),
        ("double" | "int", ..) => One(Double),
        ("contains" | "startsWith" | "endsWith", ..) => One(Text),
        (_, _, Some(kind @ One(_))) => kind,
        (op::NEGATE | op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, ..) => One(Int),
        _ => One(Text),
    }
}

fn is_number(scalar: Scalar) -> bool {
    matches!(scalar, Int | Double)
}

fn word(kind: Kind) -> String {
    let (scalar, list) = match kind {
        One(scalar) => (scalar, false),
        Many(scalar, _) => (scalar, true),
    };
    let name = match scalar {
        Bool => "bool",
        Int => "int",
        Double => "double",
        Text => "string",
    };
    if list {
        format!("list({name})")
    } else {
        name.to_owned()
    }
}

/// An operator without the places of its operands.
fn shown(name: &str) -> String {
    name.trim_matches(|c| matches!(c, '_' | '@')).replace("_:_", ":").replace('_', " ")
}
