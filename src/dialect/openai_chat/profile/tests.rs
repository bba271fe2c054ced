use super::*;

#[test]
fn the_compiled_in_profiles_are_valid_and_say_where_they_are_from() {
    let table = read(PROFILES).unwrap();
    for wanted in [
        "openai-compatible",
        "openai",
        "azure",
        "mistral",
        "deepseek",
        "qwen",
        "openrouter",
        "groq",
        "xai",
        "together",
        "fireworks",
        "vllm",
        "llama.cpp",
        "ollama",
        "workers-ai",
    ] {
        assert!(table.contains_key(wanted), "{wanted}");
    }
    let mut names: Vec<&str> =
        table.iter().flat_map(|(name, p)| p.names.iter().chain([name])).map(String::as_str).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a provider's name tells one profile");
}

#[test]
fn a_profile_is_read_strictly() {
    let base = r#""source":"s","date":"d""#;
    for (profiles, place) in [
        (format!(r#"{{"a":{{{base},"streem":true}}}}"#), "a.streem"),
        (format!(r#"{{"a":{{{base}}}}}"#), "a"),
        (r#"{"a":{"key":"bearer"}}"#.to_owned(), "a"),
        (format!(r#"{{"a":{{"like":"a",{base}}}}}"#), "a"),
    ] {
        let problems = read(&format!(r#"{{"version":"v","profiles":{profiles}}}"#)).unwrap_err();
        assert_eq!(problems.first().map(|problem| problem.path.as_str()), Some(place), "{profiles}");
    }
    // Every member of a complete one is needed.
    let document: Value = serde_json::from_str(PROFILES).unwrap();
    let plain = document["profiles"][PLAIN].as_object().unwrap();
    for member in plain.keys().filter(|name| *name != "names") {
        let mut lacking = plain.clone();
        lacking.remove(member);
        let text = serde_json::json!({"version": "v", "profiles": {"a": lacking}}).to_string();
        assert!(read(&text).is_err(), "without {member}");
    }
}

#[test]
fn a_provider_is_known_by_its_name_and_nobody_else_by_a_similar_one() {
    assert_eq!(named_after("dashscope"), Some("qwen"));
    assert_eq!(named_after("azure-openai"), Some("azure"));
    assert_eq!(named_after("mistral"), Some("mistral"));
    assert_eq!(named_after("openaiish"), None);
    assert_eq!(of("acme"), of(PLAIN));
    assert_eq!(of("azure").max_tokens, "max_completion_tokens");
    assert_eq!(of("mistral").seed.as_deref(), Some("random_seed"));
    assert_eq!(of("deepseek").seed, None);
}

/// What `wire.md` marks as unverified of these servers and the gateway acts on: a probe that finds otherwise changes the row
/// in `data/profiles.json` and this one.
#[test]
fn what_nobody_has_verified_of_a_server_is_assumed_to_be_so() {
    // §2, column Q: no speakers, no sound; parallel calls can be switched off, calls forced, answers several and weighed;
    // `strict` passes. §5: a partial answer is gone on with.
    let qwen = of("qwen");
    assert!(!qwen.speaker && qwen.media == MediaForm::None);
    assert!(qwen.parallel_switch && qwen.forced_tools && qwen.choices && qwen.logprobs && qwen.strict);
    assert_eq!(qwen.prefill, Prefill::Partial);
    // §2, column D: parallel calls cannot be switched off; sixteen stop sequences. §5: it goes on from a prefix.
    let deepseek = of("deepseek");
    assert!(!deepseek.parallel_switch && !deepseek.strict);
    assert_eq!((deepseek.stops, deepseek.prefill), (16, Prefill::PrefixBeta));
    // §2.1: Mistral's subset of schemas is not documented, so that it decides.
    assert_eq!(of("mistral").schema, SchemaSubset::Any);
    // §1.8: what Ollama accepts and ignores counts as unsupported.
    let ollama = of("ollama");
    assert!(!ollama.forced_tools && !ollama.choices && !ollama.takes("logit_bias"));
    // §1.8: Workers AI cuts answers early where no bound is sent.
    assert!(of("workers-ai").bound_required);
    // §5: a last assistant's message may be a beginning to others; nobody says so.
    for name in ["llama.cpp", "ollama", "groq", "together", "fireworks", "xai", PLAIN] {
        assert_eq!(of(name).prefill, Prefill::None, "{name}");
    }
    // §1.1: tools of OpenAI's own are OpenAI's; its SDK's helper for streams says how their calls are streamed.
    for name in names() {
        assert_eq!(of(name).takes("custom_tools"), ["openai", "azure"].contains(&name), "{name}");
    }
}
