//! The table of attacks names tests that exist.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../docs/security.md");

fn file(name: &str) -> String {
    let name = match name {
        "attacks" => "tests/e2e/attacks.test.mjs",
        "issuers" => "tests/e2e/issuers.test.mjs",
        other => other,
    };
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_default()
}

/// Whether a file has a test of that name, or whose name begins so. A file's name alone means its tests as a whole.
fn is_there(reference: &str) -> bool {
    let Some((name, test)) = reference.split_once(':') else { return false };
    let (text, test) = (file(name), test.trim());
    let is_rust = Path::new(name).extension().is_some_and(|extension| extension == "rs");
    match (is_rust, test) {
        (_, "") => text.contains("#[test]") || text.contains("proptest!"),
        (true, test) => text.contains(&format!("fn {test}(")),
        (false, test) => text.contains(&format!("test('{test}")) || text.contains(&format!("test(`{test}")),
    }
}

/// The cells of each row, headings left out.
fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Attack"));
    rows.map(cells).collect()
}

fn references(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_row_of_the_table_is_shown_by_a_test_that_exists_or_says_why_not() {
    let rows = rows(TABLE);
    assert!(rows.len() >= 55, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 3, "{row:?}");
        let shown = &row[2];
        if shown.starts_with("n/a: ") {
            continue;
        }
        let commands = |reference: &&str| !reference.starts_with("npm ") && !reference.starts_with("node ");
        let named: Vec<&str> = references(shown).into_iter().filter(commands).collect();
        assert!(!named.is_empty() || shown.starts_with("bench: "), "{row:?}");
        for reference in named {
            assert!(is_there(reference), "{reference} ({})", row[0]);
        }
    }
}

#[test]
fn a_name_that_is_nobodys_is_noticed() {
    assert!(is_there("tests/security.rs: a_name_that_is_nobodys_is_noticed"));
    assert!(!is_there("tests/security.rs: a_name_that_is_nobodys"));
    assert!(!is_there("attacks: nothing of the kind"));
    assert!(!is_there("no/such/file.rs: test"));
}
