// What the scripts print. Progress goes to stderr, so that stdout holds only what was asked for.
const tty = process.stderr.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (tty ? `\u001b[${code}m${text}\u001b[0m` : text);
const began = Date.now();

export const step = text => console.error(`${paint('1;34', '==>')} ${text}`);
export const note = text => console.error(`    ${text}`);
export const warn = text => console.error(`${paint('1;33', 'warning:')} ${text}`);
export const elapsed = () => `${Math.round((Date.now() - began) / 1000)} s`;

/** A failure the user can act on: printed without a stack. */
export class Problem extends Error {}

/** Runs a script's main function; a Problem ends it with one clear message. */
export async function main(body) {
  try {
    const code = await body();
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    console.error(`${paint('1;31', 'error:')} ${error instanceof Problem ? error.message : error?.stack ?? error}`);
    process.exitCode = 1;
  }
}
