// The official clients, pointed at a gateway, and what the tests of both of them ask for.
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

/** Clients that try once: what they would retry is a test of its own. */
export const clients = (gateway, options = {}) => ({
  openai: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0, ...options }),
  anthropic: new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0, ...options }),
});

/** A model of each dialect, by provider. */
export const MODELS = { OpenAI: 'openai/gpt-5-mini', Anthropic: 'anthropic/claude-sonnet-4-6', Gemini: 'gemini/gemini-2.5-flash' };

/** The name of the dialect that a model's provider is spoken to in, as the simulator's log tells it. */
export const dialectOf = (model, inResponses = false) => ({ openai: inResponses ? 'openai-responses' : 'openai-chat', anthropic: 'anthropic-messages', gemini: 'gemini' })[model.split('/')[0]];

export const user = content => [{ role: 'user', content }];

export const capital = user('What is the capital of France?');

export const weather = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };

export const invoice = { type: 'object', properties: { number: { type: 'integer' }, colour: { type: 'string', enum: ['red', 'blue'] } }, required: ['number', 'colour'], additionalProperties: false };

/** A picture of one pixel. */
export const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** A provider that goes on sending for some seconds: only a write tells that nobody reads any more. */
export const slow = { answer: { text: 'and so on '.repeat(200) }, delays: { between: 20 } };

/** The same for a second or so: long enough to leave it, short enough to wait for its end. */
export const steady = { answer: { text: 'and so on '.repeat(200), pieces: 60 }, delays: { between: 20 } };

/** What a stream of either client brought, in order. */
export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}
