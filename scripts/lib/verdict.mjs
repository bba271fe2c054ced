// The closing summary of `npm test`.

/**
 * From the counts, the skipped ({name, reason}) and the names of what failed: the lines to print, the verdict last, and the
 * exit code. A missing peer is fine on a developer's machine; where CI=true it means that something was not tested.
 */
export function verdict({ total, skips, failures, ci }) {
  const lines = [...failures.map(name => `FAILED ${name}`), ...skips.map(({ name, reason }) => `SKIPPED ${name}: ${reason}`)];
  const missing = ci ? skips.filter(({ reason }) => reason.startsWith('missing peer')).length : 0;
  if (missing) lines.push(`${missing} of the skipped count as failed, because CI=true and their peers are missing`);
  const failed = total.failed + missing;
  lines.push(`${total.passed} passed, ${failed} failed, ${total.skipped - missing} skipped`);
  return { lines, code: failed ? 1 : 0 };
}
