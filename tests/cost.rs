//! Each token is priced once, at the rate of its class; what is not known is never 0.

use proptest::prelude::*;
use signalbox::accounting::{cost, estimate, Certainty, Cost, Provenance, ServiceTier};
use signalbox::catalogue::price::{Prices, Rates, Tier};
use signalbox::dialect::canonical::Usage;

/// Three dollars in, fifteen out, per million tokens, with every class priced apart.
fn priced() -> Rates {
    Rates {
        input: 3_000_000,
        output: 15_000_000,
        cached_input: Some(300_000),
        cache_write_5m: Some(3_750_000),
        cache_write_1h: Some(6_000_000),
        audio_input: Some(40_000_000),
        audio_output: Some(80_000_000),
        cached_audio: Some(4_000_000),
        image_input: Some(5_000_000),
        image_output: Some(60_000_000),
        web_search: Some(10_000_000_000),
        file_search: Some(2_500_000_000),
        ..Rates::default()
    }
}

/// The same without any class priced apart.
fn plain() -> Rates {
    Rates { input: 3_000_000, output: 15_000_000, ..Rates::default() }
}

fn reported(usage: &Usage, rates: &Rates) -> Cost {
    cost(usage, Provenance::Reported, Some(rates), NOW_MS)
}

/// Wednesday, 2026-11-25, 12:00 UTC.
const NOW_MS: u64 = 1_795_608_000_000;

#[test]
fn cache_writes_are_not_paid_twice() {
    // wire.md §6, trap 19: Anthropic's input does not contain its cache writes.
    let usage = Usage {
        input_tokens: 3,
        cached_input_tokens: Some(0),
        cache_write_5m_tokens: Some(12_304),
        output_tokens: 550,
        ..Usage::default()
    };
    assert_eq!(usage.prompt_tokens(), 12_307);
    let expected = 3 * 3_000_000 + 12_304 * 3_750_000 + 550 * 15_000_000;
    assert_eq!(reported(&usage, &priced()), Cost::Exact { picousd: expected });
    assert_eq!(reported(&usage, &priced()).usd().as_deref(), Some("0.054399"));
}

#[test]
fn repeated_counts_are_one_usage() {
    // Trap 20: two events that carry the same input replace each other, so 27 is paid once.
    let usage = Usage { input_tokens: 27, output_tokens: 10, ..Usage::default() };
    assert_eq!(reported(&usage, &plain()), Cost::Exact { picousd: 27 * 3_000_000 + 10 * 15_000_000 });
}

#[test]
fn reasoning_is_paid_as_output() {
    // Trap 21: Gemini's prompt 100 (cached 40), candidates 10, thoughts 30.
    let usage = Usage {
        input_tokens: 60,
        cached_input_tokens: Some(40),
        output_tokens: 10,
        reasoning_tokens: Some(30),
        ..Usage::default()
    };
    assert_eq!(reported(&usage, &priced()), Cost::Exact { picousd: 60 * 3_000_000 + 40 * 300_000 + 40 * 15_000_000 });
}

#[test]
fn a_class_without_its_own_rate_falls_back_as_documented() {
    let of = |usage: Usage| reported(&usage, &plain());
    for (name, usage, expected) in [
        (
            "cache read",
            Usage { cached_input_tokens: Some(10), ..Usage::default() },
            Cost::Exact { picousd: 30_000_000 },
        ),
        (
            "write, 5 minutes",
            Usage { cache_write_5m_tokens: Some(10), ..Usage::default() },
            Cost::Estimated { picousd: 30_000_000 },
        ),
        (
            "write, 1 hour",
            Usage { cache_write_1h_tokens: Some(10), ..Usage::default() },
            Cost::Estimated { picousd: 30_000_000 },
        ),
        (
            "audio in",
            Usage { input_tokens: 10, audio_input_tokens: Some(4), ..Usage::default() },
            Cost::Estimated { picousd: 30_000_000 },
        ),
        (
            "audio out",
            Usage { output_tokens: 10, audio_output_tokens: Some(4), ..Usage::default() },
            Cost::Estimated { picousd: 150_000_000 },
        ),
        (
            "classes reported as zero cast no doubt",
            Usage { input_tokens: 10, cache_write_5m_tokens: Some(0), audio_input_tokens: Some(0), ..Usage::default() },
            Cost::Exact { picousd: 30_000_000 },
        ),
    ] {
        assert_eq!(of(usage), expected, "{name}");
    }
    let only_5m = Rates { cache_write_5m: Some(3_750_000), ..plain() };
    let usage = Usage { cache_write_1h_tokens: Some(10), ..Usage::default() };
    assert_eq!(reported(&usage, &only_5m), Cost::Estimated { picousd: 37_500_000 });
}

