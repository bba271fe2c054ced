//! The same over the whole path, for each dialect as target: what the encoders say is what is sent, told and refused.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{json, Value};

use signalbox::dialect::canonical::Disposition;
use signalbox::dialect::{family, Dialect, Encoded, ModelTraits, Target};
use signalbox::gateway::Gateway;

use super::support::{post, serve, Fake, Script};
use super::table::{self, Column, Row, Table};
use super::{place, streams};

/// A server of each dialect, by the column that its claims stand in, with its kind.
const SERVERS: [(&str, &str, &str); 4] = [
    ("compatible", "openai-chat", "openai-compatible"),
    ("openai-responses", "openai-responses", "openai"),
    ("anthropic-messages", "anthropic-messages", "anthropic"),
    ("gemini", "gemini", "gemini"),
];

fn gateway() -> Rc<Gateway> {
    let provider = |(name, kind, profile): &(&str, &str, &str)| {
        let url = format!("http://127.0.0.1:9/{name}");
        let mut provider = json!({"kind": kind, "base_url": url, "api_key": "k"});
        if kind.starts_with("openai") {
            provider["profile"] = json!(profile);
        }
        ((*name).to_owned(), provider)
    };
    let providers: serde_json::Map<String, Value> = SERVERS.iter().map(provider).collect();
    let config = json!({"identity": {"mode": "none"}, "providers": providers});
    Rc::new(Gateway::load_local(&config.to_string()).unwrap())
}

/// A row's request with its sample, as a caller posts it.
struct Asked<'t> {
    table: &'t Table,
    column: &'t Column,
    /// Without the model's name for Gemini, whose path has it.
    body: Value,
    stream: bool,
}

impl Asked<'_> {
    fn new<'t>(table: &'t Table, row: &Row, column: &'t Column, stream: bool) -> Asked<'t> {
        let mut body = table.base(row);
        place::put(&mut body, row.place(), row.sample.clone());
        if table.dialect != Dialect::Gemini {
            body["model"] = json!(format!("{}/{}", column.name, column.model));
            body["stream"] = json!(stream);
        }
        Asked { table, column, body, stream }
    }

    fn path(&self) -> String {
        let action = if self.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        match self.table.dialect {
            Dialect::OpenAiChat => "/v1/chat/completions".to_owned(),
            Dialect::OpenAiResponses => "/v1/responses".to_owned(),
            Dialect::AnthropicMessages => "/v1/messages".to_owned(),
            Dialect::Gemini => format!("/v1beta/models/{}/{}:{action}", self.column.name, self.column.model),
        }
    }

    fn serve(&self, gateway: &Rc<Gateway>, on_unsupported: &str) -> Fake {
        let answer = answer(self.column.dialect);
        let script = match self.stream {
            true => Script::stream([streams::told(self.column.dialect, &answer)]),
            false => Script::json(200, answer.to_string()),
        };
        let fake = Fake::new([script]);
        let headers = [("x-signalbox-on-unsupported", on_unsupported)];
        serve(&fake, gateway, post(&self.path(), &self.body.to_string(), &headers));
        fake
    }

    /// What the encoders make of it.
    fn encoded(&self) -> Result<Encoded, String> {
        let body = self.body.to_string();
        let mut request = self.table.dialect.decode_request(body.as_bytes()).map_err(|error| error.message)?;
        request.stream = self.stream;
        request.model = format!("{}/{}", self.column.name, self.column.model);
        let profile = SERVERS.iter().find(|(name, ..)| *name == self.column.name).unwrap().2;
        let traits = ModelTraits::PERMISSIVE.within(&family::of(profile, self.column.model));
        let target = Target { provider: profile, model: self.column.model, traits, max_output_tokens: None };
        Ok(self.column.dialect.encode_request(&request, &target))
    }
}

fn answer(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAiChat => {
            json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
        }
        Dialect::OpenAiResponses => {
            json!({"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "{}", "annotations": []}]}], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}})
        }
        Dialect::AnthropicMessages => {
            json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "{}"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}})
        }
        Dialect::Gemini => {
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "{}"}]}, "finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}})
        }
    }
}

/// `field:disposition` pairs.
fn told(losses: &[(String, String)]) -> BTreeSet<String> {
    losses.iter().map(|(field, fate)| format!("{field}:{fate}")).collect()
}

fn word(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Converted => "converted",
        Disposition::Advisory => "advisory",
        Disposition::Unsupported => "unsupported",
    }
}

/// Why a row does not hold over the whole path, if it does not.
fn lie(gateway: &Rc<Gateway>, asked: &Asked<'_>) -> Option<String> {
    let encoded = match asked.encoded() {
        Ok(encoded) => encoded,
        Err(error) => return Some(error),
    };
    let expected: BTreeSet<String> =
        encoded.losses.iter().map(|loss| format!("{}:{}", loss.field, word(loss.disposition))).collect();
    let fake = asked.serve(gateway, "drop");
    // Of a conversation something must be left.
    if ["messages", "contents", "input"].iter().any(|all| expected.contains(&format!("{all}:unsupported"))) {
        let refused = (fake.status(), fake.calls().len()) == (400, 0);
        return (!refused).then(|| format!("sent without a conversation: {}", fake.body()));
    }
    if fake.status() != 200 {
        return Some(format!("dropping: {} {}", fake.status(), fake.body()));
    }
    let sent: Value = serde_json::from_slice(&fake.calls()[0].request.body).unwrap();
    let written: Value = serde_json::from_slice(&encoded.body).unwrap();
    if sent != written {
        return Some(format!("sent {sent}, the encoder says {written}"));
    }
    let header = fake.header("x-signalbox-losses").unwrap_or_default();
    let pairs = header.split(", ").filter_map(|pair| pair.rsplit_once(':'));
    let pairs: Vec<(String, String)> = pairs.map(|(field, fate)| (field.to_owned(), fate.to_owned())).collect();
    if !expected.iter().all(|loss| told(&pairs).contains(loss)) {
        return Some(format!("the caller is told {header:?}, the encoder says {expected:?}"));
    }
    let refused: Vec<&str> = encoded
        .losses
        .iter()
        .filter(|loss| loss.disposition == Disposition::Unsupported)
        .map(|loss| loss.field.as_str())
        .collect();
    for mode in ["error", "route"].into_iter().filter(|_| !refused.is_empty()) {
        let fake = asked.serve(gateway, mode);
        let body = fake.body();
        let named = refused.iter().any(|field| body.contains(field)) && body.contains(asked.column.name);
        if (fake.status(), fake.calls().len(), named) != (400, 0, true) {
            return Some(format!("{mode}: {} after {} calls: {body}", fake.status(), fake.calls().len()));
        }
    }
    None
}

#[test]
fn what_is_sent_told_and_refused_is_what_the_encoders_say() {
    let gateway = gateway();
    let mut found = Vec::new();
    let mut checked = 0;
    for table in table::all() {
        for row in table.rows.iter().filter(|row| !row.is_ours) {
            for column in
                table.columns().into_iter().filter(|column| SERVERS.iter().any(|(name, ..)| *name == column.name))
            {
                for stream in [false, true] {
                    checked += 1;
                    let asked = Asked::new(&table, row, column, stream);
                    if let Some(why) = lie(&gateway, &asked) {
                        let how = if stream { " (stream)" } else { "" };
                        found.push(format!("{} {} → {}{how}: {why}", table.name, row.field, column.name));
                    }
                }
            }
        }
    }
    super::verdict(found, checked, 2000);
}
