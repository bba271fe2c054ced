//! Sources for Gemini's callers: citations → `groundingMetadata` (`wire.md` §3.2 "Citations").

use super::write::Json;
use crate::dialect::citation::Citation;
use crate::sorted::Map;

/// Writes the object: each page once, and for each cited range a segment of the choice's text, in UTF-8 bytes. A range that
/// is empty or not in the text names its page alone.
pub fn encode(citations: &[Citation], text: &str, out: &mut Vec<u8>) {
    let mut pages: Vec<&Citation> = Vec::new();
    let mut supports: Map<(usize, usize), Vec<usize>> = Map::new();
    for cited in citations {
        let known = pages.iter().position(|page| page.url == cited.url);
        let page = known.unwrap_or_else(|| {
            pages.push(cited);
            pages.len() - 1
        });
        if cited.start < cited.end {
            supports.entry((cited.start, cited.end)).or_default().push(page);
        }
    }
    let mut metadata = Json::object(out);
    {
        let mut chunks = metadata.array_in("groundingChunks");
        for page in pages {
            let mut chunk = chunks.object_item();
            let mut web = chunk.object_in("web");
            web.text("uri", &page.url);
            if !page.title.is_empty() {
                web.text("title", &page.title);
            }
        }
    }
    let mut list = metadata.array_in("groundingSupports");
    for ((start, end), pages) in supports {
        let (Some(from), Some(to)) = (byte_of(text, start), byte_of(text, end)) else { continue };
        let mut support = list.object_item();
        {
            let mut segment = support.object_in("segment");
            segment.value("startIndex", from);
            segment.value("endIndex", to);
            segment.text("text", text.get(from..to).unwrap_or_default());
        }
        support.value("groundingChunkIndices", &pages);
    }
}

/// Where a character begins; the text's end for the one after the last.
fn byte_of(text: &str, character: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, Value};

    #[test]
    fn characters_become_googles_bytes_and_come_back() {
        let text = "für 😀 Berlin";
        let at = |url: &str, start, end| Citation { url: url.into(), title: String::new(), start, end };
        let cited = [
            at("https://a", 6, 12),
            at("https://b", 6, 12),
            at("https://a", 0, 3),
            at("https://c", 0, 0),
            at("https://d", 5, 99),
        ];
        let mut out = Vec::new();
        encode(&cited, text, &mut out);
        let value: Value = serde_json::from_slice(&out).unwrap();
        let web = |uri: &str| json!({"web": {"uri": uri}});
        assert_eq!(
            value["groundingChunks"],
            json!([web("https://a"), web("https://b"), web("https://c"), web("https://d")])
        );
        assert_eq!(
            value["groundingSupports"],
            json!([
                {"segment": {"startIndex": 0, "endIndex": 4, "text": "für"}, "groundingChunkIndices": [0]},
                {"segment": {"startIndex": 10, "endIndex": 16, "text": "Berlin"}, "groundingChunkIndices": [0, 1]},
            ])
        );
        let raw = serde_json::value::RawValue::from_string(String::from_utf8(out).unwrap()).unwrap();
        let back = crate::dialect::citation::of_grounding(&raw, text);
        assert_eq!(back, [at("https://a", 0, 3), at("https://a", 6, 12), at("https://b", 6, 12)]);
    }
}