#[test]
fn audio_is_paid_at_its_own_rate_and_only_once() {
    let usage = Usage {
        input_tokens: 100,
        audio_input_tokens: Some(60),
        output_tokens: 50,
        audio_output_tokens: Some(50),
        ..Usage::default()
    };
    let expected = 40 * 3_000_000 + 60 * 40_000_000 + 50 * 80_000_000;
    assert_eq!(reported(&usage, &priced()), Cost::Exact { picousd: expected });
    let absurd = Usage { input_tokens: 10, audio_input_tokens: Some(60), ..Usage::default() };
    assert_eq!(reported(&absurd, &priced()), Cost::Estimated { picousd: 10 * 40_000_000 });
}

#[test]
fn a_long_prompt_moves_the_whole_request_to_its_tier() {
    let long = Rates { input: 6_000_000, output: 22_500_000, cached_input: Some(600_000), ..Rates::default() };
    let rates = Rates { tiers: vec![Tier { above_input_tokens: 200_000, rates: long }], ..priced() };
    let at = |input, cached| {
        let usage =
            Usage { input_tokens: input, cached_input_tokens: Some(cached), output_tokens: 10, ..Usage::default() };
        reported(&usage, &rates)
    };
    let base = 100_000 * 3_000_000 + 100_000 * 300_000 + 10 * 15_000_000;
    assert_eq!(at(100_000, 100_000), Cost::Exact { picousd: base }, "at the bound the base holds");
    let above = 100_001 * 6_000_000 + 100_000 * 600_000 + 10 * 22_500_000;
    assert_eq!(at(100_001, 100_000), Cost::Exact { picousd: above }, "cached tokens count towards the bound");
}

#[test]
fn a_request_price_is_paid_once() {
    let rates = Rates { request: Some(5_000_000_000), ..plain() };
    let usage = Usage { input_tokens: 1, ..Usage::default() };
    assert_eq!(reported(&usage, &rates), Cost::Exact { picousd: 5_003_000_000 });
}

#[test]
fn service_tiers_have_their_own_rates_or_an_estimate() {
    let half = Rates { input: 1_500_000, output: 7_500_000, ..Rates::default() };
    let rates = Rates { services: vec![(ServiceTier::Batch, half)], ..plain() };
    let at = |word| {
        let usage = Usage { input_tokens: 10, service: ServiceTier::of_word(word), ..Usage::default() };
        reported(&usage, &rates)
    };
    assert_eq!(at(None), Cost::Exact { picousd: 30_000_000 });
    assert_eq!(at(Some("default")), Cost::Exact { picousd: 30_000_000 });
    assert_eq!(at(Some("flex")), Cost::Exact { picousd: 15_000_000 });
    assert_eq!(at(Some("priority")), Cost::Estimated { picousd: 30_000_000 });
    assert_eq!(at(Some("scale")), Cost::Estimated { picousd: 30_000_000 });
}

#[test]
fn the_hour_of_sending_decides_where_a_provider_charges_by_it() {
    let prices = r#"{"version": "1", "prices": {"acme/big": {"input": "1", "output": "2",
        "hours": [{"from": "01:00", "to": "04:00", "days": ["mon", "tue", "wed", "thu", "fri"], "input": "3",
                   "tiers": [{"above_input_tokens": 100, "input": "9"}]},
                  {"from": "22:30", "to": "00:30", "input": "5"}],
        "batch": {"input": "0.5"}}}}"#;
    let prices = Prices::parse(prices).unwrap();
    let rates = prices.of("acme/big").unwrap();
    let at = |tokens, at_ms| {
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        cost(&usage, Provenance::Reported, Some(rates), at_ms).picousd().unwrap() / tokens / 10_000
    };
    let hour =
        |days: u64, hour: u64, minute: u64| NOW_MS - 12 * 3_600_000 + ((days * 24 + hour) * 60 + minute) * 60_000;
    for (when, instant, expected) in [
        ("noon", hour(0, 12, 0), 100),
        ("a minute before the peak", hour(0, 0, 59), 100),
        ("the first minute of the peak", hour(0, 1, 0), 300),
        ("the last minute of the peak", hour(0, 3, 59), 300),
        ("its end", hour(0, 4, 0), 100),
        ("the same hour on Saturday", hour(3, 2, 0), 100),
        ("and on Monday", hour(5, 2, 0), 300),
        ("late in the evening", hour(0, 23, 0), 500),
        ("past midnight", hour(1, 0, 29), 500),
    ] {
        assert_eq!(at(1, instant), expected, "{when}");
    }
    assert_eq!(at(101, hour(0, 2, 0)), 900, "an hour has its own long-context prices");
    let batch = Usage { input_tokens: 1, service: ServiceTier::Batch, ..Usage::default() };
    assert_eq!(cost(&batch, Provenance::Reported, Some(rates), hour(0, 2, 0)), Cost::Exact { picousd: 500_000 });
}

