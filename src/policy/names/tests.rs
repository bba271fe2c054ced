use super::*;
use crate::config::{Mode, DEFAULT};
use crate::policy::routing::RoutingRequest;

const OVERLAY: &str = r#"{
    "providers": {"acme": {"kind": "openai-chat", "base_url": "https://llm.acme.example/v1", "prices_of": "openai"},
        "beta": {"kind": "gemini", "base_url": "https://beta.example"}},
    "models": {"acme/big": {}, "beta/big": {}, "beta/llama3:8b": {}, "acme/odd:floor": {}, "acme/sound": {"special": true}, "acme/org/deep:nitro": {},
        "acme/dated": {"aliases": ["dated-0813"]}},
    "aliases": {"house": {"candidates": ["beta/big", "acme/*", "acme/unlisted"], "policy": "best"},
        "everything": {"candidates": ["*"], "policy": "cheapest"}, "dated": {"candidates": ["beta/big"]}}}"#;

/// "provider model", how it was named, and its group; then the policy's name.
type Resolved = (Vec<(String, Named, usize)>, String);

fn resolved(model: &str, routing: RoutingRequest) -> Result<Resolved, GatewayError> {
    let config = Config::load(&[DEFAULT, OVERLAY], Mode::Local, &|_| None).unwrap();
    let request =
        RequestView { purpose: Purpose::Answer, dialect: Dialect::OpenAiChat, model: model.to_owned(), routing };
    let pool = candidates(&request, &config)?;
    let list = pool.candidates.iter().map(|c| (format!("{} {}", c.provider.name, c.model), c.named, c.group));
    Ok((list.collect(), pool.policy_name.to_owned()))
}

fn plain(model: &str) -> (Vec<String>, String) {
    let (list, policy) = resolved(model, RoutingRequest::default()).unwrap();
    (list.into_iter().map(|(name, ..)| name).collect(), policy)
}

#[test]
fn the_first_segment_is_a_provider_only_if_one_is_configured() {
    assert_eq!(plain("acme/big").0, ["acme big"]);
    assert_eq!(plain("openrouter/anthropic/x").0, ["openrouter anthropic/x"]);
    assert_eq!(plain("acme/a/b:c").0, ["acme a/b:c"], "the rest is opaque, known or not");
    assert_eq!(resolved("nobody/x", RoutingRequest::default()).unwrap_err().status(), 404);
}

#[test]
fn an_exact_id_wins_then_only_the_two_shortcuts_are_ours() {
    assert_eq!(plain("acme/odd:floor"), (vec!["acme odd:floor".into()], "balanced".into()));
    assert_eq!(plain("acme/org/deep:nitro").0, ["acme org/deep:nitro"]);
    assert_eq!(plain("acme/big:floor"), (vec!["acme big".into()], "cheapest".into()));
    assert_eq!(plain("acme/new:nitro"), (vec!["acme new".into()], "fastest".into()));
    assert_eq!(plain("llama3:8b"), (vec!["beta llama3:8b".into()], "balanced".into()));
    assert_eq!(plain("llama3:8b:floor").1, "cheapest");
    assert_eq!(plain("acme/big:free").0, ["acme big:free"]);
    assert_eq!(plain("everything:nitro").1, "fastest");
}

#[test]
fn a_bare_id_means_every_provider_that_has_it_and_a_dated_name_is_called_as_written() {
    assert_eq!(plain("big").0, ["acme big", "beta big"]);
    assert_eq!(plain("dated-0813").0, ["acme dated-0813"]);
    assert_eq!(plain("odd:floor"), (vec!["acme odd:floor".into()], "balanced".into()));
}

#[test]
fn an_alias_is_a_set_with_a_policy_and_wins_over_a_bare_id() {
    let (list, policy) = resolved("house", RoutingRequest::default()).unwrap();
    assert_eq!(policy, "best");
    let named: Vec<(&str, Named)> = list.iter().map(|(name, named, _)| (name.as_str(), *named)).collect();
    assert_eq!(
        named,
        [
            ("beta big", Named::ByAlias),
            ("acme big", Named::ByAlias),
            ("acme dated", Named::ByAlias),
            ("acme odd:floor", Named::ByAlias),
            ("acme org/deep:nitro", Named::ByAlias),
            ("acme unlisted", Named::ByAlias)
        ]
    );
    assert_eq!(plain("sound").0, ["acme sound"], "a special model must be named, and can be");
    assert_eq!(plain("dated").0, ["beta big"]);
    let (everything, _) = resolved("auto", RoutingRequest::default()).unwrap();
    assert!(everything.len() > 50 && everything.iter().all(|(_, named, _)| *named == Named::ByWildcard));
}

