// Sends operations: queries and mutations by POST, answered in parts where fragments are deferred; subscriptions as
// server-sent events. What was sent and measured goes to `onExchange` too, for the plan panel.
import { Kind, parse } from 'graphql';
import { createClient } from 'graphql-sse';
import { meros } from 'meros/browser';
import { splitExplain } from './explain.js';

/** A router that explains does so for requests with this header; any other server ignores it. */
const EXPLAIN_HEADER = { 'x-router-explain': '1' };
const POST_HEADERS = {
  // The form of parts that GraphiQL reads.
  accept: 'multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json;q=0.9',
  'content-type': 'application/json',
};

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
  return async function fetcher(asked, { headers } = {}) {
    const { params, operation } = resolve(asked);
    if (operation?.operation === 'subscription') return subscribe(url, params, headers);
    // GraphiQL's own request; nobody waits for its plan.
    if (params.operationName === 'IntrospectionQuery') {
      return (await whole(await post(url, params, headers))).result;
    }
    const sent = await post(url, params, { ...EXPLAIN_HEADER, ...headers });
    const tell = (answer) => onExchange({ ...answer, operationName: params.operationName });
    if (sent.response.headers.get('content-type')?.startsWith('multipart/')) return inParts(sent, tell);
    const answer = await whole(sent);
    tell(answer);
    return answer.result;
  };
}

/**
 * What to send, and the operation that it runs if that is clear. GraphiQL reads a document a moment after it is there: right
 * after a change of tabs, it names the operation of the tab before.
 */
function resolve(asked) {
  const operations = operationsOf(asked.query);
  const named = operations.find(({ name }) => name?.value === asked.operationName);
  const operation = named ?? (operations.length === 1 ? operations[0] : undefined);
  return { operation, params: operation ? { ...asked, operationName: operation.name?.value } : asked };
}

/** None where the server has to say what is wrong with the document. */
function operationsOf(document) {
  try {
    return parse(document, { noLocation: true }).definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  } catch {
    return [];
  }
}

/** Sends `params`; notes when. */
async function post(url, params, headers) {
  const start = performance.now();
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...POST_HEADERS, ...headers },
    body: JSON.stringify(params),
  });
  return { start, response };
}

/** An answer in one piece. */
async function whole(sent) {
  const text = await sent.response.text();
  const bytes = new TextEncoder().encode(text).length;
  return { ...measured(sent, bytes), ...splitExplain(parseResult(text, sent.response)) };
}

/** Yields each part when it is there; GraphiQL puts them together. What was done for all of them is told at the end. */
async function* inParts(sent, tell) {
  const all = { errors: [], bytes: 0 };
  const count = new TransformStream({
    transform(chunk, controller) {
      all.bytes += chunk.byteLength;
      controller.enqueue(chunk);
    },
  });
  const parts = await meros(new Response(sent.response.body.pipeThrough(count), sent.response));
  for await (const { json, body } of parts) {
    if (!json) throw new Error('A part of the answer is not JSON.');
    const { result, explain } = splitExplain(body);
    all.explain = explain ?? all.explain;
    for (const { errors } of [result, ...(result.incremental ?? [])]) all.errors.push(...(errors ?? []));
    yield result;
  }
  tell({ ...measured(sent, all.bytes), result: { errors: all.errors }, explain: all.explain });
}

function measured({ start, response }, bytes) {
  return { duration_ms: performance.now() - start, bytes, status: response.status };
}

function parseResult(text, response) {
  const type = response.headers.get('content-type') || 'no content type';
  if (type.includes('json')) return JSON.parse(text);
  // A proxy's HTML page, or nothing at all: say so, instead of a complaint about its first character.
  return { errors: [{ message: `The endpoint answered ${response.status} with ${type} instead of JSON.` }] };
}

/** An observable over graphql-sse's "distinct connections" mode: one HTTP response per subscription. */
function subscribe(url, params, headers) {
  const client = createClient({ url, headers, retryAttempts: 0 });
  return { subscribe: (observer) => ({ unsubscribe: client.subscribe(params, withReadableErrors(observer)) }) };
}

function withReadableErrors(observer) {
  return {
    next: (result) => observer.next(result),
    error: async (error) => observer.error(await readableError(error)),
    complete: () => observer.complete(),
  };
}

/** The GraphQL errors of an answer that is no stream; else the message alone, since GraphiQL would print the stack. */
async function readableError(error) {
  const answer = await error?.response?.json?.().catch(() => undefined);
  if (answer?.errors) return answer.errors;
  return error instanceof Error ? { message: error.message } : error;
}
