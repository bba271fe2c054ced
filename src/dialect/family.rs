//! What families of models accept and how they want to be asked (`wire.md` §1.9): rules by name and date in
//! `data/capabilities.json`, not code.
//!
//! A catalogue says what one model can do; these rules say how its family wants to be asked, also where no catalogue knows
//! the model. Where both speak, the stricter wins. A model that no rule names gets the benefit of the doubt.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;

use crate::document::{parse, Item, Object, Problem, Problems};
use crate::sorted;

/// The compiled-in rules.
pub const RULES: &str = include_str!("../../data/capabilities.json");

/// What is known of a model by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Family {
    /// How thinking is asked for.
    pub thinking: Thinking,
    /// Effort words that are accepted; `None` = unknown.
    pub efforts: Option<Efforts>,
    /// Thinking can be switched off.
    pub off: bool,
    /// Smallest thinking budget in tokens.
    pub least_budget: Option<u64>,
    /// Largest thinking budget in tokens.
    pub most_budget: Option<u64>,
    /// temperature, top_p, top_k.
    pub sampling: Sampling,
    /// Frequency and presence penalties.
    pub penalties: bool,
    /// Log probabilities.
    pub logprobs: bool,
    /// Stop sequences.
    pub stop: bool,
    /// `tool_choice` required or named.
    pub forced_tools: bool,
    /// Whether Chat Completions takes function tools for it.
    pub chat_tools: ChatTools,
    /// JSON-schema outputs.
    pub json_schema: bool,
    /// Continues a trailing assistant turn; `None` = no rule says.
    pub prefill: Option<bool>,
    /// Takes a system instruction at all.
    pub system: bool,
    /// Claude: `role: system` after a user turn.
    pub system_turns: bool,
    /// OpenAI: parts of the prompt can be marked as the end of a reusable beginning (`prompt_cache_breakpoint`).
    pub cache_breakpoints: bool,
    /// Gemini: functions beside a schema or Google's own tools in one request.
    pub mixes: bool,
    /// Gemini: thought signatures are checked, and tools may answer with media.
    pub signatures: bool,
}

/// How thinking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// No rule says.
    Unknown,
    /// It cannot think.
    Never,
    /// A budget in tokens (Claude: `enabled`, or `disabled`).
    Budget,
    /// Claude: `adaptive` with an effort; also `enabled` with a budget, and `disabled`.
    Either,
    /// Claude: `adaptive` with an effort, or `disabled`.
    Adaptive,
    /// Claude: `adaptive` only.
    Always,
    /// Claude: `adaptive`, or `between_tools`.
    BetweenTools,
    /// Gemini: `thinkingLevel`.
    Level,
    /// OpenAI: an effort word.
    Effort,
}

/// Which sampling parameters are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// All of them.
    All,
    /// temperature or top_p, not both.
    One,
    /// Only when thinking is switched off in the request.
    AtRest,
    /// None: a 400 even at the default.
    None,
}

/// Whether Chat Completions takes function tools. Where it does not, Responses does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatTools {
    /// It does.
    Free,
    /// Not beside an explicit effort other than `none`.
    NoEffort,
    /// Only with thinking switched off in the request, explicitly.
    AtRest,
}

impl ChatTools {
    /// Whether it takes them, by what the request says of thinking: nothing (`None`), or whether it is on.
    #[must_use]
    pub fn allow(self, thinks: Option<bool>) -> bool {
        match self {
            Self::Free => true,
            Self::NoEffort => thinks != Some(true),
            Self::AtRest => thinks == Some(false),
        }
    }
}

const THINKING: [(&str, Thinking); 8] = [
    ("never", Thinking::Never),
    ("budget", Thinking::Budget),
    ("either", Thinking::Either),
    ("adaptive", Thinking::Adaptive),
    ("always", Thinking::Always),
    ("between_tools", Thinking::BetweenTools),
    ("level", Thinking::Level),
    ("effort", Thinking::Effort),
];
const SAMPLING: [(&str, Sampling); 4] =
    [("all", Sampling::All), ("one", Sampling::One), ("at_rest", Sampling::AtRest), ("none", Sampling::None)];
