use super::*;
use crate::dialect::canonical::Disposition;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn written(schema: &str) -> (String, Vec<(Disposition, String)>) {
    let mut losses = Vec::new();
    let out = subset(&raw(schema), "schema", &mut losses);
    assert!(serde_json::from_str::<&RawValue>(&out).is_ok(), "{out}");
    (out, losses.into_iter().map(|loss| (loss.disposition, loss.reason)).collect())
}

#[test]
fn what_gemini_enforces_is_kept_in_order() {
    let schema = concat!(
        r##"{"type":"object","title":"T","properties":{"z":{"type":["string","null"],"enum":["a",null]},"##,
        r##""a":{"type":"array","items":{"$ref":"#/$defs/N"},"minItems":1}},"required":["z"],"##,
        r##""additionalProperties":false,"$defs":{"N":{"type":"number","minimum":0}}}"##,
    );
    assert_eq!(written(schema), (schema.to_owned(), vec![]));
}

#[test]
fn a_constant_becomes_an_enumeration_of_one() {
    let (out, losses) = written(r#"{"properties":{"kind":{"const":"x"}}}"#);
    assert_eq!(out, r#"{"properties":{"kind":{"enum":["x"]}}}"#);
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].0, Disposition::Converted);
    let mut losses = Vec::new();
    let schema = raw(r#"{"properties":{"a":{"const":1},"b":{"pattern":"x"}}}"#);
    assert_eq!(arguments(&schema, "tool", &mut losses), r#"{"properties":{"a":{"enum":[1]},"b":{"pattern":"x"}}}"#);
    assert_eq!(losses.len(), 1);
}

#[test]
fn a_constraint_that_is_not_enforced_is_told_to_the_model_and_reported() {
    let (out, losses) = written(
        r#"{"type":"string","minLength":3,"description":"A code.","pattern":"^x","$schema":"s","default":"xyz"}"#,
    );
    assert_eq!(out, r#"{"type":"string","description":"A code.\nConstraints: minLength: 3; pattern: \"^x\""}"#);
    assert_eq!(losses[0].0, Disposition::Converted);
    assert!(losses[0].1.contains("minLength, pattern"));
    assert_eq!(losses[1].0, Disposition::Advisory);
    assert!(losses[1].1.contains("default"));
}

#[test]
fn references_with_siblings_and_old_definitions_are_reworded() {
    let (out, losses) = written(
        r##"{"properties":{"a":{"$ref":"#/definitions/N","description":"d"}},"definitions":{"N":{"type":"string"}}}"##,
    );
    assert_eq!(
        out,
        r##"{"properties":{"a":{"anyOf":[{"$ref":"#/$defs/N"}],"description":"d"}},"$defs":{"N":{"type":"string"}}}"##
    );
    assert_eq!(losses.len(), 1);
    assert_eq!(written(r#"{"allOf":[{"type":"string"}]}"#).0, r#"{"anyOf":[{"type":"string"}]}"#);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let refused = |schema: &str| written(schema).1.iter().any(|(fate, _)| *fate == Disposition::Unsupported);
    assert!(refused(r#"{"allOf":[{"type":"string"},{"minLength":1}]}"#));
    let node = |required: &str| {
        format!(
            r##"{{"$ref":"#/$defs/N","$defs":{{"N":{{"properties":{{"next":{{"$ref":"#/$defs/N"}}}}{required}}}}}}}"##
        )
    };
    assert!(refused(&node(r#","required":["next"]"#)));
    assert!(!refused(&node("")));
    let deep = format!("{}{}", r#"{"items":"#.repeat(5000), "}".repeat(5000).replacen('}', "{}}", 1));
    assert!(refused(&deep));
}

#[test]
fn openapi_schemas_are_read_as_json_schemas() {
    let schema = raw(
        r#"{"type":"OBJECT","nullable":false,"properties":{"b":{"type":"STRING","nullable":true,"enum":["x"]},
            "a":{"type":"ARRAY","items":{"type":"INTEGER"},"min_items":"2","title":null}},"propertyOrdering":["a","b"]}"#,
    );
    assert_eq!(
        to_json_schema(&schema).get(),
        concat!(
            r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"},"minItems":2},"#,
            r#""b":{"type":["string","null"],"enum":["x",null]}}}"#
        )
    );
    let same = raw(r#"{ "type": "object", "properties": {} }"#);
    assert_eq!(to_json_schema(&same).get(), same.get());
}
