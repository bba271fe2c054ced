//! Recorded streams of real providers, read in place (`SIGNALBOX_FIXTURES`, else `../shared/fixtures`).

use std::fs;
use std::path::{Path, PathBuf};

use signalbox::dialect::Dialect;

/// Each recorded stream: where it stands, its dialect, its bytes. None where the folder is not at hand.
pub fn streams() -> Vec<(String, Dialect, Vec<u8>)> {
    let root = std::env::var("SIGNALBOX_FIXTURES")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    let mut found = Vec::new();
    for (folder, dialect) in [
        ("openai-chat", Dialect::OpenAiChat),
        ("openai-compatible", Dialect::OpenAiChat),
        ("openai-responses", Dialect::OpenAiResponses),
        ("deepseek", Dialect::OpenAiChat),
        ("mistral", Dialect::OpenAiChat),
        ("qwen", Dialect::OpenAiChat),
        ("anthropic-messages", Dialect::AnthropicMessages),
        ("gemini", Dialect::Gemini),
    ] {
        let Ok(cases) = fs::read_dir(root.join(folder)) else {
            eprintln!("no recordings in {folder}");
            continue;
        };
        let mut cases: Vec<PathBuf> = cases.filter_map(|c| Some(c.ok()?.path().join("response.sse"))).collect();
        cases.sort();
        let read = |path: PathBuf| Some((path.display().to_string(), dialect, fs::read(&path).ok()?));
        found.extend(cases.into_iter().filter_map(read));
    }
    found
}
