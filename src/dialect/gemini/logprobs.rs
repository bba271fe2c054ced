//! Log probabilities: Google's `logprobsResult` ↔ OpenAI's form, which is the hub's (`wire.md` §3.2 "Logprobs").

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::write::Json;
use crate::dialect::canonical::Extra;

#[derive(Deserialize)]
struct Google {
    #[serde(default, rename = "chosenCandidates")]
    chosen: Vec<Token>,
    #[serde(default, rename = "topCandidates")]
    top: Vec<Top>,
}

#[derive(Deserialize)]
struct Top {
    #[serde(default)]
    candidates: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(rename = "logProbability")]
    log_probability: Option<f64>,
}

/// OpenAI's `{content: [{token, logprob, bytes, top_logprobs}]}`. Google gives no bytes.
#[derive(Serialize)]
struct OpenAi<'g> {
    content: Vec<Said<'g>>,
    refusal: Option<()>,
}

#[derive(Serialize)]
struct Said<'g> {
    #[serde(flatten)]
    token: Weighed<'g>,
    top_logprobs: Vec<Weighed<'g>>,
}

#[derive(Serialize)]
struct Weighed<'g> {
    token: &'g str,
    logprob: f64,
    bytes: Option<()>,
}

impl Token {
    /// OpenAI writes −9999 for what is too unlikely to be told.
    fn weighed(&self) -> Weighed<'_> {
        Weighed { token: &self.token, logprob: self.log_probability.unwrap_or(-9999.0), bytes: None }
    }
}

/// The choice's `logprobs`; `None` for what is not Google's or holds no token.
pub fn of_google(choice: u32, result: &RawValue) -> Option<Extra> {
    let google: Google = crate::json::from_str(result.get()).ok()?;
    if google.chosen.is_empty() {
        return None;
    }
    let content = google.chosen.iter().enumerate().map(|(at, token)| {
        let top = google.top.get(at).map(|top| top.candidates.as_slice()).unwrap_or_default();
        Said { token: token.weighed(), top_logprobs: top.iter().map(Token::weighed).collect() }
    });
    let value = serde_json::value::to_raw_value(&OpenAi { content: content.collect(), refusal: None }).ok()?;
    Some(Extra { field: format!("choices[{choice}].logprobs"), value, advisory: false, is_default: false })
}

/// A choice's `logprobs` in OpenAI's form as Google's `logprobsResult`; `None` for other members and for none at all.
pub fn to_google(extra: &Extra, choice: u32) -> Option<String> {
    #[derive(Deserialize)]
    struct Openai {
        content: Vec<Likely>,
    }
    #[derive(Deserialize)]
    struct Likely {
        token: String,
        logprob: f64,
        #[serde(default)]
        top_logprobs: Vec<Likely>,
    }
    if extra.choice() != Some(choice) || !extra.field.ends_with("].logprobs") {
        return None;
    }
    let content = crate::json::from_str::<Openai>(extra.value.get()).ok()?.content;
    let mut out = Vec::with_capacity(content.len() * 48);
    let write = |list: &mut Json<'_>, token: &Likely| {
        let mut item = list.object_item();
        item.text("token", &token.token);
        item.value("logProbability", token.logprob);
    };
    {
        let mut result = Json::object(&mut out);
        {
            let mut chosen = result.array_in("chosenCandidates");
            content.iter().for_each(|token| write(&mut chosen, token));
        }
        if content.iter().any(|token| !token.top_logprobs.is_empty()) {
            let mut top = result.array_in("topCandidates");
            for token in &content {
                let mut step = top.object_item();
                let mut list = step.array_in("candidates");
                token.top_logprobs.iter().for_each(|token| write(&mut list, token));
            }
        }
    }
    (!content.is_empty()).then(|| String::from_utf8(out).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_says_what_openai_clients_read() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let google = raw(
            r#"{"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5},{"token":"b","logProbability":-2}]}],"chosenCandidates":[{"token":"a","tokenId":7,"logProbability":-0.5},{"token":"c"}]}"#,
        );
        let extra = of_google(1, &google).unwrap();
        assert_eq!(extra.field, "choices[1].logprobs");
        let value: serde_json::Value = serde_json::from_str(extra.value.get()).unwrap();
        let token = |token: &str, logprob: f64| serde_json::json!({"token": token, "logprob": logprob, "bytes": null});
        let mut first = token("a", -0.5);
        first["top_logprobs"] = serde_json::json!([token("a", -0.5), token("b", -2.0)]);
        let mut second = token("c", -9999.0);
        second["top_logprobs"] = serde_json::json!([]);
        assert_eq!(value, serde_json::json!({"content": [first, second], "refusal": null}));
        assert!(of_google(0, &raw("{}")).is_none() && of_google(0, &raw("[]")).is_none());
        let back: serde_json::Value = serde_json::from_str(&to_google(&extra, 1).unwrap()).unwrap();
        let said = |token: &str, logprob: f64| serde_json::json!({"token": token, "logProbability": logprob});
        assert_eq!(back["chosenCandidates"], serde_json::json!([said("a", -0.5), said("c", -9999.0)]));
        assert_eq!(back["topCandidates"][0]["candidates"], serde_json::json!([said("a", -0.5), said("b", -2.0)]));
        assert_eq!(back["topCandidates"][1]["candidates"], serde_json::json!([]));
        assert!(to_google(&extra, 0).is_none(), "another choice's");
    }
}
