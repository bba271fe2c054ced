//! What the usual clients send when their user sets nothing but a prompt, a tool and the bound that Anthropic requires:
//! none of it may be refused by any target.
//!
//! `clients.json` was recorded on 2026-11-26 and 27 by running each client against a server on this machine that answers with a
//! text or a call: one request, the same as a stream, one with a tool, and the second turn of a tool loop. The list says
//! which versions sent each body.

use serde::Deserialize;
use serde_json::Value;

use signalbox::dialect::canonical::Disposition;

use super::table;

#[derive(Deserialize)]
struct Sent {
    clients: Vec<String>,
    dialect: String,
    body: Value,
}

/// What a server has no way to do, whoever asks for it (`data/profiles.json`). Some clients force a call to get an object from
/// a model that they do not know, and Ollama does not force calls. OpenAI's agents and Pydantic AI make every function strict,
/// and a 200 without that would be a promise broken in silence (`wire.md` §6, trap 35): their users allow it to be dropped.
const CANNOT: [(&str, &[&str]); 3] = [
    ("ollama", &["tool_choice", "tools[*].strict", "toolConfig.functionCallingConfig.mode"]),
    ("deepseek", &["tools[*].strict", "toolConfig.functionCallingConfig.mode", "text.format"]),
    ("workers-ai", &["tools[*].strict", "toolConfig.functionCallingConfig.mode"]),
];

#[test]
fn nothing_that_clients_send_by_default_is_refused_by_any_target() {
    let list: Vec<Sent> = serde_json::from_str(include_str!("clients.json")).unwrap();
    let mut found = Vec::new();
    let mut checked = 0;
    for table in table::all() {
        for sent in list.iter().filter(|sent| sent.dialect == table.name) {
            for column in table.columns() {
                checked += 1;
                match super::translate(table.dialect, &sent.body, column, false) {
                    Err(error) => found.push(format!("{:?}: {error}", sent.clients)),
                    Ok(encoded) => found.extend(
                        encoded
                            .losses
                            .iter()
                            .filter(|loss| loss.disposition == Disposition::Unsupported)
                            .filter(|loss| !cannot(column.name, &loss.field))
                            .map(|loss| format!("{:?} → {}: {loss:?}", sent.clients, column.name)),
                    ),
                }
            }
        }
    }
    super::verdict(found, checked, 150);
}

fn cannot(server: &str, field: &str) -> bool {
    CANNOT.iter().any(|(name, fields)| *name == server && fields.contains(&field))
}
