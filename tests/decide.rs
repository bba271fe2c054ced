//! Choosing, from names to order: who may take a request, who comes first, and what callers and operators are told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{json, Value};
use signalbox::catalogue::price::Prices;
use signalbox::classify::{Features, TaskSource, Thinking};
use signalbox::config::choice::Pattern;
use signalbox::config::{Config, Mode, DEFAULT};
use signalbox::dialect::canonical::Loss;
use signalbox::dialect::carried::Signer;
use signalbox::dialect::view::Needs;
use signalbox::dialect::Dialect;
use signalbox::error::ErrorKind;
use signalbox::health::{Breaker, Health};
use signalbox::policy::decision::{Audience, Decision, Why};
use signalbox::policy::filter::Code;
use signalbox::policy::input::{Corrections, Input, PrincipalView, Purpose, RequestView, Session, Signals};
use signalbox::policy::record::Summary;
use signalbox::policy::routing::{MaxPrice, OnUnsupported, ProviderPreferences, RoutingRequest, Sort, SortBy};
use signalbox::policy::{decide, pool, Knowledge};
use signalbox::sorted::Map;

/// A world of six models at five providers; the shipped catalogue's own providers are out of it.
struct World {
    config: Config,
    prices: Prices,
}

fn base_overlay() -> Value {
    let mut providers = serde_json::Map::new();
    for name in [
        "openai",
        "anthropic",
        "gemini",
        "mistral",
        "deepseek",
        "qwen",
        "openrouter",
        "groq",
        "xai",
        "together",
        "fireworks",
        "azure",
        "workers-ai",
    ] {
        providers.insert(name.into(), Value::Null);
    }
    for (name, kind, region) in
        [("one", "openai-chat", "eu"), ("two", "openai-chat", "us"), ("clau", "anthropic-messages", "us")]
    {
        let url = format!("https://{name}.example/v1");
        providers.insert(name.into(), json!({"kind": kind, "base_url": url, "api_key": "k", "region": region}));
    }
    providers.insert(
        "resell".into(),
        json!({"kind": "openai-chat", "base_url": "https://resell.example", "api_key": "k", "reseller": true}),
    );
    providers.insert(
        "learner".into(),
        json!({"kind": "openai-chat", "base_url": "https://learner.example", "api_key": "k", "trains_on_data": true}),
    );
    let all = ["tools", "vision", "json_object", "json_schema", "reasoning"];
    json!({
        "providers": providers,
        "models": {
            "one/large": {"context": 200_000, "max_output": 32_000, "tier": "frontier", "capabilities": all},
            "one/small": {"context": 16_000, "max_output": 4_000, "tier": "small", "capabilities": ["tools", "json_object"]},
            "two/middle": {"context": 100_000, "tier": "standard", "capabilities": ["tools", "vision"]},
            "clau/opus": {"context": 200_000, "tier": "frontier", "capabilities": ["tools"]},
            "resell/cheap": {"tier": "strong", "capabilities": all},
            "learner/cheap": {"tier": "strong", "capabilities": all},
        },
        "aliases": {"house": {"candidates": ["resell/cheap", "one/large"], "policy": "balanced"}}
    })
}

fn base_prices() -> Value {
    json!({"version": "p1", "prices": {
        "one/large": {"input": "5", "output": "25", "cached_input": "0.5"},
        "one/small": {"input": "0.1", "output": "0.4"},
        "two/middle": {"input": "0.5", "output": "2"},
        "clau/opus": {"input": "6", "output": "30"},
        "resell/cheap": {"input": "0.01", "output": "0.01"},
        "learner/cheap": {"input": "0.01", "output": "0.01"}}})
}

impl World {
    fn new() -> Self {
        Self::with(&json!({}))
    }

    fn with(overlay: &Value) -> Self {
        Self::priced(overlay, &base_prices())
    }

    fn priced(overlay: &Value, prices: &Value) -> Self {
        let layers = [DEFAULT, &base_overlay().to_string(), &overlay.to_string()];
        let config = Config::load(&layers, Mode::Local, &|_| None).unwrap();
        Self { config, prices: Prices::parse(&prices.to_string()).unwrap() }
    }

    fn decide(&self, input: &Input) -> Decision {
        let pool = pool(&input.request, input, &self.config).unwrap();
        decide(input, &pool, Knowledge { config: &self.config, prices: &self.prices })
    }

    /// Names in order.
    fn order(&self, input: &Input) -> Vec<String> {
        self.decide(input).ranked.into_iter().map(|choice| choice.name).collect()
    }
}

fn ask(model: &str) -> Input {
    let features = Features {
        task: "chat".into(),
        confidence_micro: 1_000_000,
        source: TaskSource::Header,
        estimated_input_tokens: 1_000,
        turns: 1,
        ..Features::default()
    };
    Input {
        features,
        request: RequestView {
            purpose: Purpose::Answer,
            dialect: Dialect::OpenAiChat,
            model: model.into(),
            routing: RoutingRequest::default(),
        },
        principal: PrincipalView::default(),
        now_ms: 1_000_000,
        seed: 7,
        signed_by: None,
        session: None,
        corrections: None,
        signals: Map::new(),
    }
}

fn with_routing(model: &str, routing: RoutingRequest) -> Input {
    let mut input = ask(model);
    input.request.routing = routing;
    input
}

