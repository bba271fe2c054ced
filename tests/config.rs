//! What an operator may write, what is refused, and that the published schema says the same.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use serde_json::{json, Value};
use signalbox::config::provider::{Kind, State};
use signalbox::config::{schema, Config, ConfigProblem, Mode, DEFAULT};

fn load(overlay: &Value, mode: Mode) -> Result<Config, Vec<ConfigProblem>> {
    Config::load(&[DEFAULT, &overlay.to_string()], mode, &|_| None)
}

fn paths(overlay: &Value, mode: Mode) -> Vec<String> {
    load(overlay, mode).map_or_else(|problems| problems.into_iter().map(|p| p.path).collect(), |_| Vec::new())
}

fn keyed(name: &str) -> Option<String> {
    name.ends_with("_API_KEY").then(|| format!("key of {name}"))
}

#[test]
fn the_compiled_in_document_is_valid_in_production_and_closed() {
    let config = Config::load(&[DEFAULT], Mode::Production, &keyed).unwrap();
    let kinds: Vec<(&str, Kind)> = config.providers.values().map(|p| (p.name.as_str(), p.kind)).collect();
    assert_eq!(kinds.len(), 13);
    assert!(kinds.contains(&("anthropic", Kind::AnthropicMessages)) && kinds.contains(&("gemini", Kind::Gemini)));
    assert!(!config.identity.is_configured(), "not configured means closed");
    let not_ready: Vec<(&str, State)> =
        config.providers.values().map(|p| (p.name.as_str(), p.state())).filter(|(_, s)| *s != State::Ready).collect();
    assert_eq!(not_ready, [("azure", State::NoBaseUrl), ("workers-ai", State::NoBinding)]);
    let bound = Config::load(&[DEFAULT], Mode::Production, &|name| (name == "AI").then(|| "bound".to_owned())).unwrap();
    assert_eq!(bound.providers["workers-ai"].state(), State::Ready);
    assert_eq!(config.providers["azure"].prices_of, "openai");
    assert!(config.providers["openrouter"].reseller);
    assert_eq!(config.max_body_bytes, 25 * 1024 * 1024);
    assert!(config.model(&config.providers["openai"], "openai/gpt-4o").is_some());
    assert_eq!(config.price_id(&config.providers["azure"], "azure/gpt-4o"), "openai/gpt-4o");
    assert_eq!(config.price_id(&config.providers["openai"], "openai/gpt-4o-2024-11-20"), "openai/gpt-4o");
}

#[test]
fn keys_and_base_urls_go_by_the_sdks_names() {
    let environment = |name: &str| match name {
        "GEMINI_BASE_URL" => Some("https://second.example/".to_owned()),
        "GOOGLE_GEMINI_BASE_URL" => Some("https://first.example".to_owned()),
        "OPENAI_BASE_URL" => Some("https://proxy.example/v1/".to_owned()),
        "AZURE_OPENAI_BASE_URL" => Some("https://mine.openai.azure.com/openai/v1".to_owned()),
        "ANTHROPIC_API_KEY" => Some("k".to_owned()),
        "GROQ_API_KEY" => Some("  ".to_owned()),
        _ => None,
    };
    let config = Config::load(&[DEFAULT], Mode::Production, &environment).unwrap();
    let url = |name: &str| config.providers[name].base_url.clone().unwrap();
    assert_eq!(url("gemini"), "https://first.example");
    assert_eq!(url("openai"), "https://proxy.example/v1");
    assert_eq!(url("azure"), "https://mine.openai.azure.com/openai/v1");
    assert_eq!(url("mistral"), "https://api.mistral.ai/v1");
    assert_eq!(config.providers["anthropic"].state(), State::Ready);
    assert_eq!(config.providers["groq"].state(), State::NoSecret, "blank is not set");

    // What an operator writes out is more explicit than a variable that happens to be set.
    let overlay = json!({"providers": {"openai": {"base_url": "https://eu.example/v1"}}}).to_string();
    let config = Config::load(&[DEFAULT, &overlay], Mode::Production, &environment).unwrap();
    assert_eq!(config.providers["openai"].base_url.as_deref(), Some("https://eu.example/v1"));

    let problems =
        Config::load(&[DEFAULT], Mode::Production, &|n| (n == "XAI_BASE_URL").then(|| "http://x.example".into()));
    let problem = &problems.unwrap_err()[0];
    assert_eq!(problem.path, "providers.xai");
    assert!(problem.message.contains("XAI_BASE_URL"), "{problem}");
}

