import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeShare, encodeShare } from '../src/share.js';

test('a link gives back the operation it was made of', () => {
  for (const operation of [
    { query: '{ me { displayName } }' },
    { query: 'query Tea($title: String = "青花瓷茶具 ☕") { a }', variables: '{"id": "1"}' },
    { query: '' },
  ]) {
    const hash = encodeShare(operation);
    assert.match(hash, /^#operation=[A-Za-z0-9_-]*$/);
    assert.deepEqual(decodeShare(hash), operation);
  }
});

test('blank variables are left out', () => {
  assert.deepEqual(decodeShare(encodeShare({ query: '{ a }', variables: ' ' })), { query: '{ a }' });
});

test('any other hash is no operation', () => {
  for (const hash of ['', '#', '#top', '#operation=', '#operation=!!', '#operation=eyJ4IjoxfQ', '#operation=eyJx']) {
    assert.equal(decodeShare(hash), null, hash);
  }
});
