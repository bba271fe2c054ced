/** An event of a stream, as an EventSource would dispatch it. */
export interface StreamEvent {
  id: string | undefined;
  event: string;
  data: string;
}

export interface Options {
  /** Another fetch. */
  fetch?: typeof globalThis.fetch;
  /** How often in a row to try without getting anywhere; 8 unless given. */
  attempts?: number;
  /** Milliseconds before try `n`. */
  wait?: (failed: number) => number;
  /** Ends everything. */
  signal?: AbortSignal;
}

/** The events of a resumable stream, each once and in order. */
export function resumable(url: string, init: RequestInit, options?: Options): AsyncGenerator<StreamEvent, void>;

/** Gives a stream up. */
export function cancel(streamUrl: string, headers: HeadersInit): Promise<Response>;

/** The events of a response body. */
export function events(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent, void>;
