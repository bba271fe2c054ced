//! Fields in losses by the names that a caller of this dialect wrote. Encoders for other targets report in the hub's words,
//! which are Chat Completions'.

use crate::dialect::canonical::Loss;

/// The hub's names and this dialect's, where they differ; longer ones first.
const NAMES: [(&str, &str); 6] = [
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("reasoning_effort", "reasoning.effort"),
    ("max_completion_tokens", "max_output_tokens"),
    ("max_tokens", "max_output_tokens"),
    ("logprobs", "top_logprobs"),
];

/// Gives losses the caller's names.
pub fn in_callers_words(losses: &mut [Loss]) {
    for loss in losses {
        loss.field = of(&loss.field);
    }
}

fn of(field: &str) -> String {
    if let Some(rest) = field.strip_prefix("messages") {
        // Several items may be one turn, so that positions would be wrong.
        let place = format!("input{}", without_numbers(rest));
        return place.replace(".image_url.detail", ".detail").replace(".file.filename", ".filename");
    }
    if field.starts_with("tools[") {
        return field.replacen("].function", "]", 1);
    }
    for (hub, ours) in NAMES {
        if let Some(rest) = field.strip_prefix(hub).filter(|rest| rest.is_empty() || rest.starts_with(['.', '['])) {
            return format!("{ours}{rest}");
        }
    }
    field.to_owned()
}

fn without_numbers(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => {
                inside = true;
                out.push_str("[*");
            }
            ']' => {
                inside = false;
                out.push(']');
            }
            _ if inside => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn every_name_of_the_hub_becomes_the_callers() {
        for (hub, ours) in [
            ("messages[12].content[3].detail", "input[*].content[*].detail"),
            ("messages", "input"),
            ("tools[1].function.strict", "tools[1].strict"),
            ("tools[1]", "tools[1]"),
            ("response_format.json_schema.schema.a", "text.format.schema.a"),
            ("response_format", "text.format"),
            ("reasoning_effort", "reasoning.effort"),
            ("max_tokens", "max_output_tokens"),
            ("logprobs", "top_logprobs"),
            ("max_tokens_of_mine", "max_tokens_of_mine"),
            ("input[3].phase", "input[3].phase"),
        ] {
            assert_eq!(of(hub), ours);
        }
    }
}