fn preferring(model: &str, provider: ProviderPreferences) -> Input {
    with_routing(model, RoutingRequest { provider, ..RoutingRequest::default() })
}

fn reasons(decision: &Decision, name: &str) -> Vec<(Code, String)> {
    let found = decision.excluded.iter().find(|exclusion| exclusion.model == name);
    found.map_or_else(Vec::new, |e| e.reasons.iter().map(|r| (r.code, r.detail.clone())).collect())
}

fn health(health: Health) -> Signals {
    Signals { health, ..Signals::default() }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

// ---- who comes first ---------------------------------------------------------------------------------------------------

#[test]
fn each_shipped_policy_prefers_what_its_name_says() {
    let world = World::new();
    for (suffix, policy, first) in
        [(":floor", "cheapest", "one/small"), (":nitro", "fastest", "one/small"), ("", "balanced", "two/middle")]
    {
        let decision = world.decide(&ask(&format!("auto{suffix}")));
        assert_eq!((decision.policy.as_str(), decision.chosen().unwrap().name.as_str()), (policy, first));
    }
    let best = with_routing("auto", RoutingRequest { policy: Some("best".into()), ..RoutingRequest::default() });
    // Two frontier models: equal quality, so the cheaper one.
    assert_eq!(world.order(&best)[..2], strings(&["one/large", "clau/opus"]));
}

#[test]
fn the_score_is_its_documented_formula_to_the_last_digit() {
    let mut input = ask("one/large");
    input.signals.insert(
        "one/large".into(),
        health(Health { ttft_ms: Some(4_000), us_per_token: Some(30_000), errors_micro: 100_000, ..Health::default() }),
    );
    let decision = World::new().decide(&input);
    let choice = decision.chosen().unwrap();
    // 1000 × $5/M + 300 × $25/M = $0.0125; 4000 ms + 300 × 30 ms = 13 s against 10 s.
    assert_eq!(choice.estimate.cost_picousd, Some(12_500_000_000));
    assert_eq!(choice.estimate.latency_ms(), 13_000);
    let score = choice.score;
    assert_eq!(score.quality_micro, 900_000, "the tier rule for chat");
    assert_eq!(score.cost_micro, -375_000, "0.3 × 0.0125 ÷ 0.01");
    assert_eq!(score.latency_micro, -60_000, "0.2 × 3 ÷ 10");
    assert_eq!(score.risk_micro, -20_000, "0.2 × 0.1");
    assert_eq!(score.total_micro, 445_000);
}

#[test]
fn a_kind_of_task_has_its_own_weights_and_an_unsure_guess_is_default() {
    let world = World::with(&json!({"policies": {"balanced": {"tasks": {"code": {"weights": {"quality": 50}}}}}}));
    let mut input = ask("auto");
    input.features.task = "code".into();
    assert_eq!(world.decide(&input).chosen().unwrap().name, "one/large");
    input.features.confidence_micro = 499_999;
    let unsure = world.decide(&input);
    assert_eq!((unsure.task.as_str(), unsure.chosen().unwrap().name.as_str()), ("default", "two/middle"));
}

#[test]
fn listed_models_are_tried_in_the_callers_order_whatever_the_score() {
    let routing = RoutingRequest { models: strings(&["one/small", "two/middle"]), ..RoutingRequest::default() };
    let decision = World::new().decide(&with_routing("one/large", routing));
    let order: Vec<(&str, Why)> = decision.ranked.iter().map(|c| (c.name.as_str(), c.why)).collect();
    assert_eq!(
        order,
        [("one/large", Why::CallerOrder), ("one/small", Why::CallerOrder), ("two/middle", Why::CallerOrder)]
    );
}

#[test]
fn an_explicit_model_is_never_replaced() {
    assert_eq!(World::new().order(&ask("one/small")), ["one/small"]);
}

#[test]
fn where_nothing_counts_the_configured_order_holds_and_ties_go_to_the_cheaper() {
    let zero = json!({"quality": 0, "cost": 0, "latency": 0, "risk": 0});
    let aliases = json!({"set": {"candidates": ["clau/opus", "one/large", "one/small"], "policy": "none"}});
    let world = World::with(&json!({"policies": {"none": {"weights": zero}}, "aliases": aliases}));
    assert_eq!(world.order(&ask("set")), ["clau/opus", "one/large", "one/small"]);
    let world = World::with(&json!({"policies": {"none": {"weights": {"quality": 1}}}, "aliases": aliases}));
    assert_eq!(world.order(&ask("set")), ["one/large", "clau/opus", "one/small"]);
}

#[test]
fn leaving_a_warm_cache_costs_what_it_costs() {
    let world =
        World::with(&json!({"aliases": {"set": {"candidates": ["one/large", "clau/opus"], "policy": "cheapest"}},
        "models": {"clau/opus": {"tier": "frontier"}}}));
    let mut input = ask("set");
    input.features.estimated_input_tokens = 50_000;
    let cold = world.decide(&input).chosen().unwrap().estimate.cost_picousd.unwrap();
    input.signals.insert("one/large".into(), Signals { warm_tokens: 40_000, ..Signals::default() });
    let warm = world.decide(&input).chosen().unwrap().estimate.cost_picousd.unwrap();
    assert_eq!(cold - warm, 40_000 * (5_000_000 - 500_000));
}

// ---- who is out --------------------------------------------------------------------------------------------------------

#[test]
fn what_a_request_needs_keeps_models_out_that_lack_it() {
    let world = World::new();
    let mut input = ask("auto");
    input.features.needs = Needs { vision: true, json_schema: true, ..Needs::default() };
    let decision = world.decide(&input);
    assert_eq!(decision.chosen().unwrap().name, "one/large");
    assert_eq!(decision.ranked.len(), 1);
    assert_eq!(reasons(&decision, "two/middle"), [(Code::Capability, "json_schema".to_owned())]);
    assert_eq!(reasons(&decision, "clau/opus").len(), 2, "all reasons are told, not the first");
}

#[test]
fn an_estimate_excludes_only_above_1_3_times_the_window() {
    let world = World::new();
    let mut input = ask("auto");
    input.features.estimated_input_tokens = 16_000 * 13 / 10;
    assert!(world.order(&input).contains(&"one/small".to_owned()));
    input.features.estimated_input_tokens += 1;
    assert_eq!(reasons(&world.decide(&input), "one/small"), [(Code::Context, "16000".to_owned())]);
    input.features.estimated_input_tokens = 100;
    input.features.max_output_tokens = Some(4_001);
    assert_eq!(reasons(&world.decide(&input), "one/small"), [(Code::OutputLimit, "4000".to_owned())]);
}

#[test]
fn for_a_model_named_in_its_own_dialect_the_provider_decides() {
    let world = World::new();
    let mut input = ask("one/small");
    input.features.needs = Needs { vision: true, sampling: true, ..Needs::default() };
    input.features.estimated_input_tokens = 10_000_000;
    input.features.max_output_tokens = Some(1 << 30);
    assert_eq!(world.order(&input), ["one/small"]);
    input.request.model = "small".into();
    assert_eq!(world.order(&input), ["one/small"], "a bare id names the model too");
    input.request.model = "auto".into();
    assert!(!world.order(&input).contains(&"one/small".to_owned()), "a wildcard names nothing");
    input.request.model = "one/small".into();
    input.request.dialect = Dialect::Gemini;
    assert!(world.order(&input).is_empty(), "in another dialect we write the request, so we must know");
}

#[test]
fn resellers_and_providers_that_train_must_be_named() {
    let world = World::new();
    let auto = world.decide(&ask("auto:floor"));
    assert_eq!(reasons(&auto, "resell/cheap"), [(Code::DataPolicy, "reseller".to_owned())]);
    assert_eq!(reasons(&auto, "learner/cheap"), [(Code::DataPolicy, "trains_on_data".to_owned())]);
    assert!(world.order(&ask("cheap")).is_empty(), "a bare id does not name a reseller");
    assert_eq!(world.order(&ask("resell/cheap")), ["resell/cheap"]);
    assert_eq!(world.order(&ask("learner/cheap")), ["learner/cheap"]);
    assert_eq!(world.order(&ask("house:floor")), ["resell/cheap", "one/large"]);

    let deny = ProviderPreferences { deny_data_collection: true, ..ProviderPreferences::default() };
    for model in ["resell/cheap", "learner/cheap"] {
        assert!(world.order(&preferring(model, deny.clone())).is_empty(), "not even then for {model}");
    }
    let open = World::with(&json!({"policies": {"balanced": {"data": {"resellers": "allow", "training": "deny"}}}}));
    assert!(open.order(&ask("auto")).contains(&"resell/cheap".to_owned()));
    assert!(open.order(&ask("learner/cheap")).is_empty());
}

#[test]
fn regions_of_policy_and_principal_bind_also_where_the_caller_names_the_model() {
    let world = World::with(&json!({"policies": {"balanced": {"data": {"regions": ["eu", "ch"]}}}}));
    assert!(world.order(&ask("auto")).iter().all(|name| name.starts_with("one/")));
    assert_eq!(reasons(&world.decide(&ask("two/middle")), "two/middle"), [(Code::DataPolicy, "region".to_owned())]);
    assert!(world.order(&ask("resell/cheap")).is_empty(), "an unknown region is none of them");
    let mut input = ask("one/large");
    input.principal.regions = vec![strings(&["us"])];
    assert!(world.order(&input).is_empty());
}

#[test]
fn claims_limit_which_models_may_be_used() {
    let world = World::new();
    let mut input = ask("auto");
    input.principal.models = vec![vec![Pattern::parse("one/*"), Pattern::parse("middle")], vec![Pattern::parse("*")]];
    let order = world.order(&input);
    assert!(
        !order.is_empty() && order.iter().all(|name| name.starts_with("one/") || name == "two/middle"),
        "{order:?}"
    );
    input.request.model = "clau/opus".into();
    assert_eq!(world.decide(&input).refusal().kind, ErrorKind::Forbidden);
    input.principal.models.push(vec![]);
    input.request.model = "one/large".into();
    assert!(world.order(&input).is_empty(), "every list must allow it, an empty one allows nothing");
}

#[test]
fn price_caps_exclude_what_is_dearer_and_what_has_no_price() {
    let world = World::new();
    let capped = |max_cost_picousd| RoutingRequest { max_cost_picousd, ..RoutingRequest::default() };
    // $0.0011 at two/middle, $0.00022 at one/small.
    let order = world.order(&with_routing("auto", capped(Some(1_100_000_000))));
    assert_eq!(order, ["two/middle", "one/small"]);
    let decision = world.decide(&with_routing("auto", capped(Some(1_099_999_999))));
    assert_eq!(reasons(&decision, "two/middle"), [(Code::PriceCap, "max_cost".to_owned())]);
    assert!(world.order(&with_routing("one/new", capped(Some(1)))).is_empty());
    assert_eq!(world.order(&ask("one/new")), ["one/new"], "unpriced models are called all the same");

    let rates = MaxPrice { completion: Some(2_000_000), ..MaxPrice::default() };
    let rates = ProviderPreferences { max_price: rates, ..ProviderPreferences::default() };
    let decision = world.decide(&preferring("auto", rates));
    assert_eq!(reasons(&decision, "one/large"), [(Code::PriceCap, "max_price.completion".to_owned())]);
    assert!(decision.ranked.iter().any(|choice| choice.name == "two/middle"), "at the bound is within it");
}

#[test]
fn under_a_money_limit_an_unpriced_model_needs_permission_and_costs_the_dearest_price() {
    let mut input = ask("one/new");
    input.principal.money_limit = true;
    assert_eq!(reasons(&World::new().decide(&input), "one/new"), [(Code::Unpriced, String::new())]);
    let world = World::with(&json!({"policies": {"balanced": {"allow_unpriced": true}}}));
    let decision = world.decide(&input);
    let choice = decision.chosen().unwrap();
    assert!(!choice.is_priced());
    // `default` would be 400 tokens; chat is 300: 1000 × $5/M + 300 × $25/M.
    assert_eq!(choice.estimate.cost_picousd, Some(12_500_000_000));
    let nothing = World::priced(
        &json!({"policies": {"balanced": {"allow_unpriced": true}}}),
        &json!({"version": "0", "prices": {}}),
    );
    assert!(nothing.order(&input).is_empty(), "without any price there is nothing to charge");
    input.principal.money_limit = false;
    let decision = nothing.decide(&input);
    assert_eq!(decision.chosen().unwrap().estimate.cost_picousd, None, "unknown is not zero");
    assert!(decision.chosen().unwrap().score.cost_micro < 0, "and not free");
}

#[test]
fn what_cannot_be_called_is_no_candidate() {
    let world = World::with(&json!({"providers": {
        "one": {"api_key": null, "api_key_env": "ONE_KEY"}, "two": {"enabled": false}, "clau": {"base_url": null}}}));
    let decision = world.decide(&ask("auto"));
    assert!(decision.ranked.is_empty());
    assert_eq!(reasons(&decision, "one/large"), [(Code::MissingSecret, "ONE_KEY".to_owned())]);
    assert_eq!(reasons(&decision, "two/middle"), [(Code::NotReady, "disabled".to_owned())]);
    assert_eq!(reasons(&decision, "clau/opus"), [(Code::NotReady, "no base_url".to_owned())]);
    let mut more = ask("auto");
    more.features.needs.audio = true;
    let told = world.decide(&more);
    assert_eq!(reasons(&told, "one/large"), [(Code::MissingSecret, "ONE_KEY".to_owned())], "nothing else is asked");
    let error = decision.refusal();
    assert_eq!((error.kind, error.status()), (ErrorKind::NoCandidate, 400));
    assert!(!error.message.contains("ONE_KEY") && !error.metadata.contains("ONE_KEY"), "secrets' names stay in");
    let workers = World::with(&json!({"providers": {"edge": {"kind": "workers-ai"}}}));
    assert_eq!(reasons(&workers.decide(&ask("edge/x")), "edge/x"), [(Code::NotReady, "no binding AI".to_owned())]);
}

#[test]
fn an_open_breaker_is_avoided_while_somebody_else_is_left() {
    let world = World::new();
    let mut input = ask("auto");
    let open = Health { breaker: Breaker::Open { until_ms: 1_005_000 }, ..Health::default() };
    input.signals.insert("two/middle".into(), health(open));
    assert_eq!(reasons(&world.decide(&input), "two/middle"), [(Code::BreakerOpen, String::new())]);
    input.now_ms = 1_005_000;
    assert!(world.order(&input).contains(&"two/middle".to_owned()), "from then on a probe may pass");

    let mut alone = ask("two/middle");
    alone.signals.insert("two/middle".into(), health(open));
    let decision = world.decide(&alone);
    assert_eq!(decision.chosen().unwrap().why, Why::LastResort, "nobody else is left: try");
    let strict = World::with(&json!({"policies": {"balanced": {"when_all_open": "refuse"}}}));
    let error = strict.decide(&alone).refusal();
    assert_eq!((error.status(), error.retry_after_ms, error.should_retry), (503, Some(5_000), true));
    alone.features.needs.vision = true;
    alone.request.dialect = Dialect::Gemini;
    alone.features.needs.audio = true;
    assert!(world.order(&alone).is_empty(), "an open breaker does not excuse what else is missing");
}

// ---- what callers may say ----------------------------------------------------------------------------------------------

fn twins(extra: &Value) -> World {
    let mut overlay = json!({
        "models": {"one/twin": {"tier": "strong"}, "two/twin": {"tier": "strong"}, "clau/twin": {"tier": "strong"}}});
    signalbox::config::merge::merge(&mut overlay, extra.clone());
    let mut prices = base_prices();
    for (provider, price) in [("one", "1"), ("two", "2"), ("clau", "3")] {
        prices["prices"][format!("{provider}/twin")] = json!({"input": price, "output": price});
    }
    World::priced(&overlay, &prices)
}

#[test]
fn provider_preferences_choose_among_the_bearers_of_a_model() {
    let world = twins(&json!({}));
    let with = |change: &dyn Fn(&mut ProviderPreferences)| {
        let mut preferences = ProviderPreferences::default();
        change(&mut preferences);
        world.order(&preferring("twin", preferences))
    };
    assert_eq!(with(&|_| ()), ["one/twin", "two/twin", "clau/twin"]);
    assert_eq!(with(&|p| p.order = strings(&["CLAU", "absent"])), ["clau/twin", "one/twin", "two/twin"]);
    assert_eq!(with(&|p| p.only = strings(&["two", "clau"])), ["two/twin", "clau/twin"]);
    assert_eq!(with(&|p| p.ignore = strings(&["one"])), ["two/twin", "clau/twin"]);
    assert_eq!(with(&|p| p.allow_fallbacks = Some(false)), ["one/twin"]);
    assert_eq!(
        with(&|p| (p.order, p.allow_fallbacks) = (strings(&["two", "one"]), Some(false))),
        ["two/twin", "one/twin"]
    );
    assert!(with(&|p| p.only = strings(&["absent"])).is_empty());
}

#[test]
fn sorting_ranks_by_one_property_within_each_model_or_across() {
    let world = twins(&json!({}));
    let seen = |ttft_ms, us_per_token| {
        health(Health { ttft_ms: Some(ttft_ms), us_per_token: Some(us_per_token), ..Health::default() })
    };
    let mut input = ask("twin");
    input.signals = Map::from([
        ("one/twin".to_owned(), seen(900, 9_000)),
        ("two/twin".to_owned(), seen(300, 20_000)),
        ("clau/twin".to_owned(), seen(600, 5_000)),
    ]);
    for (by, order) in [
        (SortBy::Price, ["one/twin", "two/twin", "clau/twin"]),
        (SortBy::Latency, ["two/twin", "clau/twin", "one/twin"]),
        (SortBy::Throughput, ["clau/twin", "one/twin", "two/twin"]),
    ] {
        input.request.routing.provider.sort = Some(Sort { by, across_models: false });
        assert_eq!(world.order(&input), order, "{by:?}");
    }
    let mut input =
        with_routing("one/large", RoutingRequest { models: strings(&["one/small"]), ..RoutingRequest::default() });
    input.request.routing.provider.sort = Some(Sort { by: SortBy::Price, across_models: false });
    assert_eq!(world.order(&input), ["one/large", "one/small"]);
    input.request.routing.provider.sort = Some(Sort { by: SortBy::Price, across_models: true });
    assert_eq!(world.order(&input), ["one/small", "one/large"]);
}

#[test]
fn preferred_speeds_put_slower_ones_last_and_exclude_nobody() {
    let world = twins(&json!({}));
    let mut input = ask("twin");
    let slow = Health { ttft_ms: Some(2_000), us_per_token: Some(50_000), ..Health::default() };
    input.signals.insert("one/twin".into(), health(slow));
    input.request.routing.provider.preferred_max_latency_ms = Some(1_500);
    assert_eq!(world.order(&input), ["two/twin", "clau/twin", "one/twin"]);
    input.request.routing.provider =
        ProviderPreferences { preferred_max_us_per_token: Some(20_000), ..ProviderPreferences::default() };
    assert_eq!(world.order(&input), ["two/twin", "clau/twin", "one/twin"]);
}

#[test]
fn fields_that_cannot_be_expressed_are_routed_around_refused_or_dropped_as_the_caller_says() {
    let world = World::new();
    let lossy = Signals::new(
        Health::default(),
        &[Loss::unsupported("logit_bias", "no such thing"), Loss::advisory("user", "left out")],
        0,
    );
    assert_eq!(lossy.unsupported, ["logit_bias"], "advisory losses exclude nobody");
    let ask_for = |model: &str, on_unsupported| {
        let routing = RoutingRequest { on_unsupported, models: strings(&["one/large"]), ..RoutingRequest::default() };
        let mut input = with_routing(model, routing);
        input.signals.insert("clau/opus".into(), lossy.clone());
        input
    };
    let route = world.decide(&ask_for("clau/opus", OnUnsupported::Route));
    assert_eq!(route.chosen().unwrap().name, "one/large");
    assert_eq!(reasons(&route, "clau/opus"), [(Code::Unsupported, "logit_bias".to_owned())]);

    let refused = world.decide(&ask_for("clau/opus", OnUnsupported::Error));
    assert!(refused.ranked.is_empty());
    let error = refused.refusal();
    assert_eq!((error.kind, error.status(), error.param.as_deref()), (ErrorKind::Unsupported, 400, Some("logit_bias")));
    let mut later = ask_for("one/small", OnUnsupported::Error);
    later.request.routing.models.push("clau/opus".into());
    assert_eq!(world.order(&later), ["one/small", "one/large"], "only the preferred one must be able to");

    let dropped = world.decide(&ask_for("clau/opus", OnUnsupported::Drop));
    assert_eq!((dropped.ranked[0].name.as_str(), &dropped.ranked[0].dropped), ("clau/opus", &strings(&["logit_bias"])));
    let mut strict = ask_for("clau/opus", OnUnsupported::Drop);
    strict.request.routing.provider.require_parameters = Some(true);
    assert_eq!(world.order(&strict), ["one/large"]);

    let mut alone = ask_for("clau/opus", OnUnsupported::Route);
    alone.request.routing.models.clear();
    let error = world.decide(&alone).refusal();
    assert!(error.message.contains("logit_bias") && error.message.contains("clau/opus"), "{}", error.message);
}

#[test]
fn dropping_covers_how_to_answer_never_what_was_sent() {
    let world = World::new();
    let drop = RoutingRequest { on_unsupported: OnUnsupported::Drop, ..RoutingRequest::default() };
    let mut input = with_routing("clau/opus", drop);
    input.features.needs = Needs { json_schema: true, sampling: true, ..Needs::default() };
    assert_eq!(world.order(&input), ["clau/opus"]);
    input.features.needs.vision = true;
    assert!(world.order(&input).is_empty());
    // Tools that are only offered say how to answer; calls that were made were sent.
    let world = World::with(&json!({"models": {"clau/plain": {"tier": "small", "capabilities": ["json_object"]}}}));
    let mut input = with_routing("clau/plain", RoutingRequest::default());
    input.features.needs.tools = true;
    assert!(world.order(&input).is_empty());
    input.request.routing.on_unsupported = OnUnsupported::Drop;
    assert_eq!(world.order(&input), ["clau/plain"]);
    input.features.needs.tool_results = true;
    assert!(world.order(&input).is_empty());
}

#[test]
fn a_latency_budget_of_the_callers_replaces_the_policys() {
    let world = World::new();
    let mut input = ask("auto");
    input.signals.insert("two/middle".into(), health(Health { ttft_ms: Some(5_000), ..Health::default() }));
    assert_eq!(world.order(&input)[0], "two/middle");
    input.request.routing.latency_budget_ms = Some(3_000);
    assert_ne!(world.order(&input)[0], "two/middle");
}

// ---- equals ------------------------------------------------------------------------------------------------------------

fn equals() -> World {
    let price = json!({"input": "1", "output": "1"});
    let mut prices = base_prices();
    for provider in ["one", "two", "clau"] {
        prices["prices"][format!("{provider}/twin")] = price.clone();
    }
    World::priced(
        &json!({"models": {"one/twin": {"tier": "strong"}, "two/twin": {"tier": "strong"}, "clau/twin": {"tier": "strong"}}}),
        &prices,
    )
}

fn shares(world: &World, input: &mut Input) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for seed in 0..3_000_u64 {
        input.seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let decision = world.decide(input);
        assert_eq!(decision.ranked.len(), 3, "the others stay as fallbacks");
        assert_eq!(decision.ranked[0].why, Why::Balanced);
        *shares.entry(decision.ranked[0].name.clone()).or_insert(0) += 1;
    }
    shares
}

