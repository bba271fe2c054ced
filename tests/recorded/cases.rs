//! Exchanges in the layout of the recordings' folder: theirs, read in place, and our own small ones.

use std::path::{Path, PathBuf};

use serde_json::Value;
use signalbox::dialect::Dialect;

/// One exchange with a provider.
pub struct Case {
    /// `dialect/case`, as its folder is called.
    pub name: String,
    pub about: Value,
    /// What the provider speaks; `None` where this version does not speak it.
    pub dialect: Option<Dialect>,
    pub request: Vec<u8>,
    pub response: Vec<u8>,
    /// Status-independent headers of the answer, one line each.
    pub headers: Vec<(String, String)>,
    pub folder: PathBuf,
}

impl Case {
    pub fn has(&self, feature: &str) -> bool {
        self.about["features"].as_array().into_iter().flatten().any(|known| known == feature)
    }

    pub fn status(&self) -> u16 {
        self.about["status"].as_u64().expect("a case has a status") as u16
    }

    pub fn endpoint(&self) -> &str {
        self.about["endpoint"].as_str().unwrap_or_default()
    }

    pub fn provider(&self) -> &str {
        self.about["provider"].as_str().unwrap_or_default()
    }

    /// The client asked for a stream and got one, or an error.
    pub fn is_stream(&self) -> bool {
        self.about["framing"] == "sse" || (self.status() != 200 && self.about["stream"] == true)
    }

    pub fn is_sse(&self) -> bool {
        self.about["framing"] == "sse"
    }

    pub fn generates(&self) -> bool {
        self.endpoint() != "embeddings"
    }
}

/// The recordings' folder; `None`, said once on the way, where there is none.
pub fn recordings() -> Vec<Case> {
    let root = std::env::var_os("SIGNALBOX_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    let cases = under(&root);
    if cases.is_empty() {
        println!("no recordings at {}: nothing compared", root.display());
    }
    cases
}

/// Our own, written by hand.
pub fn own() -> Vec<Case> {
    let cases = under(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    assert!(!cases.is_empty(), "the repository has fixtures of its own");
    cases
}

fn under(root: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for dialect in folders(root) {
        cases.extend(folders(&dialect).iter().map(|folder| case(folder)));
    }
    cases
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten();
    let mut list: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.is_dir()).collect();
    list.sort();
    list
}

fn case(folder: &Path) -> Case {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let about: Value = serde_json::from_slice(&read("case.json")).expect("case.json");
    let names: Vec<&str> = folder.iter().rev().take(2).filter_map(|part| part.to_str()).collect();
    let headers: Value = serde_json::from_slice(&read("response.headers.json")).unwrap_or_default();
    let lines = headers.as_object().into_iter().flatten().flat_map(|(name, values)| {
        values
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| Some((name.to_ascii_lowercase(), v.as_str()?.to_owned())))
    });
    Case {
        name: names.into_iter().rev().collect::<Vec<_>>().join("/"),
        dialect: match about["dialect"].as_str().unwrap_or_default() {
            named @ ("anthropic-messages" | "gemini" | "openai-responses") => {
                crate::gateway::dialects().into_iter().find(|dialect| dialect.name() == named)
            }
            // The imitators of Chat Completions.
            _ => Some(Dialect::OpenAiChat),
        },
        request: read("request.json"),
        response: read(about["response_file"].as_str().expect("a case names its response")),
        headers: lines.collect(),
        folder: folder.to_owned(),
        about,
    }
}
