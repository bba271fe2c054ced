// npm run sabotage: breaks the gateway on purpose, one promise after the other, and shows that the checkers of the simulation
// see it, or its own assertions do. tests/schedules/sabotage.json lists what is broken where, and which rule has to object.
// All of it is built once, into a copy under target/: there every break is a branch that a variable of the environment
// takes. The gateway's own source has none of it.
//
//   npm run sabotage -- [--schedules N] [--seed S] [--only TEXT]
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../scripts/lib/paths.mjs';
import { capture, endOnSignal, run } from '../scripts/lib/proc.mjs';
import { Problem, elapsed, main, note, step } from '../scripts/lib/say.mjs';

const copy = join(root, 'target', 'sabotaged');
const WHICH = 'SIGNALBOX_SABOTAGE';
const PARTS = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src', 'values', 'data', 'docs', 'tests/schedules', 'tests/support'];
const EXAMPLE = 'sabotaged'; // of a name of its own, beside the sound one
const SWITCH = `
/// Whether a break is switched on.
#[allow(missing_docs, clippy::all, clippy::disallowed_methods)]
pub fn is_broken(which: usize) -> bool {
    static BROKEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *BROKEN.get_or_init(|| std::env::var("${WHICH}").ok().and_then(|text| text.parse().ok()).unwrap_or(0)) == which
}
`;

endOnSignal();
await main(async () => {
  const { values } = parseArgs({ options: { schedules: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' }, only: { type: 'string' } } });
  const breaks = JSON.parse(readFileSync(join(root, 'tests/schedules/sabotage.json'), 'utf8')).map((one, at) => ({ ...one, number: at + 1 }));
  step(`a copy with ${breaks.length} breaks`);
  lay(breaks);
  // Cargo tells packages apart by their place in their workspace: in one folder the copy would pass for the sound code.
  const built = join(root, 'target', 'sabotage');
  const env = { ...process.env, CARGO_TARGET_DIR: built };
  await run('cargo', ['build', '--quiet', '--locked', '--profile', 'simulation', '--example', EXAMPLE], { cwd: copy, env, label: 'cargo build' });
  const play = async number => {
    const args = ['--schedules', values.schedules, '--seed', values.seed];
    const { stdout, stderr } = await capture(join(built, 'simulation', 'examples', EXAMPLE), args, { env: { ...process.env, [WHICH]: String(number) } });
    // The gateway's own assertions end a run.
    const panic = /^seed (\d+): a panic$/m.exec(stderr);
    if (panic) return [{ times: 1, seed: panic[1], rule: 'a panic' }];
    return [...stdout.matchAll(/^NOT KEPT, (\d+) times, first by seed (\d+): (.*)$/gm)].map(([, times, seed, rule]) => ({ times, seed, rule }));
  };
  step(`${values.schedules} schedules with each`);
  const sound = await play(0);
  if (sound.length) throw new Problem(`unbroken, the copy does not keep: ${sound.map(({ rule }) => rule).join('; ')}`);
  const unseen = [];
  console.log('| broken | seen by the rule | in so many schedules | first seed |\n|---|---|---|---|');
  for (const { number, breaks: what, seen } of breaks.filter(one => !values.only || one.breaks.includes(values.only))) {
    const found = await play(number);
    const by = found.filter(({ rule }) => seen.includes(rule));
    if (!by.length) unseen.push(`${what}: ${found.map(({ rule }) => rule).join('; ') || 'no rule objects'}`);
    for (const { rule, times, seed } of by) console.log(`| ${what} | ${rule} | ${times} | ${seed} |`);
  }
  note(`done (${elapsed()})`);
  if (unseen.length) throw new Problem(`not seen:\n${unseen.map(line => `  - ${line}`).join('\n')}`);
});

/** Copies what the simulation is built from, with every break in it. */
function lay(breaks) {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const part of PARTS) cpSync(join(root, part), join(copy, part), { recursive: true });
  cpSync(join(root, 'examples/simulate.rs'), join(copy, 'examples', `${EXAMPLE}.rs`));
  for (const { number, file, text, instead } of breaks) {
    edit(file, source => {
      if (source.split(text).length !== 2) throw new Problem(`${file} has not once: ${text}`);
      return source.replace(text, () => instead.replaceAll('BROKEN', `crate::is_broken(${number})`));
    });
  }
  edit('src/lib.rs', source => source + SWITCH);
}

function edit(file, change) {
  const path = join(copy, file);
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}
