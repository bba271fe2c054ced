//! What Gemini models accept, read from their names (`wire.md` §1.9): a small table, so that a new generation is a line
//! here. Names that are not known get the newest rules.

use crate::dialect::canonical::Reasoning;

/// A model as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Major and minor version; `None` for names that tell none.
    version: Option<(u32, u32)>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pro,
    Flash,
    FlashLite,
    Gemma,
    Other,
}

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

/// What `-latest` names stand for (read 2026-11).
const LATEST: (u32, u32) = (3, 7);

/// Thinking budgets for effort words, as Google's own OpenAI layer maps them; `xhigh` and `max` take all there is.
const BUDGETS: [(&str, i64); 4] = [("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24_576)];

impl Model {
    /// Reads a name such as `gemini-3.5-flash-lite-preview`, with or without a path before it.
    pub fn named(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let kind = if name.contains("gemma") {
            Kind::Gemma
        } else if name.contains("flash-lite") {
            Kind::FlashLite
        } else if name.contains("flash") {
            Kind::Flash
        } else if name.contains("-pro") {
            Kind::Pro
        } else {
            Kind::Other
        };
        let version = name.split("gemini-").nth(1).and_then(|rest| {
            if rest.ends_with("latest") && !rest.starts_with(|c: char| c.is_ascii_digit()) {
                return Some(LATEST);
            }
            let number = rest.split('-').next().unwrap_or_default();
            let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Self { version, kind }
    }

    /// Version 3 or later, as far as the name tells: signatures are checked, tools and schemas mix, tools give media.
    pub fn at_least_3(self) -> bool {
        self.version.is_some_and(|version| version >= (3, 0))
    }

    /// Before version 3, by its name.
    pub fn before_3(self) -> bool {
        self.kind == Kind::Gemma || self.version.is_some_and(|version| version < (3, 0))
    }

    /// Gemma models take no system instruction.
    pub fn takes_system(self) -> bool {
        self.kind != Kind::Gemma
    }

    /// Penalties are refused by 2.5.
    pub fn takes_penalties(self) -> bool {
        self.version.is_none_or(|version| version.0 != 2 || version.1 < 5)
    }

    /// Requests may end with a turn of the model (`wire.md` §5).
    pub fn continues_model_turn(self) -> bool {
        match self.version {
            Some((3, 5)) => self.kind != Kind::FlashLite,
            Some(version) => version < (3, 5),
            None => true,
        }
    }

    /// The control for a wish.
    pub fn thinking(self, wish: &Reasoning) -> Thinking {
        if self.kind == Kind::Gemma || self.version.is_some_and(|version| version < (2, 5)) {
            return match wish {
                Reasoning::Disabled => Ok((Control::Default, None)),
                Reasoning::Effort(word) if word == "none" => Ok((Control::Default, None)),
                _ => Err("this model does not think".to_owned()),
            };
        }
        if self.version.is_some_and(|version| version < (3, 0)) {
            self.budget(wish)
        } else {
            self.level(wish)
        }
    }

    /// 2.5: a budget in tokens; `thinkingLevel` is not known there.
    fn budget(self, wish: &Reasoning) -> Thinking {
        let (least, most) = match self.kind {
            Kind::Pro => (128, 32_768),
            Kind::FlashLite => (512, 24_576),
            _ => (1, 24_576),
        };
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
        match self.kind {
            Kind::Pro => Err("this model always thinks".to_owned()),
            _ => Ok((Control::Budget(0), None)),
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
        Some(match word {
            "minimal" if self.knows_minimal() => "MINIMAL",
            "minimal" | "low" => "LOW",
            "medium" => "MEDIUM",
            "xhigh" | "max" if self.version.is_some_and(|version| version >= (4, 0)) => "XHIGH",
            "high" | "xhigh" | "max" => "HIGH",
            _ => return None,
        })
    }

    fn knows_minimal(self) -> bool {
        match (self.kind, self.version) {
            (Kind::FlashLite, _) => true,
            (Kind::Flash, Some(version)) => version <= (3, 6),
            _ => false,
        }
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

    fn effort(model: &str, word: &str) -> Option<(Control, bool)> {
        let thinking = Model::named(model).thinking(&Reasoning::Effort(word.to_owned()));
        thinking.ok().map(|(control, change)| (control, change.is_some()))
    }

    #[test]
    fn the_name_tells_the_generation() {
        for (name, at_least_3, before_3) in [
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
            let model = Model::named(name);
            assert_eq!((model.at_least_3(), model.before_3()), (at_least_3, before_3), "{name}");
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
        let budget = |model: &str, tokens| Model::named(model).thinking(&Reasoning::Budget(tokens)).unwrap();
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
            assert_eq!(Model::named(name).continues_model_turn(), continues, "{name}");
        }
    }
}
