//! What a chat caller's own body becomes on its way to a server that speaks chat with an accent: the rows' `here`. A field
//! without one arrives as it was written.

use std::collections::BTreeMap;

use serde_json::{json, Value};

use signalbox::attempt::plan::Patience;
use signalbox::config::provider::Provider;
use signalbox::dialect::{Dialect, ModelTraits};
use signalbox::gateway::Gateway;
use signalbox::pipeline::choose::Candidate;
use signalbox::pipeline::prepare::native_body;
use signalbox::upstream::keys::Keys;

use super::place;
use super::table::{self, Row, Table};

/// Servers with accents, each with a model that takes what its API has.
const SERVERS: [(&str, &str); 7] = [
    ("openai", "any"),
    ("mistral", "mistral-large-4"),
    ("deepseek", "any"),
    ("qwen", "qwen3.7-plus"),
    ("groq", "llama"),
    ("ollama", "llama"),
    ("workers-ai", "llama"),
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
            (*name, json!({"kind": "openai-chat", "base_url": url, "api_key": "k", "profile": name}))
        })
        .collect();
    Gateway::load_local(&json!({"identity": {"mode": "none"}, "providers": providers}).to_string()).unwrap()
}

/// The body that a server is sent, or why there is none.
fn sent(body: &Value, provider: &Provider, model: &str) -> Result<Value, String> {
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
        drops: false,
        hides_reasoning: false,
    };
    let body = native_body(chat, &view, &chosen, Some(&request), false, &mut Vec::new());
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

fn fate(table: &Table, row: &Row, provider: &Provider, model: &str) -> Result<(Fate, String), String> {
    let base = table.base(row);
    let mut request = base.clone();
    place::put(&mut request, row.place(), row.sample.clone());
    let (without, with) = (sent(&base, provider, model)?, sent(&request, provider, model)?);
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
            let claim = row.here.get(name).map_or("", String::as_str);
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
    super::verdict(found, checked, 900);
}
