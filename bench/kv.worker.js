// A KV namespace in memory, speaking the protocol that workerd speaks to its kvNamespace bindings.
const values = new Map();

export default {
  async fetch(request, env) {
    if (!values.size) values.set('config', env.CONFIG);
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice(1));
    switch (request.method) {
      case 'GET':
        if (key === '') return Response.json({ keys: [...values.keys()].map(name => ({ name })), list_complete: true });
        return values.has(key) ? new Response(values.get(key)) : new Response(null, { status: 404 });
      case 'POST': { // several keys at once
        const { keys } = await request.json();
        return Response.json(Object.fromEntries(keys.map(name => [name, values.get(name) ?? null])));
      }
      case 'PUT':
        values.set(key, await request.text());
        return new Response(null);
      case 'DELETE':
        values.delete(key);
        return new Response(null);
      default:
        return new Response(null, { status: 405 });
    }
  },
};
