//! The same for answers: what becomes of a provider's field on its way to callers of other dialects.

use serde_json::Value;

use signalbox::dialect::{Dialect, Encoded, ReplyContext, Tail};

use super::table::{self, Column};

fn translate(dialect: Dialect, answer: &Value, column: &Column) -> Result<Encoded, String> {
    let decoded = dialect.decode_response(answer.to_string().as_bytes()).map_err(|fault| format!("{fault:?}"))?;
    let context = ReplyContext { upstream: Some(dialect), request_id: "r".to_owned(), ..ReplyContext::default() };
    Ok(column.dialect.encode_response(&decoded, &context, &Tail::default()))
}

#[test]
fn every_row_of_an_answer_says_what_the_code_does() {
    let mut found = Vec::new();
    let mut checked = 0;
    for table in table::all() {
        for row in &table.answers {
            for column in table.callers() {
                let seen = super::compare(row, &row.sample, &table.answer_base(row), |answer| {
                    translate(table.dialect, answer, column)
                });
                let Some(claim) = row.claim(column) else {
                    found.push(format!("{} {} → {}: no verdict, {seen:?}", table.name, row.field, column.name));
                    continue;
                };
                checked += 1;
                if let Some(why) = super::lie(row, column, &claim, seen) {
                    found.push(format!(
                        "answer {} {} → {}: claims {}, {why}",
                        table.name, row.field, column.name, claim.text
                    ));
                }
            }
        }
    }
    super::verdict(found, checked, 150);
}
