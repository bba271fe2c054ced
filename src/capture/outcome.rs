//! What a request came to, as far as two of them can be compared: by what the caller's dialect says of the answer.

use serde::Serialize;
use serde_json::{json, Value};

use super::answer::choices;
use super::payload::Payload;
use super::Capture;
use crate::dialect::canonical::{FinishReason, Part, Usage};
use crate::dialect::{custom, Dialect};

/// One request's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// HTTP status sent.
    pub status: u16,
    /// `provider/model` that answered.
    pub model: Option<String>,
    /// Error code, where one was answered.
    pub error: Option<String>,
    /// Visible text, refusals included.
    pub text: String,
    /// Thinking text.
    pub reasoning: String,
    /// In order.
    pub tool_calls: Vec<Called>,
    /// Why the first choice ended, in the hub's words.
    pub stop_reason: Option<&'static str>,
    /// Tokens of the answer.
    pub usage: Option<Usage>,
    /// Cost of all attempts, exact decimal US dollars.
    pub cost_usd: Option<String>,
    /// How sure that is.
    pub cost_certainty: Option<&'static str>,
    /// From the request's arrival to its first content.
    pub ttft_ms: Option<u64>,
    /// From there to its end.
    pub duration_ms: u64,
    /// `provider/model:outcome,…`
    pub attempts: String,
}

/// A tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Called {
    /// Of which function.
    pub name: String,
    /// JSON text.
    pub arguments: String,
}

impl Outcome {
    /// What a capture's request came to.
    #[must_use]
    pub fn of(dialect: Dialect, capture: &Capture) -> Self {
        let record = &capture.record;
        let attempts = record.attempts.iter().map(|a| format!("{}/{}:{}", a.provider, a.model, a.outcome));
        let mut outcome = Self {
            status: record.status,
            model: record.model.clone(),
            error: record.error.clone(),
            text: String::new(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
            stop_reason: None,
            usage: record.usage,
            cost_usd: record.cost.and_then(|cost| cost.usd()),
            cost_certainty: record.certainty().map(|certainty| certainty.name()),
            ttft_ms: record.ttft_ms,
            duration_ms: record.duration_ms,
            attempts: attempts.collect::<Vec<_>>().join(","),
        };
        outcome.read(dialect, &capture.answer.payload);
        outcome
    }

    /// The members that differ, by name. Times always do, and what a route to the same answer was is told beside.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Vec<&'static str> {
        let same: [(&'static str, bool); 9] = [
            ("status", self.status == other.status),
            ("model", self.model == other.model),
            ("error", self.error == other.error),
            ("text", self.text == other.text),
            ("reasoning", self.reasoning == other.reasoning),
            ("tool_calls", self.tool_calls == other.tool_calls),
            ("stop_reason", self.stop_reason == other.stop_reason),
            ("usage", self.usage == other.usage),
            ("cost_usd", self.cost_usd == other.cost_usd),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!(self)
    }

    fn read(&mut self, dialect: Dialect, payload: &Payload) {
        for choice in choices(dialect, payload) {
            for part in choice.parts {
                match part {
                    Part::Text(text) | Part::Refusal(text) => self.text.push_str(&text),
                    Part::Reasoning(thought) => self.reasoning.push_str(&thought.text),
                    Part::ToolCall(call) => {
                        self.tool_calls.push(Called { name: call.name, arguments: call.arguments });
                    }
                    part => {
                        let called =
                            custom::Call::of(&part).map(|call| Called { name: call.name, arguments: call.input });
                        self.tool_calls.extend(called);
                    }
                }
            }
            self.stop_reason = self.stop_reason.or(choice.finish.map(|finish| word(finish.reason)));
        }
    }
}

fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Paused => "paused",
        FinishReason::Failed => "failed",
    }
}
