use super::model::{QualityKind, Reasoning, Tier};
use super::*;
use crate::document::{parse, Problem, Problems};
use serde_json::json;

fn read(models: Value, shipped: &Value) -> Result<Catalogue, Vec<Problem>> {
    let problems = Problems::default();
    let catalogue = Catalogue::read("c1", &Item::root(&models, &problems), shipped);
    problems.verdict(catalogue)
}

#[test]
fn the_compiled_in_catalogue_is_valid_and_every_model_has_what_choosing_needs() {
    let document = parse(SNAPSHOT).unwrap();
    let catalogue = read(document["models"].clone(), &document["models"]).unwrap();
    assert!(catalogue.models().count() > 50);
    for (id, model) in catalogue.models() {
        assert!(model.context.is_some() && model.capabilities.is_some() && model.tier.is_some(), "{id}");
        assert!(model.source.is_some(), "{id}");
    }
}

#[test]
fn a_model_is_found_by_its_id_its_alias_and_its_bare_name() {
    let models = json!({"a/x": {"aliases": ["x-2026"]}, "b/x": {}, "b/org/y": {}});
    let catalogue = read(models, &Value::Null).unwrap();
    assert_eq!(catalogue.id_of("a/x-2026"), Some("a/x"));
    assert!(catalogue.model("a/x-2026").is_some() && catalogue.model("b/x-2026").is_none());
    assert_eq!(catalogue.bearers("x"), ["a/x", "b/x"]);
    assert_eq!(catalogue.bearers("x-2026"), ["a/x-2026"], "a dated name is called as written");
    assert_eq!(catalogue.bearers("org/y"), ["b/org/y"]);
    assert!(catalogue.bearers("z").is_empty());
}

#[test]
fn unknown_capabilities_are_given_the_benefit_of_the_doubt() {
    let catalogue = read(json!({"a/x": {"reasoning": "always"}}), &Value::Null).unwrap();
    let traits = catalogue.model("a/x").unwrap().traits();
    assert!(traits.vision && traits.prefill && traits.always_reasons);
}

#[test]
fn an_operators_list_need_not_spell_out_what_nearly_every_model_has() {
    let models = json!({"a/x": {"capabilities": ["tools", "vision"]}});
    let own = read(models.clone(), &Value::Null).unwrap().model("a/x").unwrap().traits();
    assert!(own.tools && own.vision && own.sampling && own.forced_tools && !own.audio && !own.json_schema);
    let shipped = read(models.clone(), &models).unwrap().model("a/x").unwrap().traits();
    assert!(shipped.tools && !shipped.sampling && !shipped.forced_tools, "a shipped list is complete");
}

#[test]
fn quality_falls_back_from_task_to_default_to_the_tier_rule() {
    let models = json!({"a/x": {"tier": "small", "quality": {
            "default": {"value": 0.7, "kind": "published", "source": "b"}, "code": {"value": 0.123_456_7, "kind": "measured"}}},
        "a/y": {"tier": "small"}, "a/z": {}});
    let catalogue = read(models, &Value::Null).unwrap();
    let x = catalogue.model("a/x").unwrap();
    assert_eq!((x.quality("code").value_micro, x.quality("code").kind), (123_457, QualityKind::Measured));
    assert_eq!((x.quality("qa").value_micro, x.quality("qa").kind), (700_000, QualityKind::Published));
    let y = catalogue.model("a/y").unwrap().quality("code");
    assert_eq!((y.value_micro, y.kind), (400_000, QualityKind::Assumed));
    let unknown = catalogue.model("a/z").unwrap().quality("code").value_micro;
    assert!(0 < unknown && unknown < 1_000_000);
}

#[test]
fn the_tier_rule_never_ranks_a_lower_tier_above_a_higher_one() {
    for task in task::TASKS {
        let values: Vec<i64> = [Tier::Small, Tier::Standard, Tier::Strong, Tier::Frontier]
            .map(|tier| model::assumed_quality(Some(tier), task).value_micro)
            .to_vec();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{task}: {values:?}");
    }
}

#[test]
fn a_twin_fills_only_what_is_unknown() {
    let models = json!({"eu/x": {"context": 10}, "us/x": {"context": 20, "tier": "strong", "reasoning": "optional"},
        "eu/own": {}});
    let mut catalogue = read(models, &Value::Null).unwrap();
    catalogue.inherit("eu", "us");
    let x = catalogue.model("eu/x").unwrap();
    assert_eq!((x.context, x.tier, x.reasoning), (Some(10), Some(Tier::Strong), Some(Reasoning::Optional)));
    assert_eq!(catalogue.model("eu/own").unwrap().tier, None);
}

#[test]
fn mistakes_are_named_by_their_path() {
    for (model, path) in [
        (json!({"contxt": 1}), "models[\"a/x\"].contxt"),
        (json!({"context": 0}), "models[\"a/x\"].context"),
        (json!({"capabilities": ["visions"]}), "models[\"a/x\"].capabilities[0]"),
        (json!({"quality": {"code": {"value": 1.5, "kind": "measured"}}}), "models[\"a/x\"].quality.code.value"),
        (json!({"quality": {"code": {"value": 0.5}}}), "models[\"a/x\"].quality.code"),
        (json!({"quality": {"Code!": {"value": 0.5, "kind": "assumed"}}}), "models[\"a/x\"].quality[\"Code!\"]"),
        (json!({"tier": "huge"}), "models[\"a/x\"].tier"),
    ] {
        let document = json!({"models": {"a/x": model}});
        let problems = Problems::default();
        let item = Item::root(&document, &problems).object(&["models"]).unwrap().member("models").unwrap();
        let _ = Catalogue::read("c1", &item, &Value::Null);
        let told = problems.verdict(()).unwrap_err();
        assert_eq!(told.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), [path]);
    }
    assert!(read(json!({"x": {}}), &Value::Null).is_err());
}