#[test]
fn an_overlay_adds_changes_and_removes() {
    let overlay = json!({
        "providers": {"groq": null, "acme": {"kind": "openai-chat", "base_url": "https://llm.acme.example/v1",
            "api_key_env": "ACME_API_KEY", "prices_of": "openai"}},
        "models": {"acme/big": {"context": 131_072, "capabilities": ["tools", "vision"],
            "quality": {"default": {"value": 0.7, "kind": "assumed"}, "legal": {"value": 0.9, "kind": "measured"}}},
            "openai/gpt-4o": {"context": 64_000}, "openai/gpt-4o-mini": null},
        "aliases": {"house": {"candidates": ["acme/big", "openai/*", "gpt-5"], "policy": "cheapest"}, "auto": null},
        "policies": {"balanced": {"weights": {"cost": 0.5}, "tasks": {"code": {"weights": {"quality": 2}}}}},
        "limits": {"groups": {"free": {"budget": {"usd": "1.50", "period": "day"}}}}
    });
    let config = load(&overlay, Mode::Production).unwrap();
    assert!(!config.providers.contains_key("groq"));
    assert_eq!(config.providers["acme"].profile, "openai-compatible");
    let gpt = config.catalogue.model("openai/gpt-4o").unwrap();
    assert_eq!(gpt.context, Some(64_000));
    assert!(gpt.traits().vision && gpt.tier.is_some(), "the rest of a shipped model stays");
    assert_eq!(config.catalogue.model("openai/gpt-4o-mini"), None);
    assert!(config.tasks.contains("legal") && config.tasks.contains("code") && !config.tasks.contains("poker"));
    assert!(config.aliases.contains_key("house") && !config.aliases.contains_key("auto"));
    let balanced = &config.policies["balanced"];
    assert_eq!((balanced.weights.quality_micro, balanced.weights.cost_micro), (1_000_000, 500_000));
    assert_eq!((balanced.tasks["code"].quality_micro, balanced.tasks["code"].cost_micro), (2_000_000, 500_000));
    assert_eq!(config.limits.groups["free"].budgets[0].amount.0, 1_500_000_000_000);
    assert_ne!(config.version, Config::load(&[DEFAULT], Mode::Production, &|_| None).unwrap().version);
}

#[test]
fn the_documented_example_is_valid() {
    let overlay = json!({
        "identity": {"mode": "jwt", "issuers": [{"issuer": "https://id.example", "jwks_url": "https://id.example/jwks",
            "audiences": ["signalbox"], "algorithms": ["RS256"], "claims": {"principal": "sub", "tenant": "org"}}]},
        "providers": {"acme": {"kind": "openai-chat", "base_url": "https://llm.acme.example/v1",
            "api_key_env": "ACME_API_KEY", "prices_of": "openai"}},
        "models": {"acme/big": {"context": 131_072, "capabilities": ["tools", "vision"],
            "quality": {"default": {"value": 0.7, "kind": "assumed"}}}},
        "aliases": {"auto": {"candidates": ["*"], "policy": "balanced"}},
        "policies": {"balanced": {"weights": {"quality": 1, "cost": 0.3, "latency": 0.2, "risk": 0.2}, "rules": []}},
        "telemetry": {"otlp": [{"endpoint": "https://otel.example", "headers": {}}], "sampling": 0.1}, "limits": {}});
    let config = load(&overlay, Mode::Production).unwrap();
    assert_eq!(config.identity.issuers.len(), 1);
    assert_eq!(config.telemetry.sampling_micro, 100_000);
}

