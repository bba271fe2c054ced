use serde_json::{json, Value};

use crate::catalogue::price::Prices;
use crate::classify::Features;
use crate::config::{Config, Mode, DEFAULT};
use crate::dialect::Dialect;
use crate::error::ErrorKind;
use crate::health::Health;
use crate::policy::decision::{Audience, Decision, Why};
use crate::policy::filter::Code;
use crate::policy::input::{Input, PrincipalView, Purpose, RequestView, Session, Signals};
use crate::policy::routing::RoutingRequest;
use crate::policy::{decide, pool, Knowledge};
use crate::sorted::Map;

/// Two models at two providers, behind an alias with a policy of its own.
fn overlay(policy: &Value) -> String {
    let provider = |region: &str| json!({"kind": "openai-chat", "base_url": format!("https://{region}.example/v1"), "api_key": "k", "region": region});
    let mut house = json!({"weights": {"quality": 1, "cost": 0.1}, "c_ref_usd": 0.001});
    crate::config::merge::merge(&mut house, policy.clone());
    json!({
        "providers": {"eu": provider("eu"), "us": provider("us")},
        "models": {"eu/fine": {"tier": "strong", "context": 100_000}, "us/best": {"tier": "frontier"}, "eu/plain": {"tier": "small"}},
        "aliases": {"house": {"candidates": ["us/best", "eu/fine"], "policy": "house"},
            "plain": {"candidates": ["eu/plain"], "policy": "plain"}},
        "policies": {"house": house, "plain": {"weights": {"quality": 1}}}
    })
    .to_string()
}

const PRICES: &str = r#"{"version": "p", "prices": {"eu/fine": {"input": "1", "output": "1"},
    "us/best": {"input": "1", "output": "1"}, "eu/plain": {"input": "1", "output": "1"}}}"#;

fn config(policy: &Value) -> Config {
    Config::load(&[DEFAULT, &overlay(policy)], Mode::Local, &|_| None).unwrap()
}

fn ask(model: &str) -> Input {
    Input {
        features: Features {
            task: "chat".into(),
            confidence_micro: 900_000,
            estimated_input_tokens: 500,
            ..Features::default()
        },
        request: RequestView {
            purpose: Purpose::Answer,
            dialect: Dialect::OpenAiChat,
            model: model.into(),
            routing: RoutingRequest::default(),
        },
        principal: PrincipalView {
            issuer: "https://id.example".into(),
            groups: vec!["staff".into()],
            ..PrincipalView::default()
        },
        // A Friday, 13:46:40 UTC.
        now_ms: 1_000_000_000_000 - 2 * 86_400_000 + 43_200_000,
        seed: 7,
        signed_by: None,
        session: None,
        corrections: None,
        signals: Map::new(),
    }
}

fn decided(config: &Config, input: &Input) -> Decision {
    let prices = Prices::parse(PRICES).unwrap();
    let pool = pool(&input.request, input, config).unwrap();
    decide(input, &pool, Knowledge { config, prices: &prices })
}

fn with(rules: Value) -> Decision {
    decided(&config(&json!({ "rules": rules })), &ask("house"))
}

fn order(decision: &Decision) -> Vec<&str> {
    decision.ranked.iter().map(|choice| choice.name.as_str()).collect()
}

#[test]
fn each_effect_does_what_it_says_where_its_rule_concerns_the_request() {
    assert_eq!(order(&with(json!([]))), ["us/best", "eu/fine"]);
    let only = with(json!([{"id": "eu", "when": "'staff' in principal.groups", "require": "model.region == 'eu'"}]));
    assert_eq!(order(&only), ["eu/fine"]);
    assert_eq!((only.excluded[0].reasons[0].code, only.excluded[0].reasons[0].detail.as_str()), (Code::Rule, "eu"));
    assert_eq!((only.rules[0].effect, &only.rules[0].models), ("require", &vec!["us/best".to_owned()]));
    let without = with(json!([{"id": "no-us", "forbid": "model.provider == 'us' && model.cost_usd < 1.0"}]));
    assert_eq!(order(&without), ["eu/fine"]);
    let boosted = with(json!([{"id": "home", "boost": {"if": "model.provider == 'eu'", "by": 0.25}}]));
    assert_eq!((order(&boosted)[0], boosted.ranked[0].score.boost_micro), ("eu/fine", 250_000));
    let weighed =
        with(json!([{"id": "thrift", "when": "time.weekday == 5 && time.hour == 13", "weights": {"quality": 0}}]));
    assert_eq!((weighed.weights.quality_micro, weighed.weights.cost_micro), (0, 100_000), "what is not said stays");
    let other = with(json!([{"id": "small", "when": "features.input_tokens < 1000", "alias": "plain"}]));
    assert_eq!(
        (order(&other), other.alias.as_deref(), other.policy.as_str()),
        (vec!["eu/plain"], Some("plain"), "house")
    );
    let denied = with(json!([{"id": "shut", "when": "time.hour >= 8", "deny": "Come back at night."}]));
    let error = denied.refusal();
    assert_eq!(
        (order(&denied).len(), error.kind, error.message.as_str()),
        (0, ErrorKind::Forbidden, "Come back at night.")
    );
    let not_concerned = json!([{"id": "a", "when": "principal.operator", "deny": "x"}, {"id": "b", "when": "'x' in principal.groups", "forbid": "true"}]);
    assert_eq!((order(&with(not_concerned.clone())).len(), with(not_concerned).rules.len()), (2, 0));
}

