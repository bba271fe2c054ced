//! How much a model is to think, in each server's members (`wire.md` §1.6–1.9, §2).

use super::super::profile::{Profile, Thinking};
use super::super::write::Object;
use super::names::{self, Field, Report};
use crate::dialect::canonical::{ChatRequest, Reasoning};
use crate::dialect::{ModelTraits, Target};

/// Whether the request switches thinking off; `None` = it says nothing of thinking.
pub(in crate::dialect) fn is_off(request: &ChatRequest) -> Option<bool> {
    request.reasoning.as_ref().map(|wish| match wish {
        Reasoning::Disabled | Reasoning::Budget(0) => true,
        Reasoning::Effort(word) => word == "none",
        Reasoning::Budget(_) | Reasoning::Adaptive => false,
    })
}

/// What was asked of the model's thinking, in one shape.
enum Asked<'r> {
    Off,
    Effort(&'r str),
    Budget(u64),
    Free,
}

/// Writes what is asked of the model's thinking.
pub(super) fn thinking(
    out: &mut Object<'_>,
    request: &ChatRequest,
    target: &Target<'_>,
    profile: &Profile,
    report: &mut Report<'_>,
) {
    let Some((asked, field)) = wish(request, target.traits, report) else { return };
    match profile.thinking {
        Thinking::Effort => {
            if let Some(word) = known_word(&asked, field, target.traits, report) {
                out.text("reasoning_effort", word);
            }
        }
        Thinking::DeepSeek => {
            let off = matches!(asked, Asked::Off);
            out.object("thinking", |thinking| thinking.text("type", if off { "disabled" } else { "enabled" }));
            let word = effort_word(&asked);
            let known = match word {
                "minimal" | "low" => "low",
                "max" => "max",
                _ => "high",
            };
            if !off && !matches!(asked, Asked::Free) {
                out.text("reasoning_effort", known);
                if known != word || matches!(asked, Asked::Budget(_)) {
                    report.converted(field, &format!("sent as the effort `{known}`"));
                }
            }
        }
        Thinking::Qwen => {
            out.flag("enable_thinking", !matches!(asked, Asked::Off));
            match asked {
                Asked::Budget(tokens) => out.number("thinking_budget", tokens),
                Asked::Effort(word) => {
                    let budget = budget_of(word);
                    out.number("thinking_budget", budget);
                    report.converted(field, &format!("sent as a budget of {budget} tokens"));
                }
                Asked::Off | Asked::Free => {}
            }
        }
        Thinking::OpenRouter => out.object("reasoning", |reasoning| match asked {
            Asked::Off => reasoning.flag("enabled", false),
            Asked::Free => reasoning.flag("enabled", true),
            Asked::Effort(word) => reasoning.text("effort", word),
            Asked::Budget(tokens) => reasoning.number("max_tokens", tokens),
        }),
    }
}

/// The effort word to send to a model that is asked by one; `None` where nothing is to be sent.
pub(in crate::dialect) fn effort<'r>(
    request: &'r ChatRequest,
    traits: ModelTraits,
    report: &mut Report<'_>,
) -> Option<&'r str> {
    let (asked, field) = wish(request, traits, report)?;
    known_word(&asked, field, traits, report)
}

/// What is asked of a model that can do it, and the field that asks; `None` where nothing is to be sent.
fn wish<'r>(request: &'r ChatRequest, traits: ModelTraits, report: &mut Report<'_>) -> Option<(Asked<'r>, Field)> {
    let (asked, field) = match request.reasoning.as_ref()? {
        Reasoning::Effort(word) if word == "none" => (Asked::Off, names::EFFORT),
        Reasoning::Effort(word) => (Asked::Effort(word), names::EFFORT),
        Reasoning::Budget(0) | Reasoning::Disabled => (Asked::Off, names::THINKING),
        Reasoning::Budget(tokens) => (Asked::Budget(*tokens), names::THINKING),
        Reasoning::Adaptive => (Asked::Free, names::THINKING),
    };
    match asked {
        Asked::Off if traits.always_reasons => report.unsupported(field, "the model always thinks"),
        // A model that cannot think does not.
        Asked::Off if !traits.reasoning => {}
        Asked::Free if !traits.reasoning => report.advisory(field, "the model does not think"),
        // It decides by itself how much.
        Asked::Free if traits.always_reasons => {}
        _ if !traits.reasoning => report.unsupported(field, "the model does not think"),
        asked => return Some((asked, field)),
    }
    None
}

/// The word of the model's own that says what is asked, or the nearest.
fn known_word<'r>(asked: &Asked<'r>, field: Field, traits: ModelTraits, report: &mut Report<'_>) -> Option<&'r str> {
    let word = effort_word(asked);
    let sent = traits.efforts.map_or(Some(word), |efforts| efforts.nearest(word));
    match sent {
        None => report.unsupported(field, "the model has no such effort"),
        Some(sent) if sent != word || !matches!(asked, Asked::Effort(_) | Asked::Off) => {
            report.converted(field, &format!("sent as the effort `{sent}`"));
        }
        Some(_) => {}
    }
    sent
}

/// Budgets in effort words: the bounds between which the words' usual budgets lie (see [`budget_of`]).
fn effort_word<'r>(asked: &Asked<'r>) -> &'r str {
    match asked {
        Asked::Off => "none",
        Asked::Free => "medium",
        Asked::Effort(word) => word,
        Asked::Budget(tokens) if *tokens < 4_096 => "low",
        Asked::Budget(tokens) if *tokens < 16_384 => "medium",
        Asked::Budget(_) => "high",
    }
}

/// Effort words in tokens: powers of two around the 1,024 that Anthropic asks for at least and the 32,768 that Gemini
/// gives at most.
fn budget_of(word: &str) -> u64 {
    match word {
        "minimal" => 1_024,
        "low" => 2_048,
        "high" => 16_384,
        "xhigh" | "max" => 32_768,
        _ => 8_192,
    }
}