#[test]
fn what_is_for_local_use_is_refused_elsewhere() {
    for (overlay, path) in [
        (json!({"identity": {"mode": "none"}}), "identity.mode"),
        (json!({"providers": {"openai": {"api_key": "sk-x"}}}), "providers.openai.api_key"),
        (json!({"providers": {"openai": {"base_url": "http://127.0.0.1:9/v1"}}}), "providers.openai.base_url"),
        (
            json!({"providers": {"openai": {"headers": {"Authorization": "x"}}}}),
            "providers.openai.headers.Authorization",
        ),
        (json!({"telemetry": {"otlp": [{"endpoint": "http://localhost:4318"}]}}), "telemetry.otlp[0].endpoint"),
    ] {
        assert_eq!(paths(&overlay, Mode::Production), [path]);
        assert_eq!(paths(&overlay, Mode::Local), Vec::<String>::new(), "{overlay}");
    }
    let local = load(&json!({"providers": {"openai": {"api_key": "sk-x"}}}), Mode::Local).unwrap();
    assert_eq!(local.providers["openai"].api_keys[0].expose(), "sk-x");
}

#[test]
fn every_mistake_is_refused_with_its_path() {
    for (overlay, path) in [
        (json!({"provider": {}}), "provider"),
        (json!({"providers": {"acme": {"base_url": "https://a.example"}}}), "providers.acme"),
        (json!({"providers": {"acme": {"kind": "openai"}}}), "providers.acme.kind"),
        (json!({"providers": {"a/b": {"kind": "gemini"}}}), "providers[\"a/b\"]"),
        (json!({"providers": {"openai": {"apikey_env": "X"}}}), "providers.openai.apikey_env"),
        (json!({"providers": {"openai": {"api_key_env": "sk-live-123"}}}), "providers.openai.api_key_env"),
        (json!({"providers": {"openai": {"base_url": "http://a.example"}}}), "providers.openai.base_url"),
        (json!({"providers": {"openai": {"profile": "opnai"}}}), "providers.openai.profile"),
        (json!({"providers": {"openai": {"prices_of": "opnai"}}}), "providers.openai"),
        (json!({"providers": {"openai": {"headers": {"Host": "x"}}}}), "providers.openai.headers.Host"),
        (json!({"providers": {"openai": {"headers": {"x-a": "a\nb: c"}}}}), "providers.openai.headers.x-a"),
        (json!({"models": {"acme/x": {}}}), "models[\"acme/x\"]"),
        (json!({"models": {"openai/x": {"context": "1"}}}), "models[\"openai/x\"].context"),
        (json!({"aliases": {"a": {"candidates": []}}}), "aliases.a.candidates"),
        (json!({"aliases": {"a": {"candidates": ["nobody/x"]}}}), "aliases.a"),
        (json!({"aliases": {"a": {"candidates": ["no-such-model"]}}}), "aliases.a"),
        (json!({"aliases": {"a": {"candidates": ["*"], "policy": "none"}}}), "aliases.a"),
        (json!({"aliases": {"openai/a": {"candidates": ["*"]}}}), "aliases[\"openai/a\"]"),
        (json!({"policies": {"p": {"weights": {"quality": -1}}}}), "policies.p.weights.quality"),
        (json!({"policies": {"p": {"weights": {"speed": 1}}}}), "policies.p.weights.speed"),
        (json!({"policies": {"p": {"rules": ["true"]}}}), "policies.p.rules[0]"),
        (json!({"policies": {"p": {"c_ref_usd": 0}}}), "policies.p.c_ref_usd"),
        (json!({"policies": {"p": {"attempts": {"max_attempts": 0}}}}), "policies.p.attempts.max_attempts"),
        (json!({"policies": {"p": {"attempts": {"idle_ms": 5}}}}), "policies.p.attempts.idle_ms"),
        (json!({"policies": {"p": {"hedge": {"mode": "fixed"}}}}), "policies.p.hedge"),
        (json!({"policies": {"p": {"hedge": {"mode": "p99"}}}}), "policies.p.hedge.mode"),
        (json!({"policies": {"p": {"hedge": {"max_share": 1.1}}}}), "policies.p.hedge.max_share"),
        (json!({"policies": {"p": {"hedge": {"after_ms": 0}}}}), "policies.p.hedge.after_ms"),
        (json!({"policies": {"p": {"data": {"regions": []}}}}), "policies.p.data.regions"),
        (json!({"policies": {"cheapest": null}}), ""),
        (json!({"limits": {"principals": {}}}), "limits"),
        (json!({"limits": {"default": {"budget": {"usd": -5, "period": "day"}}}}), "limits.default.budget"),
        (json!({"limits": {"default": {"budget": {"usd": "5", "period": "year"}}}}), "limits.default.budget"),
        (json!({"limits": {"groups": {"g": {"rpm": 5}}}}), "limits.groups.g.rpm"),
        (json!({"limits": {"groups": {"g": {"tokens_per_minute": -1}}}}), "limits.groups.g.tokens_per_minute"),
        (json!({"limits": {"default": {"max_cost_usd": "-1"}}}), "limits.default.max_cost_usd"),
        (json!({"limits": {"default": {"max_cost_usd": null, "models": 1}}}), "limits.default.models"),
        (json!({"telemetry": {"sampling": 2}}), "telemetry.sampling"),
        (json!({"telemetry": {"otlp": [{}]}}), "telemetry.otlp[0]"),
        (json!({"telemetry": {"capture": 0.1}}), "telemetry.capture"),
        (json!({"telemetry": {"content_bytes": 100}}), "telemetry.content_bytes"),
        (json!({"telemetry": {"redaction": {"kinds": ["names"]}}}), "telemetry.redaction.kinds[0]"),
        (
            json!({"telemetry": {"otlp": [{"endpoint": "https://a.example", "content": "yes"}]}}),
            "telemetry.otlp[0].content",
        ),
        (json!({"capture": {"sample": 1.5}}), "capture.sample"),
        (json!({"capture": {"share": 1}}), "capture.share"),
        (json!({"capture": {"policies": {"nobodys": {}}}}), "capture.policies.nobodys"),
        (json!({"capture": {"policies": {"best": {"claim": true}}}}), "capture.policies.best.claim"),
        (json!({"capture": {"redaction": {"kinds": ["names"]}}}), "capture.redaction.kinds[0]"),
        (json!({"capture": {"redaction": {"patterns": {"a b": "x"}}}}), "capture.redaction.patterns[\"a b\"]"),
        (json!({"capture": {"redaction": {"patterns": {"a": "("}}}}), "capture.redaction.patterns.a"),
        (json!({"capture": {"redaction": {"patterns": {"a": "x*"}}}}), "capture.redaction.patterns.a"),
        (json!({"capture": {"redaction": {"deny": ["a..b"]}}}), "capture.redaction.deny[0]"),
        (json!({"capture": {"encryption_key_env": "not a name"}}), "capture.encryption_key_env"),
        (json!({"telemetry": {"otlp": [{"endpoint": "https://a.example", "path": "x"}]}}), "telemetry.otlp[0].path"),
        (json!({"identity": {"mode": "jwt"}}), "identity.issuers"),
        (json!({"identity": {"modes": "jwt"}}), "identity"),
        (json!({"max_body_bytes": 0}), "max_body_bytes"),
        (json!({"cors": {"origins": ["*"]}}), "cors.origins[0]"),
        (json!({"cors": {"origins": ["null"]}}), "cors.origins[0]"),
        (json!({"cors": {"origins": ["https://a.example/"]}}), "cors.origins[0]"),
    ] {
        let found = paths(&overlay, Mode::Production);
        assert!(found.iter().any(|p| p == path), "{overlay}: {found:?}");
        assert!(
            found.iter().all(|p| p.starts_with(path.split('.').next().unwrap()) || p.is_empty()),
            "{overlay}: {found:?}"
        );
    }
}