#[test]
fn what_the_provider_did_beside_the_tokens_is_charged_by_its_fee() {
    let rates = Rates { code_execution: None, ..priced() };
    let usage = Usage { web_searches: Some(3), file_searches: Some(2), ..Usage::default() };
    assert_eq!(reported(&usage, &rates), Cost::Exact { picousd: 3 * 10_000_000_000 + 2 * 2_500_000_000 });
    let ran = Usage { code_executions: Some(1), ..usage };
    let without_fee = reported(&ran, &rates);
    assert_eq!(without_fee, Cost::Estimated { picousd: 35_000_000_000 }, "a fee that is not known is not none");
    let once = Rates { searched_request: Some(35_000_000_000), ..plain() };
    let searched = |searches| reported(&Usage { web_searches: Some(searches), ..Usage::default() }, &once);
    assert_eq!(searched(3), Cost::Exact { picousd: 35_000_000_000 });
    assert_eq!(searched(0), Cost::NOTHING);
}

#[test]
fn pictures_are_paid_at_their_own_rate_or_as_text() {
    let usage = Usage { input_tokens: 10, image_input_tokens: Some(4), ..Usage::default() };
    assert_eq!(reported(&usage, &priced()), Cost::Exact { picousd: 6 * 3_000_000 + 4 * 5_000_000 });
    assert_eq!(reported(&usage, &plain()), Cost::Exact { picousd: 30_000_000 });
    let drawn = Usage { output_tokens: 10, image_output_tokens: Some(10), ..Usage::default() };
    assert_eq!(reported(&drawn, &plain()), Cost::Estimated { picousd: 150_000_000 });
}

