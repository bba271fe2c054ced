// The provider simulator: OpenAI, Anthropic, Gemini and OpenAI-compatible providers on one loopback port.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { control } from './control.mjs';
import { deliver } from './delivery.mjs';
import { anthropic } from './dialects/anthropic.mjs';
import { json } from './dialects/common.mjs';
import { gemini } from './dialects/gemini.mjs';
import { openaiChat, openaiEmbeddings } from './dialects/openai-chat.mjs';
import { openaiResponses } from './dialects/openai-responses.mjs';
import { plan } from './faults.mjs';
import { listCases, recorded } from './fixtures.mjs';
import { AttemptLog, Gates } from './log.mjs';
import { PromptCache } from './script.mjs';

// Their paths differ, so that any dialect can be spoken under any provider's name.
const DIALECTS = [openaiChat, openaiResponses, openaiEmbeddings, anthropic, gemini];

/**
 * Starts a simulator. Port 0 takes a free one. Returns a Simulator: see README.md for its methods.
 */
export async function startSimulator({ port = 0, host = '127.0.0.1', fixtures } = {}) {
  const simulator = new Simulator(host, fixtures);
  await simulator.accept(port);
  return simulator;
}

export class Simulator {
  log = new AttemptLog();
  gates = new Gates();
  #behaviours = new Map();
  #cache = new PromptCache();
  #fixtures;
  #cases;
  #host;
  #server;

  constructor(host, fixtures) {
    this.#host = host;
    this.#fixtures = fixtures;
  }

  get url() {
    return `http://${this.#host}:${this.port}`;
  }

  /** The base URL for a provider, as its SDK means it. */
  baseUrl(provider, fault) {
    const own = { anthropic: '/anthropic', gemini: '/gemini' }[provider] ?? `/${provider}/v1`;
    return `${this.url}${fault ? `/fault/${fault}` : ''}${own}`;
  }

  get cases() {
    return (this.#cases ??= listCases(this.#fixtures));
  }

  /**
   * What the model `name` (or `provider/name`, or `*`) does: a queue of steps, of which the last repeats. A step is a fault's
   * name with parameters or an object. Without steps the model answers from the script again.
   */
  behave(name, ...steps) {
    const list = steps.flat();
    list.forEach(plan); // a mistake shows here, not in the middle of a test
    if (list.length) this.#behaviours.set(name, { queue: [...list] });
    else this.#behaviours.delete(name);
    return this;
  }

  open(gate) {
    this.gates.open(gate);
  }

  waitFor(predicate, options) {
    return this.log.waitFor(predicate, options);
  }

  /** Forgets behaviours, gates, cached prompts and the log. */
  reset() {
    this.#behaviours.clear();
    this.gates.clear();
    this.#cache = new PromptCache();
    this.log.clear();
  }

  /** Stops listening, so that connections are refused; `accept` listens on the same port again. */
  async refuse() {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise(resolve => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async accept(port = this.port) {
    if (this.#server) return;
    const server = createServer((req, res) => this.#serve(req, res).catch(error => this.#broken(res, error)));
    server.keepAliveTimeout = 60_000;
    await new Promise((resolve, reject) => server.once('error', reject).listen(port, this.#host, resolve));
    this.port = server.address().port;
    this.#server = server;
  }

  close() {
    return this.refuse();
  }

  async #serve(req, res) {
    const { path, query, fault } = address(req.url);
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    if (path.startsWith('/__sim/')) return control(this, req.method, path, query, body, res);
    const attempt = this.log.open({ method: req.method, path: req.url.split('?')[0], query, headers: req.headers, body });
    res.on('close', () => !res.writableFinished && attempt.clientLeft());
    const { outcome, step, dialect } = this.#decide(req, path, query, body, fault, attempt);
    return deliver(res, outcome, step, attempt, this.gates, dialect);
  }

  /** What this request gets: from its own mistakes, from the URL's fault, from the model's behaviour, or from the script. */
  #decide(req, path, query, body, fault, attempt) {
    const [, provider, rest] = /^\/([^/]+)(\/.*)?$/.exec(path) ?? [];
    const id = randomBytes(12).toString('hex');
    for (const dialect of DIALECTS) {
      const match = dialect.match(req.method, rest ?? '');
      if (!match) continue;
      const parsed = parse(body);
      if (!parsed || typeof parsed !== 'object') return { outcome: dialect.error(400, { message: 'We could not parse the JSON body of your request.' }), step: {}, dialect };
      const { model, stream } = dialect.read(parsed, match);
      attempt.note({ provider, dialect: dialect.name, model, stream });
      const context = { provider, match, headers: req.headers, query, id, cache: this.#cache };
      const refused = dialect.validate(parsed, context);
      if (refused) return { outcome: refused, step: {}, dialect };
      const step = fault ? plan(fault) : this.#next(provider, model);
      attempt.note({ behaviour: fault ?? (Object.keys(step).length ? step : undefined) });
      return { outcome: this.#outcome(dialect, parsed, step, context), step: reduced(step), dialect };
    }
    if (req.method === 'GET' && /\/models$/.test(rest ?? '')) return { outcome: json(200, { object: 'list', data: [] }), step: {}, dialect: openaiChat };
    const dialect = { anthropic, gemini }[provider] ?? openaiChat;
    return { outcome: dialect.error(404, { message: `Unknown request URL: ${req.method} ${path}.`, code: 'unknown_url' }), step: {}, dialect };
  }

  #next(provider, model) {
    const entry = this.#behaviours.get(`${provider}/${model}`) ?? this.#behaviours.get(model) ?? this.#behaviours.get('*');
    if (!entry) return {};
    const step = plan(entry.queue.length > 1 ? entry.queue.shift() : entry.queue[0]);
    return { ...step, holds: step.holds?.map(hold => ({ ...hold })) };
  }

  #outcome(dialect, body, step, context) {
    if (step.fixture) return recorded(this.cases, step.fixture);
    if (step.body !== undefined) {
      const text = typeof step.body === 'string' ? step.body : JSON.stringify(step.body);
      return { status: step.status ?? 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(text) };
    }
    if (step.status !== undefined && step.status >= 400) return dialect.error(step.status, step);
    const given = step.answer ?? {};
    return step.otherForm ? dialect.answer(...inOtherForm(body, { ...context, given })) : dialect.answer(body, { ...context, given });
  }

  #broken(res, error) {
    if (res.headersSent) return res.destroy();
    res.writeHead(500, { 'content-type': 'application/json' });
    return res.end(JSON.stringify({ error: { message: `simulator: ${error.message}`, type: 'simulator_error' } }));
  }
}

/** Takes `/fault/NAME;k=v` off the front of a path. */
function address(url) {
  const at = url.indexOf('?');
  const full = at < 0 ? url : url.slice(0, at);
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  const [, fault, path] = /^\/fault\/([^/]+)(\/.*)$/.exec(full) ?? [];
  return { path: path ?? full, query, fault };
}

/** What `dialect.answer` takes, as if a stream had been asked for where it was not, and the other way round. */
function inOtherForm(body, context) {
  const { match, query } = context;
  const action = { generateContent: 'streamGenerateContent', streamGenerateContent: 'generateContent' }[match.action];
  const asked = new URLSearchParams(query);
  asked.set('alt', 'sse');
  return [{ ...body, stream: !body.stream }, { ...context, match: { ...match, action }, query: asked }];
}

/** Of a step, what concerns delivery: the outcome has its status already. */
const reduced = ({ status, body, ...rest }) => rest;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