#[test]
fn captures_are_sealed_where_they_are_to_be_or_not_kept_at_all() {
    let config = json!({"capture": {"sample": 0.5, "errors": true, "policies": {"best": {"sample": 1}}, "claim": true,
        "keep_days": 7, "redaction": {"patterns": {"staff": "EMP-[0-9]{6}"}, "allow": ["model"], "deny": ["$.user"]},
        "encryption_key_env": ["NEW", "OLD"]}});
    let read = |new: Option<&str>| {
        let environment = |name: &str| match name {
            "NEW" => new.map(str::to_owned),
            "OLD" => Some("b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xkIG9sZCE=".to_owned()),
            _ => None,
        };
        Config::load(&[signalbox::config::DEFAULT, &config.to_string()], Mode::Production, &environment)
    };
    let key = "bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3IG5ldyE=";
    let capture = read(Some(key)).unwrap().capture.unwrap();
    assert_eq!(capture.keys.iter().map(|key| key.expose()).collect::<Vec<_>>()[0], key);
    assert!(capture.keys.len() == 2 && !capture.lacks_key && capture.claim && capture.keep_ms == 7 * 86_400_000);
    assert_eq!((capture.rule("best").sample_micro, capture.rule("best").errors), (1_000_000, false));
    assert_eq!((capture.rule("balanced").sample_micro, capture.rule("balanced").errors), (500_000, true));
    assert!(read(None).unwrap().capture.unwrap().lacks_key, "and no older key stands in for it");
    let problem = read(Some("c2hvcnQ=")).unwrap_err().remove(0);
    assert!(problem.path == "capture.encryption_key_env" && !problem.message.contains("c2hvcnQ="), "{problem:?}");
    assert_eq!(load(&json!({}), Mode::Production).unwrap().capture, None, "off unless asked for");
}

