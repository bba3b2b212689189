// Sends to a server that is a function; the browser's own is tried by router/e2e/tests/it/browser.rs.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { createFetcher } from '../src/fetcher.js';

globalThis.window = { location: { href: 'http://localhost/' } };
const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

/** Runs `query A { a }`; the server answers with `chunks`. */
async function run(contentType, chunks) {
  const exchanges = [];
  const encoder = new TextEncoder();
  globalThis.fetch = async () =>
    new Response(ReadableStream.from(chunks.map((chunk) => encoder.encode(chunk))), {
      headers: { 'content-type': contentType },
    });
  const fetcher = createFetcher({ endpoint: '/graphql', onExchange: (exchange) => exchanges.push(exchange) });
  const answer = await fetcher({ query: 'query A { a }', operationName: 'A' });
  const parts = [];
  for await (const part of Symbol.asyncIterator in answer ? answer : [answer]) parts.push(part);
  const [{ duration_ms, ...exchange }, ...others] = exchanges;
  assert.ok(duration_ms >= 0);
  assert.deepEqual(others, []);
  return { parts, exchange };
}

test('an answer in one piece', async () => {
  const { parts, exchange } = await run('application/json', ['{"data":{"a":1},', '"extensions":{"explain":{"plan_ms":1}}}']);
  assert.deepEqual(parts, [{ data: { a: 1 } }]);
  assert.deepEqual(exchange, {
    bytes: 55,
    status: 200,
    operationName: 'A',
    result: { data: { a: 1 } },
    explain: { plan_ms: 1 },
  });
});

test('an answer in parts, of which the last explains all', async () => {
  const first = { data: { a: {} }, hasNext: true };
  const error = { message: 'down', path: ['a', 'b'] };
  const last = { incremental: [{ path: ['a'], data: { b: null }, errors: [error] }], hasNext: false };
  const explained = { ...last, extensions: { explain: { plan_ms: 1 } } };
  const head = '\r\n---\r\ncontent-type: application/json\r\n\r\n';
  const text = `${head}${JSON.stringify(first)}${head}${JSON.stringify(explained)}\r\n-----\r\n`;
  const { parts, exchange } = await run('multipart/mixed; boundary="-"; deferSpec=20220824', [
    text.slice(0, 60),
    text.slice(60, 130),
    text.slice(130),
  ]);
  assert.deepEqual(parts, [first, last]);
  assert.deepEqual(exchange, {
    bytes: text.length,
    status: 200,
    operationName: 'A',
    result: { errors: [error] },
    explain: { plan_ms: 1 },
  });
});

test('an answer that is no GraphQL', async () => {
  const { parts } = await run('text/html', ['<html>']);
  assert.deepEqual(parts, [{ errors: [{ message: 'The endpoint answered 200 with text/html instead of JSON.' }] }]);
});

test('an operation goes by the name that it has in its document', async () => {
  const sent = [];
  globalThis.fetch = async (_, { body }) => {
    sent.push(JSON.parse(body));
    return Response.json({ data: null });
  };
  const fetcher = createFetcher({ endpoint: '/graphql', onExchange: () => {} });
  const nameOf = async (query, operationName) => {
    await fetcher({ query, operationName });
    return sent.pop().operationName;
  };
  // Right after a change of tabs, GraphiQL still has the name of the tab before.
  assert.equal(await nameOf('query Here { a }', 'Before'), 'Here');
  assert.equal(await nameOf('{ a }', 'Before'), undefined);
  assert.equal(await nameOf('query One { a } query Two { a }', 'Two'), 'Two');
  // What is not clear, the server answers.
  assert.equal(await nameOf('query One { a } query Two { a }', 'Before'), 'Before');
  assert.equal(await nameOf('query {', 'Before'), 'Before');
});
