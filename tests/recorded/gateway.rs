//! A recorded answer on its way through the gateway to a client: the real pipeline over a scripted provider.

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::config::provider::KINDS;
use signalbox::dialect::canonical::Loss;
use signalbox::dialect::{Dialect, ReplyContext, Tail};
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use signalbox::pipeline;
use signalbox::route;
use signalbox::stream::relay::Relay;

use crate::cases::Case;
use crate::read;
use crate::support::{Fake, Head, Piece, Script};

/// Every dialect that providers are spoken to in, in the order of reports.
pub fn dialects() -> Vec<Dialect> {
    KINDS.iter().filter_map(|(_, kind)| kind.dialect()).fold(Vec::new(), |mut list, dialect| {
        if !list.contains(&dialect) {
            list.push(dialect);
        }
        list
    })
}

/// What a client received.
#[derive(Debug, Default)]
pub struct Got {
    pub status: u16,
    /// It was asked for as a stream.
    pub stream: bool,
    pub body: Vec<u8>,
    /// The connection ended in order.
    pub closed: bool,
    /// Calls that reached the provider.
    pub calls: usize,
    pub cost: Option<String>,
    /// `(field, disposition)` of what was reported; verdicts that are handed on raw have the disposition `safety`.
    pub losses: Vec<(String, String)>,
}

impl Got {
    pub fn loses(&self, what: &str) -> bool {
        self.losses.iter().any(|(field, _)| field.contains(what))
    }
}

/// How the client asks.
#[derive(Clone, Copy)]
pub struct Asking {
    pub client: Dialect,
    pub stream: bool,
    /// Losses are told under `signalbox`; a native stream is not left untouched then.
    pub explain: bool,
    /// OpenAI streams: usage is asked for.
    pub usage: bool,
}

impl Asking {
    pub fn plainly(client: Dialect, stream: bool) -> Self {
        Self { client, stream, explain: false, usage: true }
    }
}

thread_local! {
    static GATEWAY: Rc<Gateway> = Rc::new(Gateway::load_local(&configuration()).expect("the configuration is valid"));
}

/// Providers named after the profiles that the cases need.
const PROVIDERS: [(&str, &str); 13] = [
    ("openai", "openai-chat"),
    ("azure", "openai-chat"),
    ("deepseek", "openai-chat"),
    ("mistral", "openai-chat"),
    ("qwen", "openai-chat"),
    ("groq", "openai-chat"),
    ("openrouter", "openai-chat"),
    ("xai", "openai-chat"),
    ("llamacpp", "openai-chat"),
    ("compatible", "openai-chat"),
    ("anthropic", "anthropic-messages"),
    ("gemini", "gemini"),
    ("responses", "openai-responses"),
];

fn configuration() -> String {
    let mut providers = serde_json::Map::new();
    for (name, kind) in PROVIDERS {
        let mut provider =
            json!({"kind": kind, "base_url": format!("http://127.0.0.1:9/{name}"), "api_key": format!("k-{name}")});
        match name {
            "llamacpp" => provider["profile"] = json!("llama.cpp"),
            "compatible" => provider["profile"] = json!("openai-compatible"),
            _ => {}
        }
        providers.insert(name.to_owned(), provider);
    }
    json!({"identity": {"mode": "none"}, "providers": providers}).to_string()
}

/// Servers known to have Responses answer its callers in it: what they said in chat comes from another name then.
fn provider_of(case: &Case, dialect: Dialect, client: Dialect) -> &str {
    let has_responses = ["openai", "azure", "xai"].contains(&case.provider());
    if dialect == Dialect::OpenAiChat && client == Dialect::OpenAiResponses && has_responses {
        return "compatible";
    }
    match dialect.name() {
        "anthropic-messages" => "anthropic",
        "gemini" => "gemini",
        "openai-responses" => "responses",
        _ => {
            let known = PROVIDERS.iter().any(|(name, kind)| *name == case.provider() && *kind == "openai-chat");
            if known {
                case.provider()
            } else {
                "compatible"
            }
        }
    }
}

/// Whether clients of a dialect are served: their endpoint exists.
pub fn serves(client: Dialect) -> bool {
    route::endpoint("POST", &path(client, "p/m", false)).is_ok()
}

fn path(client: Dialect, model: &str, stream: bool) -> String {
    match client.name() {
        "openai-chat" => "/v1/chat/completions".to_owned(),
        "openai-responses" => "/v1/responses".to_owned(),
        "anthropic-messages" => "/v1/messages".to_owned(),
        _ => {
            format!("/v1beta/models/{model}:{}", if stream { "streamGenerateContent" } else { "generateContent" })
        }
    }
}