#[test]
fn what_was_said_is_told_to_nobody_unless_asked_for_and_masked_as_captures_are_unless_told_otherwise() {
    let telemetry = |overlay: Value| load(&overlay, Mode::Production).unwrap().telemetry;
    let plain = telemetry(json!({"telemetry": {"otlp": [{"endpoint": "https://a.example"}]}}));
    assert!(!plain.tells_content() && plain.content_bytes == 16_384);
    let asked = json!([{"endpoint": "https://a.example", "content": true}]);
    let masks = json!({"redaction": {"kinds": ["email"]}});
    let like_captures = telemetry(json!({"telemetry": {"otlp": asked}, "capture": masks}));
    assert!(like_captures.tells_content() && like_captures.redaction.kinds.len() == 1);
    let own = json!({"otlp": asked, "redaction": {"kinds": ["email", "phone"]}, "content_bytes": 300});
    let own = telemetry(json!({"telemetry": own, "capture": masks}));
    assert_eq!((own.redaction.kinds.len(), own.content_bytes), (2, 300));
    let standard = telemetry(json!({"telemetry": {"otlp": asked}}));
    assert_eq!(standard.redaction, signalbox::redact::Settings::default());
}

#[test]
fn of_all_default_limits_that_concern_a_request_the_strictest_holds() {
    // Every member that the schema lists is understood.
    let full = json!({"budget": {"usd": "5", "period": "month"}, "requests_per_minute": 60, "tokens_per_minute": 9,
        "concurrent_requests": 4, "max_output_tokens": 100, "max_cost_usd": "0.50", "models": ["openai/*", "gpt-5"]});
    let overlay = json!({"limits": {"default": full, "issuers": {"https://id.example": {"requests_per_minute": 90}},
        "groups": {"free": {"requests_per_minute": 10, "budget": {"usd": "1", "period": "day"}}, "staff": {"tokens_per_minute": 8}},
        "policies": {"best": {"max_cost_usd": "0.01"}}}});
    let limits = load(&overlay, Mode::Production).unwrap().limits;
    let of = limits.of("https://id.example", &["free".to_owned(), "other".to_owned()], "best");
    assert_eq!((of.requests_per_minute, of.tokens_per_minute, of.concurrent_requests), (Some(10), Some(9), Some(4)));
    let budgets: Vec<(&str, u64)> = of.budgets.iter().map(|b| (b.period.name(), b.amount.0)).collect();
    assert_eq!(budgets, [("month", 5_000_000_000_000), ("day", 1_000_000_000_000)]);
    assert_eq!((of.max_cost_picousd, of.models.len()), (Some(10_000_000_000), 1));
    let plain = limits.of("https://other.example", &[], "balanced");
    assert_eq!((plain.requests_per_minute, plain.max_cost_picousd), (Some(60), Some(500_000_000_000)));
}

