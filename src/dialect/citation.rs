//! Sources that an answer cites. Providers count differently: OpenAI characters of the message, Gemini UTF-8 bytes of a part,
//! Anthropic whole text blocks (`wire.md` §3.2 "Citations"). Decoders that can tell pages apart report [`Citation`]s, in
//! characters of the choice's visible text, as an [`Extra`] of their own; whoever has no place for them reports that extra
//! as lost, like any other. What a provider says beyond page and range stays in its own member, reported as before.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::canonical::Extra;

/// A cited page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Its address.
    pub url: String,
    /// Its title; empty where the provider gives none.
    pub title: String,
    /// First cited character of the choice's visible text, from 0.
    pub start: usize,
    /// The character after the last one.
    pub end: usize,
}

/// The citations of a choice as an extra; `None` for none.
#[must_use]
pub fn extra(choice: u32, citations: &[Citation]) -> Option<Extra> {
    if citations.is_empty() {
        return None;
    }
    let value = serde_json::value::to_raw_value(citations).ok()?;
    Some(Extra { field: field(choice), value, advisory: false, is_default: false })
}

/// The citations that an extra holds, if it is one of a choice.
#[must_use]
pub fn of(extra: &Extra, choice: u32) -> Vec<Citation> {
    if extra.field != field(choice) {
        return Vec::new();
    }
    crate::json::from_str(extra.value.get()).unwrap_or_default()
}

/// The same, or what OpenAI's annotations of a choice cite: those have their pages, and characters, too.
#[must_use]
pub fn in_any_form(extra: &Extra, choice: u32) -> Vec<Citation> {
    #[derive(Deserialize)]
    struct Annotation {
        url_citation: Cited,
    }
    #[derive(Deserialize)]
    struct Cited {
        url: String,
        title: Option<String>,
        #[serde(default)]
        start_index: usize,
        #[serde(default)]
        end_index: usize,
    }
    let member = extra.field.rsplit('.').next().unwrap_or_default();
    if member != "annotations" || extra.choice() != Some(choice) {
        return of(extra, choice);
    }
    let list: Vec<&RawValue> = crate::json::from_str(extra.value.get()).unwrap_or_default();
    let page = |raw: &RawValue| {
        let Annotation { url_citation: cited } = crate::json::from_str(raw.get()).ok()?;
        let title = cited.title.unwrap_or_default();
        Some(Citation { url: cited.url, title, start: cited.start_index, end: cited.end_index })
    };
    list.into_iter().filter_map(page).collect()
}

/// Whether an extra of a choice cites pages and nothing else.
#[must_use]
pub fn is_of_pages(extra: &Extra, choice: u32) -> bool {
    let pages = in_any_form(extra, choice).len();
    let all: Vec<&RawValue> = crate::json::from_str(extra.value.get()).unwrap_or_default();
    pages > 0 && pages == all.len()
}

fn field(choice: u32) -> String {
    format!("choices[{choice}].citations")
}

/// The pages that Anthropic's citations of one text block name: `citations` is one citation or a list. Passages of documents
/// have no address and no place elsewhere.
#[must_use]
pub fn of_block(citations: &RawValue, start: usize, end: usize) -> Vec<Citation> {
    #[derive(Deserialize)]
    struct Cited {
        url: Option<String>,
        title: Option<String>,
    }
    let text = citations.get();
    let list: Vec<Cited> = crate::json::from_str(text)
        .or_else(|_| crate::json::from_str::<Cited>(text).map(|one| vec![one]))
        .unwrap_or_default();
    let page = |cited: Cited| {
        let url = cited.url.filter(|url| !url.is_empty())?;
        Some(Citation { url, title: cited.title.unwrap_or_default(), start, end })
    };
    list.into_iter().filter_map(page).collect()
}

/// What Gemini's `groundingMetadata` says of a choice's text: each supported segment with each of its pages. `text` is the
/// visible text; a segment that is not found in it at its place is looked for, and left out where it is not there at all.
#[must_use]
pub fn of_grounding(metadata: &RawValue, text: &str) -> Vec<Citation> {
    let Ok(grounding) = crate::json::from_str::<Grounding>(metadata.get()) else { return Vec::new() };
    let mut citations = Vec::new();
    for support in grounding.supports {
        let Some((start, end)) = support.segment.range(text) else { continue };
        for index in support.chunks {
            let page = grounding.chunks.get(index).and_then(Chunk::page);
            citations.extend(page.map(|page| Citation {
                url: page.uri.clone().unwrap_or_default(),
                title: page.title.clone().unwrap_or_default(),
                start,
                end,
            }));
        }
    }
    citations
}

