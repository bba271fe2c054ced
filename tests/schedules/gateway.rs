//! The one configuration of all schedules, and what a request to it looks like.

use std::rc::Rc;

use serde_json::json;
use signalbox::config::Mode;
use signalbox::dialect::Dialect;
use signalbox::gateway::{Gateway, Memory};
use signalbox::http::Request;

use super::schedule::{Candidate, Schedule, DIALECTS};

/// Bounds of trying, as the policies say them.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub total_ms: u64,
    pub max_attempts: usize,
    pub max_wait_ms: u64,
    pub backoff_base_ms: u64,
    pub backoff_cap_ms: u64,
    pub first_content_ms: u64,
    pub idle_ms: u64,
    pub whole_ms: u64,
}

const STANDARD: Bounds = Bounds {
    total_ms: 600_000,
    max_attempts: 6,
    max_wait_ms: 3_000,
    backoff_base_ms: 250,
    backoff_cap_ms: 8_000,
    first_content_ms: 10_000,
    idle_ms: 15_000,
    whole_ms: 120_000,
};

/// The policies that a schedule can name.
pub const POLICIES: [Bounds; 4] = [
    STANDARD,
    Bounds { total_ms: 3_000, max_attempts: 2, first_content_ms: 1_000, idle_ms: 800, ..STANDARD },
    Bounds { max_attempts: 10, backoff_base_ms: 10, backoff_cap_ms: 40, max_wait_ms: 0, whole_ms: 2_000, ..STANDARD },
    Bounds { total_ms: 40_000, max_attempts: 3, first_content_ms: 400, idle_ms: 300, max_wait_ms: 30_000, ..STANDARD },
];

/// Picodollars per token: input, cached input, output.
pub const RATES: (u64, u64, u64) = (2_000_000, 500_000, 8_000_000);

/// The provider's name of a candidate.
pub fn provider(candidate: &Candidate) -> String {
    format!("{}-{}", word(candidate.speaks), candidate.account)
}

/// The candidate's model at its provider; different for each rank.
pub fn model(candidate: &Candidate, rank: usize) -> String {
    let window = candidate.window.map_or("any".to_owned(), |k| format!("{k}k"));
    format!("{window}-{}-{rank}", if candidate.priced { "priced" } else { "unpriced" })
}

/// `provider/model`.
pub fn name(candidate: &Candidate, rank: usize) -> String {
    format!("{}/{}", provider(candidate), model(candidate, rank))
}

fn word(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "chat",
        Dialect::AnthropicMessages => "messages",
        Dialect::Gemini => "gems",
        Dialect::OpenAiResponses => "responses",
    }
}

/// Reads the configuration; every schedule runs under it, with a memory of its own.
pub fn load() -> Gateway {
    let mut providers = serde_json::Map::new();
    let mut models = serde_json::Map::new();
    let mut prices = serde_json::Map::new();
    for dialect in DIALECTS {
        for account in 0..2 {
            let version =
                if dialect == Dialect::OpenAiChat || dialect == Dialect::OpenAiResponses { "/v1" } else { "" };
            let plain = Candidate { account, ..Candidate::plain(dialect) };
            let name_of = provider(&plain);
            let entry = json!({"kind": dialect.name(), "base_url": format!("http://127.0.0.1:9/{name_of}{version}"), "api_key": "k"});
            providers.insert(name_of, entry);
            for (window, priced) in
                [(None, true), (Some(8), true), (Some(32), true), (Some(8), false), (Some(32), false)]
            {
                let candidate = Candidate { window, priced, ..plain.clone() };
                for rank in 0..4 {
                    if let Some(thousands) = window {
                        models.insert(name(&candidate, rank), json!({ "context": thousands * 1_000 }));
                    }
                    if priced {
                        let price = json!({"input": "2", "cached_input": "0.5", "output": "8"});
                        prices.insert(name(&candidate, rank), price);
                    }
                }
            }
        }
    }
    let policies: serde_json::Map<_, _> =
        POLICIES.iter().enumerate().map(|(at, b)| (policy(at), json!({ "attempts": attempts(b) }))).collect();
    let overlay = json!({"identity": {"mode": "none"}, "providers": providers, "models": models, "policies": policies});
    let prices = json!({"version": "simulated", "prices": prices}).to_string();
    Gateway::load(&[&overlay.to_string()], Some(&prices), Mode::Local, &|_| None, Rc::default())
        .unwrap_or_else(|problems| panic!("the simulation's configuration is valid: {problems:?}"))
}