#[test]
fn a_layer_that_is_no_object_or_says_a_thing_twice_is_refused() {
    for overlay in [
        "",
        "[]",
        "null",
        "{",
        r#"{"models":{},"models":{}}"#,
        r#"{"providers":{"openai":{"region":"a","region":"b"}}}"#,
    ] {
        let problems = Config::load(&[DEFAULT, overlay], Mode::Local, &|_| None).unwrap_err();
        assert_eq!(problems[0].path, "overlay 1", "{overlay}");
    }
}

#[test]
fn secrets_never_appear_in_a_debug_rendering_or_a_problem() {
    let environment = |name: &str| Some(format!("canary-{name}"));
    let overlay =
        json!({"providers": {"openai": {"base_url": "https://x.example", "headers_env": {"x-extra": "EXTRA"}}}});
    let without_urls = |name: &str| (!name.ends_with("_BASE_URL")).then(|| environment(name)).flatten();
    let config = Config::load(&[DEFAULT, &overlay.to_string()], Mode::Local, &without_urls).unwrap();
    assert_eq!(config.providers["openai"].api_keys[0].expose(), "canary-OPENAI_API_KEY");
    assert_eq!(config.providers["openai"].headers[0].1.expose(), "canary-EXTRA");
    assert!(!format!("{config:?}").contains("canary"));
    let problems = Config::load(&[DEFAULT], Mode::Local, &environment).unwrap_err();
    assert!(problems.iter().all(|p| !p.to_string().contains("canary")), "{problems:?}");
}

#[test]
fn the_standard_bounds_of_trying_are_those_of_the_attempt_machine() {
    let ours = Config::load(&[DEFAULT], Mode::Local, &|_| None).unwrap().policies["balanced"].attempts;
    let theirs = signalbox::attempt::plan::Limits::default();
    assert_eq!(
        (ours.total_ms, ours.max_attempts, ours.max_wait_ms, ours.backoff_base_ms, ours.backoff_cap_ms, ours.whole_ms),
        (
            theirs.total_ms,
            theirs.max_attempts,
            theirs.max_wait_ms,
            theirs.backoff_base_ms,
            theirs.backoff_cap_ms,
            theirs.whole_ms
        )
    );
    assert_eq!((ours.first_content_ms, ours.idle_ms), (theirs.first_content_ms, theirs.idle_ms));
}

fn published() -> Value {
    serde_json::from_str(include_str!("../docs/config.schema.json")).unwrap()
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    names.into_iter().collect()
}

