//! Recorded traffic of real providers, read in place (`SIGNALBOX_FIXTURES`, else `../shared/fixtures`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use signalbox::dialect::Dialect;

/// Each recorded stream: where it stands, its dialect, its bytes. None where the folder is not at hand.
pub fn streams() -> Vec<(String, Dialect, Vec<u8>)> {
    let root = root();
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

/// One recorded exchange.
pub struct Case {
    pub id: String,
    pub status: u64,
    pub request: Vec<u8>,
    pub response: Vec<u8>,
    pub streamed: bool,
    pub features: Vec<String>,
}

impl Case {
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
}

/// The recorded exchanges of some folders at the endpoints that are wanted, in order of their names.
pub fn cases(folders: &[&str], endpoint: impl Fn(&str) -> bool) -> Vec<Case> {
    let root = root();
    let mut found = Vec::new();
    for name in folders {
        let Ok(entries) = fs::read_dir(root.join(name)) else { continue };
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        for folder in folders {
            let case: Value = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
            if !endpoint(case["endpoint"].as_str().unwrap()) {
                continue;
            }
            let file = case["response_file"].as_str().unwrap();
            found.push(Case {
                id: case["id"].as_str().unwrap().to_owned(),
                status: case["status"].as_u64().unwrap(),
                request: fs::read(folder.join("request.json")).unwrap(),
                response: fs::read(folder.join(file)).unwrap(),
                streamed: file.ends_with(".sse"),
                features: case["features"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().to_owned()).collect(),
            });
        }
    }
    if found.is_empty() {
        println!("no recordings found under {}: nothing to compare with", root.display());
    }
    found
}

fn root() -> PathBuf {
    std::env::var("SIGNALBOX_FIXTURES")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from)
}
