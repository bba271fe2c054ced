//! The product's own routing over rows: each prompt is a request body that goes through the view, the features, the names
//! and the decision, as in `POST /v1/route`. A pool enters as configuration and prices, a knob as a policy.

use serde_json::{json, Map, Value};
use signalbox::catalogue::price::Prices;
use signalbox::classify::task::WEIGHTS;
use signalbox::classify::{Features, Text};
use signalbox::config::merge::merge;
use signalbox::config::{Config, Mode, DEFAULT};
use signalbox::dialect::Dialect;
use signalbox::health::Health;
use signalbox::policy::input::{Input, PrincipalView, Purpose, RequestView, Signals};
use signalbox::policy::routing::RoutingRequest;
use signalbox::policy::{decide, names, Knowledge};
use signalbox::sorted;

use super::learn::PROVIDER;
use super::{Pool, Row};

/// The alias that means the whole pool.
pub const ALIAS: &str = "pool";

/// Weights of cost: from quality alone to nearly cost alone, in even steps of their logarithm.
pub const KNOBS: usize = 28;

/// The weight of cost at a knob.
#[must_use]
pub fn knob(at: usize) -> f64 {
    let weight = if at == 0 { 0.0 } else { 10_f64.powf(-2.6 + 0.125 * at as f64) };
    (weight * 1e6).round() / 1e6
}

/// The name of a knob's policy.
#[must_use]
pub fn policy(at: usize) -> String {
    format!("knob-{at:02}")
}

/// A pool as the gateway sees it.
pub struct World {
    pub overlay: Value,
    pub prices_text: String,
    config: Config,
    prices: Prices,
    pool: Pool,
}

impl World {
    /// Puts a pool and a profile together. The cost that counts as one is that of the dearest model for these prompts.
    ///
    /// # Errors
    /// What the gateway says against it.
    pub fn new(pool: &Pool, profile: &Value, rows: &[Row]) -> Result<Self, String> {
        let prices_text = profile["prices"].to_string();
        let told = |problems: Vec<signalbox::config::ConfigProblem>| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let build = |reference: f64| -> Result<(Value, Config), String> {
            let mut overlay = base(pool, reference);
            merge(&mut overlay, profile["config"].clone());
            let config = Config::load(&[DEFAULT, &overlay.to_string()], Mode::Local, &|_| None).map_err(told)?;
            Ok((overlay, config))
        };
        let prices = Prices::parse(&prices_text).map_err(told)?;
        let (overlay, config) = build(0.01)?;
        let mut world = Self { overlay, prices_text, config, prices, pool: pool.clone() };
        let dearest: Vec<f64> = rows.iter().map(|row| world.dearest(row)).collect();
        let mean = dearest.iter().sum::<f64>() / dearest.len().max(1) as f64;
        (world.overlay, world.config) = build((mean.max(1e-6) * 1e9).round() / 1e9)?;
        Ok(world)
    }

    /// The pick for each knob, as a place in the pool's list.
    #[must_use]
    pub fn picks(&self, row: &Row) -> Vec<usize> {
        self.picks_at(row, 1)
    }

    /// The same for every `step`th knob.
    #[must_use]
    pub fn picks_at(&self, row: &Row, step: usize) -> Vec<usize> {
        let mut input = self.input(row);
        let pick = |at: usize| {
            input.request.routing.policy = Some(policy(at));
            let candidates = names::candidates(&input.request, &self.config).expect("the alias is configured");
            let decision = decide(&input, &candidates, Knowledge { config: &self.config, prices: &self.prices });
            let chosen = decision.chosen().expect("every model of a pool may answer").model.clone();
            self.pool.models.iter().position(|model| *model == chosen).expect("a model of the pool")
        };
        (0..KNOBS).step_by(step).map(pick).collect()
    }

    fn dearest(&self, row: &Row) -> f64 {
        let input = self.input(row);
        let candidates = names::candidates(&input.request, &self.config).expect("the alias is configured");
        let decision = decide(&input, &candidates, Knowledge { config: &self.config, prices: &self.prices });
        let costs = decision.ranked.iter().filter_map(|choice| choice.estimate.cost_picousd);
        costs.max().unwrap_or(0) as f64 / 1e12
    }

    fn input(&self, row: &Row) -> Input {
        let body = body(&row.prompt).to_string();
        let view = Dialect::OpenAiChat.view(body.as_bytes()).expect("a plain request");
        let text = Text::new(&view.sample);
        let mut input = Input {
            features: Features::of(&view, &text, None, || WEIGHTS),
            request: RequestView {
                purpose: Purpose::Answer,
                dialect: Dialect::OpenAiChat,
                model: ALIAS.to_owned(),
                routing: RoutingRequest::default(),
            },
            principal: PrincipalView::default(),
            now_ms: 0,
            seed: 0,
            signed_by: None,
            session: None,
            corrections: None,
            signals: sorted::Map::new(),
        };
        let candidates = names::candidates(&input.request, &self.config).expect("the alias is configured").candidates;
        for candidate in candidates {
            let expected = text.expected(candidate.known, &self.config.catalogue);
            let signals = Signals { expected, ..Signals::new(Health::default(), &[], 0) };
            input.signals.insert(candidate.name.to_owned(), signals);
        }
        input
    }
}

/// The request that a prompt is.
#[must_use]
pub fn body(prompt: &str) -> Value {
    json!({"model": ALIAS, "messages": [{"role": "user", "content": prompt}]})
}

/// Everything but what is known of the models.
fn base(pool: &Pool, reference_usd: f64) -> Value {
    let policies: Map<String, Value> = (0..KNOBS)
        .map(|at| {
            let weights = json!({"quality": 1, "cost": knob(at), "latency": 0, "risk": 0});
            (policy(at), json!({"weights": weights, "c_ref_usd": reference_usd}))
        })
        .collect();
    let names: Vec<String> = pool.models.iter().map(|model| format!("{PROVIDER}/{model}")).collect();
    json!({
        "identity": {"mode": "none"},
        "providers": {PROVIDER: {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/v1", "api_key": "none"}},
        "models": names.iter().map(|name| (name.clone(), json!({}))).collect::<Map<String, Value>>(),
        "aliases": {ALIAS: {"candidates": names, "policy": policy(0)}},
        "policies": policies,
    })
}
