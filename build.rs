//! Leaves of `data/fields` what `src/dialect/fields.rs` reads. The other half is there for tests and for `docs/fields.md`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// Where the documents are, and their names.
const FOLDER: &str = "data/fields";
const DOCUMENTS: [&str; 4] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];

#[derive(Deserialize, Serialize)]
struct Document<'a> {
    #[serde(borrow)]
    request: Vec<Line<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    answer: Vec<Line<'a>>,
}

/// A row; its values stay as they are written.
#[derive(Deserialize, Serialize)]
struct Line<'a> {
    field: String,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    default: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    when: Option<&'a RawValue>,
    #[serde(deserialize_with = "without_how")]
    to: BTreeMap<String, String>,
}

/// Verdicts by target; how something exact is said is for readers of the documents alone.
fn without_how<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut to = BTreeMap::<String, String>::deserialize(deserializer)?;
    to.values_mut().filter(|verdict| verdict.starts_with("exact:")).for_each(|verdict| verdict.truncate("exact".len()));
    Ok(to)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    for name in DOCUMENTS {
        let path = Path::new(FOLDER).join(name).with_extension("json");
        println!("cargo:rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path)?;
        let document: Document<'_> = serde_json::from_str(&text)?;
        fs::write(Path::new(&out).join(name).with_extension("json"), serde_json::to_string(&document)?)?;
    }
    Ok(())
}