fn policy(at: usize) -> String {
    format!("p{at}")
}

fn attempts(bounds: &Bounds) -> serde_json::Value {
    let by_patience = |ms: u64| json!({"normal": ms, "reasoning": ms, "high_effort": ms});
    json!({
        "total_ms": bounds.total_ms, "max_attempts": bounds.max_attempts, "max_wait_ms": bounds.max_wait_ms,
        "backoff_base_ms": bounds.backoff_base_ms, "backoff_cap_ms": bounds.backoff_cap_ms,
        "first_content_ms": by_patience(bounds.first_content_ms), "idle_ms": by_patience(bounds.idle_ms),
        "whole_ms": bounds.whole_ms,
    })
}

/// A memory for one schedule.
pub fn memory(schedule: &Schedule, now_ms: u64, gateway: &mut Rc<Gateway>) {
    if let Some(gateway) = Rc::get_mut(gateway) {
        gateway.memory = Rc::new(Memory::default());
        if schedule.no_budget {
            for candidate in &schedule.candidates {
                while gateway.may_retry(&provider(candidate), "", true, now_ms) {}
            }
        }
    }
}

/// The caller's request.
pub fn request(schedule: &Schedule) -> Request {
    let names: Vec<String> = schedule.candidates.iter().enumerate().map(|(at, c)| name(c, at)).collect();
    let (first, rest) = (&names[0], &names[1..]);
    let (stream, tools) = (schedule.stream, schedule.tools);
    let mut query = String::new();
    let parameters = r#"{"type":"object","properties":{"q":{"type":"string"}}}"#;
    let declared = |tool: String| if tools { format!(",\"tools\":[{tool}]") } else { String::new() };
    let (path, body) = match schedule.caller {
        Dialect::OpenAiChat => {
            let usage = if stream && schedule.asks_usage { r#","stream_options":{"include_usage":true}"# } else { "" };
            let tool =
                declared(format!(r#"{{"type":"function","function":{{"name":"look","parameters":{parameters}}}}}"#));
            let body = format!(
                r#"{{"model":"{first}","messages":[{{"role":"user","content":"Say it"}}],"stream":{stream}{usage}{tool}}}"#
            );
            ("/v1/chat/completions".to_owned(), body)
        }
        Dialect::OpenAiResponses => {
            let tool = declared(format!(r#"{{"type":"function","name":"look","parameters":{parameters}}}"#));
            ("/v1/responses".to_owned(), format!(r#"{{"model":"{first}","input":"Say it","stream":{stream}{tool}}}"#))
        }
        Dialect::AnthropicMessages => {
            let tool = declared(format!(r#"{{"name":"look","input_schema":{parameters}}}"#));
            let body = format!(
                r#"{{"model":"{first}","max_tokens":1000,"messages":[{{"role":"user","content":"Say it"}}],"stream":{stream}{tool}}}"#
            );
            ("/v1/messages".to_owned(), body)
        }
        Dialect::Gemini => {
            let method = if stream { "streamGenerateContent" } else { "generateContent" };
            if stream && !schedule.as_array {
                query = "alt=sse".to_owned();
            }
            let tool = declared(
                r#"{"functionDeclarations":[{"name":"look","parameters":{"type":"OBJECT","properties":{"q":{"type":"STRING"}}}}]}"#
                    .to_owned(),
            );
            let body = format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"Say it"}}]}}]{tool}}}"#);
            (format!("/v1beta/models/{first}:{method}"), body)
        }
    };
    // What is checked ends where an answer breaks: whoever goes on with it is tested in `tests/continuing.rs`.
    let mut headers = vec![("x-signalbox-policy", policy(schedule.policy)), ("x-signalbox-continue", "off".to_owned())];
    if !rest.is_empty() {
        headers.push(("x-signalbox-models", rest.join(",")));
    }
    if schedule.explains {
        headers.push(("x-signalbox-explain", "true".to_owned()));
    }
    Request { method: "POST".into(), path, query, headers: headers.into_iter().collect(), body: body.into_bytes() }
}