const CHAT_TOOLS: [(&str, ChatTools); 3] =
    [("free", ChatTools::Free), ("no_effort", ChatTools::NoEffort), ("at_rest", ChatTools::AtRest)];

/// A set of effort words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Efforts(u8);

/// Effort words from least to most.
pub const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

impl Efforts {
    /// The set of some words; those that are no effort words are not in it.
    #[must_use]
    pub fn of(words: &[&str]) -> Self {
        let bit = |word: &&str| EFFORTS.iter().position(|known| known == word).map_or(0, |at| 1u8 << at);
        Self(words.iter().map(bit).fold(0, |set, bit| set | bit))
    }

    /// The accepted words in order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        EFFORTS.into_iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, word)| word)
    }

    /// The accepted word nearest to a word, of two equally near ones the greater. `none` is never near to thinking, nor
    /// thinking to `none`. `None` for what is no effort word, and where nothing is near.
    #[must_use]
    pub fn nearest(self, word: &str) -> Option<&'static str> {
        let wanted = EFFORTS.iter().position(|known| *known == word)?;
        let near = |at: usize| (at.abs_diff(wanted), at < wanted);
        let accepted = (0..EFFORTS.len()).filter(|at| self.0 & (1 << at) != 0 && (*at == 0) == (wanted == 0));
        accepted.min_by_key(|at| near(*at)).and_then(|at| EFFORTS.get(at).copied())
    }
}

impl Family {
    /// Nothing is known: everything is accepted.
    pub const UNKNOWN: Self = Self {
        thinking: Thinking::Unknown,
        efforts: None,
        off: true,
        least_budget: None,
        most_budget: None,
        sampling: Sampling::All,
        penalties: true,
        logprobs: true,
        stop: true,
        forced_tools: true,
        chat_tools: ChatTools::Free,
        json_schema: true,
        prefill: None,
        system: true,
        system_turns: false,
        cache_breakpoints: false,
        mixes: true,
        signatures: false,
    };
}

/// What the rules say of a model. `profile` is that of the provider (some rules hold at some servers only), `model` its
/// name there, in any platform's spelling: `claude-opus-4-5-20251101`, `anthropic/claude-opus-4.5`,
/// `us.anthropic.claude-opus-4-5-v1:0`.
#[must_use]
pub fn of(profile: &str, model: &str) -> Family {
    /// Callers may name any model; what is remembered is bounded by forgetting all of it.
    const MOST_KNOWN: usize = 1_024;
    thread_local! {
        /// What was found, by model and profile: a decision asks for every candidate, and each search reads every rule.
        static KNOWN: RefCell<HashMap<String, Vec<(String, Family)>>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        let seen = known.get(model).and_then(|by_profile| by_profile.iter().find(|(at, _)| at == profile));
        if let Some((_, family)) = seen {
            return *family;
        }
        let family = find(rules(), profile, model);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.entry(model.to_owned()).or_default().push((profile.to_owned(), family));
        family
    })
}

fn rules() -> &'static [Rule] {
    static TABLE: OnceLock<Vec<Rule>> = OnceLock::new();
    // The table is compiled in and read by a test: it is never empty here.
    TABLE.get_or_init(|| read(RULES).unwrap_or_default())
}

fn find(rules: &[Rule], profile: &str, model: &str) -> Family {
    let name = model.to_ascii_lowercase().replace('.', "-");
    let fits =
        |rule: &&Rule| (rule.at.is_empty() || rule.at.iter().any(|at| at == profile)) && names(&name, &rule.model);
    let mut family = Family::UNKNOWN;
    for rule in rules.iter().filter(fits) {
        rule.facts.apply(&mut family);
    }
    family
}