#[test]
fn equals_share_the_traffic_and_the_loaded_one_gets_less() {
    let world = equals();
    let mut input = ask("twin");
    let even = shares(&world, &mut input);
    for (name, share) in &even {
        assert!((900..=1_100).contains(share), "{name} has {share} of 3000");
    }
    let slow = Health { ttft_ms: Some(20_000), ..Health::default() };
    input.signals.insert("two/twin".into(), health(slow));
    assert!(shares(&world, &mut input).get("two/twin").copied().unwrap_or(0) < 150);
    input
        .signals
        .insert("two/twin".into(), health(Health { errors_micro: 900_000, ttft_ms: Some(200), ..Health::default() }));
    assert!(shares(&world, &mut input).get("two/twin").copied().unwrap_or(0) < 150, "fast errors attract no traffic");
}

#[test]
fn a_named_conversation_stays_with_the_account_that_can_read_its_reasoning_at_any_load() {
    let world = equals();
    let mut chosen = BTreeMap::new();
    for seed in 0..60_u64 {
        let mut input = ask("twin");
        input.seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        input.session = Some(Session::default());
        input.signed_by = Some(Signer::Dialect(Dialect::OpenAiChat));
        // An isolate that does not remember it draws the same account as any other.
        let home = world.decide(&input).ranked[0].name.clone();
        assert!(home != "clau/twin", "who speaks another dialect reads none of it");
        let loaded = Health { ttft_ms: Some(3_000), outstanding: 9, ..Health::default() };
        input.signals.insert(home.clone(), health(loaded));
        assert_eq!(world.decide(&input).ranked[0].name, home);
        *chosen.entry(home.clone()).or_insert(0) += 1;
        // One that does keeps to who answered.
        let other = if home == "one/twin" { "two/twin" } else { "one/twin" };
        input.session = Some(Session { last: Some(other.to_owned()), ..Session::default() });
        assert_eq!(world.decide(&input).ranked[0].name, other);
    }
    assert_eq!(chosen.len(), 2, "conversations as such are spread: {chosen:?}");
}

