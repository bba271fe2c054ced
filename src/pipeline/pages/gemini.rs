//! The catalogue in Gemini's shape (ai.google.dev/api/models), in pages where the caller asks for some.

use serde_json::{json, Value};

use super::{answer, callable, entry, Entry};
use crate::dialect::gemini::path::bare;
use crate::error::GatewayError;
use crate::pipeline::exchange::Exchange;
use crate::ports::Platform;

/// Google's largest page.
const MOST: usize = 1000;

/// `GET /v1beta/models`. A page token is the number of models that came before.
///
/// # Errors
/// The caller's: a page size or token that is none.
pub fn gemini_models<P: Platform>(exchange: &Exchange<'_, P>) -> Result<u16, GatewayError> {
    let query = &exchange.request.query;
    let size = number(query, "pageSize")?.filter(|size| *size > 0).unwrap_or(MOST).min(MOST);
    let start = number(query, "pageToken")?.unwrap_or(0);
    let entries = callable(exchange);
    let models: Vec<Value> = entries.iter().skip(start).take(size).map(Entry::gemini).collect();
    let next = start.saturating_add(models.len());
    let mut page = json!({ "models": models });
    if let (true, Some(object)) = (next < entries.len(), page.as_object_mut()) {
        object.insert("nextPageToken".to_owned(), next.to_string().into());
    }
    Ok(answer(exchange, 200, &page))
}

/// `GET /v1beta/models/{id}`.
///
/// # Errors
/// 404.
pub fn gemini_model<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<u16, GatewayError> {
    let page = entry(exchange, bare(id))?.gemini();
    Ok(answer(exchange, 200, &page))
}

impl Entry<'_> {
    fn gemini(&self) -> Value {
        let mut model = json!({
            "name": format!("models/{}", self.id),
            "displayName": self.id,
            "supportedGenerationMethods": self.methods(),
        });
        let limits = [("inputTokenLimit", self.context), ("outputTokenLimit", self.max_output)];
        if let Some(object) = model.as_object_mut() {
            object.extend(limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), limit?.into()))));
            if let Some(can) = &self.abilities {
                object.insert("thinking".to_owned(), can.thinks().into());
            }
        }
        model
    }

    fn methods(&self) -> &'static [&'static str] {
        if self.embedding {
            &["embedContent", "batchEmbedContents"]
        } else {
            &["generateContent", "streamGenerateContent", "countTokens"]
        }
    }
}

fn number(query: &str, name: &str) -> Result<Option<usize>, GatewayError> {
    let values = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, value)) = values.into_iter().find(|(found, value)| *found == name && !value.is_empty()) else {
        return Ok(None);
    };
    let number = Some(value).filter(|value| value.bytes().all(|b| b.is_ascii_digit())).and_then(|v| v.parse().ok());
    number.map(Some).ok_or_else(|| GatewayError::invalid(name, format!("{name} must be a whole number")))
}
