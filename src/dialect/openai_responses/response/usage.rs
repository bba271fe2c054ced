//! Token counts for a client (`ResponseUsage`). They are read by Chat Completions' reader, which knows these names too.

use crate::dialect::canonical::Usage;
use crate::dialect::openai_chat::write::{is_number, Object};

/// Writes the members of a `usage` object. The detail objects are always there, as clients' types say; what the provider
/// did not say is absent in them, not 0.
pub(super) fn encode(out: &mut Object<'_>, usage: &Usage, cost_usd: Option<&str>) {
    let (input, output) = (usage.prompt_tokens(), usage.completion_tokens());
    let writes = usage.cache_write_5m_tokens.or(usage.cache_write_1h_tokens).map(|_| usage.cache_write_tokens());
    out.number("input_tokens", input);
    details(
        out,
        "input_tokens_details",
        &[("cached_tokens", usage.cached_input_tokens), ("cache_write_tokens", writes)],
    );
    out.number("output_tokens", output);
    details(out, "output_tokens_details", &[("reasoning_tokens", usage.reasoning_tokens)]);
    out.number("total_tokens", input.saturating_add(output));
    if let Some(cost) = cost_usd.filter(|cost| is_number(cost)) {
        out.raw("cost", cost);
    }
}

fn details(out: &mut Object<'_>, name: &str, numbers: &[(&str, Option<u64>)]) {
    out.object(name, |details| {
        for (name, number) in numbers {
            if let Some(number) = number {
                details.number(name, *number);
            }
        }
    });
}
