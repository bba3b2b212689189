// Turns `extensions.explain` of a response into rows for the panel. Pure: no DOM, no React.
//
// The plan is a tree of nodes `{kind, ...}`; the names of the children differ by kind. Kinds that are not known are
// shown by their name, with their children, so that a newer router still gets a panel.

/**
 * @typedef {object} Row
 * @property {number} depth   nesting, from 0
 * @property {string} kind    `Fetch`, `Sequence`, ...
 * @property {string} label   subgraph of a fetch, path of a flatten, variable of a condition
 * @property {string} [document] operation that a fetch sends
 * @property {string} [reason]   why the planner made the fetch
 * @property {object} [actual]   what was measured: {duration_ms, start_ms, bytes, entities, ...}
 */

const FETCH_KINDS = new Set(['Fetch', 'BatchFetch']);

/** @param {any} explain @returns {Row[]} rows in plan order; empty when there is no plan */
export function planRows(explain) {
  const rows = [];
  const actuals = new Map((explain?.fetches ?? []).map((fetch, index) => [fetch.id ?? index, fetch]));
  const root = explain?.plan?.kind === 'QueryPlan' ? explain.plan.node : explain?.plan;
  addRows(root, 0, rows, actuals);
  return rows;
}

function addRows(node, depth, rows, actuals) {
  if (!node || typeof node !== 'object') return;
  const row = { depth, kind: node.kind ?? 'Step', label: labelOf(node) };
  if (FETCH_KINDS.has(node.kind)) {
    const id = node.id ?? rows.filter(({ kind }) => FETCH_KINDS.has(kind)).length;
    row.document = node.document ?? node.operation;
    row.reason = node.reason;
    row.actual = actuals.get(id);
  }
  rows.push(row);
  for (const [caption, child] of childrenOf(node)) {
    if (caption) rows.push({ depth: depth + 1, kind: caption, label: '' });
    addRows(child, depth + (caption ? 2 : 1), rows, actuals);
  }
}

function labelOf(node) {
  if (FETCH_KINDS.has(node.kind)) return node.subgraph ?? node.serviceName ?? node.service ?? '';
  if (node.kind === 'Flatten') return Array.isArray(node.path) ? node.path.join('.') : (node.path ?? '');
  if (node.kind === 'Condition') return `$${node.variable ?? node.condition ?? ''}`;
  return '';
}

function childrenOf(node) {
  const children = (node.nodes ?? []).map((child) => ['', child]);
  if (node.node) children.push(['', node.node]);
  if (node.if_true ?? node.ifClause) children.push(['if true', node.if_true ?? node.ifClause]);
  if (node.if_false ?? node.elseClause) children.push(['if false', node.if_false ?? node.elseClause]);
  if (node.primary) children.push(['primary', node.primary]);
  if (node.rest) children.push(['each event', node.rest]);
  return children;
}

/**
 * Takes the explanation out of a result, so that the response pane shows what a client would get.
 *
 * @param {any} result a GraphQL response @returns {{result: any, explain: any}} `explain` undefined when there is none
 */
export function splitExplain(result) {
  if (!result?.extensions || !('explain' in result.extensions)) return { result, explain: undefined };
  const { explain, ...extensions } = result.extensions;
  const rest = { ...result, extensions };
  if (Object.keys(extensions).length === 0) delete rest.extensions;
  return { result: rest, explain };
}

/** @param {any} result a GraphQL response @returns {{service: string, code: string, message: string, path: string}[]} */
export function serviceErrors(result) {
  return (result?.errors ?? []).map((error) => ({
    service: error.extensions?.service ?? 'router',
    code: error.extensions?.code ?? '',
    message: error.message,
    path: (error.path ?? []).join('.'),
  }));
}
