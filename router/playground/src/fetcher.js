// Sends operations: queries and mutations by POST (incremental delivery included), subscriptions as server-sent events.
//
// What was sent and measured goes to `onExchange` too, for the plan panel.
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-sse';
import { splitExplain } from './explain.js';

/** A router that explains does so for requests with this header; any other server ignores it. */
const EXPLAIN_HEADER = { 'x-router-explain': '1' };
const INTROSPECTION = 'IntrospectionQuery';

/**
 * @typedef {object} Exchange one operation and what came back
 * @property {string} [operationName]
 * @property {number} duration_ms from sending to the whole answer, seen from the page
 * @property {number} bytes       size of the answer after decompression
 * @property {number} status      HTTP status
 * @property {any} result
 * @property {any} [explain]
 */

/** @param {{endpoint: string, onExchange: (exchange: Exchange) => void}} options */
export function createFetcher({ endpoint, onExchange }) {
  const url = new URL(endpoint, window.location.href).href;
  const last = { duration_ms: 0, bytes: 0, status: 0 };
  const http = createGraphiQLFetcher({
    url,
    enableIncrementalDelivery: true,
    fetch: (input, init) => measuredFetch(input, init, last),
  });

  return async function fetcher(params, options = {}) {
    if (isSubscription(params, options)) return subscribe(url, params, options.headers);
    const explains = params.operationName !== INTROSPECTION;
    const headers = explains ? { ...EXPLAIN_HEADER, ...options.headers } : options.headers;
    const answer = await http(params, { ...options, headers });
    if (!explains || isStream(answer)) return answer;
    const { result, explain } = splitExplain(answer);
    onExchange({ operationName: params.operationName, ...last, result, explain });
    return result;
  };
}

async function measuredFetch(input, init, last) {
  const start = performance.now();
  const response = await fetch(input, init);
  const type = response.headers.get('content-type') ?? '';
  last.status = response.status;
  if (type.startsWith('multipart/')) return response;
  const text = await response.text();
  last.duration_ms = performance.now() - start;
  last.bytes = new TextEncoder().encode(text).length;
  if (!type.includes('json')) {
    // A proxy's HTML page, or nothing at all: say so, instead of a complaint about its first character.
    const message = `The endpoint answered ${response.status} with ${type || 'no content type'} instead of JSON.`;
    return Response.json({ errors: [{ message }] });
  }
  return new Response(text, { status: response.status, headers: { 'content-type': type } });
}

function isStream(answer) {
  return answer && (typeof answer.subscribe === 'function' || Symbol.asyncIterator in answer);
}

function isSubscription({ operationName }, { documentAST }) {
  const operations = (documentAST?.definitions ?? []).filter(({ kind }) => kind === 'OperationDefinition');
  const chosen = operations.find(({ name }) => name?.value === operationName) ?? operations[0];
  return chosen?.operation === 'subscription';
}

/** An observable over graphql-sse's "distinct connections" mode: one HTTP response per subscription. */
function subscribe(url, params, headers) {
  const client = createClient({ url, headers, retryAttempts: 0 });
  return { subscribe: (observer) => ({ unsubscribe: client.subscribe(params, withReadableErrors(observer)) }) };
}

function withReadableErrors(observer) {
  return {
    next: (result) => observer.next(result),
    error: (error) => observer.error(error instanceof Error ? { message: error.message } : error),
    complete: () => observer.complete(),
  };
}
