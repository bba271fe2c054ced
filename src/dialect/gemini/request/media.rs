//! Pictures, sounds and documents for a Gemini model.

use super::contents::google_only;
use crate::dialect::canonical::{Loss, Media, MediaSource, Part};
use crate::dialect::gemini::response::type_of;
use crate::dialect::gemini::write::Json;
use crate::dialect::{Dialect, ModelTraits};

/// Picture types that Gemini reads (ai.google.dev/gemini-api/docs/image-understanding, read 2026-11).
const PICTURES: [&str; 5] = ["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// Writes one part, or says why it cannot be written. `signature`: what a picture that the model made is signed with.
pub fn write(
    part: &Part,
    signature: Option<&str>,
    traits: &ModelTraits,
    field: &str,
    list: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) -> Result<(), Loss> {
    let refused = |reason: &str| Err(Loss::unsupported(field, reason));
    let media = match part {
        Part::Image(media) if traits.vision => media,
        Part::Audio(media) if traits.audio => media,
        Part::File(media) if traits.files => media,
        Part::Image(_) => return refused("this model does not see pictures"),
        Part::Audio(_) => return refused("this model does not hear"),
        Part::File(_) => return refused("this model does not read documents"),
        _ => return refused("Gemini has no place for it there"),
    };
    match &media.source {
        MediaSource::Base64 { mime, data } => {
            let lower = type_of(mime);
            // The registered name of a type that is often written otherwise.
            let mime = if lower == "image/jpg" { "image/jpeg" } else { &lower };
            if matches!(part, Part::Image(_)) && !PICTURES.contains(&mime) {
                return refused("Gemini reads PNG, JPEG, WebP, HEIC and HEIF pictures");
            }
            let mut item = list.object_item();
            {
                let mut blob = item.object_in("inlineData");
                blob.text("mimeType", mime);
                blob.text("data", data);
            }
            if let Some(signature) = signature {
                item.text("thoughtSignature", signature);
            }
        }
        MediaSource::Url { url, mime } if google_only(url) => write_file(url, mime.as_deref(), list),
        MediaSource::FileId { id, dialect: Dialect::Gemini } => write_file(id, None, list),
        MediaSource::Url { .. } => {
            return refused("Gemini fetches its own files and YouTube only: send the bytes as a data URL");
        }
        MediaSource::FileId { .. } => return refused("a file id of another provider"),
    }
    if media.name.is_some() {
        losses.push(Loss::advisory(format!("{field}.file.filename"), "Gemini takes no file names"));
    }
    Ok(())
}

/// Writes the media resolution that stands for OpenAI's `detail`, for the request as a whole: the highest that is asked for.
pub fn write_resolution<'r>(all: impl Iterator<Item = &'r Media>, config: &mut Json<'_>, losses: &mut Vec<Loss>) {
    const FIELD: &str = "messages[*].content[*].image_url.detail";
    let mut high = None;
    for detail in all.filter_map(|media| media.detail.as_deref()) {
        match detail {
            "low" => high = high.or(Some(false)),
            "high" | "original" => high = Some(true),
            _ => losses.push(Loss::advisory(FIELD, "Gemini has no resolution of that name")),
        }
    }
    if let Some(high) = high {
        let resolution = if high { "MEDIA_RESOLUTION_HIGH" } else { "MEDIA_RESOLUTION_LOW" };
        config.text("mediaResolution", resolution);
        losses.push(Loss::converted(FIELD, format!("sent as {resolution} for the whole request")));
    }
}

fn write_file(uri: &str, mime: Option<&str>, list: &mut Json<'_>) {
    let mut item = list.object_item();
    let mut file = item.object_in("fileData");
    if let Some(mime) = mime {
        file.text("mimeType", mime);
    }
    file.text("fileUri", uri);
}