// ---- purity ------------------------------------------------------------------------------------------------------------

#[test]
fn a_recorded_input_replays_to_the_same_decision() {
    let world = equals();
    let mut input = ask("twin");
    input.request.routing.models = strings(&["auto"]);
    input.request.routing.session = Some("private".into());
    input.principal.models = vec![vec![Pattern::parse("*")]];
    input
        .signals
        .insert("one/twin".into(), health(Health { errors_micro: 5, breaker: Breaker::HalfOpen, ..Health::default() }));
    let recorded = serde_json::to_string(&input).unwrap();
    assert!(!recorded.contains("private"), "a session's name is not recorded");
    let replayed: Input = serde_json::from_str(&recorded).unwrap();
    let tell = |input: &Input| world.decide(input).explanation(Audience::Operator).to_string();
    assert_eq!(tell(&input), tell(&replayed));
    assert_eq!(tell(&input), tell(&input));
}

#[test]
fn an_explanation_says_why_and_keeps_from_callers_what_is_the_operators() {
    let world = World::with(&json!({"providers": {"two": {"api_key": null, "api_key_env": "TWO_KEY"}}}));
    let mut input = ask("auto");
    input.features.thinking = Thinking::Low;
    input
        .signals
        .insert("one/small".into(), health(Health { errors_micro: 123_456, ttft_ms: Some(77), ..Health::default() }));
    let decision = world.decide(&input);
    let operator = decision.explanation(Audience::Operator);
    assert_eq!(operator["chosen"], operator["candidates"][0]["model"]);
    assert_eq!(operator["task"], json!({"used": "chat", "guess": "chat", "confidence": 1.0, "source": "header"}));
    assert_eq!(operator["versions"]["prices"], "p1");
    assert_eq!(operator["policy"], "balanced");
    let small = operator["candidates"].as_array().unwrap().iter().find(|c| c["model"] == "one/small").unwrap();
    assert_eq!(small["health"]["ttft_ms"], 77);
    assert_eq!(small["terms"]["risk"], json!(-0.024_691));
    assert!(small["score"].is_number());
    assert_eq!(small["quality"], json!({"value": 0.6, "kind": "assumed", "source": "tier rule", "date": null}));
    assert_eq!(small["estimate"]["cost_usd"], "0.00022");
    assert_eq!(small["estimate"]["cost_picousd"], "220000000");
    assert!(operator["excluded"].to_string().contains("missing_secret"));

    let caller = decision.explanation(Audience::Caller).to_string();
    for secret in ["TWO_KEY", "missing_secret", "ttft", "health", "errors", "latency_ms", "\"risk\":-", "\"score\":"] {
        assert!(!caller.contains(secret), "{secret}");
    }
    assert!(caller.contains("unavailable") && caller.contains("reseller"));
}