#[test]
fn a_rule_without_an_answer_takes_away_and_never_gives() {
    // Nobody has said how many tokens are wanted, and us/best's window is not known.
    for rule in
        [json!({"id": "r", "require": "model.context > 1000"}), json!({"id": "r", "forbid": "model.context < 1000"})]
    {
        let decision = with(json!([rule]));
        assert_eq!(order(&decision), ["eu/fine"], "{rule}");
        assert!(decision.rules[0].unanswered);
    }
    assert!(order(&with(json!([{"id": "r", "when": "features.max_output_tokens > 5", "deny": "no"}]))).is_empty());
    let boost = with(json!([{"id": "r", "boost": {"if": "model.context < 5000000", "by": 9}}]));
    assert_eq!(order(&boost), ["eu/fine", "us/best"]);
    for rule in
        [json!({"weights": {"quality": 0}}), json!({"alias": "plain"}), json!({"boost": {"if": "true", "by": 9}})]
    {
        let mut rule = rule;
        rule["id"] = json!("r");
        rule["when"] = json!("features.max_output_tokens > 5");
        let decision = with(json!([rule]));
        assert_eq!((order(&decision), decision.rules[0].unanswered), (vec!["us/best", "eu/fine"], true), "{rule}");
    }
}

#[test]
fn what_a_policy_takes_away_stays_away_under_another_policy() {
    let takes = json!({"rules": [{"id": "eu", "require": "model.region == 'eu'"}, {"id": "up", "boost": {"if": "true", "by": 5}}]});
    for (policy, bound) in [
        (takes, Code::Rule),
        (json!({"constraints": {"deny": ["us/*"]}}), Code::Policy),
        (json!({"constraints": {"allow": ["fine"]}}), Code::Policy),
        (json!({"data": {"regions": ["eu"]}}), Code::DataPolicy),
    ] {
        let config = config(&policy);
        let mut asks = [ask("house:floor"), ask("house"), ask("eu/fine")];
        asks[1].request.routing.policy = Some("best".into());
        // A list of several aliases: the later one's policy binds as well.
        asks[2].request.routing.models = vec!["house".into(), "us/best".into()];
        for input in asks {
            let decision = decided(&config, &input);
            assert_eq!(order(&decision), ["eu/fine"], "{policy} {}", input.request.model);
            assert_eq!(decision.excluded[0].reasons[0].code, bound);
            assert_eq!(decision.ranked[0].score.boost_micro, 0, "what it gives, it gives under its own name");
        }
    }
}

#[test]
fn floors_and_caps_bind_every_candidate() {
    // 800 tokens at a dollar a million: 0.0008; strong models are worth 0.84 at chat, frontier ones 0.9.
    for (bounds, left, code) in [
        (json!({"min_quality": 0.85}), vec!["us/best"], Code::Quality),
        (json!({"max_cost_usd": 0.0007}), vec![], Code::PriceCap),
        (json!({"max_cost_usd": 0.0008}), vec!["us/best", "eu/fine"], Code::PriceCap),
        (json!({"max_latency_ms": 7000}), vec!["eu/fine"], Code::Latency),
    ] {
        let decision = decided(&config(&json!({ "constraints": bounds })), &ask("house"));
        assert_eq!(order(&decision), left, "{bounds}");
        assert!(decision.excluded.iter().all(|out| out.reasons[0].code == code), "{bounds}: {:?}", decision.excluded);
        let named = decided(&config(&json!({ "constraints": bounds })), &ask("us/best"));
        assert_eq!(named.ranked.len(), 1, "another policy's business, as no alias is named");
    }
}

#[test]
fn a_conversation_stays_within_the_margin_and_leaves_beyond_it() {
    let mut input = ask("house");
    input.session = Some(Session { last: Some("eu/fine".into()), age_ms: 5, cached_tokens: 0 });
    // us/best is better by 0.06.
    for (margin, first, why) in
        [(0.05, "us/best", Why::Score), (0.06, "eu/fine", Why::Sticky), (0.0, "us/best", Why::Score)]
    {
        let decision = decided(&config(&json!({"stickiness": {"margin": margin}})), &input);
        assert_eq!((order(&decision)[0], decision.ranked[0].why), (first, why), "{margin}");
    }
    let gone = config(&json!({"stickiness": {"margin": 1}, "constraints": {"deny": ["eu/*"]}}));
    assert_eq!(order(&decided(&gone, &input)), ["us/best"], "it stays with nobody who may not answer");
    input.request.model = "us/best".into();
    assert_eq!(order(&decided(&config(&json!({"stickiness": {"margin": 1}})), &input)), ["us/best"]);
}