/// A question that every provider may be asked. The model is in no catalogue, so that nothing is known of it.
fn question(model: &str, asking: Asking) -> Value {
    match asking.client.name() {
        "openai-responses" => json!({"model": model, "input": "Well?", "stream": asking.stream}),
        "openai-chat" => {
            json!({"model": model, "messages": [{"role": "user", "content": "Well?"}], "stream": asking.stream,
                "stream_options": (asking.stream && asking.usage).then(|| json!({"include_usage": true}))})
        }
        "anthropic-messages" => {
            json!({"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": "Well?"}], "stream": asking.stream})
        }
        _ => json!({"contents": [{"role": "user", "parts": [{"text": "Well?"}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": true}}}),
    }
}

/// Asks through the pipeline; the provider's body comes in these pieces. A client whose endpoint does not exist yet gets
/// what the same decoders, relay and encoders write for it.
pub fn ask(case: &Case, dialect: Dialect, asking: Asking, pieces: &[&[u8]]) -> Got {
    if !serves(asking.client) {
        return translate(dialect, asking, pieces);
    }
    let model = format!("{}/recorded", provider_of(case, dialect, asking.client));
    let mut request = question(&model, asking);
    if request["stream_options"].is_null() {
        request.as_object_mut().expect("a question is an object").remove("stream_options");
    }
    send(case, asking, request, &model, pieces)
}

/// Asks with a body of one's own.
pub fn send(case: &Case, asking: Asking, request: Value, model: &str, pieces: &[&[u8]]) -> Got {
    let headers: Vec<(&'static str, String)> = case
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let known = ["content-type", "retry-after", "retry-after-ms", "x-should-retry"];
            Some((*known.iter().find(|known| *known == name)?, value.clone()))
        })
        .collect();
    let script = Script {
        head: Head::After(20, case.status(), headers),
        body: pieces.iter().map(|piece| (0, Piece::Bytes(piece.to_vec()))).collect(),
    };
    // A provider that fails once fails every time it is asked.
    let fake = Fake::new(vec![script; 4]);
    let mut asked: Vec<(&str, &str)> = vec![("content-type", "application/json")];
    if asking.explain {
        asked.push(("x-signalbox-explain", "true"));
    }
    let request = Request {
        method: "POST".into(),
        path: path(asking.client, model, asking.stream),
        query: if asking.client == Dialect::Gemini && asking.stream { "alt=sse".into() } else { String::new() },
        headers: asked.into_iter().collect(),
        body: request.to_string().into_bytes(),
    };
    fake.0.request_body.replace(request.body.clone());
    let gateway = GATEWAY.with(Rc::clone);
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    let body: Vec<u8> = fake.0.written.borrow().iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    Got {
        status: fake.status(),
        stream: asking.stream,
        closed: fake.0.closed.get(),
        calls: fake.calls().len(),
        cost: fake.header("x-signalbox-cost-usd"),
        losses: told(&body, asking.stream, fake.header("x-signalbox-losses").as_deref().unwrap_or_default()),
        body,
    }
}

fn translate(dialect: Dialect, asking: Asking, pieces: &[&[u8]]) -> Got {
    let context = ReplyContext { upstream: Some(dialect), include_usage: true, ..ReplyContext::default() };
    let mut got = Got { status: 200, stream: asking.stream, closed: true, ..Got::default() };
    if asking.stream {
        let mut relay = Relay::translated(dialect, asking.client, context);
        for piece in pieces {
            relay.push(piece, &mut got.body).expect("the answer is no error");
        }
        relay.input_ended(&mut got.body).expect("the answer is no error");
        got.closed = relay.complete();
        relay.conclude(&Tail { usage: relay.observation().usage, ..Tail::default() }, &mut got.body);
        got.losses = relay.losses().iter().map(named).collect();
    } else {
        let answer = dialect.decode_response(&pieces.concat()).expect("the answer can be read");
        let encoded = asking.client.encode_response(&answer, &context, &Tail::default());
        (got.body, got.losses) = (encoded.body, encoded.losses.iter().map(named).collect());
    }
    got
}

fn named(loss: &Loss) -> (String, String) {
    (loss.field.clone(), format!("{:?}", loss.disposition).to_lowercase())
}

/// Losses as they are told: in the header, and under `signalbox`.
fn told(body: &[u8], stream: bool, header: &str) -> Vec<(String, String)> {
    let pair = |text: &str| text.rsplit_once(':').map(|(field, fate)| (field.to_owned(), fate.to_owned()));
    let mut list: Vec<(String, String)> = header.split(", ").filter_map(pair).collect();
    let payloads: Vec<Value> = if stream {
        read::events(body).iter().filter_map(|event| serde_json::from_str(&event.data).ok()).collect()
    } else {
        serde_json::from_slice(body).into_iter().collect()
    };
    for loss in payloads.iter().filter_map(|payload| payload["signalbox"]["losses"].as_array()).flatten() {
        list.push((read::text(loss, "field").to_owned(), read::text(loss, "disposition").to_owned()));
    }
    for verdict in payloads.iter().filter_map(|payload| payload["signalbox"]["safety"].as_array()).flatten() {
        list.push((read::text(verdict, "field").to_owned(), "safety".to_owned()));
    }
    list
}

/// Seeded cuts of a body into pieces, some of them empty or within a character.
pub fn split(body: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let (mut pieces, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let size = match state % 5 {
            0 => 1,
            1 => (state >> 8) as usize % 7,
            2 => (state >> 8) as usize % 64,
            3 => (state >> 8) as usize % 500,
            _ => (state >> 8) as usize % 5000,
        };
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}
