//! Content parts of the hub → parts of a message, each kind by itself.

use std::borrow::Cow;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;

use super::super::media::{sound_format, write_data_url};
use super::super::profile::MediaForm;
use super::super::write::Object;
use crate::dialect::canonical::{Media, MediaSource};
use crate::dialect::Dialect;

/// A part as a server takes it.
pub(super) enum Written<'p> {
    /// A text, which may stand alone as the whole content.
    Text(Cow<'p, str>),
    /// A part's JSON.
    Json(Vec<u8>),
}

impl Written<'_> {
    /// A part from its members.
    pub fn object(members: impl FnOnce(&mut Object<'_>)) -> Self {
        let mut body = Vec::with_capacity(64);
        let mut out = Object::begin(&mut body);
        members(&mut out);
        out.end();
        Self::Json(body)
    }

    /// The same as its JSON, in which a mark may stand.
    pub fn into_json(self) -> Vec<u8> {
        let mut body = Vec::new();
        self.write(&mut body);
        body
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(_) => None,
        }
    }

    /// Appends the part as an item of a content list.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Json(body) => out.extend_from_slice(body),
            Self::Text(text) => {
                let mut part = Object::begin(out);
                part.text("type", "text");
                part.text("text", text);
                part.end();
            }
        }
    }
}

/// A part, or why there is none.
type Attempt = Result<Written<'static>, &'static str>;

/// A picture.
pub(super) fn image(media: &Media) -> Attempt {
    if matches!(media.source, MediaSource::FileId { .. }) {
        return Err("Chat Completions takes no picture by a file's id");
    }
    Ok(Written::object(|out| {
        out.text("type", "image_url");
        out.object("image_url", |image| {
            match &media.source {
                MediaSource::Base64 { mime, data } => write_data_url(image.key("url"), mime, data),
                MediaSource::Url { url, .. } | MediaSource::FileId { id: url, .. } => image.text("url", url),
            }
            if let Some(detail) = &media.detail {
                image.text("detail", detail);
            }
        });
    }))
}

/// A sound.
pub(super) fn audio(media: &Media, form: MediaForm) -> Attempt {
    let MediaSource::Base64 { mime, data } = &media.source else {
        return Err("Chat Completions takes sound only with its bytes");
    };
    match form {
        MediaForm::None => Err("this provider takes no sound"),
        MediaForm::Mistral => Ok(Written::object(|out| {
            out.text("type", "input_audio");
            out.text("input_audio", data);
        })),
        MediaForm::OpenAi | MediaForm::OpenAiOrUrl => {
            let format = sound_format(mime).ok_or("Chat Completions takes sound as wav or mp3 only")?;
            Ok(Written::object(|out| {
                out.text("type", "input_audio");
                out.object("input_audio", |sound| {
                    sound.text("data", data);
                    sound.text("format", format);
                });
            }))
        }
    }
}

/// A document.
pub(super) fn document(media: &Media, form: MediaForm) -> Attempt {
    let file = |members: &dyn Fn(&mut Object<'_>)| {
        Ok(Written::object(|out| {
            out.text("type", "file");
            out.object("file", |file| members(file));
        }))
    };
    let name = media.name.as_deref();
    match (&media.source, form) {
        (_, MediaForm::None) => Err("this provider takes no documents"),
        (MediaSource::FileId { id, dialect: Dialect::OpenAiChat }, MediaForm::OpenAi) => {
            file(&|file| file.text("file_id", id))
        }
        (MediaSource::FileId { .. }, _) => Err("a file's id is known only where the file was uploaded"),
        (MediaSource::Base64 { mime, data }, MediaForm::Mistral) => Ok(Written::object(|out| {
            out.text("type", "document_url");
            write_data_url(out.key("document_url"), mime, data);
            document_name(out, name);
        })),
        (MediaSource::Url { url, .. }, MediaForm::Mistral) => Ok(Written::object(|out| {
            out.text("type", "document_url");
            out.text("document_url", url);
            document_name(out, name);
        })),
        (MediaSource::Base64 { mime, data }, _) => file(&|file| {
            let ending = mime.rsplit('/').next().unwrap_or("pdf");
            file.text("filename", name.unwrap_or(&format!("document.{ending}")));
            write_data_url(file.key("file_data"), mime, data);
        }),
        (MediaSource::Url { url, .. }, MediaForm::OpenAiOrUrl) => file(&|file| {
            file.text("filename", name.unwrap_or("document.pdf"));
            file.text("file_data", url);
        }),
        (MediaSource::Url { .. }, _) => Err("Chat Completions takes documents only with their bytes"),
    }
}

/// Mistral's name of a document (`DocumentURLChunk` of its SDK).
fn document_name(out: &mut Object<'_>, name: Option<&str>) {
    if let Some(name) = name {
        out.text("document_name", name);
    }
}

/// The text of a text document, which says the same as a text part.
pub(super) fn text_of(media: &Media) -> Option<String> {
    let MediaSource::Base64 { mime, data } = &media.source else { return None };
    let plain = mime.starts_with("text/") || mime == "application/json";
    String::from_utf8(STANDARD.decode(data).ok().filter(|_| plain)?).ok()
}

/// A text document's text under its name.
pub(super) fn titled(name: Option<&str>, text: &str) -> String {
    match name {
        Some(name) => format!("{name}:\n\n{text}"),
        None => text.to_owned(),
    }
}
