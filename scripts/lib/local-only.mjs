// What a configuration may hold in local mode only. The gateway refuses these outside of it; finding them before a deployment is kinder.

/** A list of findings, empty if the document is fit for deployment. */
export function localOnly(config) {
  const findings = [];
  if ([config?.identity?.mode].flat().includes('none')) findings.push('identity.mode is "none": everybody could use the gateway');
  walk(config, '', (path, key, value) => {
    if (key === 'api_key' && value) findings.push(`${path} is an inline key: name a secret with api_key_env`);
    if (/^(base_url|endpoint|jwks_url|issuer|refresh_url)$/.test(key) && isLoopback(value)) findings.push(`${path} is ${value}: a loopback http address`);
  });
  return findings;
}

function walk(value, path, visit) {
  if (value === null || typeof value !== 'object') return;
  for (const [key, member] of Object.entries(value)) {
    const at = path ? `${path}.${key}` : key;
    visit(at, key, member);
    walk(member, at, visit);
  }
}

function isLoopback(text) {
  try {
    const { protocol, hostname } = new URL(text);
    return protocol === 'http:' && /^(localhost|.*\.localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\]|\[::ffff:7f.*\])$/.test(hostname);
  } catch {
    return false;
  }
}
