//! Stage 6, after commit: whether somebody can go on with an answer that broke, who, and how (DESIGN §5 "After commit").
//! The choice of a mode is `attempt::continuation`'s, what of the second stream is new is `stream::splice`'s.

use serde::Deserialize;

use crate::accounting::Cost;
use crate::attempt::continuation::{mode, Able, Break, Mode};
use crate::attempt::plan::Event;
use crate::config::continuation::{Continuation, ContinuationPolicy};
use crate::dialect::canonical::{Loss, Usage};
use crate::dialect::view::{estimate_tokens, View};
use crate::dialect::{prefill, Dialect};
use crate::http::UpstreamRequest;
use crate::json::Members;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::settle::AttemptAccount;
use crate::ports::Platform;
use crate::stream::delivered::MOST_TEXT_BYTES;
use crate::stream::relay::{Broken, Relay};
use crate::stream::splice::{self, Splice};
use crate::upstream::failure::AttemptFailure;

/// What caller and policy say of answers that break.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The policy's words, the caller's mode in them where it says one.
    pub policy: ContinuationPolicy,
    /// Bound on the estimated cost of the whole request, in picodollars.
    pub max_cost_picousd: Option<u64>,
}

/// Where one attempt's text ends and another's begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seam {
    /// Who goes on.
    pub candidate: usize,
    /// How.
    pub mode: Mode,
    /// Characters (Unicode) of text before it.
    pub offset: usize,
}

/// An answer that broke, between its attempts and in them.
#[derive(Debug, Default)]
pub struct Continuing {
    /// What there is of it, while nobody goes on with it.
    broken: Option<Broken>,
    /// Who can go on how.
    modes: Vec<(usize, Mode)>,
    under_way: Option<GoingOn>,
    /// Where attempts met.
    pub seams: Vec<Seam>,
}

/// An attempt that goes on.
#[derive(Debug, Clone, Copy)]
struct GoingOn {
    mode: Mode,
    /// Characters of text that were out when it began.
    offset: usize,
}

