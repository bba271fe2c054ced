// The measure of all things here: the least that a Worker in front of a provider does. Parses the request and passes it on.
export default {
  async fetch(request, env) {
    const text = await request.text();
    const { model } = JSON.parse(text);
    if (typeof model !== 'string') return new Response('no model', { status: 400 });
    return fetch(`${env.UPSTREAM}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
      body: text,
    });
  },
};
