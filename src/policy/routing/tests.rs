use super::*;
use crate::config::{Mode, DEFAULT};

fn config() -> Config {
    Config::load(&[DEFAULT], Mode::Local, &|_| None).unwrap()
}

fn from_body(body: &str) -> Result<RoutingRequest, GatewayError> {
    let members = Members::read(body.as_bytes()).unwrap();
    RoutingRequest::read(Dialect::OpenAiChat, &members, &Headers::new(), &config())
}

fn from_headers(pairs: &[(&str, &str)]) -> Result<RoutingRequest, GatewayError> {
    let members = Members::read(b"{}").unwrap();
    RoutingRequest::read(Dialect::Gemini, &members, &pairs.iter().copied().collect(), &config())
}

#[test]
fn a_request_that_says_nothing_about_routing_gets_the_defaults() {
    let routing = from_body(r#"{"model":"x","messages":[]}"#).unwrap();
    assert_eq!(routing, RoutingRequest::default());
    assert_eq!(routing.on_unsupported, OnUnsupported::Route);
}

#[test]
fn openrouters_members_are_read() {
    let routing = from_body(
        r#"{"models":["a/b","c"],"session_id":"s-1","provider":{"order":["Groq","xai"],"only":["groq"],"ignore":null,
        "sort":{"by":"throughput","partition":"none"},"allow_fallbacks":false,"require_parameters":true,
        "data_collection":"deny","max_price":{"prompt":1,"completion":"2.5","request":0.01},
        "preferred_max_latency":{"p50":1.5},"preferred_min_throughput":50,"zdr":null}}"#,
    )
    .unwrap();
    let provider = routing.provider;
    assert_eq!((routing.models, routing.session.as_deref()), (vec!["a/b".to_owned(), "c".to_owned()], Some("s-1")));
    assert_eq!(provider.sort, Some(Sort { by: SortBy::Throughput, across_models: true }));
    assert_eq!((provider.allow_fallbacks, provider.require_parameters), (Some(false), Some(true)));
    assert!(provider.deny_data_collection);
    let price = provider.max_price;
    assert_eq!(price.prompt, Some(1_000_000), "a dollar per million tokens is a million picodollars per token");
    assert_eq!((price.completion, price.request), (Some(2_500_000), Some(10_000_000_000)));
    assert_eq!((provider.preferred_max_latency_ms, provider.preferred_max_us_per_token), (Some(1_500), Some(20_000)));
    assert_eq!(ProviderPreferences::names(&provider.order, "groq"), Some(0));
}

