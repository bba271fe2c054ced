// Passes a request on to the configured provider and says how fetch failed, if it did.
export default {
  async fetch(request, env) {
    const { providers } = JSON.parse((await env.CATALOGUE.get('config')) ?? '{}');
    const { pathname } = new URL(request.url);
    if (pathname === '/env') return Response.json({ mode: env.SIGNALBOX_MODE, key: env.OPENAI_API_KEY, base: providers?.openai.base_url, extra: providers?.extra });
    try {
      const headers = { authorization: 'Bearer sim-openai', 'content-type': 'application/json' };
      return await fetch(`${providers.openai.base_url}${pathname}`, { method: 'POST', headers, body: await request.text() });
    } catch (error) {
      console.log(`fetch failed: ${error.message}`);
      return Response.json({ failed: error.message }, { status: 502 });
    }
  },
};