#[test]
fn an_unknown_price_is_not_free() {
    let usage = Usage { input_tokens: 10, ..Usage::default() };
    let unknown = cost(&usage, Provenance::Reported, None, NOW_MS);
    assert_eq!((unknown.picousd(), unknown.usd(), unknown.certainty()), (None, None, Certainty::Unpriced));
    assert_eq!(serde_json::to_string(&unknown).unwrap(), r#"{"certainty":"unpriced"}"#);
    assert_eq!(unknown.plus(Cost::NOTHING), Cost::UNPRICED);
}

#[test]
fn a_cost_that_does_not_fit_is_no_exact_cost() {
    let usage = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
    assert_eq!(reported(&usage, &priced()), Cost::Estimated { picousd: u64::MAX });
    assert_eq!(Cost::Exact { picousd: u64::MAX }.plus(Cost::Exact { picousd: 1 }).certainty(), Certainty::Estimated);
}

#[test]
fn a_cut_answer_is_charged_for_what_was_seen() {
    let nothing_known = estimate(None, 120, 401);
    assert_eq!(nothing_known, Usage { input_tokens: 120, output_tokens: 101, ..Usage::default() });
    // Anthropic counts the prompt first and the output last: the prompt's classes stay, the output is ours.
    let first = Usage {
        input_tokens: 3,
        cached_input_tokens: Some(900),
        cache_write_5m_tokens: Some(40),
        output_tokens: 1,
        ..Usage::default()
    };
    assert_eq!(estimate(Some(&first), 120, 400), Usage { output_tokens: 100, ..first });
    // Reported reasoning and more output than we saw bytes of are not lost.
    let later = Usage { input_tokens: 5, output_tokens: 20, reasoning_tokens: Some(300), ..Usage::default() };
    assert_eq!(estimate(Some(&later), 120, 40), later);
    assert_eq!(estimate(Some(&Usage::default()), 7, 0).input_tokens, 7);
    // Of a prompt that was not counted the cached part may be known; what is estimated is no longer unknown.
    let halves = Usage { cached_input_tokens: Some(100), output_tokens: 9, ..Usage::uncounted() };
    let filled = Usage { input_tokens: 20, cached_input_tokens: Some(100), output_tokens: 9, ..Usage::default() };
    assert_eq!(estimate(Some(&halves), 120, 0), filled);
    let cut = cost(&nothing_known, Provenance::Estimated, Some(&plain()), NOW_MS);
    assert_eq!(cut, Cost::Estimated { picousd: 120 * 3_000_000 + 101 * 15_000_000 });
}

#[test]
fn costs_cross_borders_as_text() {
    let cost = Cost::Estimated { picousd: u64::MAX };
    let json = serde_json::to_string(&cost).unwrap();
    assert_eq!(json, r#"{"certainty":"estimated","picousd":"18446744073709551615"}"#);
    assert_eq!(serde_json::from_str::<Cost>(&json).unwrap(), cost);
    assert_eq!(serde_json::from_str::<Cost>(r#"{"certainty":"unpriced"}"#).unwrap(), Cost::UNPRICED);
    assert!(serde_json::from_str::<Cost>(r#"{"certainty":"exact","picousd":12}"#).is_err());
    assert!(serde_json::from_str::<Cost>(r#"{"certainty":"exact"}"#).is_err());
    assert!(serde_json::from_str::<Cost>(r#"{"certainty":"unpriced","picousd":"0"}"#).is_err());
    assert!(serde_json::from_str::<Cost>(r#"{"certainty":"exact","picousd":"1","usd":"1"}"#).is_err());
}

prop_compose! {
    fn any_usage()(
        input in 0u64..1_000_000, cached: Option<u32>, write_5m: Option<u32>, write_1h: Option<u32>,
        output in 0u64..1_000_000, reasoning: Option<u32>, audio in prop::array::uniform3(0u64..=60),
        image in prop::array::uniform2(0u64..=40), web_searches: Option<u16>, file_searches: Option<u16>,
    ) -> Usage {
        Usage {
            input_tokens: input,
            cached_input_tokens: cached.map(u64::from),
            cache_write_5m_tokens: write_5m.map(u64::from),
            cache_write_1h_tokens: write_1h.map(u64::from),
            output_tokens: output,
            reasoning_tokens: reasoning.map(u64::from),
            audio_input_tokens: Some(input * audio[0] / 100),
            audio_output_tokens: Some(output * audio[1] / 100),
            cached_audio_tokens: cached.map(|cached| u64::from(cached) * audio[2] / 100),
            image_input_tokens: Some(input * image[0] / 100),
            image_output_tokens: Some(output * image[1] / 100),
            web_searches: web_searches.map(u64::from),
            file_searches: file_searches.map(u64::from),
            ..Usage::default()
        }
    }
}

proptest! {
    #[test]
    fn classes_sum_to_what_was_processed(usage in any_usage()) {
        // At one picodollar per token of any class the cost is the number of tokens; searches are counted beside them.
        let one = Rates {
            input: 1, output: 1, reasoning: Some(1), cached_input: Some(1), cache_write_5m: Some(1), cache_write_1h: Some(1),
            audio_input: Some(1), audio_output: Some(1), cached_audio: Some(1), image_input: Some(1),
            image_output: Some(1), web_search: Some(1), file_search: Some(1), ..Rates::default()
        };
        let searches = usage.web_searches.unwrap_or(0) + usage.file_searches.unwrap_or(0);
        let picousd = usage.prompt_tokens() + usage.completion_tokens() + searches;
        prop_assert_eq!(reported(&usage, &one), Cost::Exact { picousd });
    }

    #[test]
    fn the_cost_is_the_sum_of_the_classes_priced_alone(usage in any_usage()) {
        let rates = priced();
        let alone = [
            Usage {
                input_tokens: usage.input_tokens,
                audio_input_tokens: usage.audio_input_tokens,
                image_input_tokens: usage.image_input_tokens,
                ..Usage::default()
            },
            Usage {
                cached_input_tokens: usage.cached_input_tokens,
                cached_audio_tokens: usage.cached_audio_tokens,
                ..Usage::default()
            },
            Usage { cache_write_5m_tokens: usage.cache_write_5m_tokens, ..Usage::default() },
            Usage { cache_write_1h_tokens: usage.cache_write_1h_tokens, ..Usage::default() },
            Usage {
                output_tokens: usage.output_tokens,
                audio_output_tokens: usage.audio_output_tokens,
                image_output_tokens: usage.image_output_tokens,
                ..Usage::default()
            },
            Usage { reasoning_tokens: usage.reasoning_tokens, ..Usage::default() },
            Usage { web_searches: usage.web_searches, ..Usage::default() },
            Usage { file_searches: usage.file_searches, ..Usage::default() },
        ];
        let sum = alone.iter().fold(Cost::NOTHING, |sum, part| sum.plus(reported(part, &rates)));
        prop_assert_eq!(reported(&usage, &rates), sum);
    }

    #[test]
    fn an_estimate_never_takes_away_what_was_reported(usage in any_usage(), guess: u32, bytes: u32) {
        let estimated = estimate(Some(&usage), u64::from(guess), u64::from(bytes));
        prop_assert!(estimated.completion_tokens() >= usage.completion_tokens());
        prop_assert!(estimated.prompt_tokens() >= usage.prompt_tokens());
        prop_assert!(estimated.completion_tokens() >= u64::from(bytes).div_ceil(4));
    }
}
