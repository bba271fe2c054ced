// Captures in R2, sealed where the operator has a key for that.

/** Stores a capture, sealed where there is a key for that, and its entry in the list of all. Both carry what lists show. */
export async function storeCapture(bucket, keys, name, entry, meta, bytes) {
  const copy = bytes.slice(); // wasm memory moves under what awaits
  try {
    const customMetadata = { meta };
    await bucket.put(name, keys ? await seal(keys.split('\n')[0], name, copy) : copy, { customMetadata });
    await bucket.put(entry, '', { customMetadata });
    return undefined;
  } catch {
    // Half of it would be in its principal's list and not in the operators'.
    await bucket.delete([name, entry]).catch(() => {});
    return 'reset';
  }
}

/** What lists show of what lies under a prefix, in the order of names. A page of R2 may be shorter than asked for. */
export async function listCaptures(bucket, prefix, after, limit) {
  const found = [];
  let from = after ? { startAfter: after } : {};
  try {
    for (;;) {
      const page = await bucket.list({ prefix, limit: limit - found.length, include: ['customMetadata'], ...from });
      for (const { customMetadata } of page.objects) found.push(customMetadata?.meta ?? '');
      if (!page.truncated || found.length >= limit) return found;
      from = { cursor: page.cursor };
    }
  } catch {
    return 'reset';
  }
}

/** A capture's document; null where there is none, or none that one of the keys opens. */
export async function readCapture(bucket, keys, name) {
  try {
    const object = await bucket.get(name);
    if (!object) return null;
    const bytes = new Uint8Array(await object.arrayBuffer());
    return SEALED.every((byte, at) => bytes[at] === byte) ? await unseal(keys.split('\n'), name, bytes) : bytes;
  } catch {
    return 'reset';
  }
}

export async function eraseCaptures(bucket, names) {
  try {
    await bucket.delete(names.split('\n'));
    return undefined;
  } catch {
    return 'reset';
  }
}

// An envelope: SEALED, then a key of its own under the operator's (12 bytes IV, 32 bytes, 16 bytes tag), then the document under
// that key. AES-256-GCM; the name is authenticated with both, so that no capture can take another's place.
const SEALED = [0x53, 0x42, 0x58, 0x31];
const KEY_PART = 12 + 32 + 16;

const aes = (key, use) => crypto.subtle.importKey('raw', key, 'AES-GCM', false, [use]);
const base64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const algorithm = (iv, name) => ({ name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(name) });

async function encrypt(key, name, bytes) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  return [iv, new Uint8Array(await crypto.subtle.encrypt(algorithm(iv, name), await aes(key, 'encrypt'), bytes))];
}

async function decrypt(key, name, bytes) {
  return new Uint8Array(await crypto.subtle.decrypt(algorithm(bytes.subarray(0, 12), name), await aes(key, 'decrypt'), bytes.subarray(12)));
}

async function seal(secret, name, bytes) {
  const own = crypto.getRandomValues(new Uint8Array(32));
  const parts = [Uint8Array.from(SEALED), ...(await encrypt(base64(secret), name, own)), ...(await encrypt(own, name, bytes))];
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function unseal(secrets, name, bytes) {
  for (const secret of secrets.filter(Boolean)) {
    try {
      const own = await decrypt(base64(secret), name, bytes.subarray(SEALED.length, SEALED.length + KEY_PART));
      return await decrypt(own, name, bytes.subarray(SEALED.length + KEY_PART));
    } catch {
      // another key's
    }
  }
  return null;
}