impl<P: Platform> Run<'_, P> {
    /// Whether what is delivered of an answer is to be remembered: it is wanted, and the request asks for plain text.
    pub fn may_go_on(&self) -> bool {
        self.choice.continuing.policy.mode != Continuation::Off && asks_for_plain_text(self.exchange.dialect, self.view)
    }

    /// The longest text, in bytes, with which anybody would go on. By default that is short where nobody continues a text
    /// exactly, which spares most streams nearly all of the keeping.
    pub fn most_worth_keeping(&self) -> usize {
        let policy = self.choice.continuing.policy;
        let any_length = policy.mode != Continuation::Auto
            || is_deterministic(self.exchange.dialect, self.view)
            || self.choice.candidates.iter().any(|candidate| self.goes_on(candidate, "any"));
        if any_length {
            return MOST_TEXT_BYTES;
        }
        // A token is four bytes at most, as we estimate them.
        usize::try_from(policy.restart_tokens.saturating_mul(4)).unwrap_or(MOST_TEXT_BYTES)
    }

    /// Whether the caller or the operator insists on a mode, for which a native stream is passed on event by event.
    pub fn insists_on_going_on(&self) -> bool {
        let asked = self.choice.continuing.policy.mode;
        matches!(asked, Continuation::Restart | Continuation::Prefill) && self.may_go_on()
    }

    /// Whether the attempt in flight goes on with an answer.
    pub fn is_going_on(&self) -> bool {
        self.continuing.under_way.is_some()
    }

    /// The attempt in flight broke after content went out: who may go on with it.
    pub fn broke(&mut self, candidate: usize, relay: Relay, failure: AttemptFailure) -> Event {
        let going_on = self.continuing.under_way;
        self.answer_losses.extend_from_slice(relay.losses());
        self.beside.extend_from_slice(relay.beside());
        self.take_back(candidate, relay);
        let Some(broken) = &mut self.continuing.broken else { return Event::Broke(failure) };
        let text = broken.delivered.text().unwrap_or_default().to_owned();
        if going_on.is_some_and(|going_on| text.chars().count() > going_on.offset) {
            self.note_seam(candidate);
        }
        self.continuing.modes = self.modes(candidate, &text);
        let by = self.continuing.modes.iter().map(|(candidate, _)| *candidate).collect();
        Event::Interrupted { failure, by }
    }

    /// Keeps what a broken stream leaves, for whoever goes on with it; `false`: nobody can.
    pub fn take_back(&mut self, candidate: usize, relay: Relay) -> bool {
        let context = self.choice.candidates.get(candidate).map(|chosen| self.context(chosen));
        self.continuing.broken = relay.broken(context.unwrap_or_default());
        self.continuing.broken.is_some()
    }

    /// Who can go on how: the one that broke first, then the others in order.
    fn modes(&self, broke: usize, text: &str) -> Vec<(usize, Mode)> {
        let Some(chosen) = self.choice.candidates.get(broke) else { return Vec::new() };
        let policy = self.choice.continuing.policy;
        let delivered_tokens = estimate_tokens(text.as_bytes());
        let broke_how = Break {
            asked: policy.mode,
            deterministic: is_deterministic(self.exchange.dialect, self.view),
            delivered_tokens,
            restart_tokens: policy.restart_tokens,
        };
        let others = (0..self.choice.candidates.len()).filter(|other| *other != broke);
        let how = |at: usize| {
            let other = self.choice.candidates.get(at)?;
            let able = Able { prefill: self.goes_on(other, text), same_model: other.model == chosen.model };
            let mode = mode(broke_how, able)?;
            self.affords(other, mode, delivered_tokens).then_some((at, mode))
        };
        std::iter::once(broke).chain(others).filter_map(how).collect()
    }

    /// Whether a candidate goes on exactly from a text.
    fn goes_on(&self, other: &Candidate<'_>, text: &str) -> bool {
        let thinks = self.view.needs.reasoning || other.traits.always_reasons;
        let given = splice::given(text);
        !thinks
            && !given.is_empty()
            && other.traits.prefill
            && prefill::of(other.dialect, &other.provider.profile, &other.model).is_some()
            && !prefill::is_given(self.exchange.dialect, &self.view.members)
    }

    /// Whether going on stays within the policy's and the caller's bounds. What is unpriced is bound by neither: where money
    /// is limited it is no candidate.
    fn affords(&self, other: &Candidate<'_>, mode: Mode, delivered_tokens: u64) -> bool {
        let given = if mode == Mode::Prefill { delivered_tokens } else { 0 };
        let (_, price) = self.expected(other, given);
        let settings = self.choice.continuing;
        let within = |cost: Cost, most: u64| cost.picousd().is_none_or(|picousd| picousd <= most);
        within(price, settings.policy.max_cost_picousd)
            && settings.max_cost_picousd.is_none_or(|most| within(self.total_cost().plus(price), most))
    }

    /// Has the request of the attempt about to be made say that it goes on with an answer, if it does. `false`: it cannot be
    /// said.
    pub fn prepare_to_go_on(
        &mut self,
        candidate: usize,
        chosen: &Candidate<'_>,
        request: &mut UpstreamRequest,
    ) -> bool {
        self.continuing.under_way = None;
        let Some(broken) = &mut self.continuing.broken else { return true };
        let mode = self.continuing.modes.iter().find(|(at, _)| *at == candidate).map(|(_, mode)| *mode);
        let (Some(mode), Some(text)) = (mode, broken.delivered.text()) else { return false };
        self.continuing.under_way = Some(GoingOn { mode, offset: text.chars().count() });
        let tokens = estimate_tokens(text.as_bytes());
        let profile = chosen.provider.profile.as_str();
        mode == Mode::Restart || prefill::give(request, chosen.dialect, profile, splice::given(text), tokens)
    }

    /// The relay of an attempt that goes on.
    pub fn relay_of_going_on(&mut self, chosen: &Candidate<'_>) -> Option<Relay> {
        let mode = self.continuing.under_way?.mode;
        let mut broken = self.continuing.broken.take()?;
        let text = broken.delivered.text().unwrap_or_default();
        let splice = match mode {
            Mode::Restart => Splice::restart(text),
            Mode::Prefill => {
                let echoes = prefill::of(chosen.dialect, &chosen.provider.profile, &chosen.model) == Some(true);
                Splice::prefill(text, echoes)
            }
        };
        Some(Relay::continued(chosen.dialect, broken, splice))
    }

    /// An attempt that went on has brought something, or the end: its seam is told, and what it does not carry.
    pub fn note_seam(&mut self, candidate: usize) {
        let Some(GoingOn { mode, offset }) = self.continuing.under_way.take() else { return };
        self.continuing.seams.push(Seam { candidate, mode, offset });
        let known = self.choice.candidates.get(candidate).map(|c| c.losses.as_slice()).unwrap_or_default();
        let new: Vec<Loss> = known.iter().filter(|loss| !self.losses().any(|told| told == *loss)).cloned().collect();
        self.answer_losses.extend(new);
    }

    /// What the caller is told of the tokens: of all attempts whose text it got, or of the one that answered.
    pub fn told_usage(&self, account: usize) -> Option<(Usage, Cost)> {
        let settled = |a: &AttemptAccount| a.settled.as_ref().map(|s| (s.usage, s.cost));
        if self.continuing.seams.is_empty() {
            let heard = self.resumed_accounts().iter().chain([&account]);
            return heard.filter_map(|at| self.accounts.get(*at).and_then(settled)).reduce(together);
        }
        let heard = self.accounts.iter().filter(|a| a.first_content_ms.is_some()).filter_map(settled);
        heard.reduce(together)
    }
}

