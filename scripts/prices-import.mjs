#!/usr/bin/env node
// Regenerates data/prices.json from price lists that lie on this machine. It never touches the network.
//
//   node scripts/prices-import.mjs --from FILE --format FORMAT [--release VERSION@YYYY-MM-DD] [--from … --format …]
//        [--add provider/model[=format],…] [--drop provider/model,…] [--date YYYY-MM-DD] [--set-version V]
//        [--accept-large] [--write]
//
// FORMAT  genai-prices   data.json of pydantic/genai-prices (an array of providers)
//         litellm        model_prices_and_context_window.json of BerriAI/litellm
//         model-prices   snapshot.json of wakamex/model-prices
//
// Which models: those already in data/prices.json, those of data/catalogue.json, and --add. Nothing else comes in.
// Which source: an entry stays with the source it has (`=format` after --add picks or changes it); a new one takes the
// first list on the command line that prices it. Another list given in the same run only fills what the winner lacks
// (cache_write_1h, batch, priority), and only where both agree on input and output; `source` then reads "a+b".
// An entry one of whose sources is not on the command line is left as it is. Every disagreement between lists is printed.
//
// What the table cannot say: where a price depends on the time of day (DeepSeek) or on thinking being on (Qwen), the
// dearest one is taken, so that a cost computed from it is an upper bound. Prices that start after --date are ignored.
//
// Without --write nothing is written; the difference is printed either way. Exit 1 if anything is invalid: a number that
// is negative or not finite, an unknown provider or member, a price of 0, a jump beyond ×5 or ÷5 (unless --accept-large).
import { readFileSync, writeFileSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [PRICES, CATALOGUE] = ["prices", "catalogue"].map((n) => fileURLToPath(new URL(`../data/${n}.json`, import.meta.url)));
export const PROVIDERS = ["anthropic", "deepseek", "fireworks", "gemini", "groq", "mistral", "openai", "openrouter", "qwen", "together", "workers-ai", "xai"];
const MEMBERS = ["input", "output", "cached_input", "cache_write_5m", "cache_write_1h", "audio_input", "audio_output", "image_input", "request"];
const FILLABLE = ["cache_write_1h", "batch", "priority"];
const SOURCES = {
  "genai-prices": { name: "genai-prices (Pydantic)", url: "https://github.com/pydantic/genai-prices", licence: "MIT" },
  litellm: { name: "LiteLLM model_prices_and_context_window.json", url: "https://github.com/BerriAI/litellm", licence: "MIT" },
  "model-prices": { name: "model-prices (from models.dev, with corrections)", url: "https://github.com/wakamex/model-prices", licence: "MIT" },
};

// A JSON number, times 10^shift, as a decimal string. Exact to six decimals; finer ones (OpenRouter's twelfths, float
// noise) are rounded half up if that moves the price by less than 1 in 100,000.
export function decimal(value, shift = 0) {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Error(`not a number: ${JSON.stringify(value)}`);
  if (value < 0) throw new Error(`negative: ${value}`);
  const [, whole, fraction = "", exponent = "0"] = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  let [digits, point] = [whole + fraction, whole.length + Number(exponent) + shift];
  if (point <= 0) { digits = "0".repeat(1 - point) + digits; point = 1; }
  digits = digits.padEnd(point, "0");
  let units = BigInt(digits.slice(0, point) + digits.slice(point, point + 6).padEnd(6, "0"));
  const rest = digits.slice(point + 6);
  if (rest[0] >= "5") units += 1n;
  if (/[1-9]/.test(rest)) {
    const exact = Number(`${digits.slice(0, point)}.${digits.slice(point)}`);
    if (Math.abs(Number(units) / 1e6 - exact) > 1e-5 * exact) throw new Error(`finer than 6 decimals: ${value}`);
  }
  const text = units.toString().padStart(7, "0");
  return `${text.slice(0, -6)}.${text.slice(-6)}`.replace(/\.?0+$/, "");
}

const dearer = (a, b) => (a === undefined || (b !== undefined && Number(b) > Number(a)) ? b : a);// ---- genai-prices ------------------------------------------------------------------------------------------------
const GENAI_PROVIDER = { gemini: "google", xai: "x-ai" };
const GENAI_MEMBER = {
  input_mtok: "input", output_mtok: "output", cache_read_mtok: "cached_input", cache_write_mtok: "cache_write_5m",
  cache_write_1h_mtok: "cache_write_1h", input_audio_mtok: "audio_input", output_audio_mtok: "audio_output", input_image_mtok: "image_input",
};
function genaiMatches(clause, id) {
  const [any, all] = [clause.or ?? clause.or_, clause.and ?? clause.and_];
  if (any) return any.some((c) => genaiMatches(c, id));
  if (all) return all.every((c) => genaiMatches(c, id));
  const [[kind, text]] = Object.entries(clause);
  return { equals: () => id === text, starts_with: () => id.startsWith(text), ends_with: () => id.endsWith(text), contains: () => id.includes(text), regex: () => new RegExp(text).test(id) }[kind]?.() ?? false;
}
function genaiRecord(prices) {
  const [record, tiers] = [{}, new Map()];
  for (const [from, to] of Object.entries(GENAI_MEMBER)) {
    const price = prices[from];
    if (price === undefined || price === null) continue;
    record[to] = decimal(typeof price === "object" ? price.base : price);
    for (const tier of price.tiers ?? []) {
      tiers.set(tier.start, { above_input_tokens: tier.start, ...tiers.get(tier.start), [to]: decimal(tier.price) });
    }
  }
  if (tiers.size) record.tiers = [...tiers.values()].sort((a, b) => a.above_input_tokens - b.above_input_tokens);
  return record;
}
function fromGenai(data, provider, id, date) {
  const models = data.find((p) => p.id === (GENAI_PROVIDER[provider] ?? provider))?.models ?? [];
  const model = models.find((m) => m.id === id) ?? models.find((m) => genaiMatches(m.match, id.toLowerCase()));
  if (!model) return undefined;
  const steps = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  const timed = steps.filter((s) => s.constraint?.start_time);
  const dated = steps.filter((s) => !s.constraint?.start_time && (s.constraint?.start_date ?? "0000") <= date);
  const record = genaiRecord((dated.at(-1) ?? steps[0]).prices);
  for (const step of timed) for (const [k, v] of Object.entries(genaiRecord(step.prices))) if (k !== "tiers") record[k] = dearer(record[k], v);
  for (const [member, key, value] of [["batch", "processing", "batch"], ["priority", "service_tier", "priority"]]) {
    const variant = (model.price_variants ?? []).find((v) => v.when[key] === value && (v.constraint?.start_date ?? "0000") <= date);
    if (variant && Object.keys(variant.prices).length) record[member] = genaiRecord(variant.prices);
  }
  return record;
}
// ---- LiteLLM -----------------------------------------------------------------------------------------------------
const LITELLM_PREFIX = { openai: "", anthropic: "", gemini: "gemini/", mistral: "mistral/", deepseek: "deepseek/", qwen: "dashscope/", xai: "xai/", groq: "groq/", together: "together_ai/", fireworks: "fireworks_ai/", openrouter: "openrouter/", "workers-ai": "cloudflare/" };
const LITELLM_MEMBER = {
  input_cost_per_token: "input", output_cost_per_token: "output", cache_read_input_token_cost: "cached_input", cache_creation_input_token_cost: "cache_write_5m",
  input_cost_per_audio_token: "audio_input", output_cost_per_audio_token: "audio_output", input_cost_per_image_token: "image_input",
};
const LITELLM_KEY = /^(\w+?)(_above_(?:1|12)hr)?(?:_above_(\d+)k_tokens)?(_batches|_priority)?$/;
function fromLitellm(data, provider, id) {
  const [model, record] = [data[LITELLM_PREFIX[provider] + id], {}];
  if (!model) return undefined;
  const put = (holder, above, member, value) => {
    if (above === undefined) return void (holder[member] = decimal(value, 6));
    const tiers = (holder.tiers ??= []);
    if (!tiers.some((t) => t.above_input_tokens === above)) tiers.push({ above_input_tokens: above });
    tiers.find((t) => t.above_input_tokens === above)[member] = decimal(value, 6);
    tiers.sort((a, b) => a.above_input_tokens - b.above_input_tokens);
  };
  for (const [key, value] of Object.entries(model)) {
    const [, base, ttl, thousands, mode] = LITELLM_KEY.exec(key) ?? [];
    let member = LITELLM_MEMBER[base];
    if (!member || typeof value !== "number" || (value === 0 && member.startsWith("cache_write"))) continue;
    if (ttl && member !== "cache_write_5m") continue;
    if (ttl) member = "cache_write_1h";
    const holder = mode ? (record[mode === "_batches" ? "batch" : "priority"] ??= {}) : record;
    put(holder, thousands && Number(thousands) * 1000, member, value);
  }
  for (const step of model.tiered_pricing ?? []) {
    const above = step.range[0] === 0 ? undefined : step.range[0];
    for (const [key, member] of Object.entries(LITELLM_MEMBER)) if (step[key] !== undefined) put(record, above, member, step[key]);
  }
  return record.input === undefined ? undefined : record;
}
// ---- model-prices ------------------------------------------------------------------------------------------------
const MODEL_PRICES_PROVIDER = { qwen: "alibaba", gemini: "google" };
function modelPricesRecord(rates, factor) {
  const pick = (r) => {
    const out = {};
    for (const [from, to] of [["input", "input"], ["output", "output"], ["cache_read", "cached_input"], ["cache_write", "cache_write_5m"]]) {
      if (typeof r[from] === "number" && !(r[from] === 0 && from === "cache_write")) out[to] = decimal(r[from] * factor);
    }
    if (r.cache_write && rates.cache_write_1h_multiple) out.cache_write_1h = decimal(r.input * rates.cache_write_1h_multiple * factor);
    return out;
  };
  const record = pick(rates);
  if (rates.tiers?.length) record.tiers = rates.tiers.map((t) => ({ above_input_tokens: t.above, ...pick(t) }));
  return record;
}
function fromModelPrices(data, provider, id, date) {
  const name = MODEL_PRICES_PROVIDER[provider] ?? provider;
  const model = data.prices[name]?.[id];
  if (!model) return undefined;
  const at = (mode) => model[mode]?.filter((e) => (e.start ?? "").slice(0, 10) <= date).at(-1)?.rates;
  const schedule = data.schedules.schedule.find((s) => s.provider === name && s.peak_multiplier && s.valid_from.slice(0, 10) <= date && (s.valid_until ?? "9") > date);
  const factor = typeof schedule?.peak_multiplier === "number" ? schedule.peak_multiplier : 1;
  const record = modelPricesRecord(at("standard"), factor);
  const thinking = at("thinking") && modelPricesRecord(at("thinking"), factor);
  for (const part of thinking ? [record, ...(record.tiers ?? [])] : []) {
    const same = part === record ? thinking : (thinking.tiers?.find((t) => t.above_input_tokens === part.above_input_tokens) ?? thinking);
    for (const m of MEMBERS) if (same[m] ?? part[m]) part[m] = dearer(part[m], same[m]);
  }
  if (at("batch")) record.batch = modelPricesRecord(at("batch"), factor);
  return record;
}

const FORMATS = { "genai-prices": fromGenai, litellm: fromLitellm, "model-prices": fromModelPrices };
// ---- shape -------------------------------------------------------------------------------------------------------
// Fixed member order. What says nothing goes (a picture token at the text price, a tier equal to the base), and so does a
// cache write cheaper than input: that is a surcharge (OpenRouter on Gemini), not the price of the token.
const idle = (record, m) => (m === "image_input" && record[m] === record.input) || (m.startsWith("cache_write") && Number(record[m]) < Number(record.input));
const members = (record) => Object.fromEntries(MEMBERS.filter((m) => record[m] !== undefined && !idle(record, m)).map((m) => [m, record[m]]));
function tidy(record) {
  const out = members(record);
  const tiers = (record.tiers ?? []).map((tier) => ({ above_input_tokens: tier.above_input_tokens, ...members(tier) })).filter((tier) => MEMBERS.some((m) => tier[m] !== undefined && tier[m] !== out[m]));
  if (tiers.length) out.tiers = tiers;
  for (const mode of ["batch", "priority"]) if (record[mode] && Object.keys(record[mode]).length) out[mode] = tidy(record[mode]);
  return out;
}
// Adds to `record` what FILLABLE names and only `other` has, where both agree on input and output; true if anything came.
function fill(record, other) {
  if (record.input !== other.input || record.output !== other.output) return false;
  let gained = false;
  for (const m of FILLABLE) {
    if (other[m] === undefined) continue;
    if (record[m] === undefined) gained = !!(record[m] = structuredClone(other[m]));
    else if (typeof record[m] === "object") gained = fill(record[m], other[m]) || gained;
  }
  for (const tier of record.tiers ?? []) gained = fill(tier, other.tiers?.find((t) => t.above_input_tokens === tier.above_input_tokens) ?? {}) || gained;
  return gained;
}
export function validate(key, record, problems, nested = false) {
  const bad = (why) => problems.push(`${key}: ${why}`);
  if (!nested && !PROVIDERS.includes(key.split("/")[0])) bad("unknown provider");
  if (!nested && record.input === undefined) bad("no input price");
  for (const [m, v] of Object.entries(record)) {
    if (MEMBERS.includes(m)) {
      if (typeof v !== "string" || !/^(0|[1-9]\d*)(\.\d{0,5}[1-9])?$/.test(v)) bad(`${m} is not a plain decimal string: ${JSON.stringify(v)}`);
      else if (v === "0" && ["input", "output"].includes(m)) bad(`${m} is 0`);
    } else if (m === "tiers") {
      let last = 0;
      for (const { above_input_tokens: above, ...rest } of v) {
        if (!Number.isInteger(above) || above <= last) bad(`tier bounds do not rise: ${above}`);
        last = above;
        validate(`${key} >${above}`, rest, problems, true);
      }
    } else if (!nested && (m === "batch" || m === "priority")) validate(`${key} ${m}`, v, problems, true);
    else if (nested || !["source", "date"].includes(m)) bad(`unknown member ${m}`);
  }
  if (Number(record.cached_input) > Number(record.input)) bad("cached input costs more than input");
}
function flat(record, prefix = "", out = {}) {
  for (const [m, v] of Object.entries(record ?? {})) {
    if (m === "tiers") for (const t of v) flat(t, `${prefix}>${t.above_input_tokens}.`, out);
    else if (typeof v === "object") flat(v, `${prefix}${m}.`, out);
    else if (!["above_input_tokens", "date"].includes(m)) out[prefix + m] = v;
  }
  return out;
}
const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
export function render(document) {
  const { prices, ...head } = document;
  const lines = Object.entries(sorted(prices)).map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(",\n");
  return `${JSON.stringify(head).slice(0, -1)},"prices":{\n${lines}\n}}\n`;
}

function main(argv) {
  const options = { lists: [], add: [], drop: [], date: new Date().toISOString().slice(0, 10) };
  for (let i = 0; i < argv.length; i++) {
    const take = () => argv[++i] ?? fail(`${argv[i - 1]} wants a value`);
    if (argv[i] === "--from") options.lists.push({ file: take() });
    else if (argv[i] === "--format") (options.lists.at(-1) ?? fail("--from comes before --format")).format = take();
    else if (argv[i] === "--release") (options.lists.at(-1) ?? fail("--from comes before --release")).release = take();
    else if (argv[i] === "--add" || argv[i] === "--drop") options[argv[i].slice(2)].push(...take().split(",").filter(Boolean));
    else if (argv[i] === "--date" || argv[i] === "--set-version") options[argv[i].slice(2)] = take();
    else options[["--write", "--accept-large"].includes(argv[i]) ? argv[i].slice(2) : fail(`unknown argument ${argv[i]}; see the head of this file`)] = true;
  }
  if (!options.lists.length) fail(`nothing to read: --from FILE --format ${Object.keys(FORMATS).join("|")}`);
  const before = existsSync(PRICES) ? JSON.parse(readFileSync(PRICES, "utf8")) : { sources: {}, prices: {} };
  const catalogue = existsSync(CATALOGUE) ? Object.keys(JSON.parse(readFileSync(CATALOGUE, "utf8")).models) : [];
  const [sources, problems] = [{ ...before.sources }, []];
  for (const list of options.lists) {
    if (!FORMATS[list.format]) fail(`${list.file}: unknown format ${list.format}`);
    list.data = JSON.parse(readFileSync(list.file, "utf8"));
    const [version, released] = (list.release ?? (list.data.updated_at ? `@${list.data.updated_at.slice(0, 10)}` : fail(`${list.format} wants --release VERSION@YYYY-MM-DD`))).split("@");
    list.date = released;
    sources[list.format] = { ...SOURCES[list.format], name: `${SOURCES[list.format].name}${version ? ` ${version}` : ""} of ${released}`, read: options.date };
  }
  const pins = new Map(options.add.map((a) => a.split("=")));
  const prices = {};
  for (const key of new Set([...Object.keys(before.prices), ...catalogue, ...pins.keys()])) {
    if (options.drop.includes(key)) continue;
    const absent = pins.has(key) ? [] : (before.prices[key]?.source.split("+") ?? []).filter((f) => !options.lists.some((l) => l.format === f));
    if (absent.length) {
      console.log(`! ${key}: its price is from ${before.prices[key].source}; left as it is without ${absent.join(", ")}`);
      prices[key] = before.prices[key];
      continue;
    }
    const [, provider, id] = /^([^/]*)\/(.*)$/.exec(key) ?? fail(`not provider/model: ${key}`);
    const offers = [];
    for (const list of options.lists) {
      try {
        const record = FORMATS[list.format](list.data, provider, id, options.date);
        if (record?.input !== undefined) offers.push({ list, record: tidy(record) });
      } catch (error) { problems.push(`${key} (${list.format}): ${error.message}`); }
    }
    const pin = pins.get(key) ?? before.prices[key]?.source?.split("+")[0];
    const winner = pin ? offers.find((o) => o.list.format === pin) : offers[0];
    if (!winner) {
      console.log(before.prices[key] ? `! ${key}: ${pin} no longer prices it; kept` : `- ${key}: no price in the given lists`);
      if (before.prices[key]) prices[key] = before.prices[key];
      continue;
    }
    let [record, source] = [winner.record, winner.list.format];
    for (const other of offers.filter((o) => o !== winner)) {
      for (const m of MEMBERS.slice(0, 3)) {
        if (record[m] !== undefined && other.record[m] !== undefined && record[m] !== other.record[m]) console.log(`? ${key} ${m}: ${winner.list.format} ${record[m]}, ${other.list.format} ${other.record[m]}`);
      }
      if (!fill(record, other.record)) continue;
      source += `+${other.list.format}`;
      sources[source] = { name: `${winner.list.format}; what it lacks (${FILLABLE.join(", ")}) from ${source.split("+").slice(1).join(", ")}`, url: sources[winner.list.format].url, licence: "MIT", read: options.date };
    }
    prices[key] = { ...tidy(record), source, date: winner.list.date };
  }
  let changes = 0;
  for (const key of new Set([...Object.keys(before.prices), ...Object.keys(prices)])) {
    const [old, now] = [flat(before.prices[key]), flat(prices[key])];
    for (const m of new Set([...Object.keys(old), ...Object.keys(now)])) {
      if (old[m] === now[m]) continue;
      changes++;
      console.log(`~ ${key} ${m}: ${old[m] ?? "(none)"} -> ${now[m] ?? "(none)"}`);
      const ratio = Number(now[m]) / Number(old[m]);
      if ((ratio > 5 || ratio < 0.2) && !options["accept-large"]) problems.push(`${key} ${m}: jump from ${old[m]} to ${now[m]}`);
    }
    if (prices[key]) validate(key, prices[key], problems);
  }
  const used = new Set(Object.values(prices).flatMap((p) => [p.source, ...p.source.split("+")]));
  const after = { version: options["set-version"] ?? (changes ? `${options.date}.1` : before.version), date: options.date, currency: "USD", unit: "per_million_tokens", sources: sorted(Object.fromEntries(Object.entries(sources).filter(([k]) => used.has(k)))), prices };
  console.log(`${Object.keys(prices).length} models, ${new Set(Object.keys(prices).map((k) => k.split("/")[0])).size} providers, ${changes} changed members, ${problems.length} problems`);
  for (const problem of problems) console.error(`x ${problem}`);
  if (problems.length) process.exitCode = 1;
  else if (options.write) writeFileSync(PRICES, render(after));
}
function fail(message) { console.error(message); process.exit(2); }
if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
