//! What kind of work a request is: a guess from the last user turn, with a probability. Cheap (a capped scan, no model call)
//! and honest: where nothing points anywhere the task is `default`. White space, letter case and line ends change nothing
//! (`routing.md` §3). How good and how long a model's answer to this very text will be is for learned tables to say, which
//! read the same numbers. Read `tests` first.

pub mod task;

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::{Deserialize, Serialize};

use crate::catalogue::model::Model;
use crate::catalogue::task::DEFAULT;
use crate::catalogue::Catalogue;
use crate::dialect::view::{Needs, View};
use crate::hashed::Hashed;

/// What routing knows of a request: free of content, recorded with the decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// The likeliest kind of work; `default` where none is in sight.
    pub task: String,
    /// How likely it is that, in millionths; 1 000 000 when the caller said so.
    pub confidence_micro: i64,
    /// Who says so.
    pub source: TaskSource,
    /// Estimated prompt tokens, media excluded.
    pub estimated_input_tokens: u64,
    /// The caller's bound on generated tokens.
    pub max_output_tokens: Option<u64>,
    /// What the answer needs of a model.
    pub needs: Needs,
    /// How much thinking was asked for.
    pub thinking: Thinking,
    /// User, assistant and tool turns.
    pub turns: u32,
}

/// What learned tables say of a model for a text: free of content, recorded with the decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// How good its answer will be, 0 to 1 in millionths.
    pub quality_micro: Option<i64>,
    /// How many tokens it will generate, thinking excluded.
    pub output_tokens: Option<u64>,
}

/// Who says what kind of work it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskSource {
    /// This module.
    #[default]
    Classifier,
    /// The caller.
    Header,
}

/// How much thinking was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// Nothing was said, or a word that is not known here.
    #[default]
    Unsaid,
    /// None.
    Off,
    /// Efforts `minimal` and `low`.
    Low,
    /// Effort `medium`.
    Medium,
    /// Efforts `high` and above.
    High,
}

impl Features {
    /// Reads the features of a request, `text` being its sample. `said`: the caller's own word for the task, already known to
    /// be one; without it the task is guessed by what `weights` gives ([`task::WEIGHTS`]).
    #[must_use]
    pub fn of<'w>(view: &View<'_>, text: &Text<'_>, said: Option<&str>, weights: impl FnOnce() -> &'w [u8]) -> Self {
        let thinking = thinking(view.effort.as_deref());
        let (task, confidence_micro, source) = match said {
            Some(task) => (task, 1_000_000, TaskSource::Header),
            None => {
                let guess = task::guess(&text.ends(), view.needs, thinking, weights());
                (guess.task, guess.confidence_micro, TaskSource::Classifier)
            }
        };
        Self {
            task: task.to_owned(),
            confidence_micro,
            source,
            estimated_input_tokens: view.estimated_input_tokens,
            max_output_tokens: view.max_output_tokens,
            needs: view.needs,
            thinking,
            turns: view.turns,
        }
    }

    /// Whether thinking is on by what the request says; `None` = it says nothing.
    #[must_use]
    pub fn thinks(&self) -> Option<bool> {
        match self.thinking {
            Thinking::Unsaid => self.needs.reasoning.then_some(true),
            said => Some(said != Thinking::Off),
        }
    }

    /// The task as far as it is sure enough.
    #[must_use]
    pub fn task_above(&self, threshold_micro: i64) -> &str {
        if self.confidence_micro < threshold_micro {
            DEFAULT
        } else {
            &self.task
        }
    }
}

fn thinking(effort: Option<&str>) -> Thinking {
    match effort {
        Some("none" | "disabled" | "off") => Thinking::Off,
        Some("minimal" | "low") => Thinking::Low,
        Some("medium") => Thinking::Medium,
        Some("high" | "xhigh" | "max") => Thinking::High,
        _ => Thinking::Unsaid,
    }
}

/// A text whose numbers are worked out when they are asked for: those of a long one take longer than all else that is done with
/// a request, and only learned tables read them.
#[derive(Debug)]
pub struct Text<'a> {
    text: &'a str,
    numbers: OnceCell<Hashed>,
}

impl<'a> Text<'a> {
    /// A text that nobody has asked about yet.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, numbers: OnceCell::new() }
    }

    /// The numbers of the whole.
    fn numbers(&self) -> &Hashed {
        self.numbers.get_or_init(|| Hashed::of(self.text))
    }

    /// What tables say of a model for it.
    #[must_use]
    pub fn expected(&self, model: Option<&Model>, catalogue: &Catalogue) -> Expected {
        let Some(learned) = model.and_then(|model| model.learned.as_ref()) else { return Expected::default() };
        let functions = catalogue.learned.get(&learned.table).map(|table| &table.functions);
        let value = |name: &Option<String>| Some(functions?.get(name.as_ref()?)?.value_micro(self.numbers()));
        Expected {
            quality_micro: value(&learned.quality).map(|micro| micro.clamp(0, 1_000_000)),
            output_tokens: value(&learned.output_tokens).map(|micro| u64::try_from(micro / 1_000_000).unwrap_or(0)),
        }
    }

    /// The numbers of its ends, which tell the task.
    fn ends(&self) -> Cow<'_, Hashed> {
        match ends(self.text) {
            Cow::Borrowed(_) => Cow::Borrowed(self.numbers()),
            Cow::Owned(ends) => Cow::Owned(Hashed::of(&ends)),
        }
    }
}

/// Characters from either end, white space not counted, in which an instruction stands: what lies between is material.
const END: usize = 600;

/// A text's ends, or the whole of a short one.
fn ends(text: &str) -> Cow<'_, str> {
    let mut seen = 0;
    let mut counted = |(_, c): &(usize, char)| {
        seen += usize::from(!c.is_whitespace());
        seen > END
    };
    let Some((head, _)) = text.char_indices().find(&mut counted) else { return Cow::Borrowed(text) };
    let mut seen = 0;
    let tail = text.char_indices().rev().find(|(_, c)| {
        seen += usize::from(!c.is_whitespace());
        seen == END
    });
    let tail = tail.map_or(0, |(at, _)| at);
    if tail <= head {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
    Cow::Owned(format!("{head}\n{tail}"))
}

#[cfg(test)]
mod tests;
