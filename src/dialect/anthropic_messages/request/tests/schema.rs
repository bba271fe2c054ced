use serde_json::{json, Value};

use super::super::schema::fit;
use super::raw;
use crate::dialect::canonical::{Disposition, Loss};

fn fitted(schema: &str) -> (String, Vec<String>) {
    let mut losses = Vec::new();
    let text = fit(&raw(schema), "s", &mut losses);
    serde_json::from_str::<Value>(&text).unwrap();
    let named = |loss: &Loss| format!("{:?} {}", loss.disposition, loss.field);
    (text, losses.iter().map(named).collect())
}

#[test]
fn a_schema_within_the_subset_keeps_every_byte() {
    let schema = r##"{"type":"object","properties":{"z":{"type":"string","format":"date"},"a":{"type":["integer","null"]},"k":{"const":3},"e":{"enum":["x",null]},"l":{"type":"array","items":{"$ref":"#/$defs/D"},"minItems":1},"u":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["z","a","k","e","l","u"],"additionalProperties":false,"$defs":{"D":{"type":"object","title":"D","properties":{},"additionalProperties":false}}}"##;
    assert_eq!(fitted(schema), (schema.to_owned(), vec![]));
}

#[test]
fn a_constraint_that_cannot_be_kept_is_named_and_told_in_words() {
    let (text, losses) = fitted(
        r#"{"type":"object","properties":{"age":{"type":"integer","description":"Years","minimum":0,"maximum":150},"n":{"type":"string","pattern":"^a"}},"required":["age","n"],"additionalProperties":false}"#,
    );
    assert_eq!(
        losses,
        [
            "Unsupported s.properties.age.minimum",
            "Unsupported s.properties.age.maximum",
            "Unsupported s.properties.n.pattern",
        ]
    );
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["properties"]["age"]["description"], "Years\n\n{minimum: 0, maximum: 150}");
    assert_eq!(schema["properties"]["n"], json!({"type": "string", "description": "{pattern: \"^a\"}"}));
}

#[test]
fn open_objects_are_closed_and_maps_are_refused() {
    let (text, losses) = fitted(r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#);
    assert_eq!(losses, ["Converted s.additionalProperties"]);
    assert!(text.contains(r#""additionalProperties":false"#));
    for map in [
        r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
        r#"{"type":"object","additionalProperties":true}"#,
        r#"{"type":"object"}"#,
    ] {
        assert_eq!(fitted(map).1, ["Unsupported s.additionalProperties"], "{map}");
    }
}

#[test]
fn every_place_of_a_schema_is_looked_at() {
    for (schema, loss) in [
        (r#"{"type":"array","items":{"type":"string","minLength":2}}"#, "Unsupported s.items.minLength"),
        (r#"{"anyOf":[{"type":"string"},{"type":"number","multipleOf":2}]}"#, "Unsupported s.anyOf[1].multipleOf"),
        (r#"{"allOf":[{"not":{"type":"string"},"type":"null"}]}"#, "Unsupported s.allOf[0].not"),
        (r#"{"oneOf":[{"type":"string"}]}"#, "Converted s.oneOf"),
        (r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"string","format":"color"}}}"##, "Unsupported s.$defs.a.format"),
        (r#"{"$ref":"https://x/y"}"#, "Unsupported s.$ref"),
        (r##"{"$ref":"#"}"##, "Unsupported s.$ref"),
        (r#"{"type":"array","minItems":2}"#, "Unsupported s.minItems"),
        (r#"{"enum":[{"a":1}]}"#, "Unsupported s.enum"),
        (r#"{"type":"string","$schema":"x"}"#, "Advisory s.$schema"),
        (r#"{"type":"string","default":"x"}"#, "Advisory s.default"),
        (r#"{"type":"array","items":true}"#, "Unsupported s.items"),
        ("{}", "Unsupported s"),
        ("true", "Unsupported s"),
    ] {
        assert_eq!(fitted(schema).1, [loss], "{schema}");
    }
}

#[test]
fn recursion_is_found_wherever_it_closes() {
    let direct = r##"{"$ref":"#/$defs/n","$defs":{"n":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/n"}]}}}"##;
    let indirect = r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"array","items":{"$ref":"#/$defs/b"}},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}"##;
    for schema in [direct, indirect] {
        assert_eq!(fitted(schema).1, ["Unsupported s"], "{schema}");
    }
    let twice = r##"{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"type":"null"}}}"##;
    assert_eq!(fitted(twice).1, [""; 0], "used twice is not recursive");
}

#[test]
fn too_many_optional_properties_are_refused() {
    let schema = |count: usize| {
        let properties: Vec<String> = (0..count).map(|i| format!(r#""p{i}":{{"type":"null"}}"#)).collect();
        format!(r#"{{"type":"object","properties":{{{}}},"additionalProperties":false}}"#, properties.join(","))
    };
    assert_eq!(fitted(&schema(24)).1, [""; 0]);
    assert_eq!(fitted(&schema(25)).1, ["Unsupported s"]);
}

#[test]
fn depth_ends_in_a_refusal_and_not_in_an_overflow() {
    let schema =
        format!("{}{}{}", r#"{"type":"array","items":"#.repeat(50_000), r#"{"type":"null"}"#, "}".repeat(50_000));
    let mut losses = Vec::new();
    let text = fit(&raw(&schema), "s", &mut losses);
    assert!(text.len() < 10_000);
    assert!(losses.iter().any(|loss| loss.disposition == Disposition::Unsupported));
}