#[test]
fn the_error_for_nobody_names_what_stood_in_the_way() {
    let world = World::new();
    let mut too_long = ask("auto");
    too_long.features.estimated_input_tokens = 10_000_000;
    assert_eq!(world.decide(&too_long).refusal().kind, ErrorKind::ContextLength);
    let mut sound = ask("auto");
    sound.features.needs.audio = true;
    let error = world.decide(&sound).refusal();
    assert_eq!((error.kind, error.status()), (ErrorKind::Unsupported, 400));
    assert!(error.message.contains("audio"), "{}", error.message);
    let metadata: Value = serde_json::from_str(&error.metadata).unwrap();
    assert!(metadata["excluded"].as_array().unwrap().len() >= 6);
}

/// One candidate of a generated world.
#[derive(Debug, Clone)]
struct Made {
    input: u64,
    output: u64,
    tier: usize,
    vision: bool,
    ttft_ms: u64,
    errors_micro: i64,
}

fn made() -> impl Strategy<Value = Made> {
    (1_u64..100_000, 1_u64..100_000, 0_usize..4, any::<bool>(), 1_u64..30_000, 0_i64..1_000_000).prop_map(
        |(input, output, tier, vision, ttft_ms, errors_micro)| Made {
            input,
            output,
            tier,
            vision,
            ttft_ms,
            errors_micro,
        },
    )
}

