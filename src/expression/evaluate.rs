//! The value of a checked tree. CEL as `cel`'s own evaluator has it, for what [`super::check`] lets through and no more: that one
//! keeps every value in a box behind a table of functions, and takes 51 kB more of the gzipped wasm (docs/adr/0020). `tests`
//! evaluates the same trees with both.

use std::cmp::Ordering;

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue};
use cel::IdedExpr;

use super::{Fact, Facts, Unknown, HAS, OPEN};

/// Whether a condition holds.
///
/// # Errors
/// It has no answer.
pub(super) fn condition(tree: &IdedExpr, facts: &dyn Facts) -> Result<bool, Unknown> {
    Evaluation { facts, iteration: None }.truth(tree)
}

#[derive(Debug, Clone, PartialEq)]
enum Value<'v> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'v str),
    List(Vec<Value<'v>>),
}

struct Evaluation<'v> {
    facts: &'v dyn Facts,
    /// There is none within another.
    iteration: Option<Iteration<'v>>,
}

/// What an iteration binds: each name with its value.
struct Iteration<'v> {
    accumulator: (&'v str, Value<'v>),
    item: (&'v str, Value<'v>),
}

impl<'v> Evaluation<'v> {
    fn truth(&mut self, node: &'v IdedExpr) -> Result<bool, Unknown> {
        match self.value(node)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Unknown),
        }
    }

    fn value(&mut self, node: &'v IdedExpr) -> Result<Value<'v>, Unknown> {
        match &node.expr {
            Expr::Literal(LiteralValue::Boolean(value)) => Ok(Value::Bool(*value.inner())),
            Expr::Literal(LiteralValue::Int(value)) => Ok(Value::Int(*value.inner())),
            Expr::Literal(LiteralValue::Double(value)) => Ok(Value::Double(*value.inner())),
            Expr::Literal(LiteralValue::String(value)) => Ok(Value::Text(value.inner())),
            Expr::Ident(name) => self.named(name),
            Expr::List(list) => {
                list.elements.iter().map(|element| self.value(element)).collect::<Result<_, _>>().map(Value::List)
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(iteration) => {
                let result = self.iterate(iteration);
                self.iteration = None;
                result
            }
            _ => Err(Unknown),
        }
    }

    fn named(&self, name: &str) -> Result<Value<'v>, Unknown> {
        if let Some(Iteration { accumulator, item }) = &self.iteration {
            if let Some((_, value)) = [accumulator, item].into_iter().find(|(bound, _)| *bound == name) {
                return Ok(value.clone());
            }
        }
        if let Some(name) = name.strip_prefix(HAS) {
            return Ok(Value::Bool(self.facts.fact(name).is_some()));
        }
        // The slash that ends the word begins the pointer.
        let open = OPEN.iter().find(|(word, _)| name.starts_with(word));
        let fact = match open.map(|(word, kind)| (name.get(word.len() - 1..).unwrap_or_default(), *kind)) {
            Some((pointer, None)) => Some(Fact::Bool(self.facts.open(pointer, None).is_some())),
            Some((pointer, kind)) => self.facts.open(pointer, kind),
            None => self.facts.fact(name),
        };
        Ok(match fact.ok_or(Unknown)? {
            Fact::Bool(value) => Value::Bool(value),
            Fact::Int(value) => Value::Int(value),
            Fact::Double(value) => Value::Double(value),
            Fact::Text(value) => Value::Text(value),
            Fact::Texts(values) => Value::List(values.into_iter().map(Value::Text).collect()),
        })
    }

    fn call(&mut self, call: &'v CallExpr) -> Result<Value<'v>, Unknown> {
        let name = call.func_name.as_str();
        match (name, &call.target, call.args.as_slice()) {
            (op::CONDITIONAL, None, [condition, yes, no]) => {
                let chosen = if self.truth(condition)? { yes } else { no };
                self.value(chosen)
            }
            (op::LOGICAL_OR, None, [one, other]) => self.decided(true, one, other).map(Value::Bool),
            (op::LOGICAL_AND, None, [one, other]) => self.decided(false, one, other).map(Value::Bool),
            (op::LOGICAL_NOT, None, [one]) => self.truth(one).map(|truth| Value::Bool(!truth)),
            (op::NOT_STRICTLY_FALSE, None, [one]) => Ok(Value::Bool(self.truth(one).unwrap_or(true))),
            (_, None, [one]) => of_one(name, self.value(one)?),
            (_, Some(target), []) => of_one(name, self.value(target)?),
            (_, None, [one, other]) => of_two(name, &self.value(one)?, &self.value(other)?),
            (_, Some(target), [argument]) => of_two(name, &self.value(target)?, &self.value(argument)?),
            _ => Err(Unknown),
        }
    }

    /// `&&` and `||`: what `decides` on either side is the answer, also beside what has none.
    fn decided(&mut self, decides: bool, one: &'v IdedExpr, other: &'v IdedExpr) -> Result<bool, Unknown> {
        let first = self.truth(one);
        if first == Ok(decides) {
            return first;
        }
        let second = self.truth(other)?;
        if second == decides {
            Ok(second)
        } else {
            first
        }
    }

    /// What `exists`, `exists_one` and `all` are written out as. Where they join conditions, one that has no answer is none only
    /// as long as no other decides.
    fn iterate(&mut self, iteration: &'v ComprehensionExpr) -> Result<Value<'v>, Unknown> {
        let start = self.value(&iteration.accu_init)?;
        let Value::List(items) = self.value(&iteration.iter_range)? else { return Err(Unknown) };
        let decides = joined_by(iteration);
        let mut open = false;
        self.iteration = Some(Iteration {
            accumulator: (&iteration.accu_var, start),
            item: (&iteration.iter_var, Value::Bool(false)),
        });
        for item in items {
            if !self.truth(&iteration.loop_cond)? {
                break;
            }
            if let Some(bound) = &mut self.iteration {
                bound.item.1 = item;
            }
            let step = match (self.value(&iteration.loop_step), decides) {
                (Err(_), Some(_)) => {
                    open = true;
                    continue;
                }
                (step, _) => step?,
            };
            if open && decides.is_some_and(|decides| step != Value::Bool(decides)) {
                continue;
            }
            open = false;
            if let Some(bound) = &mut self.iteration {
                bound.accumulator.1 = step;
            }
        }
        if open {
            return Err(Unknown);
        }
        self.value(&iteration.result)
    }
}

/// What decides a step that joins a condition to those before it (`@result || condition`).
fn joined_by(iteration: &ComprehensionExpr) -> Option<bool> {
    let Expr::Call(step) = &iteration.loop_step.expr else { return None };
    let joins =
        matches!(step.args.first().map(|first| &first.expr), Some(Expr::Ident(name)) if *name == iteration.accu_var);
    match step.func_name.as_str() {
        op::LOGICAL_OR if joins => Some(true),
        op::LOGICAL_AND if joins => Some(false),
        _ => None,
    }
}

fn of_one<'v>(name: &str, value: Value<'v>) -> Result<Value<'v>, Unknown> {
    // Doubles at the bounds themselves are left out: the upper one is no whole number of 64 bits any more.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    match (name, value) {
        (op::NEGATE, Value::Int(value)) => value.checked_neg().map(Value::Int).ok_or(Unknown),
        (op::NEGATE, Value::Double(value)) => Ok(Value::Double(-value)),
        ("int", value @ Value::Int(_)) | ("double", value @ Value::Double(_)) => Ok(value),
        ("int", Value::Double(value)) if value > -BOUND && value < BOUND => Ok(Value::Int(value as i64)),
        ("double", Value::Int(value)) => Ok(Value::Double(value as f64)),
        ("size", Value::Text(text)) => Ok(Value::Int(text.chars().count() as i64)),
        ("size", Value::List(values)) => Ok(Value::Int(values.len() as i64)),
        _ => Err(Unknown),
    }
}

