//! The isolate's configuration: read from KV, kept in memory, looked at again about once a minute. A bad new version
//! never replaces a good one; a cold isolate that finds a bad one starts from the last good copy, else not at all
//! (DESIGN §3).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use worker::{Context, Env};

use crate::catalogue::import::refresh::{PRICES_KEY, REPORT_KEY, VERSION_PREFIX};
use crate::catalogue::price::SNAPSHOT;
use crate::config::{ConfigProblem, Mode};
use crate::edge::seam::{now_ms, random, read_keys, write_key};
use crate::edge::{binding, health_object, secrets, text};
use crate::error::GatewayError;
use crate::gateway::{unconfigured, Gateway, Memory};

const CONFIG_KEY: &str = "config";
const GOOD_CONFIG_KEY: &str = "config.last-good";
const GOOD_PRICES_KEY: &str = "prices.last-good";
/// Name of the version of prices that was last put among the kept ones.
const KEPT_PRICES_KEY: &str = "prices.kept";

/// How long a reading counts. KV serves a value for up to a minute from its cache, so that a new one is in force within the
/// promised two minutes.
const FRESH_MS: u64 = 45_000;
const FRESH_JITTER_MS: u64 = 15_000;
/// The var that shortens it, in milliseconds: a gateway on its own machine, whose KV has no cache, follows at once. It
/// lengthens nothing.
const FRESH_VAR: &str = "SIGNALBOX_PICKUP_MS";
/// A refresh that was cancelled gives nothing back, so its claim runs out.
const REFRESH_LEASE_MS: u64 = 10_000;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Gateway>>> = const { RefCell::new(None) };
    static MEMORY: Rc<Memory> = Rc::default();
    static FRESH_UNTIL: Cell<u64> = const { Cell::new(0) };
    static SOURCES: RefCell<Sources> = RefCell::new(Sources::default());
}

/// The texts that are in force or were found bad, so that the same text is not read and complained about each minute.
#[derive(Default, PartialEq, Eq, Clone)]
struct Sources {
    config: Option<String>,
    prices: Option<String>,
}

/// The configuration in force. `version`: the one that another isolate has put a request under; where this one has
/// another, it looks again before it goes on with what it has.
///
/// # Errors
/// 503: none is valid. The caller is not told what is in it.
pub async fn gateway(env: &Env, ctx: &Rc<Context>, version: Option<&str>) -> Result<Rc<Gateway>, GatewayError> {
    let current = CURRENT.with(|c| c.borrow().clone());
    let now = now_ms();
    match current {
        Some(gateway) if version.is_some_and(|version| version != gateway.config.version) => {
            Ok(refresh(env).await.unwrap_or(gateway))
        }
        Some(gateway) if now < FRESH_UNTIL.get() => Ok(gateway),
        Some(gateway) => {
            FRESH_UNTIL.set(now.saturating_add(REFRESH_LEASE_MS));
            let env = env.clone();
            ctx.wait_until(async move {
                // What is wrong has been logged; the version in force stays.
                if let Ok(gateway) = refresh(&env).await {
                    learn_scores(&env, &gateway).await;
                }
            });
            Ok(gateway)
        }
        None => {
            let gateway = refresh(env).await.map_err(|problems| unconfigured(&problems))?;
            let (env, fresh) = (env.clone(), gateway.clone());
            ctx.wait_until(async move { learn_scores(&env, &fresh).await });
            Ok(gateway)
        }
    }
}

/// Reads what callers' scores have come to, where they are taken. No request waits for it.
async fn learn_scores(env: &Env, gateway: &Gateway) {
    if gateway.config.feedback.is_some() {
        if let Some(sums) = health_object::scores(&binding(env, "HEALTH")).await {
            gateway.learn_scores(&sums);
        }
    }
}