fn together((usage, cost): (Usage, Cost), (more, price): (Usage, Cost)) -> (Usage, Cost) {
    (usage.plus(&more), cost.plus(price))
}

/// Whether a request asks for one plain text: no tools, no form, one choice, nothing beside the text. Anything else is
/// not gone on with (`wire.md` §5 "Unsafe and why").
fn asks_for_plain_text(dialect: Dialect, view: &View<'_>) -> bool {
    let members = &view.members;
    let absent = |names: &[&str]| names.iter().all(|name| members.present(name).is_none());
    let needs = &view.needs;
    let plain = !needs.tools && !needs.json_object && !needs.json_schema && !needs.audio && absent(&["tools"]);
    let one = |raw: Option<&serde_json::value::RawValue>| raw.is_none_or(|raw| raw.get() == "1");
    let off = |name: &str| members.present(name).is_none_or(|raw| raw.get() == "false");
    plain
        && match dialect {
            Dialect::OpenAiChat => {
                one(members.present("n"))
                    && off("logprobs")
                    && absent(&["functions", "audio", "modalities", "web_search_options", "prediction", "moderation"])
            }
            Dialect::OpenAiResponses => {
                off("background")
                    && absent(&["include", "top_logprobs", "prompt", "previous_response_id", "conversation"])
            }
            Dialect::AnthropicMessages => absent(&["mcp_servers", "container"]),
            Dialect::Gemini => generation(members).is_some_and(|config| config.is_plain()),
        }
}

/// Whether the same call gives the same text, as far as anybody can ask for that.
fn is_deterministic(dialect: Dialect, view: &View<'_>) -> bool {
    let number = |name: &str| view.members.present(name).and_then(|raw| raw.get().parse::<f64>().ok());
    match dialect {
        Dialect::Gemini => generation(&view.members).is_some_and(|c| c.temperature == Some(0.0) || c.seed.is_some()),
        _ => number("temperature") == Some(0.0) || number("seed").is_some() || number("random_seed").is_some(),
    }
}

/// What of Gemini's `generationConfig` says what the answer is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Generation {
    #[serde(alias = "candidate_count")]
    candidate_count: Option<u64>,
    temperature: Option<f64>,
    seed: Option<i64>,
    #[serde(alias = "response_mime_type")]
    response_mime_type: Option<String>,
    #[serde(alias = "response_logprobs")]
    response_logprobs: Option<bool>,
    #[serde(alias = "response_modalities")]
    response_modalities: Option<Vec<String>>,
}

impl Generation {
    fn is_plain(&self) -> bool {
        self.candidate_count.is_none_or(|count| count == 1)
            && self.response_mime_type.as_ref().is_none_or(|mime| mime == "text/plain")
            && self.response_logprobs != Some(true)
            && self.response_modalities.iter().flatten().all(|modality| modality.eq_ignore_ascii_case("text"))
    }
}

fn generation(members: &Members<'_>) -> Option<Generation> {
    // Google reads this spelling too.
    let name = if members.raw("generation_config").is_some() { "generation_config" } else { "generationConfig" };
    let config = members.parse(name).ok()?;
    Some(config.unwrap_or_default())
}
