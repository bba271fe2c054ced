//! Pictures, sounds and documents: data URLs, MIME types.

use crate::dialect::canonical::{Media, MediaSource};
use crate::json::write_quoted;

/// A picture by its URL, which may hold the bytes itself. OpenAI's default `detail` is no detail.
pub(in crate::dialect) fn picture(url: &str, detail: Option<&str>) -> Media {
    let source = match data_url(url) {
        Some((mime, data)) => MediaSource::Base64 { mime: mime.to_owned(), data: data.to_owned() },
        None => MediaSource::Url { url: url.to_owned(), mime: None },
    };
    Media { source, detail: detail.filter(|detail| *detail != "auto").map(str::to_owned), name: None }
}

/// MIME type and base64 text of `data:…;base64,…`; parameters such as a charset are left out.
pub(in crate::dialect) fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    let mime = head.split(';').next().unwrap_or_default();
    Some((if mime.is_empty() { "text/plain" } else { mime }, data))
}

/// Appends a data URL as JSON text.
pub(in crate::dialect) fn write_data_url(out: &mut Vec<u8>, mime: &str, data: &str) {
    write_quoted(out, &format!("data:{mime};base64,{data}"));
}

/// OpenAI's word for a sound's format, where it has one.
pub(in crate::dialect) fn sound_format(mime: &str) -> Option<&'static str> {
    match mime.to_ascii_lowercase().split(';').next().unwrap_or_default().trim() {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Some("wav"),
        "audio/mp3" | "audio/mpeg" | "audio/mpeg3" => Some("mp3"),
        _ => None,
    }
}

/// The MIME type of a document that came as bare base64: by its name, else the only kind that OpenAI takes.
pub(in crate::dialect) fn document_mime(name: Option<&str>) -> &'static str {
    let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("txt" | "md" | "csv" | "log") => "text/plain",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}

/// Whether words for the forms of an answer (`modalities`, Google's `responseModalities`) ask for pictures, and if so whether
/// for texts beside them; `None` where they ask for something else.
pub(in crate::dialect) fn pictured(words: &str) -> Option<bool> {
    let words: Vec<String> = crate::json::from_str(words).ok()?;
    let has = |form: &str| words.iter().any(|word| word.eq_ignore_ascii_case(form));
    let known = |word: &String| ["text", "image"].iter().any(|form| word.eq_ignore_ascii_case(form));
    (has("image") && words.iter().all(known)).then(|| has("text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_url_is_bytes_and_any_other_url_is_an_address() {
        assert_eq!(data_url("data:image/png;base64,QUJD"), Some(("image/png", "QUJD")));
        assert_eq!(data_url("data:text/plain;charset=utf-8;base64,QQ=="), Some(("text/plain", "QQ==")));
        assert_eq!(data_url("data:text/plain,hello"), None);
        let by_address = picture("https://example.org/a.png", Some("auto"));
        assert_eq!(by_address.detail, None);
        assert_eq!(by_address.source, MediaSource::Url { url: "https://example.org/a.png".to_owned(), mime: None });
    }
}