/// Whether a pattern stands in a name as whole words: `gpt-5` in `openai/gpt-5-mini`, not in `gpt-52`.
fn names(name: &str, pattern: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric();
    name.match_indices(pattern).any(|(at, _)| {
        let before = name.get(..at).and_then(|text| text.chars().next_back());
        let after = name.get(at + pattern.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(letter) && !after.is_some_and(letter)
    })
}

/// One rule for one pattern.
#[derive(Debug)]
struct Rule {
    model: String,
    at: Vec<String>,
    date: String,
    facts: Facts,
}

/// Reads rules in the order in which they apply: older before newer, and of one day shorter patterns before longer ones,
/// because these mean less of a family.
fn read(text: &str) -> Result<Vec<Rule>, Vec<Problem>> {
    let document = parse(text).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let mut rules = Vec::new();
    let root = Item::root(&document, &problems).object(&["version", "rules"]);
    for item in root.as_ref().and_then(|root| root.required("rules")).iter().flat_map(Item::items) {
        let Some(object) = item.object(MEMBERS) else { continue };
        let text = |name| object.required(name).and_then(|v| v.text()).map(str::to_owned);
        let (Some(models), Some(date), Some(_)) = (object.required("models"), text("date"), text("source")) else {
            continue;
        };
        let at = object.member("at").map_or_else(Vec::new, |list| list.texts());
        for model in models.texts() {
            let facts = Facts::read(&object);
            rules.push(Rule { model, at: at.clone(), date: date.clone(), facts });
        }
    }
    sorted::sort_by(&mut rules, |a, b| (&a.date, a.model.len()).cmp(&(&b.date, b.model.len())));
    problems.verdict(rules)
}

macro_rules! facts {
    ($($name:ident: $kind:ty = $read:expr;)*) => {
        /// What one rule says; the rest it leaves as it is.
        #[derive(Debug)]
        struct Facts { $($name: Option<$kind>,)* }

        impl Facts {
            fn read(object: &Object<'_>) -> Self {
                Self { $($name: object.member(stringify!($name)).and_then(|item| ($read)(&item)),)* }
            }

            fn apply(&self, family: &mut Family) {
                $(if let Some(value) = self.$name { family.$name = value; })*
            }
        }

        /// Members of a rule.
        const MEMBERS: &[&str] = &["models", "at", "date", "source", $(stringify!($name),)*];
    };
}

facts! {
    thinking: Thinking = |item: &Item<'_>| item.word(&THINKING);
    efforts: Option<Efforts> = |item: &Item<'_>| efforts(item).map(Some);
    off: bool = Item::flag;
    least_budget: Option<u64> = |item: &Item<'_>| item.count(0, 1 << 20).map(Some);
    most_budget: Option<u64> = |item: &Item<'_>| item.count(0, 1 << 20).map(Some);
    sampling: Sampling = |item: &Item<'_>| item.word(&SAMPLING);
    penalties: bool = Item::flag;
    logprobs: bool = Item::flag;
    stop: bool = Item::flag;
    forced_tools: bool = Item::flag;
    chat_tools: ChatTools = |item: &Item<'_>| item.word(&CHAT_TOOLS);
    json_schema: bool = Item::flag;
    prefill: Option<bool> = |item: &Item<'_>| item.flag().map(Some);
    system: bool = Item::flag;
    system_turns: bool = Item::flag;
    cache_breakpoints: bool = Item::flag;
    mixes: bool = Item::flag;
    signatures: bool = Item::flag;
}

fn efforts(item: &Item<'_>) -> Option<Efforts> {
    let words: Vec<(&str, &str)> = EFFORTS.iter().map(|word| (*word, *word)).collect();
    let known: Vec<&str> = item.items().iter().filter_map(|item| item.word(&words)).collect();
    (!known.is_empty()).then(|| Efforts::of(&known))
}

#[cfg(test)]
mod tests;
