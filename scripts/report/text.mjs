// The summary as Markdown tables.
import { dollars, saving } from './summary.mjs';

const ms = value => (value === undefined ? '–' : `${value} ms`);
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n');

export function tables({ from, to, total, rows, failures }) {
  const head = ['model', 'task', 'requests', 'failed', 'rescued', 'tokens in (cached)', 'out', 'cost, USD', 'TTFT p50', 'p95', 'duration p50', 'p95'];
  const line = (model, task, row) => [
    model, task, row.requests, row.failed, row.rescued, `${row.input} (${row.cached})`, row.output,
    dollars(row.picousd) + (row.unpriced ? ` + ${row.unpriced} unpriced` : ''), ms(row.ttft?.p50), ms(row.ttft?.p95), ms(row.duration?.p50), ms(row.duration?.p95),
  ];
  const parts = [
    `${total.requests} requests for a model and ${total.pages} others, ${new Date(from).toISOString()} to ${new Date(to).toISOString()}`,
    table(head, [...rows.map(row => line(row.model, row.task, row)), line('**all**', '', total)]),
    money(total),
  ];
  if (failures.length) parts.push(table(['attempts that failed at', 'class', 'times'], failures.map(one => [one.model, one.class, one.count])));
  return parts.join('\n\n');
}

function money(total) {
  if (!total.compared) return 'Expected costs are known of none of them.';
  return [
    `Of ${total.compared} requests whose costs were known beforehand: expected ${dollars(total.expected)} USD, actual ${dollars(total.actual)} USD.`,
    `The candidates of the highest quality were expected to cost ${dollars(total.best)} USD: ${saving(total.best, total.expected)} saved by the choice.`,
  ].join('\n');
}
