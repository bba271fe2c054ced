// Where a configuration sets nobody a limit on money: worth a warning before a deployment, and no more, because signed claims may.

const BOUNDS = ['budget', 'max_cost_usd'];

/** A list of warnings, empty if everybody has a limit on money. */
export function unlimited(config) {
  const limits = config?.limits ?? {};
  const bounded = limit => BOUNDS.some(bound => limit?.[bound] !== undefined);
  if (bounded(limits.default)) return [];
  const issuers = (config?.identity?.issuers ?? []).map(issuer => issuer.issuer).filter(issuer => !bounded(limits.issuers?.[issuer]));
  if (issuers.length) return issuers.map(issuer => `no limit on money applies to callers of ${issuer} unless their claims set one: see limits.default and limits.issuers`);
  return config?.identity?.issuers?.length ? [] : ['no limit on money applies to callers whose claims set none: see limits.default'];
}