fn millis(amount: u64) -> String {
    format!("{}.{:03}", amount / 1_000, amount % 1_000)
}

/// A world of generated models and the input that asks for all of them.
fn generated(models: &[Made], skip: Option<usize>) -> (World, Input) {
    let (mut entries, mut prices, mut signals) = (serde_json::Map::new(), serde_json::Map::new(), Map::new());
    for (at, model) in models.iter().enumerate().filter(|(at, _)| Some(*at) != skip) {
        let name = format!("one/m{at}");
        let capabilities: &[&str] = if model.vision { &["tools", "vision"] } else { &["tools"] };
        let tier = ["small", "standard", "strong", "frontier"][model.tier];
        entries.insert(name.clone(), json!({"tier": tier, "capabilities": capabilities}));
        prices.insert(name.clone(), json!({"input": millis(model.input), "output": millis(model.output)}));
        let seen = Health { ttft_ms: Some(model.ttft_ms), errors_micro: model.errors_micro, ..Health::default() };
        signals.insert(name, health(seen));
    }
    let names: Vec<&String> = entries.keys().collect();
    let overlay = json!({"aliases": {"all": {"candidates": names, "policy": "balanced"}}, "models": entries});
    let mut input = ask("all");
    input.signals = signals;
    (World::priced(&overlay, &json!({"version": "g", "prices": prices})), input)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn removing_a_candidate_never_reorders_the_rest(models in prop::collection::vec(made(), 2..7), at in 0_usize..7) {
        let skip = at % models.len();
        let (world, input) = generated(&models, None);
        let (without, input_without) = generated(&models, Some(skip));
        let mut all = world.order(&input);
        all.retain(|name| *name != format!("one/m{skip}"));
        prop_assert_eq!(all, without.order(&input_without));
    }

    #[test]
    fn a_score_falls_when_the_price_rises_and_nothing_else_changes(model in made(), more in 1_000_u64..50_000) {
        let score = |model: &Made| {
            let (world, input) = generated(std::slice::from_ref(model), None);
            world.decide(&input).ranked[0].score
        };
        let dearer = Made { output: model.output + more, ..model.clone() };
        let (before, after) = (score(&model), score(&dearer));
        prop_assert!(after.total_micro < before.total_micro, "{before:?} {after:?}");
        prop_assert_eq!(after.quality_micro, before.quality_micro);
    }

    #[test]
    fn an_image_never_reaches_a_text_only_model(models in prop::collection::vec(made(), 1..7), on in 0_usize..3) {
        let (world, mut input) = generated(&models, None);
        input.features.needs.vision = true;
        input.request.routing.on_unsupported = [OnUnsupported::Route, OnUnsupported::Error, OnUnsupported::Drop][on];
        // Listed by name as well, in a dialect that is not theirs: fallbacks count.
        input.request.dialect = Dialect::AnthropicMessages;
        input.request.routing.models = (0..models.len()).map(|at| format!("one/m{at}")).collect();
        for name in world.order(&input) {
            let at: usize = name.trim_start_matches("one/m").parse().unwrap();
            prop_assert!(models[at].vision, "{}", name);
        }
    }

    #[test]
    fn a_better_score_never_comes_later(models in prop::collection::vec(made(), 2..7)) {
        let (world, input) = generated(&models, None);
        let totals: Vec<i64> = world.decide(&input).ranked.iter().map(|choice| choice.score.total_micro).collect();
        prop_assert!(totals.windows(2).all(|pair| pair[0] >= pair[1]), "{:?}", totals);
    }

    #[test]
    fn narrowing_never_widens(
        models in prop::collection::vec(made(), 2..7),
        policy in prop::sample::select(vec![None, Some("cheapest"), Some("best"), Some("fastest")]),
        cap in prop::option::of(1_u64..3_000_000_000),
        (deny, fixed, floor) in any::<(bool, bool, bool)>(),
        limit in prop::option::of(0_usize..7),
    ) {
        // The alias's policy keeps every other model out, by one means or another.
        let denied: Vec<String> = (0..models.len()).step_by(2).map(|at| format!("one/m{at}")).collect();
        let (mut world, input) = generated(&models, None);
        let bounds = json!({"policies": {"balanced": {"constraints": {"deny": denied}, "rules": [
            {"id": "dear", "forbid": "model.cost_usd > 0.01"}]}}});
        let names: Vec<String> = (0..models.len()).map(|at| format!("one/m{at}")).collect();
        let overlay = json!({"aliases": {"all": {"candidates": names}}, "models": names.iter().zip(&models).map(|(name, model)| {
            let tier = ["small", "standard", "strong", "frontier"][model.tier];
            (name.clone(), json!({ "tier": tier }))
        }).collect::<serde_json::Map<_, _>>()});
        let layers = [DEFAULT, &base_overlay().to_string(), &overlay.to_string(), &bounds.to_string()];
        world.config = Config::load(&layers, Mode::Local, &|_| None).unwrap();
        let wide = world.order(&input);
        let mut narrow = input.clone();
        if floor {
            narrow.request.model = "all:floor".into();
        }
        narrow.request.routing.policy = policy.map(str::to_owned);
        narrow.request.routing.max_cost_picousd = cap;
        narrow.request.routing.provider.deny_data_collection = deny;
        narrow.request.routing.provider.allow_fallbacks = fixed.then_some(false);
        narrow.principal.models = limit.map(|at| vec![Pattern::parse(&format!("one/m{at}"))]).into_iter().collect();
        for name in world.order(&narrow) {
            prop_assert!(wide.contains(&name), "{} is none of {:?}", name, wide);
        }
    }
}

