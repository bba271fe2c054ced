//! One model: what it accepts, how large, how good it is said to be.

use super::learned::{self, Learned};
use crate::dialect::ModelTraits;
use crate::document::Item;
use crate::sorted::Map;

/// What is known of a model. Whatever is unknown stays `None` and is given the benefit of the doubt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    /// Whole window in tokens.
    pub context: Option<u64>,
    /// Largest answer in tokens.
    pub max_output: Option<u64>,
    /// What it accepts; `None` = unknown, everything is assumed to be accepted.
    pub capabilities: Option<Capabilities>,
    /// Class of strength.
    pub tier: Option<Tier>,
    /// Whether it thinks.
    pub reasoning: Option<Reasoning>,
    /// Other names that the provider has for it, such as dated ones. They are called as written.
    pub aliases: Vec<String>,
    /// Quality per kind of task; `default` covers the kinds that are not listed.
    pub quality: Map<String, Quality>,
    /// Quality and length by the request's text, where they were learned: before [`Self::quality`].
    pub learned: Option<Learned>,
    /// Serves one purpose (sound only, say) and is not meant by a wildcard; whoever names it gets it.
    pub special: bool,
    /// Turns text into vectors and generates none: never a candidate for an answer, and the only kind for vectors.
    pub embedding: bool,
    /// Where the facts are from.
    pub source: Option<String>,
    /// Day of that source, `YYYY-MM-DD`.
    pub date: Option<String>,
}

/// What a model accepts (`wire.md` §1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[allow(clippy::struct_excessive_bools)]
pub struct Capabilities {
    /// Function tools.
    pub tools: bool,
    /// Pictures in.
    pub vision: bool,
    /// Sound in.
    pub audio: bool,
    /// Documents in.
    pub files: bool,
    /// JSON mode.
    pub json_object: bool,
    /// JSON-schema outputs.
    pub json_schema: bool,
    /// Can think.
    pub reasoning: bool,
    /// Accepts temperature and top_p without condition.
    pub sampling: bool,
    /// `tool_choice` required or named.
    pub forced_tools: bool,
    /// `parallel_tool_calls: false`.
    pub parallel_tools_control: bool,
    /// Continues a trailing assistant turn exactly.
    pub prefill: bool,
}

/// Names of the capabilities in documents.
pub const CAPABILITIES: [&str; 11] = [
    "tools",
    "vision",
    "audio",
    "files",
    "json_object",
    "json_schema",
    "reasoning",
    "sampling",
    "forced_tools",
    "parallel_tools_control",
    "prefill",
];

/// Class of strength. In the shipped catalogue a rule on the list price (`data/README.md`), not a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The least.
    Small,
    /// Everyday models.
    Standard,
    /// Large models.
    Strong,
    /// The best there is.
    Frontier,
}

/// Words for [`Tier`].
pub const TIERS: [(&str, Tier); 4] =
    [("frontier", Tier::Frontier), ("strong", Tier::Strong), ("standard", Tier::Standard), ("small", Tier::Small)];

/// Whether a model thinks before it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reasoning {
    /// Never.
    None,
    /// When asked to.
    Optional,
    /// It cannot be switched off.
    Always,
}

/// Words for [`Reasoning`].
pub const REASONING: [(&str, Reasoning); 3] =
    [("none", Reasoning::None), ("optional", Reasoning::Optional), ("always", Reasoning::Always)];

/// A quality figure with its provenance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Quality {
    /// From 0 to 1, in millionths.
    pub value_micro: i64,
    /// How it came about.
    pub kind: QualityKind,
    /// Where it is from.
    pub source: Option<String>,
    /// Its day, `YYYY-MM-DD`.
    pub date: Option<String>,
}

/// How a quality figure came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QualityKind {
    /// By the operator's own evaluation.
    Measured,
    /// By somebody's published benchmark.
    Published,
    /// By a rule or a guess.
    Assumed,
}

/// Words for [`QualityKind`].
pub const QUALITY_KINDS: [(&str, QualityKind); 3] =
    [("measured", QualityKind::Measured), ("published", QualityKind::Published), ("assumed", QualityKind::Assumed)];

impl Model {
    /// What encoders and filters need to know. Unknown = permissive.
    #[must_use]
    pub fn traits(&self) -> ModelTraits {
        let always_reasons = self.reasoning == Some(Reasoning::Always);
        match self.capabilities {
            None => ModelTraits { always_reasons, ..ModelTraits::PERMISSIVE },
            Some(c) => ModelTraits {
                tools: c.tools,
                forced_tools: c.forced_tools,
                vision: c.vision,
                audio: c.audio,
                files: c.files,
                json_object: c.json_object,
                json_schema: c.json_schema,
                reasoning: c.reasoning,
                always_reasons,
                sampling: c.sampling,
                prefill: c.prefill,
                ..ModelTraits::PERMISSIVE
            },
        }
    }

    /// The figure for a kind of task: its own, else the default one, else the [`assumed_quality`] of its tier.
    #[must_use]
    pub fn quality(&self, task: &str) -> Quality {
        let listed = self.quality.get(task).or_else(|| self.quality.get(super::task::DEFAULT));
        listed.cloned().unwrap_or_else(|| assumed_quality(self.tier, task))
    }

