//! `/v1/messages/count_tokens`: the members of a request that are counted.

use crate::json::{Edit, Members};

/// What the counter takes; anything else is refused as an extra input (SDK type `MessageCountTokensParams`).
const COUNTED: [&str; 9] =
    ["cache_control", "messages", "model", "output_config", "speed", "system", "thinking", "tool_choice", "tools"];

/// A request that we wrote, without what belongs to its answer.
#[must_use]
pub fn prompt_only(request: &[u8]) -> Vec<u8> {
    let Ok(members) = Members::read(request) else { return request.to_vec() };
    let others = members.iter().map(|(name, _)| name).filter(|name| !COUNTED.contains(name));
    let edits: Vec<Edit<'_>> = others.map(Edit::Remove).collect();
    members.edit(&edits)
}

#[cfg(test)]
mod tests {
    use super::prompt_only;

    #[test]
    fn what_belongs_to_the_answer_is_not_counted() {
        let request = br#"{"model":"m","max_tokens":1,"stream":false,"messages":[1],"top_k":2,"tools":[]}"#;
        assert_eq!(prompt_only(request), br#"{"model":"m","messages":[1],"tools":[]}"#);
    }
}