#[test]
fn scores_of_callers_count_for_their_policy_and_task_and_the_decision_says_which() {
    let world = World::new();
    let mut input = ask("auto");
    let before = world.decide(&input);
    let first = before.chosen().unwrap().name.clone();
    let corrections = |policy: &str, task: &str, micro: i64| {
        let by_model = [(first.clone(), micro)].into();
        Some(Corrections { version: "s1".into(), policy: policy.into(), task: task.into(), by_model })
    };
    let figure = |decision: &Decision| {
        let choice = decision.ranked.iter().find(|choice| choice.name == first).unwrap();
        (choice.quality.value_micro, choice.score.total_micro)
    };
    input.corrections = corrections(&before.policy, "chat", -40_000);
    let corrected = world.decide(&input);
    assert_eq!(figure(&corrected).0, figure(&before).0 - 40_000);
    assert!(figure(&corrected).1 < figure(&before).1);
    assert_eq!(corrected.versions.feedback.as_deref(), Some("s1"));
    // As recorded and read back, it decides the same; without the recorded corrections it would not.
    let recorded: Input = serde_json::from_str(&serde_json::to_string(&input).unwrap()).unwrap();
    assert_eq!(Summary::of(&world.decide(&recorded)), Summary::of(&corrected));
    assert_ne!(Summary::of(&before).digest, Summary::of(&corrected).digest);
    for other in [corrections("cheapest", "chat", -40_000), corrections(&before.policy, "code", -40_000)] {
        input.corrections = other;
        let decision = world.decide(&input);
        assert_eq!((figure(&decision), decision.versions.feedback.clone()), (figure(&before), None));
    }
    input.corrections = corrections(&before.policy, "chat", i64::MAX);
    assert_eq!(figure(&world.decide(&input)).0, 1_000_000, "a quality stays one");
}
