//! The history of a caller of this dialect on its way to a server of it. Our own additions come off, because servers refuse
//! members and ids that they do not know; what a server insists on and the client dropped goes in. Everything else keeps
//! its bytes, and a history without either is not rewritten at all.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::value::RawValue;

use super::super::profile::{self, Replay};
use super::super::write::list;
use crate::dialect::canonical::Loss;
use crate::dialect::carried::{self, open_id, reads_google_signatures, Carried, Signer, ID_MARK, SKIP_SIGNATURE};
use crate::dialect::Dialect;
use crate::json::scalar::{kind_of, word, Kind};
use crate::json::{quoted, Edit, Members};

/// The body as a provider may see it, with what that costs; `None` when it can go as it is. `provider` is its profile;
/// `unsigned` takes signed reasoning out that this provider has refused.
#[must_use]
pub fn for_server(body: &[u8], provider: &str, unsigned: bool) -> Option<(Vec<u8>, Vec<Loss>)> {
    let profile = profile::of(provider);
    let google = reads_google_signatures(provider);
    let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    let always = profile.replay == Replay::ContentAlways && has("\"assistant\"");
    // Most requests hold none of it, and this is all they pay.
    let ours = has("signalbox") || (!google && has("\"extra_content\""));
    if !(ours || always || (unsigned && (has("\"reasoning_details\"") || has("\"extra_content\"")))) {
        return None;
    }
    let members = Members::read(body).ok()?;
    let messages: Vec<&RawValue> = members.parse("messages").ok()??;
    let insists = always && (members.present("tools").is_some() || has("\"tool_calls\""));
    let mut walk = Walk { google, insists, unsigned, ..Walk::default() };
    let edited: Vec<Cow<'_, [u8]>> = messages.iter().map(|raw| walk.message(raw)).collect();
    if !walk.changed {
        return None;
    }
    let mut text = Vec::with_capacity(body.len());
    list(&mut text, edited, |out, message| out.extend_from_slice(&message));
    let text = String::from_utf8(text).ok()?;
    Some((members.edit(&[Edit::Set("messages", text.into())]), walk.losses(provider)))
}

/// Whose signed reasoning stands in the history: the maker's of the last package behind a call's id, else, where a relay's
/// details stand in it, this dialect's.
#[must_use]
pub fn signed_by(body: &[u8]) -> Option<Signer> {
    let carried = carried::last_maker(body, ID_MARK, |text| {
        let package = carried::run(text.get(ID_MARK.len()..)?);
        Carried::from_text(std::str::from_utf8(package).ok()?)
    });
    let own = || {
        let found = memmem::find(body, b"\"reasoning_details\"");
        found.map(|_| Signer::Dialect(Dialect::OpenAiChat))
    };
    carried.map(Signer::Model).or_else(own)
}

/// One pass over the messages: the rules, and what they met.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
struct Walk {
    /// The server is Google's own compatibility layer.
    google: bool,
    /// Every assistant's message needs reasoning.
    insists: bool,
    /// Signed reasoning was refused.
    unsigned: bool,
    changed: bool,
    /// Signed reasoning of another provider came off.
    foreign: bool,
    /// Signed reasoning of this provider came off.
    refused: bool,
    /// An assistant's message without reasoning got an empty one.
    filled: bool,
}

impl Walk {
    fn losses(&self, provider: &str) -> Vec<Loss> {
        let mut losses = Vec::new();
        let field = "messages[*]";
        if self.foreign {
            losses.push(Loss::advisory(field, format!("reasoning that another provider signed is not for {provider}")));
        }
        if self.refused {
            losses.push(Loss::advisory(field, format!("signed reasoning that {provider} refused was taken out")));
        }
        if self.filled {
            let reason =
                format!("{provider} wants reasoning on every turn: an empty one stands for what did not come back");
            losses.push(Loss::converted("messages[*].reasoning_content", reason));
        }
        losses
    }

    fn message<'m>(&mut self, raw: &'m RawValue) -> Cow<'m, [u8]> {
        let source = raw.get().as_bytes();
        let Ok(message) = Members::read(source) else { return Cow::Borrowed(source) };
        let mut edits: Vec<Edit<'_>> = Vec::new();
        if let Some(ours) = message.raw("signalbox") {
            self.foreign |= kind_of(ours) == Kind::Object;
            edits.push(Edit::Remove("signalbox"));
        }
        if let Some(id) = word(message.present("tool_call_id")) {
            let own = open_id(&id).id;
            if own.len() < id.len() {
                edits.push(Edit::Set("tool_call_id", text(own)));
            }
        }
        let calls: Option<Vec<&RawValue>> = message.parse("tool_calls").ok().flatten();
        let calls = calls.unwrap_or_default();
        let written: Vec<Cow<'_, [u8]>> = calls.iter().enumerate().map(|(at, call)| self.call(call, at == 0)).collect();
        if written.iter().any(|call| matches!(call, Cow::Owned(_))) {
            let mut out = Vec::new();
            list(&mut out, written, |out, call| out.extend_from_slice(&call));
            edits.push(Edit::Set("tool_calls", String::from_utf8(out).unwrap_or_default().into()));
        }
        if self.unsigned && message.present("reasoning_details").is_some() {
            self.refused = true;
            edits.push(Edit::Remove("reasoning_details"));
        }
        let assistant = message.raw("role").is_some_and(|role| role.get() == "\"assistant\"");
        if self.insists && assistant && message.present("reasoning_content").is_none() {
            self.filled = true;
            edits.push(Edit::Set("reasoning_content", "\"\"".into()));
        }
        if edits.is_empty() {
            return Cow::Borrowed(source);
        }
        self.changed = true;
        Cow::Owned(message.edit(&edits))
    }

    fn call<'m>(&mut self, raw: &'m RawValue, first: bool) -> Cow<'m, [u8]> {
        let source = raw.get().as_bytes();
        let Ok(call) = Members::read(source) else { return Cow::Borrowed(source) };
        let mut edits: Vec<Edit<'_>> = Vec::new();
        let id = word(call.present("id")).unwrap_or_default();
        let opened = open_id(&id);
        if opened.id.len() < id.len() {
            edits.push(Edit::Set("id", text(opened.id)));
        }
        if call.raw("signalbox").is_some() {
            edits.push(Edit::Remove("signalbox"));
        }
        let theirs = call.present("extra_content");
        let carried = opened.carried.unwrap_or_default();
        match (self.google, carried.call) {
            (true, _) if self.unsigned && theirs.is_some() => {
                self.refused = true;
                edits.push(if first {
                    Edit::Set("extra_content", google(SKIP_SIGNATURE))
                } else {
                    Edit::Remove("extra_content")
                });
            }
            (true, Some(signature)) if theirs.is_none() => {
                edits.push(Edit::Set("extra_content", google(&signature)));
            }
            (true, _) => {}
            (false, signature) => {
                self.foreign |= signature.is_some() || theirs.is_some();
                if theirs.is_some() {
                    edits.push(Edit::Remove("extra_content"));
                }
            }
        }
        self.foreign |= !carried.blocks.is_empty();
        if edits.is_empty() {
            return Cow::Borrowed(source);
        }
        Cow::Owned(call.edit(&edits))
    }
}

