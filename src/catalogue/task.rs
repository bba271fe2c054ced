//! Kinds of work that quality is known for.

/// The kinds that ship. `default` stands for "no particular kind": what a classifier says when it does not know.
pub const TASKS: [&str; 12] = [
    "default",
    "chat",
    "qa",
    "code",
    "math",
    "reasoning",
    "writing",
    "summarize",
    "extract",
    "classify",
    "translate",
    "agent",
];

/// The fallback kind.
pub const DEFAULT: &str = "default";

/// Generated tokens that a kind of answer has at the median, thinking excluded: the estimate that costs and latencies
/// start from, as the true length is not known before the call. Our own assumptions, to be replaced by measurements.
#[must_use]
pub fn median_output_tokens(task: &str) -> u64 {
    match task {
        "classify" => 20,
        "extract" => 150,
        "qa" => 200,
        "agent" => 250,
        "chat" | "summarize" => 300,
        "translate" => 350,
        "math" => 450,
        "code" => 700,
        "reasoning" | "writing" => 900,
        _ => 400,
    }
}
