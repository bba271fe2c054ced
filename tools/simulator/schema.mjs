// Makes a value that satisfies a JSON Schema (the subset that providers accept), taking words from the prompt where it can.

export function instanceOf(schema, prompt, root = schema, depth = 0) {
  if (!schema || typeof schema !== 'object' || depth > 12) return null;
  if (schema.$ref) return instanceOf(resolve(root, schema.$ref), prompt, root, depth + 1);
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return chosen(schema.enum, prompt);
  const union = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (union?.length) return instanceOf(union.find(one => one.type !== 'null') ?? union[0], prompt, root, depth + 1);
  const type = (Array.isArray(schema.type) ? schema.type.find(one => one !== 'null') : schema.type ?? 'object').toLowerCase();
  if (type === 'object') return object(schema, prompt, root, depth);
  if (type === 'array') {
    const length = Math.max(schema.minItems ?? 1, 1);
    return Array.from({ length }, () => instanceOf(schema.items ?? { type: 'string' }, prompt, root, depth + 1));
  }
  return scalar(type, schema, prompt);
}

/** Required members, or all of them where none is said to be required. */
function object(schema, prompt, root, depth) {
  const names = schema.required?.length ? schema.required : Object.keys(schema.properties ?? {});
  return Object.fromEntries(names.map(name => {
    const member = schema.properties?.[name] ?? { type: 'string' };
    return [name, instanceOf(member, prompt, root, depth + 1)];
  }));
}

function scalar(type, schema, prompt) {
  const number = Number(/-?\d+(\.\d+)?/.exec(prompt)?.[0] ?? 3);
  if (type === 'integer' || type === 'number') {
    const bounded = Math.min(Math.max(number, schema.minimum ?? -Infinity), schema.maximum ?? Infinity);
    return type === 'integer' ? Math.trunc(bounded) : bounded;
  }
  if (type === 'boolean') return true;
  if (type === 'null') return null;
  const name = /(?<=\s|^)[A-Z][\p{L}]{2,}(?=[\s,.?!]|$)/u.exec(prompt.replace(/^\s*\S+\s*/, ''))?.[0];
  return name ?? prompt.trim().split(/\s+/).slice(0, 4).join(' ');
}

/** The value that the prompt mentions, else the first. */
function chosen(values, prompt) {
  return values.find(value => typeof value === 'string' && value && prompt.toLowerCase().includes(value.toLowerCase())) ?? values[0];
}

function resolve(root, ref) {
  return ref.replace(/^#\/?/, '').split('/').filter(Boolean).reduce((at, key) => at?.[decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~')], root);
}
