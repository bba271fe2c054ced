//! A stage may use the vocabulary of stages above it, never of those below, and only `edge` knows the platform. The order
//! is that of the lines in `src/lib.rs`, of which the first name modules of `values/`; `pipeline` and `edge` see everything,
//! `ports` what it declares about.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Stages that see everything.
const ABOVE_ALL: [&str; 3] = ["pipeline", "ports", "edge"];
/// What only `edge` may name.
const PLATFORM: [&str; 5] = ["worker", "js_sys", "web_sys", "wasm_bindgen", "wasm_bindgen_futures"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn values() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("values").join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module that a file belongs to: its first path segment below `src`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(source()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Modules in order, with those that everybody else's order does not bind left in.
fn order(lib: &str) -> Vec<String> {
    let names = |line: &str| {
        let line = line.trim();
        let rest = ["pub use signalbox_values::", "pub mod ", "mod "].iter().find_map(|start| line.strip_prefix(start));
        let list = rest.and_then(|rest| rest.split(';').next()).unwrap_or_default().trim_matches(['{', '}']);
        list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect::<Vec<_>>()
    };
    lib.lines().flat_map(names).collect()
}

/// Code without comments and without its tests: tests may look wherever they like.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Names that follow `crate::`, also inside one brace group (`use crate::{a, b::c}`).
fn uses(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `signalbox_crate::` or `$crate::` are other things.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            found.push(word(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn a_stage_uses_only_stages_above_it() {
    let order = order(&fs::read_to_string(source().join("lib.rs")).unwrap());
    assert!(order.len() > 5, "the map of the crate was not understood: {order:?}");
    let place = |module: &str| order.iter().position(|name| name == module);
    let mut all = Vec::new();
    files(&source(), &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let module = module_of(&path);
        let is_test = path.file_name().is_some_and(|name| name == "tests.rs")
            || path.components().any(|c| c.as_os_str() == "tests");
        if module == "lib" || is_test || ABOVE_ALL.contains(&module.as_str()) {
            continue;
        }
        let Some(own) = place(&module) else {
            wrong.push(format!("{}: the module {module} does not stand in lib.rs", path.display()));
            continue;
        };
        for used in uses(&code_of(&fs::read_to_string(&path).unwrap())) {
            match place(&used) {
                Some(at) if at > own => {
                    wrong.push(format!("{}: {module} uses {used}, which comes after it", path.display()))
                }
                Some(_) => {}
                None => wrong.push(format!("{}: {used} is no module of the crate", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_edge_names_the_platform() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    all.retain(|path| module_of(path) != "edge");
    files(&values(), &mut all);
    let mut wrong = Vec::new();
    for path in all {
        // Tests too: they run natively, where the platform does not exist.
        let text = fs::read_to_string(&path).unwrap();
        let code: String =
            text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        for name in PLATFORM {
            let names = |pattern: &str| {
                code.match_indices(pattern)
                    .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.')))
            };
            if names(&format!("{name}::")) || names(&format!("use {name};")) || names(&format!("extern crate {name}")) {
                wrong.push(format!("{}: names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Read from bytes and from text, or by way of the wrapping and without it, every type would stand in the wasm twice.
#[test]
fn text_becomes_values_in_one_place() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    files(&values(), &mut all);
    let own = values().join("json").join("read.rs");
    let is_test = |path: &Path| path.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "tests.rs");
    for path in all.into_iter().filter(|path| *path != own && !is_test(path)) {
        let code = code_of(&fs::read_to_string(&path).unwrap());
        for other in ["from_slice", "from_str", "from_reader", "Deserializer::from_slice"]
            .map(|name| format!("serde_json::{name}"))
        {
            assert!(!code.contains(&other), "{}: {other} in place of crate::json", path.display());
        }
    }
}

#[test]
fn the_reader_of_use_lines_sees_what_it_must() {
    let code = "use crate::a::B; use crate::{c, d::{E, f}, g}; pub(crate) fn x() { crate::h::i() } use other_crate::z;";
    assert_eq!(uses(code), ["a", "c", "d", "g", "h"]);
    let lib = "pub use signalbox_values::{v, w}; // none\npub mod a; // one\n#[cfg(x)]\npub mod b;\nmod c;\nuse d;";
    assert_eq!(order(lib), ["v", "w", "a", "b", "c"]);
    assert_eq!(code_of("use crate::a; // crate::b\n#[cfg(test)]\nmod tests { use crate::c; }"), "use crate::a; ");
}