    /// Fills what is unknown here from what is known of the same model elsewhere.
    pub fn inherit(&mut self, other: &Self) {
        self.context = self.context.or(other.context);
        self.max_output = self.max_output.or(other.max_output);
        self.capabilities = self.capabilities.or(other.capabilities);
        self.tier = self.tier.or(other.tier);
        self.reasoning = self.reasoning.or(other.reasoning);
        self.embedding |= other.embedding;
        if self.quality.is_empty() && self.learned.is_none() {
            self.quality.clone_from(&other.quality);
            self.learned.clone_from(&other.learned);
        }
    }
}

/// The rule for models without a figure, in thousandths by tier and difficulty of the task. It says no more than that
/// dearer classes are better and that the distance shrinks on easy work (summaries, labels, translations) and grows on
/// hard work (code, mathematics, reasoning, agents). Always shown as `assumed`.
///
/// | task | frontier | strong | standard | small | unknown tier |
/// |---|---|---|---|---|---|
/// | summarize, extract, classify, translate | 920 | 900 | 860 | 780 | 820 |
/// | default, chat, qa, writing, operators' own | 900 | 840 | 740 | 600 | 660 |
/// | code, math, reasoning, agent | 900 | 790 | 610 | 400 | 500 |
#[must_use]
pub fn assumed_quality(tier: Option<Tier>, task: &str) -> Quality {
    let by_tier: [i64; 5] = match task {
        "summarize" | "extract" | "classify" | "translate" => [920, 900, 860, 780, 820],
        "code" | "math" | "reasoning" | "agent" => [900, 790, 610, 400, 500],
        _ => [900, 840, 740, 600, 660],
    };
    let [frontier, strong, standard, small, unknown] = by_tier;
    let thousandths = match tier {
        Some(Tier::Frontier) => frontier,
        Some(Tier::Strong) => strong,
        Some(Tier::Standard) => standard,
        Some(Tier::Small) => small,
        None => unknown,
    };
    Quality {
        value_micro: thousandths * 1000,
        kind: QualityKind::Assumed,
        source: Some("tier rule".to_owned()),
        date: None,
    }
}

/// Members of a model.
pub const MODEL: &[&str] = &[
    "context",
    "max_output",
    "capabilities",
    "tier",
    "reasoning",
    "aliases",
    "quality",
    "learned",
    "special",
    "embedding",
    "source",
    "date",
];
/// Members of a quality figure.
pub const QUALITY: &[&str] = &["value", "kind", "source", "date"];

/// Reads a model. `complete`: its list of capabilities names everything that it accepts. Otherwise (an operator's
/// list) the three that a model has unless it is odd follow the rest: `sampling` always, `forced_tools` and
/// `parallel_tools_control` with `tools`.
pub(super) fn read(item: &Item<'_>, complete: bool) -> Option<Model> {
    let object = item.object(MODEL)?;
    let count = |name| object.member(name).and_then(|v| v.count(1, 1 << 40));
    let text = |name| object.member(name).and_then(|v| v.text()).map(str::to_owned);
    let mut model = Model {
        context: count("context"),
        max_output: count("max_output"),
        capabilities: object.member("capabilities").map(|list| capabilities(&list, complete)),
        tier: object.member("tier").and_then(|v| v.word(&TIERS)),
        reasoning: object.member("reasoning").and_then(|v| v.word(&REASONING)),
        aliases: object.member("aliases").map_or_else(Vec::new, |list| list.texts()),
        quality: Map::new(),
        learned: object.member("learned").and_then(|v| learned::read(&v)),
        special: object.member("special").and_then(|v| v.flag()).unwrap_or(false),
        embedding: object.member("embedding").and_then(|v| v.flag()).unwrap_or(false),
        source: text("source"),
        date: text("date"),
    };
    for (task, figure) in object.member("quality").iter().flat_map(Item::entries) {
        if !is_task_name(task) {
            figure.problem("a task is named by at most 40 lower-case letters, digits, - and _");
        }
        if let Some(quality) = quality(&figure) {
            model.quality.insert(task.to_owned(), quality);
        }
    }
    if let Some(c) = &mut model.capabilities {
        c.reasoning |= matches!(model.reasoning, Some(Reasoning::Optional | Reasoning::Always));
    }
    Some(model)
}

/// Whether a text can name a kind of task.
#[must_use]
pub fn is_task_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

fn quality(item: &Item<'_>) -> Option<Quality> {
    let object = item.object(QUALITY)?;
    let value = object.required("value").and_then(|v| v.number(0.0, 1.0));
    let kind = object.required("kind").and_then(|v| v.word(&QUALITY_KINDS));
    let text = |name| object.member(name).and_then(|v| v.text()).map(str::to_owned);
    // A figure within [0, 1] times a million is far inside both types.
    #[allow(clippy::cast_possible_truncation)]
    let value_micro = (value? * 1e6 + 0.5) as i64;
    Some(Quality { value_micro, kind: kind?, source: text("source"), date: text("date") })
}

fn capabilities(list: &Item<'_>, complete: bool) -> Capabilities {
    let mut named = [false; CAPABILITIES.len()];
    let words: Vec<(&str, usize)> = CAPABILITIES.iter().enumerate().map(|(at, word)| (*word, at)).collect();
    for item in list.items() {
        if let Some(slot) = item.word(&words).and_then(|at| named.get_mut(at)) {
            *slot = true;
        }
    }
    let [tools, vision, audio, files, json_object, json_schema, reasoning, sampling, forced, parallel, prefill] = named;
    Capabilities {
        tools,
        vision,
        audio,
        files,
        json_object,
        json_schema,
        reasoning,
        sampling: sampling || !complete,
        forced_tools: forced || (tools && !complete),
        parallel_tools_control: parallel || (tools && !complete),
        prefill,
    }
}