/// OpenRouter's own client writes them.
#[test]
fn null_counts_as_absent_at_any_depth() {
    let said = |provider: &str| from_body(&format!(r#"{{"provider":{{{provider}}}}}"#)).unwrap().provider;
    let sorted = said(r#""sort":{"by":"price","partition":null}"#);
    assert_eq!(sorted.sort, Some(Sort { by: SortBy::Price, across_models: false }));
    let latency = said(r#""preferred_max_latency":{"p50":1,"p75":null,"p90":null,"p99":null}"#);
    assert_eq!(latency.preferred_max_latency_ms, Some(1_000));
    for nothing in [
        r#""sort":{"by":null,"partition":null}"#,
        r#""max_price":{"prompt":null,"image":null}"#,
        r#""preferred_max_latency":{"p50":null}"#,
        r#""preferred_min_throughput":{"p50":null,"p90":null}"#,
    ] {
        assert_eq!(said(nothing), ProviderPreferences::default(), "{nothing}");
    }
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    for (body, param) in [
        (r#"{"provider":{"quantizations":["fp8"]}}"#, "provider.quantizations"),
        (r#"{"provider":{"zdr":true}}"#, "provider.zdr"),
        (r#"{"provider":[]}"#, "provider"),
        (r#"{"provider":{"sort":"quality"}}"#, "provider.sort"),
        (r#"{"provider":{"sort":{"partition":"model"}}}"#, "provider.sort"),
        (r#"{"provider":{"sort":{"by":"price","order":"desc"}}}"#, "provider.sort.order"),
        (r#"{"provider":{"sort":{"by":"price","limit":1}}}"#, "provider.sort.limit"),
        (r#"{"provider":{"order":"groq"}}"#, "provider.order"),
        (r#"{"provider":{"allow_fallbacks":"no"}}"#, "provider.allow_fallbacks"),
        (r#"{"provider":{"data_collection":"maybe"}}"#, "provider.data_collection"),
        (r#"{"provider":{"max_price":{"image":1}}}"#, "provider.max_price.image"),
        (r#"{"provider":{"max_price":{"prompt":-1}}}"#, "provider.max_price.prompt"),
        (r#"{"provider":{"max_price":3}}"#, "provider.max_price"),
        (r#"{"provider":{"preferred_max_latency":{"p99":1}}}"#, "provider.preferred_max_latency.p99"),
        (r#"{"provider":{"preferred_min_throughput":0}}"#, "provider.preferred_min_throughput"),
        (r#"{"provider":{"only":["a"],"only":["b"]}}"#, "provider"),
        (r#"{"models":"gpt"}"#, "models"),
        (r#"{"models":[""]}"#, "models"),
        (r#"{"session_id":7}"#, "session_id"),
        (r#"{"session_id":""}"#, "session_id"),
    ] {
        let error = from_body(body).unwrap_err();
        assert_eq!((error.param.as_deref(), error.status()), (Some(param), 400), "{body}");
        assert!(error.message.contains(param), "{body}: {}", error.message);
    }
}

#[test]
fn headers_say_the_same_for_every_dialect() {
    let routing = from_headers(&[
        ("x-signalbox-policy", "cheapest"),
        ("x-signalbox-models", "gpt-5, anthropic/claude-x:floor"),
        ("x-signalbox-task", "code"),
        ("x-signalbox-latency-budget-ms", "1500"),
        ("x-signalbox-max-cost-usd", "0.000000000001"),
        ("x-signalbox-session", "abc"),
        ("x-signalbox-resumable", "true"),
        ("x-signalbox-on-unsupported", "drop"),
        ("x-signalbox-continue", "prefill"),
        ("x-signalbox-explain", "false"),
    ])
    .unwrap();
    assert_eq!((routing.policy.as_deref(), routing.task.as_deref()), (Some("cheapest"), Some("code")));
    assert_eq!(routing.models, ["gpt-5", "anthropic/claude-x:floor"]);
    assert_eq!((routing.latency_budget_ms, routing.max_cost_picousd), (Some(1_500), Some(1)));
    assert!(routing.resumable && !routing.explain && routing.caps_price());
    assert_eq!((routing.on_unsupported, routing.continuation), (OnUnsupported::Drop, Some(Continuation::Prefill)));
}

#[test]
fn a_bad_header_is_refused_by_name() {
    for (name, value) in [
        ("x-signalbox-policy", "fancy"),
        ("x-signalbox-models", "a,,b"),
        ("x-signalbox-models", ""),
        ("x-signalbox-task", "poker"),
        ("x-signalbox-task", "Code"),
        ("x-signalbox-latency-budget-ms", "0"),
        ("x-signalbox-latency-budget-ms", "+5"),
        ("x-signalbox-latency-budget-ms", "1.5"),
        ("x-signalbox-max-cost-usd", "-1"),
        ("x-signalbox-max-cost-usd", "1e-3"),
        ("x-signalbox-max-cost-usd", "NaN"),
        ("x-signalbox-session", ""),
        ("x-signalbox-resumable", "yes"),
        ("x-signalbox-on-unsupported", "ignore"),
        ("x-signalbox-continue", "on"),
        ("x-signalbox-explain", "1"),
    ] {
        let error = from_headers(&[(name, value)]).unwrap_err();
        assert_eq!((error.param.as_deref(), error.status()), (Some(name), 400), "{name}: {value}");
    }
}

#[test]
fn what_body_and_header_both_say_must_agree() {
    let members = Members::read(br#"{"models":["a"],"session_id":"x"}"#).unwrap();
    let read = |name: &str, value: &str| {
        let headers: Headers = [(name, value)].into_iter().collect();
        RoutingRequest::read(Dialect::OpenAiChat, &members, &headers, &config())
    };
    assert!(read("x-signalbox-models", "a").is_err());
    assert!(read("x-signalbox-session", "y").is_err());
    assert!(read("x-signalbox-session", "x").is_ok());
}

#[test]
fn our_members_are_taken_out_of_openai_bodies_only() {
    let body = br#"{"models":["a"],"model":"x","provider":{},"session_id":"s","messages":[]}"#;
    let members = Members::read(body).unwrap();
    let removals = RoutingRequest::removals(Dialect::OpenAiChat, &members);
    assert_eq!(members.edit(&removals), br#"{"model":"x","messages":[]}"#);
    assert!(RoutingRequest::removals(Dialect::AnthropicMessages, &members).is_empty());
    let anthropic = RoutingRequest::read(Dialect::AnthropicMessages, &members, &Headers::new(), &config()).unwrap();
    assert_eq!(anthropic, RoutingRequest::default(), "elsewhere these members are the provider's business");
}

#[test]
fn litellms_fallbacks_are_models_by_another_name_in_openais_dialects_only() {
    let routing = from_body(r#"{"model":"a","fallbacks":["openai/b","c"]}"#).unwrap();
    assert_eq!(routing.models, ["openai/b", "c"]);
    for body in [
        r#"{"fallbacks":[{"model":"b","messages":[]}]}"#,
        r#"{"fallbacks":[{"a":["b"]}]}"#,
        r#"{"fallbacks":"b"}"#,
        r#"{"models":["a"],"fallbacks":["b"]}"#,
    ] {
        let error = from_body(body).unwrap_err();
        assert_eq!((error.param.as_deref(), error.status()), (Some("fallbacks"), 400), "{body}");
    }
    let members = Members::read(br#"{"fallbacks":["b"]}"#).unwrap();
    assert_eq!(RoutingRequest::removals(Dialect::OpenAiChat, &members).len(), 1, "it reaches no provider");
    let anthropic = RoutingRequest::read(Dialect::AnthropicMessages, &members, &Headers::new(), &config()).unwrap();
    assert_eq!((anthropic.models.len(), RoutingRequest::removals(Dialect::AnthropicMessages, &members).len()), (0, 0));
}

fn portkey(text: &str) -> Result<(Option<String>, Vec<String>), GatewayError> {
    let mut routing = from_headers(&[("x-portkey-config", text)])?;
    Ok((routing.settle("asked"), routing.models))
}

#[test]
fn a_portkey_configuration_that_only_routes_is_a_list_of_models() {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (text, first, others) in [
        (r#"{"provider":"openai"}"#, "openai/asked", vec![]),
        (r#"{"provider":"@anthropic","override_params":{"model":"claude-x"}}"#, "anthropic/claude-x", vec![]),
        (r#"{"override_params":{"model":"@google/gemini-x"}}"#, "gemini/gemini-x", vec![]),
        (r#"{"override_params":{"model":"gpt-x"}}"#, "gpt-x", vec![]),
        (r#"{"strategy":{"mode":"single"},"targets":[{"provider":"x-ai"}]}"#, "xai/asked", vec![]),
        (
            r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai","override_params":{"model":"a"}},{"provider":"mistral-ai"},
                {"override_params":{"model":"@groq/org/b"}}]}"#,
            "openai/a",
            vec!["mistral/asked", "groq/org/b"],
        ),
    ] {
        assert_eq!(portkey(text).unwrap(), (Some(first.to_owned()), names(&others)), "{text}");
    }
}

#[test]
fn what_a_portkey_configuration_says_beyond_routing_is_refused_by_name() {
    for (text, param) in [
        ("pc-saved-1", "x-portkey-config"),
        ("{", "x-portkey-config"),
        ("{}", "x-portkey-config"),
        (r#"{"provider":"openai","api_key":"sk-secret"}"#, "x-portkey-config.api_key"),
        (r#"{"provider":"openai","custom_host":"https://evil.example"}"#, "x-portkey-config.custom_host"),
        (r#"{"provider":"openai","forward_headers":["authorization"]}"#, "x-portkey-config.forward_headers"),
        (r#"{"provider":"openai","cache":{"mode":"simple"}}"#, "x-portkey-config.cache"),
        (r#"{"provider":"openai","retry":{"attempts":5}}"#, "x-portkey-config.retry"),
        (r#"{"provider":"nobody"}"#, "x-portkey-config.provider"),
        (
            r#"{"provider":"openai","override_params":{"temperature":0}}"#,
            "x-portkey-config.override_params.temperature",
        ),
        (r#"{"strategy":{"mode":"loadbalance"},"targets":[{"provider":"openai"}]}"#, "x-portkey-config.strategy.mode"),
        (
            r#"{"strategy":{"mode":"fallback","on_status_codes":[429]},"targets":[]}"#,
            "x-portkey-config.strategy.on_status_codes",
        ),
        (r#"{"strategy":{"mode":"fallback"},"targets":[]}"#, "x-portkey-config.targets"),
        (r#"{"strategy":{"mode":"fallback"}}"#, "x-portkey-config"),
        (r#"{"targets":[{"provider":"openai"},{"provider":"groq"}]}"#, "x-portkey-config"),
        (
            r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai","weight":1}]}"#,
            "x-portkey-config.targets[0].weight",
        ),
        (
            r#"{"strategy":{"mode":"fallback"},"targets":[{"virtual_key":"k"}]}"#,
            "x-portkey-config.targets[0].virtual_key",
        ),
        (r#"{"strategy":{"mode":"fallback"},"targets":[{"targets":[]}]}"#, "x-portkey-config.targets[0].targets"),
    ] {
        let error = portkey(text).unwrap_err();
        assert_eq!((error.param.as_deref(), error.status()), (Some(param), 400), "{text}");
        assert!(!error.message.contains("sk-secret") && !error.message.contains("evil"), "{}", error.message);
    }
    let both = from_headers(&[("x-portkey-config", r#"{"provider":"openai"}"#), ("x-signalbox-models", "a")]);
    assert_eq!(both.unwrap_err().status(), 400);
}
