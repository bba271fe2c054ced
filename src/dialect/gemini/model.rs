//! How a Gemini model is to be asked, from what is known of its family (`wire.md` §1.9, `dialect::family`).

use crate::dialect::canonical::Reasoning;
use crate::dialect::family::{self, Efforts, Family};
use crate::dialect::Target;

/// A model as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model(Family);

/// How thinking is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Nothing is sent: the model does it by default.
    Default,
    /// `thinkingLevel`.
    Level(&'static str),
    /// `thinkingBudget`.
    Budget(i64),
}

/// A control, and how it differs from what was asked; or why there is none.
pub type Thinking = Result<(Control, Option<String>), String>;

/// Thinking budgets for effort words, as Google's own OpenAI layer maps them; `xhigh` and `max` take all there is.
const BUDGETS: [(&str, i64); 4] = [("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24_576)];

impl Model {
    /// What is known of a target.
    pub fn of(target: &Target<'_>) -> Self {
        Self(family::of(target.provider, target.model))
    }

    /// Signatures are checked, and tools may answer with media.
    pub fn checks_signatures(self) -> bool {
        self.0.signatures
    }

    /// Functions and a schema, or functions and Google's own tools, may stand in one request.
    pub fn mixes(self) -> bool {
        self.0.mixes
    }

    /// Gemma models take no system instruction.
    pub fn takes_system(self) -> bool {
        self.0.system
    }

    /// Penalties are refused by 2.5.
    pub fn takes_penalties(self) -> bool {
        self.0.penalties
    }

    /// Requests may end with a turn of the model (`wire.md` §5).
    pub fn continues_model_turn(self) -> bool {
        self.0.prefill != Some(false)
    }

    /// The control for a wish.
    pub fn thinking(self, wish: &Reasoning) -> Thinking {
        match self.0.thinking {
            family::Thinking::Never => match wish {
                Reasoning::Disabled => Ok((Control::Default, None)),
                Reasoning::Effort(word) if word == "none" => Ok((Control::Default, None)),
                _ => Err("this model does not think".to_owned()),
            },
            family::Thinking::Budget => self.budget(wish),
            // Names that are not known are asked in the newest way.
            _ => self.level(wish),
        }
    }

    /// 2.5: a budget in tokens; `thinkingLevel` is not known there.
    fn budget(self, wish: &Reasoning) -> Thinking {
        let bound = |known: Option<u64>, else_: i64| known.and_then(|n| i64::try_from(n).ok()).unwrap_or(else_);
        let (least, most) = (bound(self.0.least_budget, 1), bound(self.0.most_budget, 24_576));
        match wish {
            Reasoning::Disabled => self.off(),
            Reasoning::Effort(word) if word == "none" => self.off(),
            Reasoning::Adaptive => Ok((Control::Budget(-1), None)),
            Reasoning::Budget(0) => self.off(),
            Reasoning::Budget(tokens) => {
                let asked = i64::try_from(*tokens).unwrap_or(i64::MAX);
                let given = asked.clamp(least, most);
                let changed = given != asked;
                Ok((
                    Control::Budget(given),
                    changed.then(|| format!("the budget is {least} to {most}: sent as {given}")),
                ))
            }
            Reasoning::Effort(word) => {
                let known = BUDGETS.iter().find(|(known, _)| known == word).map(|(_, budget)| *budget);
                let given = match word.as_str() {
                    "xhigh" | "max" => most,
                    _ => known.ok_or_else(|| format!("{word:?} is no effort"))?.clamp(least, most),
                };
                Ok((Control::Budget(given), Some(format!("sent as a thinking budget of {given} tokens"))))
            }
        }
    }

    fn off(self) -> Thinking {
        if self.0.off {
            Ok((Control::Budget(0), None))
        } else {
            Err("this model always thinks".to_owned())
        }
    }

    /// 3 and later: a level, which cannot be switched off.
    fn level(self, wish: &Reasoning) -> Thinking {
        let always = || Err("this model always thinks".to_owned());
        let word = match wish {
            Reasoning::Disabled | Reasoning::Budget(0) => return always(),
            Reasoning::Effort(word) if word == "none" => return always(),
            Reasoning::Adaptive => return Ok((Control::Default, None)),
            Reasoning::Budget(tokens) => {
                let word = effort_of_budget(i64::try_from(*tokens).unwrap_or(i64::MAX)).unwrap_or("high");
                let control = self.level_of(word).unwrap_or("HIGH");
                return Ok((Control::Level(control), Some(format!("sent as the thinking level {control}"))));
            }
            Reasoning::Effort(word) => word.as_str(),
        };
        let level = self.level_of(word).ok_or_else(|| format!("{word:?} is no effort"))?;
        let changed = !level.eq_ignore_ascii_case(word);
        Ok((Control::Level(level), changed.then(|| format!("sent as the thinking level {level}"))))
    }

    fn level_of(self, word: &str) -> Option<&'static str> {
        let accepted = self.0.efforts.unwrap_or_else(|| Efforts::of(&["low", "medium", "high"]));
        Some(match accepted.nearest(word)? {
            "minimal" => "MINIMAL",
            "low" => "LOW",
            "medium" => "MEDIUM",
            "xhigh" => "XHIGH",
            _ => "HIGH",
        })
    }
}

/// The effort word nearest to a budget; `None` for the automatic one.
pub fn effort_of_budget(tokens: i64) -> Option<&'static str> {
    match tokens {
        ..0 => None,
        0 => Some("none"),
        1..=2048 => Some("low"),
        2049..=12_288 => Some("medium"),
        _ => Some("high"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(model: &str) -> Model {
        Model(family::of("gemini", model))
    }

    fn effort(model: &str, word: &str) -> Option<(Control, bool)> {
        let thinking = named(model).thinking(&Reasoning::Effort(word.to_owned()));
        thinking.ok().map(|(control, change)| (control, change.is_some()))
    }

    #[test]
    fn the_name_tells_the_generation() {
        for (name, checks_signatures, is_older) in [
            ("gemini-2.5-flash", false, true),
            ("models/gemini-2.0-flash-001", false, true),
            ("gemini-3-pro-preview", true, false),
            ("gemini-3.1-pro-preview", true, false),
            ("gemini-4-hydrogen", true, false),
            ("gemini-flash-latest", true, false),
            ("gemma-3-27b-it", false, true),
            ("learnlm", false, false),
            ("gemini-exp-1206", false, false),
        ] {
            let model = named(name);
            assert_eq!((model.checks_signatures(), !model.mixes()), (checks_signatures, is_older), "{name}");
        }
    }

    #[test]
    fn efforts_become_budgets_in_2_5_and_levels_later() {
        assert_eq!(effort("gemini-2.5-pro", "medium"), Some((Control::Budget(8192), true)));
        assert_eq!(effort("gemini-2.5-pro", "max"), Some((Control::Budget(32_768), true)));
        assert_eq!(effort("gemini-2.5-flash", "none"), Some((Control::Budget(0), false)));
        assert_eq!(effort("gemini-2.5-pro", "none"), None);
        assert_eq!(effort("gemini-3.5-flash", "minimal"), Some((Control::Level("MINIMAL"), false)));
        assert_eq!(effort("gemini-3.7-flash", "minimal"), Some((Control::Level("LOW"), true)));
        assert_eq!(effort("gemini-3-pro-preview", "high"), Some((Control::Level("HIGH"), false)));
        assert_eq!(effort("gemini-3-pro-preview", "xhigh"), Some((Control::Level("HIGH"), true)));
        assert_eq!(effort("gemini-4-hydrogen", "xhigh"), Some((Control::Level("XHIGH"), false)));
        assert_eq!(effort("gemini-3-pro-preview", "none"), None);
        assert_eq!(effort("gemini-3-pro-preview", "huge"), None);
        assert_eq!(effort("gemini-2.0-flash", "low"), None);
        assert_eq!(effort("gemini-2.0-flash", "none"), Some((Control::Default, false)));
    }

    #[test]
    fn budgets_are_kept_where_they_are_legal() {
        let budget = |model: &str, tokens| named(model).thinking(&Reasoning::Budget(tokens)).unwrap();
        assert_eq!(budget("gemini-2.5-flash", 5000), (Control::Budget(5000), None));
        assert_eq!(budget("gemini-2.5-pro", 100).0, Control::Budget(128));
        assert_eq!(budget("gemini-2.5-flash", u64::MAX).0, Control::Budget(24_576));
        assert_eq!(budget("gemini-3-flash-preview", 1024).0, Control::Level("LOW"));
        assert_eq!(budget("gemini-3-flash-preview", 30_000).0, Control::Level("HIGH"));
    }

    #[test]
    fn newer_models_refuse_to_continue_their_own_turn() {
        for (name, continues) in [
            ("gemini-2.5-flash", true),
            ("gemini-3.1-pro-preview", true),
            ("gemini-3.5-flash", true),
            ("gemini-3.5-flash-lite", false),
            ("gemini-3.6-flash", false),
            ("gemini-4-hydrogen", false),
        ] {
            assert_eq!(named(name).continues_model_turn(), continues, "{name}");
        }
    }
}