#[test]
fn exploring_takes_its_share_of_open_choices_and_says_so() {
    let config = config(&json!({"exploration": 0.1}));
    let explored = |change: &dyn Fn(&mut Input)| {
        let decisions = (0..2_000).map(|seed| {
            let mut input = ask("house");
            input.seed = seed;
            change(&mut input);
            decided(&config, &input)
        });
        decisions.filter(|d| d.ranked[0].why == Why::Explored).inspect(|d| assert_eq!(order(d)[0], "eu/fine")).count()
    };
    let share = explored(&|_| ());
    assert!((150..250).contains(&share), "{share} of 2000");
    assert_eq!(explored(&|input| input.session = Some(Session::default())), 0, "a conversation is not moved about");
    assert_eq!(explored(&|input| input.request.routing.models = vec!["eu/fine".into()]), 0, "nor a list reordered");
    assert_eq!(explored(&|input| input.request.model = "us/best".into()), 0);
}

#[test]
fn callers_see_which_rules_applied_and_operators_their_texts() {
    let mut input = ask("house");
    input.signals.insert(
        "us/best".into(),
        Signals { health: Health { errors_micro: 400_000, ..Health::default() }, ..Signals::default() },
    );
    let rules = json!([{"id": "flaky", "when": "features.task == 'chat'", "forbid": "health.error_rate > 0.25"}]);
    let decision = decided(&config(&json!({ "rules": rules })), &input);
    assert_eq!(order(&decision), ["eu/fine"]);
    let caller = decision.explanation(Audience::Caller);
    assert_eq!(caller["rules"], json!([{"id": "flaky", "policy": "house", "effect": "forbid", "models": ["us/best"]}]));
    assert!(!caller.to_string().contains("error_rate"));
    let operator = decision.explanation(Audience::Operator);
    assert_eq!(operator["rules"][0]["conditions"], json!(["features.task == 'chat'", "health.error_rate > 0.25"]));
}

#[test]
fn a_rule_is_refused_with_its_place() {
    for (rule, path, told) in [
        (json!({"forbid": "true"}), "policies.house.rules[0]", "id is missing"),
        (json!({"id": "A", "forbid": "true"}), "policies.house.rules[0].id", "lower-case"),
        (json!({"id": "a"}), "policies.house.rules[0]", "exactly one of"),
        (json!({"id": "a", "forbid": "true", "deny": "x"}), "policies.house.rules[0]", "exactly one of"),
        (json!({"id": "a", "forbids": "true"}), "policies.house.rules[0].forbids", "unknown member"),
        (json!({"id": "a", "forbid": "model.regoin == 'eu'"}), "policies.house.rules[0].forbid", "no such member"),
        (
            json!({"id": "a", "when": "model.region == 'eu'", "deny": "x"}),
            "policies.house.rules[0].when",
            "no such variable",
        ),
        (json!({"id": "a", "forbid": "model.context +"}), "policies.house.rules[0].forbid", "column 16"),
        (json!({"id": "a", "boost": {"if": "true"}}), "policies.house.rules[0].boost", "by is missing"),
        (json!({"id": "a", "boost": {"if": "true", "by": 99}}), "policies.house.rules[0].boost.by", "from -10 to 10"),
        (json!({"id": "a", "weights": {"speed": 1}}), "policies.house.rules[0].weights.speed", "unknown member"),
        (json!({"id": "a", "alias": "none"}), "policies.house", "no alias"),
        (
            json!({"id": "a", "forbid": "principal.groups.exists(g, g == 'x' || g == 'y')"}),
            "policies.house.rules[0].forbid",
            "steps",
        ),
    ] {
        let text = overlay(&json!({ "rules": [rule] }));
        let problems = Config::load(&[DEFAULT, &text], Mode::Local, &|_| None).unwrap_err();
        let found = problems.iter().find(|problem| problem.path == path && problem.message.contains(told));
        assert!(found.is_some(), "{rule}: {problems:?}");
    }
    let twice = overlay(&json!({"rules": [{"id": "a", "deny": "x"}, {"id": "a", "deny": "y"}]}));
    assert!(Config::load(&[DEFAULT, &twice], Mode::Local, &|_| None).is_err());
    for shadow in ["none", "house"] {
        let text = overlay(&json!({ "shadow": shadow }));
        let problems = Config::load(&[DEFAULT, &text], Mode::Local, &|_| None).unwrap_err();
        assert!(problems[0].message.contains("shadow"), "{problems:?}");
    }
}