#[derive(Deserialize)]
struct Grounding {
    #[serde(default, rename = "groundingChunks")]
    chunks: Vec<Chunk>,
    #[serde(default, rename = "groundingSupports")]
    supports: Vec<Support>,
}

#[derive(Deserialize)]
struct Chunk {
    web: Option<Page>,
    maps: Option<Page>,
    #[serde(rename = "retrievedContext")]
    retrieved: Option<Page>,
}

#[derive(Deserialize)]
struct Page {
    uri: Option<String>,
    title: Option<String>,
}

impl Chunk {
    /// A page with an address; a passage of a file store has none.
    fn page(&self) -> Option<&Page> {
        let pages = [&self.web, &self.maps, &self.retrieved];
        pages.into_iter().flatten().find(|page| page.uri.as_ref().is_some_and(|uri| !uri.is_empty()))
    }
}

#[derive(Deserialize)]
struct Support {
    segment: Segment,
    #[serde(default, rename = "groundingChunkIndices")]
    chunks: Vec<usize>,
}

#[derive(Deserialize)]
struct Segment {
    #[serde(default, rename = "startIndex")]
    start: usize,
    #[serde(rename = "endIndex")]
    end: Option<usize>,
    text: Option<String>,
}

impl Segment {
    /// Bytes → characters. The segment's own text says whether the place is meant as we read it.
    fn range(&self, text: &str) -> Option<(usize, usize)> {
        let end = self.end.or_else(|| Some(self.start + self.text.as_ref()?.len()))?;
        let there = text.get(self.start..end);
        let (from, cited) = match (&self.text, there) {
            (None, Some(there)) => (self.start, there),
            (Some(said), Some(there)) if said == there => (self.start, there),
            (Some(said), _) => (text.find(said.as_str())?, said.as_str()),
            (None, None) => return None,
        };
        let before = text.get(..from)?.chars().count();
        Some((before, before + cited.chars().count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grounding(json: &str, text: &str) -> Vec<(String, usize, usize)> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        of_grounding(&raw, text).into_iter().map(|c| (c.url, c.start, c.end)).collect()
    }

    #[test]
    fn googles_bytes_become_characters() {
        // "für 😀 " is 6 characters and 10 bytes.
        let text = "für 😀 Berlin, Köln";
        let json = r#"{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"retrievedContext":{"text":"no address"}},{"maps":{"uri":"https://m"}}],
            "groundingSupports":[{"segment":{"startIndex":10,"endIndex":16,"text":"Berlin"},"groundingChunkIndices":[0,1,2,9]},
            {"segment":{"endIndex":4,"text":"für"},"groundingChunkIndices":[0]},
            {"segment":{"startIndex":18,"endIndex":23},"groundingChunkIndices":[0]},
            {"segment":{"startIndex":3,"endIndex":8,"text":"Köln"},"groundingChunkIndices":[0]},
            {"segment":{"startIndex":0,"endIndex":9,"text":"elsewhere"},"groundingChunkIndices":[0]},
            {"segment":{"startIndex":2,"endIndex":900},"groundingChunkIndices":[0]}]}"#;
        let at = |url: &str, start, end| (url.to_owned(), start, end);
        let expected = [
            at("https://a", 6, 12),
            at("https://m", 6, 12),
            at("https://a", 0, 3),
            at("https://a", 14, 18),
            at("https://a", 14, 18),
        ];
        assert_eq!(grounding(json, text), expected);
        assert_eq!(grounding("[1]", text), []);
        assert_eq!(grounding(r#"{"webSearchQueries":["q"]}"#, text), []);
    }

    #[test]
    fn citations_travel_as_an_extra_of_their_choice() {
        let one = Citation { url: "https://a".into(), title: String::new(), start: 1, end: 2 };
        let carried = extra(1, std::slice::from_ref(&one)).unwrap();
        assert_eq!((of(&carried, 1), of(&carried, 0)), (vec![one], Vec::new()));
        assert!(extra(0, &[]).is_none());
    }
}
