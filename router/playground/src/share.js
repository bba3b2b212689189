// Links that carry an operation: `#operation=<base64url of JSON>`.
//
// In the hash, which browsers do not send, so that operations do not end up in access logs. Request headers are left
// out: they hold tokens.

const KEY = 'operation=';

/** @param {{query: string, variables?: string}} operation @returns {string} the hash, with its `#` */
export function encodeShare({ query, variables }) {
  const json = JSON.stringify(variables?.trim() ? { query, variables } : { query });
  const bytes = new TextEncoder().encode(json);
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return `#${KEY}${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`;
}

/** @param {string} hash @returns {{query: string, variables?: string} | null} null for any other or a broken hash */
export function decodeShare(hash) {
  const text = hash.replace(/^#/, '');
  if (!text.startsWith(KEY)) return null;
  try {
    const binary = atob(text.slice(KEY.length).replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const { query, variables } = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof query !== 'string') return null;
    return typeof variables === 'string' ? { query, variables } : { query };
  } catch {
    return null;
  }
}
