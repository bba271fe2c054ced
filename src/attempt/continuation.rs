//! How an answer that broke after some of it went out is gone on with (DESIGN §5 "After commit").

use crate::config::continuation::Continuation;

/// How a candidate goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is asked anew, and what equals the delivered text is suppressed.
    Restart,
    /// It is given the delivered text and goes on from its end.
    Prefill,
}

impl Mode {
    /// The word in logs and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Prefill => "prefill",
        }
    }
}

/// What is known of the break.
#[derive(Debug, Clone, Copy)]
pub struct Break {
    /// What caller or policy ask for.
    pub asked: Continuation,
    /// The same call to the same model is expected to give the same text: temperature 0, or a seed.
    pub deterministic: bool,
    /// Tokens that went out, as estimated.
    pub delivered_tokens: u64,
    /// `auto` asks any model anew while no more than so many went out.
    pub restart_tokens: u64,
}

/// What a candidate could do.
#[derive(Debug, Clone, Copy)]
pub struct Able {
    /// It goes on from a text exactly.
    pub prefill: bool,
    /// It is the model that broke.
    pub same_model: bool,
}

/// How a candidate goes on; `None` = not at all.
#[must_use]
pub fn mode(broke: Break, able: Able) -> Option<Mode> {
    let prefill = able.prefill.then_some(Mode::Prefill);
    match broke.asked {
        Continuation::Off => None,
        Continuation::Prefill => prefill,
        Continuation::Restart => Some(Mode::Restart),
        Continuation::Auto => {
            let soon_told = broke.delivered_tokens <= broke.restart_tokens;
            let restart = (broke.deterministic && able.same_model) || soon_told;
            prefill.or_else(|| restart.then_some(Mode::Restart))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_what_was_asked_for_or_what_is_safe() {
        use Continuation::{Auto, Off, Prefill, Restart};
        let of = |asked, deterministic, delivered_tokens, prefill, same_model| {
            mode(Break { asked, deterministic, delivered_tokens, restart_tokens: 32 }, Able { prefill, same_model })
        };
        for (asked, deterministic, tokens, prefill, same_model, expected) in [
            (Off, true, 1, true, true, None),
            (Restart, false, 900, true, false, Some(Mode::Restart)),
            (Prefill, true, 1, false, true, None),
            (Prefill, false, 900, true, false, Some(Mode::Prefill)),
            (Auto, false, 900, true, false, Some(Mode::Prefill)),
            (Auto, false, 32, false, false, Some(Mode::Restart)),
            (Auto, false, 33, false, true, None),
            (Auto, true, 900, false, true, Some(Mode::Restart)),
            (Auto, true, 900, false, false, None),
        ] {
            assert_eq!(of(asked, deterministic, tokens, prefill, same_model), expected, "{asked:?} {tokens}");
        }
    }
}
