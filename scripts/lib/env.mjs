// Environment variables: which belong to providers, and what the programs that we start get to see.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, stateDir } from './paths.mjs';

const PROVIDERS = ['OPENAI', 'ANTHROPIC', 'GEMINI', 'GOOGLE_GEMINI', 'MISTRAL', 'DEEPSEEK', 'DASHSCOPE', 'OPENROUTER', 'GROQ', 'XAI', 'TOGETHER', 'FIREWORKS', 'AZURE_OPENAI'];
const OF_PROVIDER = new RegExp(`^(${PROVIDERS.join('|')})_`);
const LOOKS_SECRET = /_(API_KEY|API_TOKEN|AUTH_TOKEN|SECRET_KEY|ACCESS_TOKEN|BASE_URL|API_BASE)$/;

/** Keys and base URLs of providers, and whatever else looks like one. */
export const isProviderVar = name => OF_PROVIDER.test(name) || LOOKS_SECRET.test(name);

/** The environment without any provider's key or base URL: tests and demonstrations reach no provider and cost nothing. */
export function scrubbed(env = process.env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isProviderVar(name)));
}

/** What a gateway that runs with the caller's own providers gets: their variables, the gateway's, and those the configuration names. */
export function forGateway(env, configText) {
  const named = new Set(secretNames(configText));
  return Object.fromEntries(Object.entries(env).filter(([name, value]) =>
    value && (OF_PROVIDER.test(name) || named.has(name) || name === 'METRICS_TOKEN' || (name.startsWith('SIGNALBOX_') && !OURS.has(name)))));
}

/** Settings of these scripts and of the mode, which only a flag may set. */
const OURS = new Set(['SIGNALBOX_MODE', 'SIGNALBOX_FIXTURES', 'SIGNALBOX_LEASH']);

/** Names of secrets in a configuration: what stands in `api_key_env` and in any other member whose name ends in `_env`. */
function secretNames(configText) {
  const names = [];
  try {
    JSON.parse(configText ?? '{}', (key, value) => {
      if (/(^|_)env$/.test(key)) names.push(...(typeof value === 'string' ? [value] : Object.values(value ?? {})));
      return value;
    });
  } catch {
    // the gateway says what is wrong with its configuration
  }
  return names;
}

/** The repository's .dev.vars, for those who keep their keys there. */
export function devVars() {
  let text;
  try {
    text = readFileSync(join(root, '.dev.vars'), 'utf8');
  } catch {
    return {};
  }
  return Object.fromEntries(text.split(/\r?\n/).flatMap(line => {
    const [, name, value] = /^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    return name ? [[name, value.replace(/^(["'])(.*)\1$/, '$2')]] : [];
  }));
}

/** The text of an env file for wrangler, whose reader expands `$NAME` outside of single quotes and knows no escape for quotes. */
export function envFile(values) {
  return Object.entries(values).map(([name, value]) => {
    const quote = ["'", '"', '`'].find(mark => !value.includes(mark)) ?? "'";
    return `${name}=${quote}${value.replaceAll('$', '\\$')}${quote}\n`;
  }).join('');
}

/** Settings that keep wrangler quiet, local and out of the home folder. */
export function wranglerEnv(env = scrubbed()) {
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !/^(CLOUDFLARE|CF|WRANGLER)_/.test(name)));
  return {
    ...clean,
    CI: '1', // never asks a question
    CLOUDFLARE_CF_FETCH_ENABLED: 'false', // would fetch a sample of request metadata
    CLOUDFLARE_INCLUDE_PROCESS_ENV: 'false',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    WRANGLER_HIDE_BANNER: 'true', // and with it the look for a newer version
    WRANGLER_LOG_PATH: join(stateDir, 'logs'),
    WRANGLER_REGISTRY_PATH: join(stateDir, 'registry'),
    WRANGLER_CACHE_DIR: join(stateDir, 'cache'),
    X_LOCAL_EXPLORER: 'false',
    X_LOCAL_OBSERVABILITY: 'false',
    DO_NOT_TRACK: '1',
    NO_COLOR: '1',
  };
}
