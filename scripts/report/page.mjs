// The summary as one HTML file with SVG, without scripts and without anything from outside.
import { dollars } from './summary.mjs';
import { tables } from './text.mjs';

const escaped = text => String(text).replace(/[&<>"]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);

export function page(told) {
  const costs = told.rows.filter(row => row.picousd > 0n).slice(0, 20).map(row => ({ label: `${row.model} · ${row.task}`, value: Number(row.picousd), text: `$${dollars(row.picousd)}` }));
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Requests</title>
<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}pre{overflow:auto}svg{width:100%;height:auto}text{fill:currentColor;font:12px system-ui}rect,circle{fill:#2f7ed8}line{stroke:currentColor;stroke-opacity:.2}</style>
<h1>Requests</h1><pre>${escaped(tables(told))}</pre>
<h2>Cost by model and task</h2>${bars(costs)}
<h2>Time to first content</h2>${distribution(told.ttft)}
</html>
`;
}

function bars(rows) {
  if (!rows.length) return '<p>Nothing was charged.</p>';
  const most = Math.max(...rows.map(row => row.value));
  const drawn = rows.map(({ label, value, text }, at) => {
    const y = at * 24;
    const width = Math.max(1, (value / most) * 380);
    return `<text x="310" y="${y + 15}" text-anchor="end">${escaped(label.slice(0, 48))}</text><rect x="318" y="${y + 3}" width="${width.toFixed(1)}" height="16" rx="2"/><text x="${(324 + width).toFixed(1)}" y="${y + 15}">${escaped(text)}</text>`;
  });
  return `<svg viewBox="0 0 860 ${rows.length * 24}" role="img" aria-label="Cost by model and task">${drawn.join('')}</svg>`;
}

/** Share of requests whose first content had come by then; time on a logarithmic axis. */
function distribution(sorted) {
  if (sorted.length < 2) return '<p>Too few requests had content.</p>';
  const [low, high] = [Math.log10(Math.max(1, sorted[0])), Math.log10(Math.max(10, sorted.at(-1)))];
  const x = value => 50 + ((Math.log10(Math.max(1, value)) - low) / (high - low || 1)) * 780;
  const points = sorted.map((value, at) => `${x(value).toFixed(1)},${(210 - ((at + 1) / sorted.length) * 200).toFixed(1)}`);
  const ticks = [];
  for (let power = Math.ceil(low); power <= high; power += 1) ticks.push(`<line x1="${x(10 ** power).toFixed(1)}" x2="${x(10 ** power).toFixed(1)}" y1="10" y2="210"/><text x="${x(10 ** power).toFixed(1)}" y="228" text-anchor="middle">${10 ** power} ms</text>`);
  for (const share of [50, 95]) ticks.push(`<line x1="50" x2="830" y1="${210 - share * 2}" y2="${210 - share * 2}"/><text x="44" y="${214 - share * 2}" text-anchor="end">${share} %</text>`);
  return `<svg viewBox="0 0 860 240" role="img" aria-label="Distribution of the time to first content">${ticks.join('')}<polyline points="${points.join(' ')}" fill="none" stroke="#2f7ed8" stroke-width="2"/></svg>`;
}
