//! Words of other gateways, for people who come from there: taken where they say exactly what one of ours says, refused by
//! name where they do not (docs/migrate-from-portkey.md, docs/migrate-from-litellm.md).

use serde_json::value::RawValue;

use super::{list, object, parse, refused, word, MAX_LIST};
use crate::config::Config;
use crate::error::GatewayError;

/// Portkey's header with a routing configuration.
pub(super) const PORTKEY: &str = "x-portkey-config";

/// A place that a Portkey configuration names. Without a model: the one that the request names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    provider: Option<String>,
    model: Option<String>,
}

impl Target {
    /// `provider/model`, or what there is of it.
    #[must_use]
    pub fn name(&self, asked: &str) -> String {
        let model = self.model.as_deref().unwrap_or(asked);
        match &self.provider {
            Some(provider) => format!("{provider}/{model}"),
            None => model.to_owned(),
        }
    }
}

/// Portkey's names of providers (its `src/globals.ts`) that are called otherwise here.
const PROVIDERS: [(&str, &str); 7] = [
    ("azure-openai", "azure"),
    ("dashscope", "qwen"),
    ("fireworks-ai", "fireworks"),
    ("google", "gemini"),
    ("mistral-ai", "mistral"),
    ("together-ai", "together"),
    ("x-ai", "xai"),
];

/// The targets of a Portkey configuration, in their order: `single` and `fallback`, nothing that changes what is sent, where,
/// or as whom.
pub(super) fn portkey(text: &str, config: &Config) -> Result<Vec<Target>, GatewayError> {
    if !text.starts_with('{') {
        return Err(refused(PORTKEY, "must be a configuration's JSON: saved ones are not known here"));
    }
    let raw: &RawValue = crate::json::from_str(text).map_err(|_| refused(PORTKEY, "must be JSON"))?;
    let (mut mode, mut targets) = (None, None);
    for (name, value) in object(PORTKEY, raw)?.iter() {
        match name {
            "strategy" => mode = Some(strategy(value)?),
            "targets" => targets = Some(target_list(value, config)?),
            "provider" | "override_params" => {}
            _ => return Err(unsupported(name)),
        }
    }
    match (mode, targets) {
        (None, None) => Ok(vec![target(PORTKEY, raw, config)?]),
        (None | Some(Mode::Single), Some(targets)) if targets.len() == 1 => Ok(targets),
        (Some(Mode::Fallback), Some(targets)) => Ok(targets),
        _ => Err(refused(PORTKEY, "needs one target with the mode single, or several with fallback")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Single,
    Fallback,
}

fn strategy(raw: &RawValue) -> Result<Mode, GatewayError> {
    let path = "x-portkey-config.strategy";
    let mut mode = None;
    for (name, value) in object(path, raw)?.iter() {
        match name {
            "mode" => {
                let text: String = parse("x-portkey-config.strategy.mode", value, "a string")?;
                let words = [("single", Mode::Single), ("fallback", Mode::Fallback)];
                mode = Some(word("x-portkey-config.strategy.mode", &text, &words)?);
            }
            _ => return Err(unsupported(&format!("strategy.{name}"))),
        }
    }
    mode.ok_or_else(|| refused(path, "needs a mode"))
}

fn target_list(raw: &RawValue, config: &Config) -> Result<Vec<Target>, GatewayError> {
    let path = "x-portkey-config.targets";
    let items: Vec<&RawValue> = parse(path, raw, "an array")?;
    if !(1..=MAX_LIST).contains(&items.len()) {
        return Err(refused(path, format!("must hold 1 to {MAX_LIST} targets")));
    }
    let one = |(at, item): (usize, &&RawValue)| {
        let path = format!("{path}[{at}]");
        for (name, _) in object(&path, item)?.iter() {
            if !matches!(name, "provider" | "override_params") {
                return Err(unsupported(&format!("targets[{at}].{name}")));
            }
        }
        target(&path, item, config)
    };
    items.iter().enumerate().map(one).collect()
}

fn target(path: &str, raw: &RawValue, config: &Config) -> Result<Target, GatewayError> {
    let mut target = Target::default();
    let members = object(path, raw)?;
    if let Some(provider) = members.present("provider") {
        let name: String = parse(&format!("{path}.provider"), provider, "a string")?;
        target.provider = Some(provider_name(&format!("{path}.provider"), name.trim_start_matches('@'), config)?);
    }
    if let Some(params) = members.present("override_params") {
        let path = format!("{path}.override_params");
        for (name, value) in object(&path, params)?.iter() {
            if name != "model" {
                return Err(refused(&format!("{path}.{name}"), "is not supported here: put it into the request"));
            }
            let model: String = parse(&format!("{path}.model"), value, "a string")?;
            // `@provider/model` names both.
            match model.strip_prefix('@').and_then(|rest| rest.split_once('/')) {
                Some((provider, model)) => {
                    target.provider = Some(provider_name(&format!("{path}.model"), provider, config)?);
                    target.model = Some(model.to_owned());
                }
                None => target.model = Some(model),
            }
        }
    }
    if target == Target::default() {
        return Err(refused(path, "needs a provider or override_params.model"));
    }
    Ok(target)
}

fn provider_name(path: &str, name: &str, config: &Config) -> Result<String, GatewayError> {
    let ours = PROVIDERS.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    let found = [Some(name), ours].into_iter().flatten().find(|name| config.providers.contains_key(*name));
    found.map(str::to_owned).ok_or_else(|| refused(path, "no provider of this name is configured here"))
}

fn unsupported(member: &str) -> GatewayError {
    let path = format!("{PORTKEY}.{member}");
    refused(&path, "is not supported here: of a configuration, the modes single and fallback, providers and models are")
}

/// LiteLLM's `fallbacks`: names of models, in their order.
pub(super) fn litellm(raw: &RawValue) -> Result<Vec<String>, GatewayError> {
    list("fallbacks", raw).map_err(|_| {
        refused(
            "fallbacks",
            format!("must be an array of up to {MAX_LIST} model names; other requests as fallbacks are not supported"),
        )
    })
}
