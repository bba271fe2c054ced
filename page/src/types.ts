// Answers of the gateway that the page reads: docs/schemas has them in full.

/** A histogram of times in milliseconds: quantiles, and counts by upper edge. */
export interface Times {
  count: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  buckets: [edge: number, count: number][];
}

/** What the books have of an attempt's sums. */
export type Booked = Pick<Sums, 'requests' | 'attempts' | 'tokens' | 'cost_picousd' | 'estimated_picousd' | 'unpriced'>;

export interface Sums {
  requests: number;
  failed: number;
  refused: number;
  left: number;
  rescued: number;
  attempts: number;
  tokens: { input: number; cache_read: number; cache_write: number; output: number; reasoning: number };
  cost_picousd: string;
  estimated_picousd: string;
  unpriced: number;
  expected_picousd: string;
  best_picousd: string;
  ttft_ms: Times | null;
  duration_ms: Times | null;
}

export type Group = Sums & { key: string };
export type Dimension = 'model' | 'provider' | 'principal' | 'task' | 'policy' | 'error';

/** GET /v1/stats */
export interface Stats {
  now_ms: number;
  from: string;
  to: string;
  total: Sums;
  days: (Sums & { day: string })[];
  by: Record<Dimension, Group[]>;
  /** What the ledgers' books say of callers, told about a minute after a change. */
  ledgers: (Booked & { key: string })[];
  minutes: (Sums & { at_ms: number })[];
  breakers: { at_ms: number; candidate: string; state: 'opened' | 'closed' }[];
  recent: RequestRecord[];
}

export interface Usage {
  input_tokens: number;
  cached_input_tokens?: number | null;
  cache_write_5m_tokens?: number | null;
  cache_write_1h_tokens?: number | null;
  output_tokens: number;
  reasoning_tokens?: number | null;
}

export interface Cost {
  certainty: 'exact' | 'estimated' | 'unpriced';
  picousd?: string;
}

export interface ScoreTerms {
  quality_micro: number;
  cost_micro: number;
  latency_micro: number;
  risk_micro: number;
  boost_micro: number;
  total_micro: number;
}

export interface Attempt {
  provider: string;
  dialect: string;
  host: string;
  model: string;
  finish_reason?: string;
  role: string;
  started_ms: number;
  duration_ms: number;
  ttft_ms?: number;
  outcome: string;
  class?: string;
  usage: Usage;
  cost?: Cost;
  circuit?: 'opened' | 'closed';
}

export interface RequestRecord {
  request_id: string;
  trace_id: string;
  method: string;
  route: string;
  dialect: string;
  principal: string;
  started_ms: number;
  duration_ms: number;
  ttft_ms?: number;
  status: number;
  error?: string;
  blame?: 'caller' | 'policy' | 'upstream' | 'gateway';
  stream: boolean;
  requested_model: string;
  model?: string;
  operation: string;
  policy: string;
  task: string;
  score?: ScoreTerms;
  ranked?: { model: string; why: string; score: ScoreTerms }[];
  best?: { model: string; expected_picousd: number | null; chosen_picousd: number | null };
  candidates: number;
  attempts: Attempt[];
  losses?: string[];
  seams?: { model: string; mode: string; offset: number }[];
  usage?: Usage;
  cost?: Cost;
  stream_id?: string;
  capture_id?: string;
  config_version: string;
  price_version: string;
}

/** GET /healthz, with what operators see of it. */
export interface Health {
  status: 'ok' | 'degraded' | 'unconfigured';
  providers?: { name: string; kind: string; state: string; region: string | null; reseller: boolean; trains_on_data: boolean | null }[];
  versions?: { config: string; catalogue: string; prices: string };
  refused?: { path: string; message: string }[];
  /** Optional bindings that are not there. */
  unbound?: string[];
  /** `on`, or why nothing is captured. */
  capture?: 'on' | 'off' | 'no_binding' | 'no_key';
}

/** A line of GET /v1/models. */
export interface Model {
  id: string;
  owned_by: string;
  context_length: number | null;
  pricing?: {
    prompt: string;
    completion: string;
    input_cache_read?: string;
    input_cache_write?: string;
    request?: string;
    source: string | null;
    date: string | null;
  };
}
