//! A whole answer, or the array of partial ones that Google sends without `alt=sse`, as events: see
//! [`crate::dialect::unrolled`].

use serde_json::value::RawValue;

use crate::dialect::unrolled::write;
use crate::json::Members;

/// The events, or nothing where the body is no answer.
pub(in crate::dialect) fn events(json: &[u8]) -> Option<Vec<u8>> {
    let answers: Vec<&RawValue> = match json {
        [b'[', ..] => crate::json::from_slice(json).ok()?,
        _ => vec![crate::json::from_slice(json).ok()?],
    };
    let mut out = Vec::with_capacity(json.len() + 64);
    for answer in answers {
        let members = Members::read(answer.get().as_bytes()).ok()?;
        if members.present("error").is_some() {
            return None;
        }
        write(&mut out, None, answer.get().as_bytes());
    }
    Some(out).filter(|out| !out.is_empty())
}
