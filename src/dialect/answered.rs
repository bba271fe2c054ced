//! Results of calls, right behind the calls that they answer. Chat Completions and Gemini refuse what stands between
//! (`wire.md` §1.1, §1.4); in Responses and in a mixed turn of Gemini's clients a message may.

use std::collections::HashMap;

use super::canonical::{Part, Role, Turn};
use super::custom::Call;

/// Why a result stands elsewhere than it came.
pub(super) const MOVED: &str = "a result of a call stands right behind the call";

/// The turns' places in the order in which they are written, and those that stand elsewhere than they came. A turn that says
/// nothing is left out between a call and its result: Google's clients put what a stream ends with there.
pub(super) fn order(turns: &[Turn]) -> (Vec<usize>, Vec<usize>) {
    let mut calls: HashMap<String, usize> = HashMap::new();
    // The turn that made the calls → the turns that answer it.
    let mut answers: Vec<Vec<usize>> = vec![Vec::new(); turns.len()];
    let mut alone: Vec<usize> = Vec::new();
    let mut moved = Vec::new();
    // The last turn that says something, and those behind it that do not.
    let (mut before, mut silent) = (None, Vec::new());
    for (at, turn) in turns.iter().enumerate() {
        // A second answer to a call stays where it is.
        let mut asked = None;
        for part in &turn.parts {
            if let (Part::ToolResult(result), Role::Tool) = (part, turn.role) {
                asked = asked.or(calls.remove(&result.call_id));
            }
        }
        let Some(asked) = asked else {
            calls.extend(turn.parts.iter().filter_map(id).map(|id| (id, at)));
            alone.push(at);
            if turn.parts.iter().all(|part| matches!(part, Part::Text(text) if text.is_empty())) {
                silent.push(at);
            } else {
                before = Some(at);
                silent.clear();
            }
            continue;
        };
        if before == Some(asked) {
            alone.truncate(alone.len().saturating_sub(silent.len()));
            silent.clear();
        } else {
            moved.push(at);
        }
        answers.get_mut(asked).into_iter().for_each(|answers| answers.push(at));
    }
    let behind = |at: usize| std::iter::once(at).chain(answers.get(at).into_iter().flatten().copied());
    (alone.into_iter().flat_map(behind).collect(), moved)
}

fn id(part: &Part) -> Option<String> {
    match part {
        Part::ToolCall(call) => Some(call.id.clone()),
        _ => Call::of(part).map(|call| call.id),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests may fail loudly

    use super::*;
    use crate::dialect::canonical::{ToolCall, ToolResult};

    /// A turn from a letter: `-` and `e` nothing, `u`ser, `a`ssistant's text, `A`/`B` a call, `1`/`2` its result.
    fn turn(letter: char) -> Turn {
        let text = || vec![Part::Text("t".to_owned())];
        let call = |id: &str| {
            vec![Part::ToolCall(ToolCall {
                id: id.to_owned(),
                name: "f".to_owned(),
                arguments: "{}".to_owned(),
                signature: None,
            })]
        };
        let result = |id: &str| {
            let result = ToolResult { call_id: id.to_owned(), name: None, parts: Vec::new(), is_error: false };
            vec![Part::ToolResult(result)]
        };
        let (role, parts) = match letter {
            'a' => (Role::Assistant, text()),
            'A' | 'B' => (Role::Assistant, call(&letter.to_string())),
            '1' => (Role::Tool, result("A")),
            '2' => (Role::Tool, result("B")),
            '-' => (Role::Tool, Vec::new()),
            'e' => (Role::Assistant, vec![Part::Text(String::new())]),
            _ => (Role::User, text()),
        };
        Turn { role, parts }
    }

    #[test]
    fn results_stand_right_behind_their_calls() {
        let rows: &[(&str, &str, usize)] = &[
            ("uA1u", "uA1u", 0),
            ("uAu1", "uA1u", 1),
            ("uAa1u", "uA1au", 1),
            ("uAB12", "uA1B2", 1),
            ("uA1uA1", "uA1uA1", 0),
            ("u1uA", "u1uA", 0),
            ("uA11u", "uA11u", 0),
            ("uA1u1", "uA1u1", 0),
            ("uA-1u", "uA1u", 0),
            ("uAe1u", "uA1u", 0),
            ("uAe1eB2", "uA1eB2", 0),
            ("uAeu1e", "uA1eue", 1),
        ];
        for (came, written, count) in rows {
            let turns: Vec<Turn> = came.chars().map(turn).collect();
            let (order, moved) = order(&turns);
            let order: String = order.into_iter().map(|at| came.chars().nth(at).unwrap()).collect();
            assert_eq!((order.as_str(), moved.len()), (*written, *count), "{came}");
        }
    }
}
