// What the gateway tells of itself, asked for again and again while somebody looks.

import { Api, ApiError } from './api';
import type { Health, RequestRecord, Stats } from './types';

const EVERY_MS = 3_000;
const HEALTH_MS = 30_000;
const MOST_RECENT = 500;
/** Isolates tell of their requests about a second late, so the last ones are asked for again. */
const OVERLAP_MS = 15_000;

type Listener = () => void;

export class Live {
  stats: Stats | undefined;
  health: Health | undefined;
  error: ApiError | undefined;
  /** Newest first. */
  recent: RequestRecord[] = [];
  days = 7;
  paused = false;
  private readonly listeners = new Set<Listener>();
  private asked = 0;
  private running = false;
  private healthUntil = 0;

  constructor(private readonly api: Api) {}

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    setInterval(() => {
      // A refusal stands until another credential is used: to ask again would only be refused again.
      const refused = this.error?.status === 401 || this.error?.status === 403;
      if (!this.paused && !refused && document.visibilityState === 'visible') void this.refresh();
    }, EVERY_MS);
    void this.refresh();
  }

  /** Another range of days, or another caller: what was known is forgotten. */
  reset(): void {
    this.asked += 1;
    this.stats = this.error = this.health = undefined;
    this.recent = [];
    this.healthUntil = 0;
    this.running = false;
    this.tell();
    void this.refresh();
  }

  setDays(days: number): void {
    this.days = days;
    this.asked += 1;
    this.running = false;
    void this.refresh();
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    this.tell();
    if (!paused) void this.refresh();
  }

  find(id: string): RequestRecord | undefined {
    return this.recent.find(record => record.request_id === id);
  }

  async refresh(): Promise<void> {
    if (this.running) return;
    this.running = true;
    const asked = this.asked;
    try {
      const since = this.recent[0] ? ended(this.recent[0]) - OVERLAP_MS : 0;
      const [stats, health] = await Promise.all([
        this.api.get<Stats>(`/v1/stats?days=${this.days}&minutes=60&limit=${MOST_RECENT}&since_ms=${Math.max(0, since)}`),
        performance.now() < this.healthUntil ? this.health : this.api.health().catch(() => undefined),
      ]);
      if (asked !== this.asked) return;
      this.stats = stats;
      if (health !== this.health) this.healthUntil = performance.now() + HEALTH_MS;
      this.health = health;
      this.error = undefined;
      this.recent = merged(stats.recent, this.recent);
    } catch (error) {
      if (asked !== this.asked) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, String(error));
    } finally {
      if (asked === this.asked) this.running = false;
    }
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

const ended = (record: RequestRecord): number => record.started_ms + record.duration_ms;

function merged(fresh: RequestRecord[], known: RequestRecord[]): RequestRecord[] {
  const byId = new Map([...known, ...fresh].map(record => [record.request_id, record]));
  return [...byId.values()].sort((a, b) => ended(b) - ended(a)).slice(0, MOST_RECENT);
}
