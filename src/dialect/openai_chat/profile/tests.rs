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
