//! What the Claude families accept, as data (`wire.md` §1.9, read 2026-11-22; the rows follow that table).
//!
//! A catalogue says what a model can do; this table says *how* it wants to be asked. Where both speak, the stricter wins.

/// One family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// What follows `claude-` in the model's name.
    pub prefix: &'static str,
    /// How thinking is asked for.
    pub thinking: Thinking,
    /// temperature, top_p and top_k.
    pub sampling: Sampling,
    /// `tool_choice` any and tool.
    pub forced_tools: bool,
    /// `role: system` after a user turn.
    pub system_turns: bool,
    /// Continues a trailing assistant turn.
    pub prefill: bool,
}

/// How thinking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// Cannot think.
    Never,
    /// `enabled` with a budget, or `disabled`.
    Budget,
    /// `adaptive` with an effort from low to max, without xhigh; also `enabled` and `disabled`.
    Either,
    /// `adaptive` with any effort, or `disabled`.
    Adaptive,
    /// `adaptive` only: it cannot be switched off.
    Always,
    /// `adaptive`, or `between_tools`: it cannot be switched off altogether.
    BetweenTools,
}

/// Which sampling parameters are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// All of them.
    All,
    /// temperature or top_p, not both (Anthropic's migration notes from Opus 4.1 on).
    One,
    /// None: a 400 even at the default.
    Refused,
}

const fn family(prefix: &'static str, thinking: Thinking, sampling: Sampling) -> Family {
    let current = matches!(sampling, Sampling::Refused);
    Family { prefix, thinking, sampling, forced_tools: true, system_turns: current, prefill: !current }
}

const fn unforced(family: Family) -> Family {
    Family { forced_tools: false, ..family }
}

const fn without_prefill(family: Family) -> Family {
    Family { prefill: false, ..family }
}

const fn without_system_turns(family: Family) -> Family {
    Family { system_turns: false, ..family }
}

/// The first row whose prefix fits counts, so longer names stand before shorter ones.
const FAMILIES: [Family; 24] = [
    unforced(family("sonnet-5-5", Thinking::BetweenTools, Sampling::Refused)),
    unforced(family("opus-5-5", Thinking::Always, Sampling::Refused)),
    unforced(family("fable-5-", Thinking::Always, Sampling::Refused)),
    unforced(family("mythos-5-", Thinking::Always, Sampling::Refused)),
    family("haiku-5-5", Thinking::Adaptive, Sampling::Refused),
    family("fable", Thinking::Always, Sampling::Refused),
    family("mythos", Thinking::Always, Sampling::Refused),
    family("opus-5", Thinking::Adaptive, Sampling::Refused),
    family("sonnet-5", Thinking::Adaptive, Sampling::Refused),
    family("opus-4-8", Thinking::Adaptive, Sampling::Refused),
    without_system_turns(family("opus-4-7", Thinking::Adaptive, Sampling::Refused)),
    without_system_turns(family("sonnet-4-7", Thinking::Adaptive, Sampling::Refused)),
    without_prefill(family("opus-4-6", Thinking::Either, Sampling::One)),
    without_prefill(family("sonnet-4-6", Thinking::Either, Sampling::One)),
    family("opus-4-5", Thinking::Budget, Sampling::One),
    family("sonnet-4-5", Thinking::Budget, Sampling::One),
    family("haiku-4-5", Thinking::Budget, Sampling::One),
    family("opus-4-1", Thinking::Budget, Sampling::One),
    family("opus-4", Thinking::Budget, Sampling::All),
    family("sonnet-4", Thinking::Budget, Sampling::All),
    family("3-7", Thinking::Budget, Sampling::All),
    family("3", Thinking::Never, Sampling::All),
    family("2", Thinking::Never, Sampling::All),
    family("instant", Thinking::Never, Sampling::All),
];

/// A Claude that is not listed is newer than this table: asked in the newest way, and the provider decides.
const NEWEST: Family = Family {
    prefix: "",
    thinking: Thinking::Adaptive,
    sampling: Sampling::All,
    forced_tools: true,
    system_turns: true,
    prefill: true,
};

/// Another vendor's model behind this dialect: asked in the way that every such server knows.
const COMPATIBLE: Family = Family { thinking: Thinking::Budget, system_turns: false, ..NEWEST };

/// The family of a model by its name at any platform: `claude-opus-4-5-20251101`, `anthropic/claude-opus-4.5`,
/// `us.anthropic.claude-opus-4-5-v1:0`, `claude-opus-4-5@20251101`.
#[must_use]
pub fn family_of(model: &str) -> Family {
    let Some((_, name)) = model.rsplit_once("claude-") else { return COMPATIBLE };
    let name = name.replace('.', "-");
    FAMILIES.into_iter().find(|family| name.starts_with(family.prefix)).unwrap_or(NEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_model_finds_its_row() {
        for (model, prefix) in [
            ("claude-opus-4-5-20251101", "opus-4-5"),
            ("anthropic/claude-opus-4.5", "opus-4-5"),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet-4-5"),
            ("claude-sonnet-4-20250514", "sonnet-4"),
            ("claude-sonnet-4-0", "sonnet-4"),
            ("claude-opus-4-1@20250805", "opus-4-1"),
            ("claude-3-5-sonnet-20240620", "3"),
            ("claude-3-7-sonnet-latest", "3-7"),
            ("claude-sonnet-5-5", "sonnet-5-5"),
            ("claude-sonnet-5-20260901", "sonnet-5"),
            ("claude-fable-5-2", "fable-5-"),
            ("claude-fable-5", "fable"),
            ("claude-quartz-7", ""),
        ] {
            assert_eq!(family_of(model).prefix, prefix, "{model}");
        }
        assert_eq!(family_of("deepseek-v4-pro"), COMPATIBLE);
    }

    #[test]
    fn what_refuses_sampling_refuses_prefill_too() {
        for family in FAMILIES {
            if family.sampling == Sampling::Refused {
                assert!(!family.prefill, "{}", family.prefix);
            }
        }
        assert!(!family_of("claude-opus-4-6").prefill && !family_of("claude-sonnet-4-6").prefill);
    }
}
