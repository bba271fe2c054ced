//! Snapshots: what clients get of our own small fixtures, byte by byte, with usage and losses. `UPDATE_GOLDEN=1` writes
//! them anew; what changed is then read in the diff.

use std::path::Path;

use signalbox::dialect::{Dialect, ModelTraits, Target};

use crate::cases::{self, Case};
use crate::gateway::{self, dialects, Asking};
use crate::read;

#[test]
fn what_clients_get_of_our_own_fixtures_is_what_it_was() {
    let mut changed = Vec::new();
    for case in cases::own() {
        let Some(dialect) = case.dialect else { continue };
        for client in dialects() {
            let name = format!("answer.{}.txt", client.name());
            hold(&case.folder.join(name), &answer(&case, dialect, client), &mut changed);
            let name = format!("request.{}.txt", client.name());
            hold(&case.folder.join(name), &request(&case, dialect, client), &mut changed);
        }
    }
    assert!(changed.is_empty(), "changed (UPDATE_GOLDEN=1 accepts): {changed:#?}");
}

fn answer(case: &Case, dialect: Dialect, client: Dialect) -> String {
    let asking = Asking::plainly(client, case.is_stream());
    let got = gateway::ask(case, dialect, asking, &[&case.response]);
    let explained = gateway::ask(case, dialect, Asking { explain: true, ..asking }, &[&case.response]);
    let usage = read::answer(client, &got.body, asking.stream && got.status == 200).usage;
    let losses: String =
        explained.losses.iter().skip(got.losses.len()).map(|(field, fate)| format!("loss: {field} {fate}\n")).collect();
    format!("status: {}\nusage: {usage:?}\n{losses}\n{}", got.status, String::from_utf8_lossy(&got.body))
}

/// The case's request, written for a model of another dialect.
fn request(case: &Case, dialect: Dialect, target: Dialect) -> String {
    let request = match dialect.decode_request(&case.request) {
        Ok(request) => request,
        Err(error) => return format!("refused: {error}\n"),
    };
    let provider = if target == Dialect::OpenAiChat { "openai" } else { target.name() };
    let about = Target { provider, model: "m", traits: ModelTraits::PERMISSIVE, max_output_tokens: Some(8192) };
    let encoded = target.encode_request(&request, &about);
    let losses: String =
        encoded.losses.iter().map(|l| format!("loss: {} {:?}: {}\n", l.field, l.disposition, l.reason)).collect();
    format!("{losses}\n{}\n", String::from_utf8_lossy(&encoded.body))
}

fn hold(path: &Path, now: &str, changed: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(path, now).unwrap();
    }
    if std::fs::read_to_string(path).unwrap_or_default() != now {
        changed.push(path.display().to_string());
    }
}
