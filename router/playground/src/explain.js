// Turns `extensions.explain` of a response into rows for the panel. Pure: no DOM, no React.
//
// The shape, all of it optional:
//
//     {"plan_ms": 0.2,
//      "plan": {"kind": "QueryPlan", "node":
//          {"kind": "Flatten", "path": ["order", "lines", "@"], "node":
//              {"kind": "Fetch", "id": 0, "serviceName": "orders", "operation": "{...}", "reason": "..."}}},
//      "fetches": [{"fetch": 0, "subgraph": "orders", "transport": "http", "started_us": 90, "duration_us": 1800,
//                   "request_bytes": 60, "response_bytes": 812, "http_status": 200,
//                   "entities_wanted": 0, "entities_sent": 0, "skipped": false, "error": null}]}
//
// That is the JSON of `router plan`, and what the executor records. The names of a node's children differ by kind. Kinds that are not known are shown by their name, with their children,
// so that a newer router still gets a panel; without a plan, the fetches alone are rows.

/**
 * @typedef {object} Row
 * @property {number} depth   nesting, from 0
 * @property {string} kind    `Fetch`, `Sequence`, ...
 * @property {string} label   subgraph of a fetch, variable of a condition
 * @property {string} [path]  where the entities are that a fetch resolves, such as `order.lines.@`
 * @property {string} [document] operation that a fetch sends
 * @property {string} [reason]   why the planner made the fetch
 * @property {Actual} [actual]   what was measured
 *
 * @typedef {object} Actual
 * @property {number} start_ms    from the beginning of the execution
 * @property {number} duration_ms
 * @property {string} summary     size and entities, for people; or why nothing was asked
 * @property {string} [error]     code of the error, when the fetch failed as a whole
 */

const FETCH_KINDS = new Set(['Fetch', 'BatchFetch']);

/** @param {any} explain @returns {Row[]} rows in plan order; empty when there is no plan */
export function planRows(explain) {
  const rows = [];
  const fetches = explain?.fetches ?? [];
  const actuals = new Map(fetches.map((fetch, index) => [fetch.fetch ?? index, actualOf(fetch)]));
  const root = explain?.plan?.kind === 'QueryPlan' ? explain.plan.node : explain?.plan;
  addRows(root, 0, rows, actuals);
  if (rows.length > 0) return rows;
  return fetches.map((fetch) => ({ depth: 0, kind: 'Fetch', label: fetch.subgraph ?? '', actual: actualOf(fetch) }));
}

function actualOf(fetch) {
  return {
    start_ms: (fetch.started_us ?? 0) / 1000,
    duration_ms: (fetch.duration_us ?? 0) / 1000,
    summary: fetch.skipped ? skippedSummaryOf(fetch) : summaryOf(fetch),
    ...(fetch.error ? { error: fetch.error } : {}),
  };
}

function skippedSummaryOf({ entities_wanted }) {
  return entities_wanted ? `known already, for ${entities_wanted} objects` : 'nothing to ask';
}

function summaryOf({ transport, http_status, request_bytes, response_bytes, entities_sent, entities_wanted }) {
  const parts = [];
  if (transport === 'in_process') parts.push('in process');
  if (http_status >= 300) parts.push(`HTTP ${http_status}`);
  if (request_bytes) parts.push(`${formatBytes(request_bytes)} sent`);
  if (response_bytes !== undefined) parts.push(formatBytes(response_bytes));
  if (entities_sent) parts.push(entities_sent === 1 ? '1 entity' : `${entities_sent} entities`);
  // Each asked for once, however many objects need it.
  if (entities_wanted > entities_sent) parts.push(`for ${entities_wanted} objects`);
  return parts.join(' · ');
}

/** @param {number} count @returns {string} such as `812 B` or `1.6 KiB` */
export function formatBytes(count) {
  return count < 1024 ? `${count} B` : `${(count / 1024).toFixed(1)} KiB`;
}

function addRows(node, depth, rows, actuals, path) {
  if (!node || typeof node !== 'object') return;
  // One row for a fetch and where its answer goes.
  if (node.kind === 'Flatten') return addRows(node.node, depth, rows, actuals, node.path);
  const row = { depth, kind: node.kind ?? 'Step', label: labelOf(node) };
  if (FETCH_KINDS.has(node.kind)) {
    row.document = node.operation;
    row.reason = node.reason;
    row.actual = actuals.get(node.id);
    const paths = path ? [path] : (node.entities ?? []).map((entity) => entity.path);
    if (paths.length > 0) row.path = paths.map((elements) => elements.join('.')).join(', ');
  }
  rows.push(row);
  for (const [caption, child] of childrenOf(node)) {
    if (caption) rows.push({ depth: depth + 1, kind: caption, label: '' });
    addRows(child, depth + (caption ? 2 : 1), rows, actuals);
  }
}

function labelOf(node) {
  if (FETCH_KINDS.has(node.kind)) return node.serviceName ?? '';
  if (node.kind === 'Condition') return `$${node.condition ?? ''}`;
  return '';
}

function childrenOf(node) {
  const children = (node.nodes ?? []).map((child) => ['', child]);
  if (node.node) children.push(['', node.node]);
  if (node.ifClause) children.push(['if true', node.ifClause]);
  if (node.elseClause) children.push(['if false', node.elseClause]);
  const primary = node.kind === 'Defer' ? node.primary?.node : node.primary;
  if (primary) children.push(['primary', primary]);
  for (const { label, part, node: child } of node.deferred ?? []) {
    // What was asked for along with something else has no node.
    if (child) children.push([`deferred ${label ?? part}`, child]);
  }
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
