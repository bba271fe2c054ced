// The provider of the bench: a process of its own that answers at once, or an event every PACE_MS. It does as little as it can,
// because its share of the machine is missing to whatever is measured. It also serves an issuer's keys. Prints its port.
import { createServer } from 'node:http';
import { PACE_MS } from './scenarios.mjs';
import { answer, doneEvent, events, usageEvent } from './wire.mjs';

const MARKER = /bench-(?:json|(\d+)(-paced)?)/;
const ready = new Map([20, 500].map(count => [count, events(count)]));

/** The key set of the bench's issuer, which whoever starts it puts there, and how often it was fetched. */
let keys = '{"keys":[]}';
let fetched = 0;

const server = createServer((req, res) => {
  const pieces = [];
  req.on('data', piece => pieces.push(piece));
  req.on('end', () => (req.url.startsWith('/jwks') ? jwks(req, res, Buffer.concat(pieces)) : reply(res, Buffer.concat(pieces))));
});
server.keepAliveTimeout = 0; // the runtime reuses connections; one that we close just then would look like a fault
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

function jwks({ method, url }, res, body) {
  if (method === 'PUT') keys = body.toString();
  else if (url === '/jwks') fetched++;
  res.writeHead(200, { 'content-type': 'application/json' }).end(url === '/jwks' ? keys : JSON.stringify({ fetched }));
}

function reply(res, body) {
  const text = body.toString('latin1');
  const [found, count, paced] = MARKER.exec(text) ?? [];
  const promptTokens = Math.ceil(body.length / 4);
  if (!found) return res.writeHead(404).end();
  if (!count) {
    const whole = Buffer.from(answer(promptTokens));
    return res.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length }).end(whole);
  }
  const first = ready.get(Number(count));
  const last = /"include_usage":\s*true/.test(text) ? [usageEvent(promptTokens, Number(count)), doneEvent] : [doneEvent];
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  if (paced) return pace(res, first, last);
  // One HTTP chunk per event, as providers send them: the runtimes in between work chunk by chunk.
  for (const event of first) res.write(event);
  for (const event of last) res.write(event);
  res.end();
}

/** The role comes with the first token and the finish reason with the last one; providers don't send them on beats of their own. */
function pace(res, first, last) {
  let at = 2;
  res.write(first[0]);
  res.write(first[1]);
  const timer = setInterval(() => {
    res.write(first[at++]);
    if (at < first.length - 1) return;
    clearInterval(timer);
    for (const event of [...first.slice(at), ...last]) res.write(event);
    res.end();
  }, PACE_MS);
  res.on('close', () => clearInterval(timer));
}