/// The configuration in force after looking at it anew, for work that no request waits for.
///
/// # Errors
/// None is valid; what is wrong has been logged.
pub async fn refresh(env: &Env) -> Result<Rc<Gateway>, Vec<ConfigProblem>> {
    let kv = binding(env, "CATALOGUE");
    let found = read_keys(&kv, [CONFIG_KEY, PRICES_KEY, REPORT_KEY]).await;
    let new_secrets = secrets::ask(env).await;
    let in_force = CURRENT.with(|c| c.borrow().clone());
    let Some([config, prices, report]) = found else {
        // KV cannot be read. What is in force stays; a cold isolate does not start from defaults.
        let problem =
            ConfigProblem { path: String::new(), message: "the configuration store cannot be read".to_owned() };
        return in_force.ok_or_else(|| vec![problem]);
    };
    MEMORY.with(|memory| memory.note_price_report(report));
    let sources = Sources { config, prices };
    if let Some(gateway) = in_force.as_ref().filter(|_| !new_secrets && SOURCES.with(|s| *s.borrow() == sources)) {
        stay_fresh(env);
        return Ok(gateway.clone());
    }
    SOURCES.with(|s| s.replace(sources.clone()));
    match load(env, &sources).await {
        Ok(gateway) => {
            let gateway = accept(env, gateway);
            gateway.memory.refused.take();
            remember(&kv, &sources, &gateway).await;
            Ok(gateway)
        }
        Err(problems) => {
            complain(&problems);
            MEMORY.with(|memory| memory.refused.replace(problems.clone()));
            if let Some(gateway) = in_force {
                stay_fresh(env);
                return Ok(gateway);
            }
            let last = read_keys(&kv, [GOOD_CONFIG_KEY, GOOD_PRICES_KEY]).await;
            let Some([Some(config), prices]) = last else { return Err(problems) };
            let prices = prices.filter(|p| !p.is_empty());
            let last_good = load(env, &Sources { config: Some(config), prices }).await;
            last_good.map(|gateway| accept(env, gateway)).map_err(|_| problems)
        }
    }
}

async fn load(env: &Env, sources: &Sources) -> Result<Gateway, Vec<ConfigProblem>> {
    let read = read(env, sources);
    if secrets::ask(env).await {
        return self::read(env, sources);
    }
    read
}

fn read(env: &Env, sources: &Sources) -> Result<Gateway, Vec<ConfigProblem>> {
    let mode = if text(env, "SIGNALBOX_MODE").as_deref() == Some("local") { Mode::Local } else { Mode::Production };
    let var = text(env, "SIGNALBOX_CONFIG");
    let overlays: Vec<&str> = sources.config.as_deref().into_iter().chain(var.as_deref()).collect();
    Gateway::load(&overlays, sources.prices.as_deref(), mode, &|name| secrets::known(env, name), MEMORY.with(Rc::clone))
}

fn accept(env: &Env, gateway: Gateway) -> Rc<Gateway> {
    let old = CURRENT.with(|c| c.borrow().clone());
    let gateway = Rc::new(match old {
        Some(old) => Gateway { gate: gateway.gate.with_keys_of(&old.gate), ..gateway },
        None => gateway,
    });
    CURRENT.with(|c| c.replace(Some(gateway.clone())));
    stay_fresh(env);
    gateway
}

fn stay_fresh(env: &Env) {
    let usual = FRESH_MS.saturating_add(random() % FRESH_JITTER_MS);
    let asked: Option<u64> = text(env, FRESH_VAR).and_then(|ms| ms.parse().ok());
    FRESH_UNTIL.set(now_ms().saturating_add(asked.map_or(usual, |ms| ms.min(usual))));
}

/// Keeps a valid version under its hash and as the last good one, if it is not that already.
async fn remember(kv: &wasm_bindgen::JsValue, sources: &Sources, gateway: &Gateway) {
    let version = &gateway.config.version;
    let config = sources.config.clone().unwrap_or_else(|| "{}".to_owned());
    // An absent table is kept as empty text: the snapshot that is compiled in.
    let prices = sources.prices.clone().unwrap_or_default();
    let keys = [GOOD_CONFIG_KEY, GOOD_PRICES_KEY, KEPT_PRICES_KEY];
    let Some([good_config, good_prices, kept]) = read_keys(kv, keys).await else { return };
    if good_config.as_deref() != Some(&config) {
        write_key(kv, &format!("config@{version}"), &config).await;
        write_key(kv, GOOD_CONFIG_KEY, &config).await;
    }
    if good_prices.as_deref() != Some(&prices) {
        write_key(kv, GOOD_PRICES_KEY, &prices).await;
    }
    // What a cost was computed from stays readable under the version that the ledger names.
    if kept.as_deref() != Some(gateway.price_version()) {
        let text = sources.prices.as_deref().unwrap_or(SNAPSHOT);
        write_key(kv, &format!("{VERSION_PREFIX}{}", gateway.price_version()), text).await;
        write_key(kv, KEPT_PRICES_KEY, gateway.price_version()).await;
    }
}

fn complain(problems: &[ConfigProblem]) {
    let line = serde_json::json!({ "message": "configuration refused", "level": "error", "problems": problems });
    worker::console_error!("{line}");
}
