//! The same for embeddings, whose code has words of its own: the rows must have the same ones, letter by letter.

use serde_json::Value;

use signalbox::dialect::{Dialect, Encoded};
use signalbox::embedding::{self, Form};

use super::table;

fn translate(form: Form, request: &Value, target: Dialect) -> Result<Encoded, String> {
    let body = request.to_string();
    let model = Some("m".to_owned());
    let (asked, view) = embedding::read(form, model, body.as_bytes()).map_err(|error| error.message)?;
    Ok(asked.write(&view, target, "m"))
}

#[test]
fn every_row_of_embeddings_says_what_the_code_does() {
    let mut found = Vec::new();
    let mut checked = 0;
    let ways = [
        ("openai-embeddings", Form::OpenAi, Dialect::Gemini),
        ("gemini-embeddings", Form::Gemini, Dialect::OpenAiChat),
    ];
    for (name, form, target) in ways {
        let table = table::read(name, target);
        // Any column of the target's dialect: these tables have one for all.
        let column = table::column_of(target);
        for row in table.rows.iter().filter(|row| !row.is_ours) {
            checked += 1;
            let seen = super::compare(row, &row.sample, &table.base(row), |request| translate(form, request, target));
            let claim = row.claim(column).unwrap();
            let words = claim.text.split_once(": ").map_or("", |(_, words)| words).to_owned();
            let told = seen.as_ref().ok().and_then(|seen| seen.losses.first()).map(|loss| loss.reason.clone());
            if let Some(told) = told.filter(|told| *told != words) {
                found.push(format!("{name} {}: claims {words:?} where the code says {told:?}", row.field));
            }
            if let Some(why) = super::lie(row, column, &claim, seen) {
                found.push(format!("{name} {}: claims {}, {why}", row.field, claim.text));
            }
        }
    }
    super::verdict(found, checked, 15);
}
