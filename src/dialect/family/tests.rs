use super::*;

#[test]
fn the_compiled_in_rules_are_valid_and_dated() {
    let rules = read(RULES).unwrap();
    assert!(rules.len() > 40);
    for rule in &rules {
        assert!(
            rule.model.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{}",
            rule.model
        );
        let date: Vec<&str> = rule.date.split('-').collect();
        assert!(rule.date.len() == 10 && date.len() == 3, "{}: {}", rule.model, rule.date);
    }
}

#[test]
fn a_rule_with_an_unknown_member_or_without_a_source_is_refused() {
    for (rule, place) in [
        (r#"{"models":["a"],"date":"2026-01-01","source":"s","smapling":"none"}"#, "rules[0].smapling"),
        (r#"{"models":["a"],"date":"2026-01-01"}"#, "rules[0]"),
        (r#"{"models":["a"],"date":"2026-01-01","source":"s","efforts":["huge"]}"#, "rules[0].efforts[0]"),
    ] {
        let problems = read(&format!(r#"{{"version":"v","rules":[{rule}]}}"#)).unwrap_err();
        assert_eq!(problems.first().map(|problem| problem.path.as_str()), Some(place), "{rule}");
    }
}

#[test]
fn every_spelling_of_a_model_finds_its_rules() {
    let thinking = |model: &str| of("anthropic", model).thinking;
    for model in [
        "claude-opus-4-5-20251101",
        "anthropic/claude-opus-4.5",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "claude-sonnet-4-20250514",
        "claude-sonnet-4-0",
        "claude-opus-4-1@20250805",
        "claude-3-7-sonnet-latest",
    ] {
        assert_eq!(thinking(model), Thinking::Budget, "{model}");
    }
    assert_eq!(thinking("claude-3-5-sonnet-20240620"), Thinking::Never);
    assert_eq!(thinking("claude-sonnet-5-20260901"), Thinking::Adaptive);
    assert_eq!(thinking("claude-sonnet-5-5"), Thinking::BetweenTools);
    assert_eq!(thinking("claude-quartz-7"), Thinking::Adaptive, "asked in the newest way");
    assert_eq!(of("anthropic", "acme-1"), Family::UNKNOWN);
    // A number goes on: 5.2 is not 5 of 2025, nor the other way round.
    assert_eq!(of("openai", "gpt-5-2025-08-07").efforts, of("openai", "gpt-5").efforts);
    assert_ne!(of("openai", "gpt-5.2-2025-12-11").efforts, of("openai", "gpt-5").efforts);
}

#[test]
fn of_two_rules_the_newer_wins_and_of_one_day_the_narrower() {
    let rules = r#"{"version":"v","rules":[
        {"models":["acme-2"],"date":"2026-03-01","source":"s","prefill":false,"stop":false},
        {"models":["acme"],"date":"2026-03-01","source":"s","prefill":true,"stop":true},
        {"models":["acme"],"date":"2026-06-01","source":"s","stop":true},
        {"models":["acme-2"],"at":["elsewhere"],"date":"2026-07-01","source":"s","stop":false}]}"#;
    let rules = read(rules).unwrap();
    let family = find(&rules, "acme", "acme-2-large");
    assert_eq!((family.prefill, family.stop), (Some(false), true));
    assert!(!find(&rules, "elsewhere", "acme-2-large").stop);
    assert_eq!(find(&rules, "acme", "acme-3").prefill, Some(true));
}

#[test]
fn what_refuses_sampling_refuses_prefill_too_among_claude_models() {
    for rule in read(RULES).unwrap().iter().filter(|rule| rule.model.starts_with("claude-")) {
        let family = of("anthropic", &rule.model);
        assert!(family.sampling != Sampling::None || family.prefill != Some(true), "{}", rule.model);
    }
    for model in ["claude-opus-4-6", "claude-sonnet-4-6"] {
        assert_eq!(of("anthropic", model).prefill, Some(false), "{model}");
    }
}

/// `wire.md` §1.9, the OpenAI table.
#[test]
fn openai_families_know_their_efforts_and_when_chat_refuses_tools() {
    let words = |model: &str| of("openai", model).efforts.unwrap().words().collect::<Vec<_>>().join(" ");
    assert_eq!(words("o3"), "low medium high");
    assert_eq!(words("gpt-5-mini"), "minimal low medium high");
    assert_eq!(words("gpt-5.1"), "none low medium high");
    assert_eq!(words("gpt-5.4-nano"), "none low medium high xhigh");
    assert_eq!(words("gpt-5.6-sol"), "none low medium high xhigh max");
    assert_eq!(words("gpt-6-astra"), "low medium high xhigh max");
    assert_eq!(words("gpt-6.1-terra"), "none low medium high xhigh max");
    let tools = |profile: &str, model: &str| of(profile, model).chat_tools;
    assert_eq!(tools("openai", "gpt-5.2"), ChatTools::Free);
    assert_eq!(tools("openai", "gpt-5.5-2026-04-23"), ChatTools::NoEffort);
    assert_eq!(tools("azure", "gpt-5.6"), ChatTools::AtRest);
    // `wire.md` §1.9 has it from a catalogue and marks it as unverified.
    assert_eq!(tools("openai", "gpt-6-sol"), ChatTools::Free);
    assert_eq!(tools("openrouter", "openai/gpt-5.6"), ChatTools::Free, "a reseller's chat is not OpenAI's");
    assert_eq!(of("openai", "gpt-5.1").sampling, Sampling::AtRest);
    assert_eq!(of("openai", "gpt-5").sampling, Sampling::None);
    assert_eq!(of("openai", "gpt-5-chat-latest").sampling, Sampling::All);
}

#[test]
fn an_effort_that_a_model_lacks_becomes_the_nearest_and_none_stays_none() {
    let four = Efforts::of(&["low", "medium", "high", "max"]);
    for (word, nearest) in [
        ("minimal", Some("low")),
        ("medium", Some("medium")),
        ("xhigh", Some("max")),
        ("none", None),
        ("enormous", None),
    ] {
        assert_eq!(four.nearest(word), nearest, "{word}");
    }
    let two = Efforts::of(&["none", "high"]);
    assert_eq!((two.nearest("minimal"), two.nearest("none")), (Some("high"), Some("none")));
}

#[test]
fn what_is_remembered_of_a_name_is_what_its_rules_say_there() {
    for round in 0..3 {
        for at in 0..1_100 {
            let unknown = format!("nobody-{round}-{at}");
            assert_eq!(of("anthropic", &unknown), Family::UNKNOWN);
        }
        for (profile, model) in
            [("openai", "gpt-5-mini"), ("openrouter", "gpt-5-mini"), ("anthropic", "claude-opus-4-5")]
        {
            assert_eq!(of(profile, model), find(rules(), profile, model), "{profile} {model}");
        }
    }
}