fn text(value: &str) -> Cow<'static, str> {
    String::from_utf8(quoted(value)).unwrap_or_default().into()
}

fn google(signature: &str) -> Cow<'static, str> {
    format!(r#"{{"google":{{"thought_signature":{}}}}}"#, text(signature)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(call: Option<&str>) -> String {
        let carried = Carried { by: "gemini/g".to_owned(), blocks: Vec::new(), call: call.map(str::to_owned) };
        carried.behind("call_1").0
    }

    fn sent(body: &str, provider: &str, unsigned: bool) -> Option<(String, Vec<String>)> {
        let (body, losses) = for_server(body.as_bytes(), provider, unsigned)?;
        Some((String::from_utf8(body).unwrap(), losses.into_iter().map(|loss| loss.field).collect()))
    }

    #[test]
    fn a_server_sees_the_ids_that_the_provider_gave_and_nobody_elses_signatures() {
        let id = with(Some("Q2lN"));
        let body = format!(
            r#"{{ "messages" : [ {{"role":"user","content":"__signal"}}, {{"role":"assistant","content":null, "signalbox":{{"reasoning":[]}},"tool_calls":[{{"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{ }}"}},"extra_content":{{"google":{{"thought_signature":"Q2lN"}}}}}}]}},{{"role":"tool","tool_call_id":"{id}","content":"x"}}] }}"#
        );
        let expected = r#"{ "messages" : [{"role":"user","content":"__signal"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{ }"}}]},{"role":"tool","tool_call_id":"call_1","content":"x"}] }"#;
        assert_eq!(sent(&body, "openai", false), Some((expected.to_owned(), vec!["messages[*]".to_owned()])));
        assert_eq!(sent(expected, "openai", false), None, "what holds nothing of ours goes as it is");
        assert_eq!(signed_by(body.as_bytes()), Some(Signer::Model("gemini/g".to_owned())));
        assert_eq!(signed_by(expected.as_bytes()), None);
    }

    #[test]
    fn googles_own_layer_gets_back_the_signature_that_a_client_dropped() {
        let id = with(Some("Q2lN"));
        let body = format!(r#"{{"messages":[{{"role":"assistant","tool_calls":[{{"id":"{id}"}}]}}]}}"#);
        let expected = r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"call_1","extra_content":{"google":{"thought_signature":"Q2lN"}}}]}]}"#;
        assert_eq!(sent(&body, "gemini-openai", false).unwrap().0, expected);
        let (unsigned, losses) = sent(expected, "gemini-openai", true).unwrap();
        assert!(unsigned.contains(SKIP_SIGNATURE) && losses == ["messages[*]"]);
        assert_eq!(sent(expected, "gemini-openai", false), None);
    }

    #[test]
    fn deepseek_gets_reasoning_on_every_turn_of_a_tool_loop_and_only_there() {
        let body = r#"{"tools":[{}],"messages":[{"role":"assistant","content":"a"},{"role":"assistant","content":"b","reasoning_content":"r"},{"role":"user","content":"c"}]}"#;
        let expected = r#"{"tools":[{}],"messages":[{"role":"assistant","content":"a","reasoning_content":""},{"role":"assistant","content":"b","reasoning_content":"r"},{"role":"user","content":"c"}]}"#;
        let told = vec!["messages[*].reasoning_content".to_owned()];
        assert_eq!(sent(body, "deepseek", false), Some((expected.to_owned(), told)));
        assert_eq!(sent(expected, "deepseek", false), None);
        assert_eq!(sent(&body.replace("\"tools\"", "\"x\""), "deepseek", false), None);
        assert_eq!(sent(body, "openai", false), None);
    }

    #[test]
    fn refused_reasoning_is_taken_out_of_a_relays_history() {
        let body = r#"{"messages":[{"role":"assistant","content":"a","reasoning":"r","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}]}"#;
        let expected = r#"{"messages":[{"role":"assistant","content":"a","reasoning":"r"}]}"#;
        assert_eq!(sent(body, "openrouter", true), Some((expected.to_owned(), vec!["messages[*]".to_owned()])));
        assert_eq!(sent(body, "openrouter", false), None);
    }
}
