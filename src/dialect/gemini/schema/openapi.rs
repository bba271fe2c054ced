//! Google's older notation of schemas (OpenAPI 3.0: upper-case types, `nullable`) → JSON Schema (`wire.md` §2.5).

use serde_json::value::RawValue;

use super::MAX_DEPTH;
use crate::dialect::fields;
use crate::dialect::gemini::types::{Int, Object, Text};
use crate::dialect::gemini::write::Json;
use crate::json::write_quoted;
use crate::sorted;

/// The schema in JSON Schema's words. Text that says the same in both is kept as it is.
pub fn to_json_schema(schema: &RawValue) -> Box<RawValue> {
    let mut out = Vec::with_capacity(schema.get().len());
    let mut changed = false;
    convert(schema, 0, &mut out, &mut changed);
    let converted = String::from_utf8(out).ok().filter(|_| changed).and_then(|text| RawValue::from_string(text).ok());
    converted.unwrap_or_else(|| schema.to_owned())
}

fn convert(raw: &RawValue, depth: usize, out: &mut Vec<u8>, changed: &mut bool) {
    let Some(object) = Object::read(raw).filter(|_| depth < MAX_DEPTH) else {
        out.extend_from_slice(raw.get().as_bytes());
        return;
    };
    let nullable = object.value("nullable").is_some_and(|raw| raw.get() == "true");
    let mut writer = Json::object(out);
    for (key, value) in &object.0 {
        match key.as_ref() {
            "nullable" | "propertyOrdering" | "property_ordering" => *changed = true,
            // In protocol buffers `null` is absence.
            _ if value.get() == "null" => *changed = true,
            "type" => write_type(value, nullable, &mut writer, changed),
            "enum" => write_enum(value, nullable, writer.member("enum")),
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" | "min_items"
            | "max_items" | "min_length" | "max_length" | "min_properties" | "max_properties" => {
                let number = crate::json::from_str::<Int>(value.get());
                *changed |= value.get().starts_with('"');
                match number {
                    Ok(Int(number)) => writer.value(&camel(key, changed), number),
                    Err(_) => writer.raw(&camel(key, changed), value.get()),
                }
            }
            "properties" => {
                let Some(properties) = Object::read(value) else { continue };
                let order = order_of(&object);
                let mut list: Vec<_> = properties.0.iter().collect();
                sorted::sort_by_cached_key(&mut list, |(name, _)| {
                    order.iter().position(|n| **n == **name).unwrap_or(order.len())
                });
                let mut table = writer.object_in("properties");
                for (name, schema) in list {
                    convert(schema, depth + 1, table.member(name), changed);
                }
            }
            "items" | "additionalProperties" | "additional_properties" => {
                convert(value, depth + 1, writer.member(&camel(key, changed)), changed);
            }
            "anyOf" | "any_of" => {
                let mut list = writer.array_in(&camel(key, changed));
                for schema in crate::json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default() {
                    convert(schema, depth + 1, list.item(), changed);
                }
                if nullable && object.value("type").is_none() {
                    list.object_item().text("type", "null");
                }
            }
            key => writer.raw(key, value.get()),
        }
    }
}

/// A snake_case keyword in camelCase.
fn camel(key: &str, changed: &mut bool) -> String {
    let name = fields::camel(key);
    *changed |= name != key;
    name
}

fn write_type(value: &RawValue, nullable: bool, writer: &mut Json<'_>, changed: &mut bool) {
    let Ok(name) = crate::json::from_str::<Text<'_>>(value.get()) else {
        writer.raw("type", value.get());
        return;
    };
    let lower = name.to_ascii_lowercase();
    *changed |= lower != *name;
    if lower == "type_unspecified" {
        return;
    }
    if nullable {
        let mut both = writer.array_in("type");
        write_quoted(both.item(), &lower);
        write_quoted(both.item(), "null");
    } else {
        writer.text("type", &lower);
    }
}

/// A nullable enumeration has `null` among its values in JSON Schema.
fn write_enum(value: &RawValue, nullable: bool, out: &mut Vec<u8>) {
    let text = value.get().trim();
    match text.strip_suffix(']').filter(|_| nullable) {
        Some(open) => {
            out.extend_from_slice(open.as_bytes());
            out.extend_from_slice(if open.trim_end().ends_with('[') { b"null]" } else { b",null]" });
        }
        None => out.extend_from_slice(text.as_bytes()),
    }
}

/// The order in which the model is to write the properties.
fn order_of<'a>(object: &Object<'a>) -> Vec<Text<'a>> {
    let order = object.value("propertyOrdering").or_else(|| object.value("property_ordering"));
    order.and_then(|raw| crate::json::from_str(raw.get()).ok()).unwrap_or_default()
}
