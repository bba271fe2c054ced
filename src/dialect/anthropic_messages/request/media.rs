//! Pictures and documents → blocks, or the report of why not.

use std::borrow::Cow;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;

use super::super::write::{Elements, Object};
use super::params::Model;
use crate::dialect::canonical::{Loss, Media, MediaSource};
use crate::dialect::Dialect;

/// Picture types that Anthropic reads.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// A picture or document block, or the report of why not.
pub(super) fn media(
    blocks: &mut Elements,
    media: &Media,
    picture: bool,
    here: &str,
    model: &Model<'_>,
    losses: &mut Vec<Loss>,
) {
    let able = if picture { model.target.traits.vision } else { model.target.traits.files };
    let source = if able { source(media, picture) } else { Err(format!("{} cannot read it", model.name())) };
    let source = match source {
        Ok(source) => source,
        Err(reason) => return losses.push(Loss::unsupported(here, reason)),
    };
    if let Source::Text { converted: Some(mime), .. } = &source {
        losses.push(Loss::converted(here, format!("{mime} is sent as plain text")));
    }
    if picture && media.detail.as_deref().is_some_and(|detail| !matches!(detail, "auto" | "original")) {
        losses.push(Loss::advisory(format!("{here}.image_url.detail"), "Anthropic chooses the resolution itself"));
    }
    blocks.object(|block| {
        block.text("type", if picture { "image" } else { "document" });
        block.object("source", |wire| source.write(wire));
        if picture && media.detail.as_deref() == Some("original") {
            block.object("transformations", |t| t.text("oversized_image", "error"));
        }
        if let Some(name) = media.name.as_deref().filter(|_| !picture) {
            block.text("title", name);
        }
    });
}

enum Source<'m> {
    Base64 { mime: Cow<'m, str>, data: &'m str },
    Text { text: String, converted: Option<String> },
    Url(&'m str),
    File(&'m str),
}

impl Source<'_> {
    fn write(&self, object: &mut Object<'_>) {
        match self {
            Source::Base64 { mime, data } => {
                object.text("type", "base64");
                object.text("media_type", mime);
                object.text("data", data);
            }
            Source::Text { text, .. } => {
                object.text("type", "text");
                object.text("media_type", "text/plain");
                object.text("data", text);
            }
            Source::Url(url) => {
                object.text("type", "url");
                object.text("url", url);
            }
            Source::File(id) => {
                object.text("type", "file");
                object.text("file_id", id);
            }
        }
    }
}

fn source(media: &Media, picture: bool) -> Result<Source<'_>, String> {
    match &media.source {
        MediaSource::FileId { id, dialect: Dialect::AnthropicMessages } => Ok(Source::File(id)),
        MediaSource::FileId { .. } => Err("the file lies with another provider".to_owned()),
        MediaSource::Url { url, .. } if !url.starts_with("https://") => Err("Anthropic fetches https only".to_owned()),
        MediaSource::Url { mime: Some(mime), .. } if !picture && essence(mime) != "application/pdf" => {
            Err(format!("Anthropic fetches only PDF documents, not {mime}"))
        }
        MediaSource::Url { url, .. } => Ok(Source::Url(url)),
        MediaSource::Base64 { mime, data } => {
            let mime = essence(mime);
            if picture && IMAGES.contains(&mime.as_ref()) || !picture && mime == "application/pdf" {
                return Ok(Source::Base64 { mime, data });
            }
            if picture || !mime.starts_with("text/") {
                return Err(format!("Anthropic does not read {mime}"));
            }
            let bytes = STANDARD.decode(data).map_err(|_| "not valid base64".to_owned())?;
            let text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())?;
            Ok(Source::Text { text, converted: (mime != "text/plain").then(|| mime.into_owned()) })
        }
    }
}

/// A MIME type without parameters, in lower case, under its registered name.
fn essence(mime: &str) -> Cow<'_, str> {
    let bare = mime.split(';').next().unwrap_or_default().trim();
    match bare.to_ascii_lowercase() {
        lower if lower == "image/jpg" => Cow::Borrowed("image/jpeg"),
        lower if lower == bare => Cow::Borrowed(bare),
        lower => Cow::Owned(lower),
    }
}
