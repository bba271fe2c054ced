//! What a chat caller's own body becomes on its way to a server that speaks chat with an accent: the rows' `here`. A field
//! without one arrives as it was written.

use std::collections::BTreeMap;

use serde_json::{json, Value};

use signalbox::attempt::plan::Patience;
use signalbox::config::provider::Provider;
use signalbox::dialect::canonical::Disposition;
use signalbox::dialect::openai_chat::request::adapt;
use signalbox::dialect::{Dialect, ModelTraits, Target};
use signalbox::gateway::Gateway;
use signalbox::pipeline::choose::Candidate;
use signalbox::pipeline::prepare::native_body;
use signalbox::upstream::keys::Keys;

use super::place;
use super::table::{self, Row, Table};

/// Servers with accents, each with a model that takes what its API has.
const SERVERS: [(&str, &str); 15] = [
    ("openai", "any"),
    ("mistral", "mistral-large-4"),
    ("deepseek", "any"),
    ("qwen", "qwen3.7-plus"),
    ("groq", "llama"),
    ("ollama", "llama"),
    ("workers-ai", "llama"),
    ("azure", "any"),
    ("openrouter", "x/y"),
    ("xai", "grok-x"),
    ("together", "llama"),
    ("fireworks", "llama"),
    ("vllm", "llama"),
    ("llama.cpp", "llama"),
    ("openai-compatible", "local"),
];

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Changed,
    LeftOut,
}

fn gateway() -> Gateway {
    let providers: BTreeMap<&str, Value> = SERVERS
        .iter()
        .map(|(name, _)| {
            let url = format!("http://127.0.0.1:9/{name}");
            // Before there was Responses on Azure.
            let version = if *name == "azure" { json!("2024-10-21") } else { Value::Null };
            (*name, json!({"kind": "openai-chat", "base_url": url, "api_key": "k", "profile": name, "api_version": version}))
        })
        .collect();
    Gateway::load_local(&json!({"identity": {"mode": "none"}, "providers": providers}).to_string()).unwrap()
}

/// The body that a server is sent, or why there is none. `drops`: the caller has allowed to leave out what it lacks.
fn sent(body: &Value, provider: &Provider, model: &str, drops: bool) -> Result<Value, String> {
    let chat = Dialect::OpenAiChat;
    let text = body.to_string();
    let view = chat.view(text.as_bytes()).map_err(|error| error.message)?;
    let request = chat.decode_request(text.as_bytes()).map_err(|error| error.message)?;
    let chosen = Candidate {
        name: format!("{}/{model}", provider.name),
        model: model.to_owned(),
        provider,
        keys: Keys::beginning_at(&[], 0),
        dialect: chat,
        traits: ModelTraits::PERMISSIVE,
        max_output_tokens: None,
        context: None,
        rates: None,
        price_is_a_guess: false,
        patience: Patience::Normal,
        score: Default::default(),
        expected_picousd: None,
        expected_output_tokens: 1,
        expected_ms: 1,
        losses: Vec::new(),
        drops,
        hides_reasoning: false,
    };
    let body = native_body(chat, &view, &chosen, Some(&request), false, &mut Vec::new());
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

fn fate(table: &Table, row: &Row, provider: &Provider, model: &str) -> Result<(Fate, String), String> {
    let base = table.base(row);
    let mut request = base.clone();
    place::put(&mut request, row.place(), row.sample.clone());
    let (without, with) = (sent(&base, provider, model, false)?, sent(&request, provider, model, false)?);
    // As it stands there, or as it would stand beside what the smallest request has become.
    let put = |body: &Value| {
        let mut body = body.clone();
        place::put(&mut body, row.place(), row.sample.clone());
        body["model"] = json!(model);
        body
    };
    // Where what holds the field has another form there, the sample has no place in it.
    let stands = std::panic::catch_unwind(|| put(&with) == with || put(&without) == with);
    let fate = if stands.unwrap_or_default() {
        Fate::Kept
    } else if with == without {
        Fate::LeftOut
    } else {
        Fate::Changed
    };
    Ok((fate, with.to_string()))
}

#[test]
fn a_field_for_a_server_of_its_own_dialect_arrives_as_its_row_says() {
    let gateway = gateway();
    let table = table::all().into_iter().find(|table| table.dialect == Dialect::OpenAiChat).unwrap();
    let mut found = Vec::new();
    let mut checked = 0;
    for row in table.rows.iter().filter(|row| !row.is_ours) {
        for (name, model) in SERVERS {
            checked += 1;
            let provider = &gateway.config.providers[name];
            let claim = row.here.get(name).or(row.here.get("*")).map_or("", String::as_str);
            let claimed = match claim.split(':').next() {
                Some("") => Fate::Kept,
                Some("changed") => Fate::Changed,
                Some("left out") => Fate::LeftOut,
                _ => {
                    found.push(format!("{} → {name}: {claim:?} is no word for it", row.field));
                    continue;
                }
            };
            match fate(&table, row, provider, model) {
                Ok((seen, body)) => {
                    let named = claim.split('`').skip(1).step_by(2).find(|word| !body.contains(*word));
                    if seen != claimed {
                        found.push(format!("HERE\t{}\t{}\t{name}\t{seen:?}\t{claim}\t{body}", row.field, row.sample));
                    } else if let Some(word) = named {
                        found.push(format!("{} → {name}: {claim}, but no `{word}` in {body}", row.field));
                    }
                }
                Err(error) => found.push(format!("{} → {name}: {error}", row.field)),
            }
        }
    }
    super::verdict(found, checked, 2400);
}

#[test]
fn what_a_server_of_its_own_dialect_lacks_is_dropped_and_told_or_sent_and_not_told() {
    let chat = Dialect::OpenAiChat;
    let gateway = gateway();
    let table = table::all().into_iter().find(|table| table.dialect == chat).unwrap();
    let mut found = Vec::new();
    let mut checked = 0;
    for row in table.rows.iter().filter(|row| !row.is_ours) {
        let mut request = table.base(row);
        place::put(&mut request, row.place(), row.sample.clone());
        let text = request.to_string();
        let Ok(decoded) = chat.decode_request(text.as_bytes()) else { continue };
        for (name, model) in SERVERS.into_iter().filter(|(name, _)| adapt::is_needed(name)) {
            let target = Target { provider: name, model, traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
            let mut lacking = chat.encode_request(&decoded, &target).losses;
            lacking.retain(|loss| {
                loss.disposition == Disposition::Unsupported && place::concerns(&loss.field, &row.field, &row.told_as)
            });
            if lacking.is_empty() {
                continue;
            }
            checked += 1;
            let told = !adapt::lost(text.as_bytes(), &decoded, &target, true, lacking).is_empty();
            let body = sent(&request, &gateway.config.providers[name], model, true).unwrap().to_string();
            if told && row.leaks(&body) {
                found.push(format!("{} → {name}: told as dropped and yet in {body}", row.field));
            } else if !told && !row.arrives(&body) {
                found.push(format!("{} → {name}: dropped in silence: {body}", row.field));
            }
        }
    }
    super::verdict(found, checked, 100);
}
