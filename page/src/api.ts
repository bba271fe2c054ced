// The gateway as its user sees it. A token lives in this object and nowhere else: closing the page forgets it.

import type { Health } from './types';

/** An answer that is an error, or none at all (status 0). */
export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly code: string | undefined = undefined) {
    super(message);
  }
}

export class Api {
  #token: string | undefined;

  /** Takes a token, or forgets it. */
  use(token: string | undefined): void {
    this.#token = token;
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  /** Headers of a request: without a token a cookie of Cloudflare Access goes along by itself. */
  headers(more: Record<string, string> = {}): Record<string, string> {
    return this.#token === undefined ? more : { authorization: `Bearer ${this.#token}`, ...more };
  }

  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await this.answer(path, { headers: this.headers(), ...(signal ? { signal } : {}) })).json() as Promise<T>;
  }

  /** What it says of itself, which it also says with a 503. */
  async health(): Promise<Health> {
    return (await fetch('/healthz', { headers: this.headers() })).json() as Promise<Health>;
  }

  async post<T>(path: string, body: unknown, more: Record<string, string> = {}): Promise<T> {
    const headers = this.headers({ 'content-type': 'application/json', ...more });
    return (await this.answer(path, { method: 'POST', headers, body: JSON.stringify(body) })).json() as Promise<T>;
  }

  /** An answer that is none of an error; an error is thrown. */
  private async answer(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(path, init);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error;
      // A cookie of Access that has run out shows as a redirect to its own site, which a fetch may not follow.
      throw new ApiError(0, 'The gateway cannot be reached. Where Cloudflare Access stands in front of it, reload to sign in again.');
    }
    if (!response.ok) throw await failure(response);
    return response;
  }
}

/** What an error's answer says, in any of the dialects. */
export async function failure(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const error = (body as { error?: { message?: string; code?: string | number; type?: string } } | undefined)?.error;
  return new ApiError(response.status, error?.message ?? `The gateway answered ${response.status}.`, String(error?.code ?? error?.type ?? ''));
}
