// One streamed answer, over as many connections as it takes.

import { events, resumable } from '../../../examples/resume/resumable.mjs';
import { ApiError, failure, type Api } from '../api';
import type { Decision } from './playground-decision';

export interface Asked {
  model: string;
  prompt: string;
  resumable: boolean;
}

/** What is told while it runs; times are milliseconds since it was sent. */
export interface Listener {
  text: (piece: string) => void;
  event: (atMs: number, what: string) => void;
  progress: (word: string) => void;
}

interface Chunk {
  choices?: { delta?: { content?: string | null; reasoning_content?: string | null } }[];
  usage?: { prompt_tokens: number; completion_tokens: number; cost?: number } | null;
  signalbox?: { model?: string; attempts?: { candidate?: string }[]; decision?: Decision; seams?: { candidate: string; mode: string; offset: number }[] };
  error?: { message: string };
}

const PATH = '/v1/chat/completions';

export class Answer {
  model: string | undefined;
  attempts: string | undefined;
  requestId: string | undefined;
  firstMs: number | undefined;
  wholeMs: number | undefined;
  usage: Chunk['usage'];
  explained: Chunk['signalbox'];
  events = 0;
  connections = 0;
  stopped = false;
  failed = false;
  private readonly all = new AbortController();
  private connection: AbortController | undefined;
  private began = 0;

  constructor(private readonly api: Api, private readonly asked: Asked, private readonly tell: Listener) {}

  /** Ends the connection under way, as a tunnel or a sleeping phone would. What is kept goes on. */
  drop(): void {
    this.tell.event(this.elapsed(), `connection dropped after event ${this.events}`);
    this.connection?.abort();
  }

  stop(): void {
    this.stopped = true;
    this.all.abort();
  }

  /** Resolves when the answer has ended; throws where it was refused or broke. */
  async run(): Promise<void> {
    this.began = performance.now();
    this.tell.progress('Waiting for the first content…');
    try {
      for await (const { data } of this.stream()) {
        this.events += 1;
        if (data === '[DONE]') continue;
        this.take(JSON.parse(data) as Chunk);
      }
      this.tell.event(this.elapsed(), `ended after event ${this.events}`);
    } catch (error) {
      this.failed = true;
      const { response } = error as { response?: Response };
      throw response ? await failure(response) : error;
    } finally {
      this.wholeMs = this.elapsed();
    }
  }

  private async *stream(): AsyncGenerator<{ data: string }> {
    const body = JSON.stringify({ model: this.asked.model, stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: this.asked.prompt }] });
    const headers = this.api.headers({ 'content-type': 'application/json', 'x-signalbox-explain': 'true' });
    const init = { method: 'POST', headers, body };
    if (this.asked.resumable) {
      yield* resumable(PATH, init, { fetch: (url, request) => this.connect(url, request), signal: this.all.signal });
      return;
    }
    const response = await this.connect(PATH, init);
    if (!response.ok) throw await failure(response);
    if (response.body) yield* events(response.body);
  }

  /** A connection of its own controller, so that one can be dropped without the others. */
  private async connect(url: string | URL | Request, init?: RequestInit): Promise<Response> {
    this.connection = new AbortController();
    const response = await fetch(url, { ...init, signal: AbortSignal.any([this.connection.signal, this.all.signal]) });
    if (response.ok) {
      this.connections += 1;
      this.tell.event(this.elapsed(), this.connections === 1 ? 'connected' : `connected again, the rest from event ${this.events + 1} on`);
      this.model ??= response.headers.get('x-signalbox-model') ?? undefined;
      this.attempts ??= response.headers.get('x-signalbox-attempts') ?? undefined;
      this.requestId ??= response.headers.get('x-signalbox-request-id') ?? undefined;
    }
    return response;
  }

  private take(chunk: Chunk): void {
    if (chunk.error) throw new ApiError(200, chunk.error.message);
    const piece = chunk.choices?.[0]?.delta?.content;
    if (piece) {
      if (this.firstMs === undefined) this.tell.progress('Streaming…');
      this.firstMs ??= this.elapsed();
      this.tell.text(piece);
    }
    this.usage = chunk.usage ?? this.usage;
    if (chunk.signalbox) {
      this.explained = chunk.signalbox;
      this.model = chunk.signalbox.model ?? this.model;
      for (const seam of chunk.signalbox.seams ?? []) this.tell.event(this.elapsed(), `seam: ${seam.mode} by ${seam.candidate} after ${seam.offset} characters`);
    }
  }

  private elapsed(): number {
    return performance.now() - this.began;
  }
}