#[test]
fn the_published_schema_lists_the_members_and_words_that_the_loader_knows() {
    let schema = published();
    for (definition, members) in schema::SHAPES {
        let shape = if definition.is_empty() { &schema } else { &schema["$defs"][definition] };
        let listed = shape["properties"].as_object().unwrap_or_else(|| panic!("{definition} has no properties"));
        assert_eq!(names(listed.keys().map(String::as_str)), names(members.iter().copied()), "{definition:?}");
        assert_eq!(shape["additionalProperties"], false, "{definition:?}");
    }
    for (definition, words) in schema::words() {
        let listed = schema["$defs"][definition]["enum"].as_array().unwrap().iter().map(|w| w.as_str().unwrap());
        assert_eq!(names(listed), names(words), "{definition}");
    }
    // No definition is left over that the loader does not know: identity reads itself and is compared below.
    let known: BTreeSet<&str> =
        schema::SHAPES.iter().map(|(d, _)| *d).chain(schema::words().into_iter().map(|(d, _)| d)).collect();
    for definition in schema["$defs"].as_object().unwrap().keys() {
        let identity =
            ["identity", "issuer", "claims", "algorithm", "identity_mode", "headers"].contains(&definition.as_str());
        assert!(known.contains(definition.as_str()) || identity, "{definition}");
    }
}

#[test]
fn the_published_schema_of_identity_is_what_identity_reads() {
    let defs = &published()["$defs"];
    let issuer = json!({"issuer": "https://id.example", "mode": "jwt", "jwks_url": "https://id.example/jwks",
        "audiences": ["a"], "algorithms": defs["algorithm"]["enum"], "require": "claims.dept in ['a', 'b']",
        "claims": {"principal": "sub", "tenant": "org", "groups": "g", "gateway": "s", "limits": "l", "models": "m",
            "policies": "p", "data_policy": "d", "roles": "r"},
        "max_age_s": 60, "window_s": 30, "skew_s": 5, "token_type": "at+jwt", "clients": ["c"], "operator_groups": ["ops"],
        "grants": ["operator"], "banned_kids": ["k"], "banned_jtis": ["j"]});
    let front = json!({"issuer": "front", "mode": "signed-header", "secret_env": ["A_SECRET"], "single_use": true});
    let identity = json!({"mode": ["jwt", "signed-header"], "issuers": [issuer, front]});
    // Everything that the schema lists can be set, and everything that is read comes back out under a listed name.
    let config = load(&json!({"identity": identity}), Mode::Production).unwrap();
    let read = serde_json::to_value(&config.identity).unwrap();
    for (definition, value) in
        [("identity", &read), ("issuer", &read["issuers"][0]), ("claims", &read["issuers"][0]["claims"])]
    {
        let listed = names(defs[definition]["properties"].as_object().unwrap().keys().map(String::as_str));
        let mut said = names(value.as_object().unwrap().keys().map(String::as_str));
        // A secret and public keys do not go together, and a token may be used again.
        said.extend(["secret_env", "single_use"].iter().filter(|_| definition == "issuer"));
        assert_eq!(said, listed, "{definition}");
    }
}

#[test]
fn prices_are_fetched_from_where_it_is_safe_and_in_a_format_that_is_known() {
    let of = |prices: Value, mode| load(&json!({"prices": prices}), mode);
    let list = json!({"refresh_url": "https://prices.example/list.json", "format": "litellm"});
    let config = of(list, Mode::Production).unwrap();
    let refresh = config.price_refresh.unwrap();
    assert_eq!((refresh.url.as_str(), refresh.format.name()), ("https://prices.example/list.json", "litellm"));
    assert_eq!(of(json!({}), Mode::Production).unwrap().price_refresh, None);
    let own = of(json!({"refresh_url": "https://prices.example/own.json"}), Mode::Production).unwrap();
    assert_eq!(own.price_refresh.unwrap().format.name(), "signalbox");
    let loopback = json!({"refresh_url": "http://127.0.0.1:1234/list.json"});
    assert!(of(loopback.clone(), Mode::Local).is_ok());
    for (prices, path) in [
        (loopback, "prices.refresh_url"),
        (json!({"refresh_url": "http://prices.example/list.json"}), "prices.refresh_url"),
        (json!({"refresh_url": "https://me:secret@prices.example/"}), "prices.refresh_url"),
        (json!({"refresh_url": "https://prices.example/", "format": "csv"}), "prices.format"),
        (json!({"refresh": "https://prices.example/"}), "prices.refresh"),
    ] {
        let problems = of(prices, Mode::Production).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), [path]);
    }
}
