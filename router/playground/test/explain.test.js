import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRows, serviceErrors, splitExplain } from '../src/explain.js';

const fetch = (id, serviceName) => ({ kind: 'Fetch', id, serviceName, operation: '{ a }', reason: 'because' });
const flatten = (path, node) => ({ kind: 'Flatten', path, node });

function drawn(explain) {
  return planRows(explain).map(({ depth, kind, label, path, actual }) => {
    const measured = actual ? ` ${actual.start_ms}+${actual.duration_ms} ms, ${actual.error ?? actual.summary}` : '';
    return `${'  '.repeat(depth)}${kind} ${label}`.trimEnd() + (path ? ` at ${path}` : '') + measured;
  });
}

test('a plan becomes rows in plan order, with what was measured', () => {
  const plan = {
    kind: 'QueryPlan',
    node: {
      kind: 'Sequence',
      nodes: [
        fetch(0, 'orders'),
        {
          kind: 'Condition',
          condition: 'deep',
          ifClause: { kind: 'Parallel', nodes: [fetch(1, 'users'), flatten(['order', 'lines', '@'], fetch(2, 'products'))] },
          elseClause: { kind: 'BatchFetch', id: 3, serviceName: 'users', entities: [{ path: ['a'] }, { path: ['b', '@'] }] },
        },
      ],
    },
  };
  const fetches = [
    { fetch: 0, subgraph: 'orders', started_us: 90, duration_us: 1800, response_bytes: 2048 },
    { fetch: 2, subgraph: 'products', transport: 'in_process', started_us: 2000, duration_us: 500, request_bytes: 60, response_bytes: 9, http_status: 503, entities_wanted: 3, entities_sent: 1 },
  ];
  assert.deepEqual(drawn({ plan, fetches }), [
    'Sequence',
    '  Fetch orders 0.09+1.8 ms, 2.0 KiB',
    '  Condition $deep',
    '    if true',
    '      Parallel',
    '        Fetch users',
    '        Fetch products at order.lines.@ 2+0.5 ms, in process · HTTP 503 · 60 B sent · 9 B · 1 entity · for 3 objects',
    '    if false',
    '      BatchFetch users at a, b.@',
  ]);
});

test('an unknown kind keeps its name and its children', () => {
  assert.deepEqual(drawn({ plan: { kind: 'Race', nodes: [fetch(0, 'users')] } }), ['Race', '  Fetch users']);
});

test('each deferred part with requests of its own has a row', () => {
  const fetch = (id, serviceName) => ({ kind: 'Fetch', id, serviceName });
  const node = {
    kind: 'Defer',
    primary: { node: fetch(0, 'products') },
    deferred: [{ part: 0, label: 'reviews', node: fetch(1, 'reviews') }, { part: 1 }, { part: 2, node: fetch(2, 'users') }],
  };
  assert.deepEqual(
    planRows({ plan: { kind: 'QueryPlan', node } }).map(({ depth, kind, label }) => `${depth} ${kind} ${label}`),
    ['0 Defer ', '1 primary ', '2 Fetch products', '1 deferred reviews ', '2 Fetch reviews', '1 deferred 2 ', '2 Fetch users'],
  );
});

test('without a plan the fetches are rows', () => {
  const fetches = [{ fetch: 0, subgraph: 'users', error: 'GATEWAY_TIMEOUT' }, { fetch: 1, subgraph: 'orders', skipped: true }, { fetch: 2, subgraph: 'users', skipped: true, entities_wanted: 3 }];
  assert.deepEqual(drawn({ fetches }), [
    'Fetch users 0+0 ms, GATEWAY_TIMEOUT',
    'Fetch orders 0+0 ms, nothing to ask',
    'Fetch users 0+0 ms, known already, for 3 objects',
  ]);
});

test('no plan gives no rows', () => {
  for (const explain of [undefined, null, {}, { plan: null }, { plan: 'text' }]) {
    assert.deepEqual(planRows(explain), []);
  }
});

test('the explanation is taken out of the result, and nothing else', () => {
  const data = { a: 1 };
  assert.deepEqual(splitExplain({ data, extensions: { explain: 1 } }), { result: { data }, explain: 1 });
  assert.deepEqual(splitExplain({ data, extensions: { explain: 1, cost: 2 } }), {
    result: { data, extensions: { cost: 2 } },
    explain: 1,
  });
  assert.deepEqual(splitExplain({ data }), { result: { data }, explain: undefined });
});

test('errors name their service', () => {
  const errors = [
    { message: 'down', path: ['order', 0], extensions: { service: 'users', code: 'SUBREQUEST_HTTP_ERROR' } },
    { message: 'bad' },
  ];
  assert.deepEqual(serviceErrors({ errors }), [
    { service: 'users', code: 'SUBREQUEST_HTTP_ERROR', message: 'down', path: 'order.0' },
    { service: 'router', code: '', message: 'bad', path: '' },
  ]);
});
