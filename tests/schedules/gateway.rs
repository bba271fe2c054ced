//! The one configuration of all schedules, and what a request to it looks like.

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::config::Mode;
use signalbox::dialect::Dialect;
use signalbox::gateway::{Gateway, Memory};
use signalbox::http::Request;

use super::schedule::{Candidate, Continues, Schedule, DIALECTS};

/// Accounts per dialect. Those of the last one go on from a text exactly, where their dialect can; of OpenAI's dialect it is
/// Mistral's, which repeats the text first, and works on when nobody listens any more.
pub const ACCOUNTS: usize = 3;

/// Whether a candidate goes on from a text exactly.
pub fn goes_on(candidate: &Candidate) -> bool {
    candidate.account == 2 && candidate.speaks != Dialect::OpenAiResponses
}

/// Whether it repeats that text first.
pub fn echoes(candidate: &Candidate) -> bool {
    goes_on(candidate) && candidate.speaks == Dialect::OpenAiChat
}

/// Whether an answer, and the charging for it, ends with its connection.
pub fn stops(candidate: &Candidate) -> bool {
    candidate.speaks != Dialect::Gemini && !echoes(candidate)
}

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

/// After how many ms without content a second candidate is asked, in policies that do so.
pub const HEDGES: [u64; 2] = [60, 700];

/// Picodollars per token: input, cached input, output.
pub const RATES: (u64, u64, u64) = (2_000_000, 500_000, 8_000_000);

/// The provider's name of a candidate.
pub fn provider(candidate: &Candidate) -> String {
    format!("{}-{}", word(candidate.speaks), candidate.account)
}

/// The candidate's model at its provider; different for each rank.
pub fn model(candidate: &Candidate, rank: usize) -> String {
    let window = candidate.window.map_or("any".to_owned(), |k| format!("{k}k"));
    let family = match candidate.speaks {
        Dialect::AnthropicMessages if goes_on(candidate) => "claude-sonnet-4-5-",
        Dialect::Gemini if goes_on(candidate) => "gemini-2.5-",
        _ => "",
    };
    format!("{family}{window}-{}-{rank}", if candidate.priced { "priced" } else { "unpriced" })
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
        for account in 0..ACCOUNTS {
            let version =
                if dialect == Dialect::OpenAiChat || dialect == Dialect::OpenAiResponses { "/v1" } else { "" };
            let plain = Candidate { account, ..Candidate::plain(dialect) };
            let name_of = provider(&plain);
            let mut entry = json!({"kind": dialect.name(), "base_url": format!("http://127.0.0.1:9/{name_of}{version}"), "api_key": "k"});
            if dialect == Dialect::OpenAiChat && goes_on(&plain) {
                entry["profile"] = "mistral".into();
            }
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
    let mut policies = serde_json::Map::new();
    for (at, bounds) in POLICIES.iter().enumerate() {
        for holds in [false, true] {
            for hedges in HEDGES.map(Some).into_iter().chain([None]) {
                let mut entry = json!({ "attempts": attempts(bounds), "hold_back": holds });
                if let Some(after_ms) = hedges {
                    entry["hedge"] = json!({"mode": "fixed", "after_ms": after_ms, "max_share": 1, "max_cost_usd": 1});
                }
                policies.insert(policy(at, holds, hedges), entry);
            }
        }
    }
    let overlay = json!({"identity": {"mode": "none"}, "providers": providers, "models": models, "policies": policies});
    let prices = json!({"version": "simulated", "prices": prices}).to_string();
    Gateway::load(&[&overlay.to_string()], Some(&prices), Mode::Local, &|_| None, Rc::default())
        .unwrap_or_else(|problems| panic!("the simulation's configuration is valid: {problems:?}"))
}

fn policy(at: usize, holds_back: bool, hedges: Option<u64>) -> String {
    let after = hedges.map_or(String::new(), |ms| format!("-{ms}"));
    format!("p{at}{}{after}", if holds_back { "-holds" } else { "" })
}

/// The text that a request ends with in the answer's voice.
pub fn given(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let last = body["messages"].as_array().or(body["contents"].as_array())?.last()?;
    match last["role"].as_str() {
        Some("assistant") => last["content"].as_str().map(str::to_owned),
        Some("model") => last["parts"][0]["text"].as_str().map(str::to_owned),
        _ => None,
    }
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

/// A memory for the requests of one schedule.
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
    let more = wishes(schedule);
    let (path, body) = match schedule.caller {
        Dialect::OpenAiChat => {
            let usage = if stream && schedule.asks_usage { r#","stream_options":{"include_usage":true}"# } else { "" };
            let tool =
                declared(format!(r#"{{"type":"function","function":{{"name":"look","parameters":{parameters}}}}}"#));
            let body = format!(
                r#"{{"model":"{first}","messages":[{{"role":"user","content":"Say it"}}],"stream":{stream}{usage}{tool}{more}}}"#
            );
            ("/v1/chat/completions".to_owned(), body)
        }
        Dialect::OpenAiResponses => {
            let tool = declared(format!(r#"{{"type":"function","name":"look","parameters":{parameters}}}"#));
            let body = format!(r#"{{"model":"{first}","input":"Say it","stream":{stream}{tool}{more}}}"#);
            ("/v1/responses".to_owned(), body)
        }
        Dialect::AnthropicMessages => {
            let tool = declared(format!(r#"{{"name":"look","input_schema":{parameters}}}"#));
            let body = format!(
                r#"{{"model":"{first}","max_tokens":1000,"messages":[{{"role":"user","content":"Say it"}}],"stream":{stream}{tool}{more}}}"#
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
            let body = format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"Say it"}}]}}]{tool}{more}}}"#);
            (format!("/v1beta/models/{first}:{method}"), body)
        }
    };
    let continues = match schedule.continues {
        Continues::Off => "off",
        Continues::Auto => "auto",
        Continues::Restart => "restart",
        Continues::Prefill => "prefill",
    };
    let policy = policy(schedule.policy, schedule.holds_back, schedule.hedges);
    let mut headers = vec![("x-signalbox-policy", policy), ("x-signalbox-continue", continues.to_owned())];
    if schedule.kept.is_some() {
        headers.push(("x-signalbox-resumable", "true".to_owned()));
    }
    if !rest.is_empty() {
        headers.push(("x-signalbox-models", rest.join(",")));
    }
    if schedule.explains {
        headers.push(("x-signalbox-explain", "true".to_owned()));
    }
    Request { method: "POST".into(), path, query, headers: headers.into_iter().collect(), body: body.into_bytes() }
}

/// Members that ask for an answer of a kind.
fn wishes(schedule: &Schedule) -> String {
    let (same, document) = match schedule.caller {
        Dialect::Gemini => (r#""temperature":0"#, r#""responseMimeType":"application/json""#),
        Dialect::OpenAiResponses => (r#""temperature":0"#, r#""text":{"format":{"type":"json_object"}}"#),
        _ => (r#""temperature":0"#, r#""response_format":{"type":"json_object"}"#),
    };
    let wanted = [(schedule.deterministic, same), (schedule.json, document)];
    let wanted: Vec<&str> = wanted.into_iter().filter_map(|(wanted, member)| wanted.then_some(member)).collect();
    match schedule.caller {
        _ if wanted.is_empty() => String::new(),
        Dialect::Gemini => format!(r#","generationConfig":{{{}}}"#, wanted.join(",")),
        _ => format!(",{}", wanted.join(",")),
    }
}
