// Records of requests → what they came to. Money is integer picodollars (BigInt) until it is shown.
import { Problem } from '../lib/say.mjs';

/** Records of a JSONL text, or of an answer of `GET /v1/stats`. */
export function read(text, name = 'the file') {
  const whole = json(text);
  const records = whole?.object === 'stats' ? whole.recent : text.split('\n').map((line, at) => line.trim() && lineOf(line, at + 1, name)).filter(Boolean);
  if (!records.length) throw new Problem(`${name} holds no record of a request`);
  return records;
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function lineOf(line, number, name) {
  const record = json(line);
  if (typeof record?.request_id !== 'string' || !Array.isArray(record.attempts)) throw new Problem(`${name}, line ${number}: no record of a request`);
  return record;
}

const LEFT = 499;

/** {from, to, total, rows: [model × task], failures, savings}. */
export function summary(records) {
  const asked = records.filter(record => record.operation);
  const groups = new Map();
  for (const record of asked) {
    const key = JSON.stringify([record.model ?? '(nobody answered)', record.task]);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(record);
  }
  const rows = [...groups].map(([key, list]) => ({ model: JSON.parse(key)[0], task: JSON.parse(key)[1], ...sums(list) }));
  return {
    from: Math.min(...records.map(record => record.started_ms)),
    to: Math.max(...records.map(record => record.started_ms + record.duration_ms)),
    total: { ...sums(asked), pages: records.length - asked.length },
    rows: rows.sort((a, b) => (a.picousd === b.picousd ? b.requests - a.requests : a.picousd < b.picousd ? 1 : -1)),
    failures: failures(asked),
    ttft: asked.map(record => record.ttft_ms).filter(ms => ms !== undefined).sort((a, b) => a - b),
  };
}

function sums(list) {
  const times = name => list.map(record => record[name]).filter(ms => ms !== undefined).sort((a, b) => a - b);
  const compared = list.filter(({ best, cost }) => best?.chosen_picousd != null && best.expected_picousd != null && cost?.picousd !== undefined);
  const total = (records, of) => records.reduce((sum, record) => sum + BigInt(of(record)), 0n);
  return {
    requests: list.length,
    failed: list.filter(record => record.blame === 'upstream' || record.blame === 'gateway').length,
    left: list.filter(record => record.status === LEFT).length,
    rescued: list.filter(record => !record.blame && record.status === 200 && record.attempts.length > 1).length,
    attempts: list.reduce((sum, record) => sum + record.attempts.length, 0),
    input: list.reduce((sum, { attempts }) => sum + attempts.reduce((n, { usage: u }) => n + u.input_tokens + (u.cached_input_tokens ?? 0) + (u.cache_write_5m_tokens ?? 0) + (u.cache_write_1h_tokens ?? 0), 0), 0),
    cached: list.reduce((sum, { attempts }) => sum + attempts.reduce((n, { usage: u }) => n + (u.cached_input_tokens ?? 0), 0), 0),
    output: list.reduce((sum, { attempts }) => sum + attempts.reduce((n, { usage: u }) => n + u.output_tokens + (u.reasoning_tokens ?? 0), 0), 0),
    picousd: total(list, record => record.cost?.picousd ?? 0),
    unpriced: list.filter(record => record.cost?.certainty === 'unpriced').length,
    // Only requests where all three are known: sums of different requests cannot be compared.
    compared: compared.length,
    actual: total(compared, record => record.cost.picousd),
    expected: total(compared, record => record.best.chosen_picousd),
    best: total(compared, record => record.best.expected_picousd),
    ttft: spread(times('ttft_ms')),
    duration: spread(times('duration_ms')),
  };
}

function spread(sorted) {
  const at = share => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return sorted.length ? { p50: at(0.5), p95: at(0.95) } : undefined;
}

/** Failed attempts by model and class, most first. */
function failures(records) {
  const found = new Map();
  for (const attempt of records.flatMap(record => record.attempts).filter(one => one.class)) {
    const key = `${attempt.provider}/${attempt.model}\n${attempt.class}`;
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return [...found].map(([key, count]) => ({ model: key.split('\n')[0], class: key.split('\n')[1], count })).sort((a, b) => b.count - a.count);
}

/** Picodollars as exact dollars. */
export function dollars(picousd) {
  const text = picousd.toString().padStart(13, '0');
  return `${text.slice(0, -12)}.${text.slice(-12)}`.replace(/\.?0+$/, '');
}

/** How much less than `before`, in percent; nothing where there is nothing to compare. */
export const saving = (before, now) => (before > 0n ? `${(Number((before - now) * 1000n / before) / 10).toFixed(1)} %` : '–');