fn of_two<'v>(name: &str, one: &Value<'v>, other: &Value<'v>) -> Result<Value<'v>, Unknown> {
    use Value::{Double, Int, List, Text};
    let equal = |a: &Value<'_>, b: &Value<'_>| order(a, b) == Ok(Ordering::Equal);
    let truth = match (name, one, other) {
        (op::EQUALS, ..) => equal(one, other),
        (op::NOT_EQUALS, ..) => !equal(one, other),
        (op::LESS, ..) => order(one, other)? == Ordering::Less,
        (op::LESS_EQUALS, ..) => order(one, other)? != Ordering::Greater,
        (op::GREATER, ..) => order(one, other)? == Ordering::Greater,
        (op::GREATER_EQUALS, ..) => order(one, other)? != Ordering::Less,
        (op::IN, one, List(values)) => values.iter().any(|value| equal(value, one)),
        ("contains", Text(text), Text(part)) => text.contains(part),
        ("startsWith", Text(text), Text(part)) => text.starts_with(part),
        ("endsWith", Text(text), Text(part)) => text.ends_with(part),
        (_, Int(a), Int(b)) => {
            let result = match name {
                op::ADD => a.checked_add(*b),
                op::SUBSTRACT => a.checked_sub(*b),
                op::MULTIPLY => a.checked_mul(*b),
                op::DIVIDE => a.checked_div(*b),
                op::MODULO => a.checked_rem(*b),
                _ => None,
            };
            return result.map(Int).ok_or(Unknown);
        }
        (op::ADD, Double(a), Double(b)) => return Ok(Double(a + b)),
        (op::SUBSTRACT, Double(a), Double(b)) => return Ok(Double(a - b)),
        (op::MULTIPLY, Double(a), Double(b)) => return Ok(Double(a * b)),
        (op::DIVIDE, Double(a), Double(b)) => return Ok(Double(a / b)),
        _ => return Err(Unknown),
    };
    Ok(Value::Bool(truth))
}

/// Numbers by their value, whatever their types; texts by their code points. What is no number has no order.
fn order(one: &Value<'_>, other: &Value<'_>) -> Result<Ordering, Unknown> {
    use Value::{Bool, Double, Int, Text};
    let order = match (one, other) {
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (Double(a), Double(b)) => a.partial_cmp(b),
        (Int(a), Double(b)) => (*a as f64).partial_cmp(b),
        (Double(a), Int(b)) => a.partial_cmp(&(*b as f64)),
        (Text(a), Text(b)) => Some(a.cmp(b)),
        _ => None,
    };
    order.ok_or(Unknown)
}

#[cfg(test)]
mod tests;