#[test]
fn listed_models_follow_in_the_callers_order_and_nothing_stands_twice() {
    let routing =
        RoutingRequest { models: vec!["big".into(), "acme/x".into(), "acme/big".into()], ..Default::default() };
    let (list, _) = resolved("beta/big", routing).unwrap();
    let order: Vec<(&str, usize)> = list.iter().map(|(name, _, group)| (name.as_str(), *group)).collect();
    assert_eq!(order, [("beta big", 0), ("acme big", 1), ("acme x", 2)]);
    let only = RoutingRequest { models: vec!["acme/big".into()], ..Default::default() };
    assert_eq!(resolved("", only).unwrap().0.len(), 1);
}

#[test]
fn a_header_chooses_the_policy_and_a_shortcut_beats_it() {
    let routing = || RoutingRequest { policy: Some("fastest".into()), ..Default::default() };
    assert_eq!(resolved("house", routing()).unwrap().1, "fastest");
    assert_eq!(resolved("house:floor", routing()).unwrap().1, "cheapest");
    assert_eq!(resolved("acme/big", routing()).unwrap().1, "fastest");
    let gone = RoutingRequest { policy: Some("gone".into()), ..Default::default() };
    assert_eq!(resolved("acme/big", gone).unwrap().1, "balanced", "a replay against another configuration goes on");
}

#[test]
fn names_that_mean_nothing_are_not_found() {
    for name in
        ["gpt-none", "acme/", "acme", "/x", ":floor", "auto/x", "acme/:floor", "Auto", "*", "acme/*x/../:nitro "]
    {
        let result = resolved(name, RoutingRequest::default());
        // `acme/<anything>` is a model of acme's, however odd: acme decides.
        if name.starts_with("acme/") && name.len() > 12 {
            assert!(result.is_ok(), "{name}");
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!(
            (error.status(), error.code(), error.param.as_deref()),
            (404, "model_not_found", Some("model")),
            "{name}"
        );
    }
    assert_eq!(resolved("", RoutingRequest::default()).unwrap_err().status(), 400);
    let listed = RoutingRequest { models: vec!["gpt-none".into()], ..Default::default() };
    let error = resolved("auto", listed).unwrap_err();
    assert!(error.message.contains("gpt-none"), "a fallback that means nothing is told");
    assert_eq!(error.param.as_deref(), Some("models"));
    let long = format!("acme/{}", "x".repeat(508));
    assert_eq!(resolved(&long, RoutingRequest::default()).unwrap_err().status(), 400, "it would stand in headers");
    assert!(resolved(&long[1..], RoutingRequest::default()).is_err_and(|error| error.status() == 404));
    let error = resolved(&"x".repeat(10_000), RoutingRequest::default()).unwrap_err();
    assert!(error.message.len() < 300, "a name is not echoed without end");
}

#[test]
fn what_is_known_of_a_model_may_come_from_the_provider_whose_prices_it_has() {
    let config = Config::load(&[DEFAULT, OVERLAY], Mode::Local, &|_| None).unwrap();
    let request = RequestView {
        purpose: Purpose::Answer,
        dialect: Dialect::OpenAiChat,
        model: "acme/gpt-4o-2024-11-20".into(),
        routing: RoutingRequest::default(),
    };
    let pool = candidates(&request, &config).unwrap();
    assert!(pool.candidates[0].known.unwrap().context.is_some());
    assert_eq!(pool.candidates[0].price_id(&config), "openai/gpt-4o");
    assert!(pool.candidates[0].provider_decides(Dialect::OpenAiChat));
    assert!(!pool.candidates[0].provider_decides(Dialect::Gemini));
}
