// A reporter for `node --test` that writes one JSON line per finished test, for the closing summary of `npm test`.
export default async function* cases(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite' && type === 'test:pass') {
      if (data.skip !== undefined) yield line(data, 'skipped'); // a whole suite that was skipped has no tests of its own
      continue;
    }
    if (data.details?.error?.failureType === 'subtestsFailed') continue; // its tests have been counted
    yield line(data, data.skip !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed');
  }
}

const line = (data, result) => `${JSON.stringify({ name: data.name, file: data.file, result, reason: typeof data.skip === 'string' ? data.skip : undefined })}\n`;
