import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRows, serviceErrors, splitExplain } from '../src/explain.js';

const fetch = (id, subgraph) => ({ kind: 'Fetch', id, subgraph, document: '{ a }', reason: 'because' });

function drawn(explain) {
  return planRows(explain).map(({ depth, kind, label, actual }) => {
    const measured = actual ? ` ${actual.duration_ms} ms` : '';
    return `${'  '.repeat(depth)}${kind} ${label}`.trimEnd() + measured;
  });
}

test('a plan becomes rows in plan order, with what was measured', () => {
  const plan = {
    kind: 'QueryPlan',
    node: {
      kind: 'Sequence',
      nodes: [
        fetch(0, 'orders'),
        { kind: 'Condition', variable: 'deep', if_true: { kind: 'Parallel', nodes: [fetch(1, 'users'), fetch(2, 'products')] } },
      ],
    },
  };
  const fetches = [{ id: 0, duration_ms: 3 }, { id: 2, duration_ms: 5 }];
  assert.deepEqual(drawn({ plan, fetches }), [
    'Sequence',
    '  Fetch orders 3 ms',
    '  Condition $deep',
    '    if true',
    '      Parallel',
    '        Fetch users',
    '        Fetch products 5 ms',
  ]);
});

test('an unknown kind keeps its name and its children', () => {
  assert.deepEqual(drawn({ plan: { kind: 'Race', nodes: [fetch(0, 'users')] } }), ['Race', '  Fetch users']);
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
