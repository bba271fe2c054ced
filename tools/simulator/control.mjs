// The simulator's own endpoints, for shells and for tests in other processes:
//   POST   /__sim/behaviours/{model}   {"steps": [...]}     DELETE /__sim/behaviours/{model}
//   POST   /__sim/gates/{name}                              opens a gate
//   GET    /__sim/log[?model=..&provider=..]                DELETE /__sim/log
//   POST   /__sim/reset                                     behaviours, gates, prompt cache and log
//   GET    /__sim/cases                                     ids of the recorded answers
//   GET    /__sim/health

export function control(simulator, method, path, query, body, res) {
  const [, area, name] = /^\/__sim\/([a-z]+)(?:\/(.+))?$/.exec(path) ?? [];
  const action = ACTIONS[`${method} ${area}`];
  if (!action) return reply(res, 404, { error: `no ${method} ${path} here` });
  try {
    return reply(res, 200, action(simulator, name && decodeURIComponent(name), query, body) ?? { ok: true });
  } catch (error) {
    return reply(res, 400, { error: error.message });
  }
}

const ACTIONS = {
  'POST behaviours': (simulator, model, _, body) => void simulator.behave(needed(model), JSON.parse(body).steps ?? []),
  'DELETE behaviours': (simulator, model) => void simulator.behave(needed(model)),
  'POST gates': (simulator, gate) => void simulator.open(needed(gate)),
  'GET log': (simulator, _, query) => simulator.log.all(attempt => ['model', 'provider', 'ended'].every(key => !query.has(key) || attempt[key] === query.get(key))),
  'DELETE log': simulator => void simulator.log.clear(),
  'POST reset': simulator => void simulator.reset(),
  'GET cases': simulator => [...simulator.cases.keys()],
  'GET health': () => ({ status: 'ok' }),
};

function needed(name) {
  if (!name) throw new Error('the path needs a name');
  return name;
}

function reply(res, status, value) {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(`${JSON.stringify(value, null, 2)}\n`);
}
