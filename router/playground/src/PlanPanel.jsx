// The side panel "Query plan": what the last operation cost, which subgraphs answered it and why.
import { useSyncExternalStore } from 'react';
import { formatBytes, planRows, serviceErrors } from './explain.js';

/** Holds the last exchange; React components listen to it. */
export function createExchangeStore() {
  let current = null;
  const listeners = new Set();
  return {
    set(exchange) {
      current = exchange;
      listeners.forEach((listener) => listener());
    },
    get: () => current,
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** @returns a GraphiQL plugin that shows what `store` holds */
export function planPlugin(store) {
  return {
    title: 'Query plan',
    icon: PlanIcon,
    content: function PlanPanel() {
      const exchange = useSyncExternalStore(store.listen, store.get);
      return (
        <section className="plan-panel" aria-label="Query plan">
          <h2 className="plan-title">Query plan</h2>
          {exchange ? <ExchangeView exchange={exchange} /> : <p>Run an operation to see how it was answered.</p>}
        </section>
      );
    },
  };
}

function ExchangeView({ exchange }) {
  const rows = planRows(exchange.explain);
  const errors = serviceErrors(exchange.result);
  return (
    <>
      <dl className="plan-figures">
        <Figure name="Round trip" value={milliseconds(exchange.duration_ms)} />
        <Figure name="Answer" value={formatBytes(exchange.bytes)} />
        <Figure name="Status" value={exchange.status} />
        {exchange.explain?.plan_ms !== undefined && (
          <Figure name="Planning" value={milliseconds(exchange.explain.plan_ms)} />
        )}
      </dl>
      {errors.length > 0 && <Errors errors={errors} />}
      {rows.length > 0 ? (
        <ol className="plan-rows">
          {rows.map((row, index) => (
            <PlanRow key={index} row={row} whole_ms={wholeDuration(rows)} />
          ))}
        </ol>
      ) : (
        <p className="plan-hint">This answer came without a query plan.</p>
      )}
    </>
  );
}

function Figure({ name, value }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Errors({ errors }) {
  return (
    <ul className="plan-errors">
      {errors.map(({ service, code, message, path }, index) => (
        <li key={index}>
          <strong>{service}</strong> {code && <code>{code}</code>} {message} {path && <span>at {path}</span>}
        </li>
      ))}
    </ul>
  );
}

function PlanRow({ row, whole_ms }) {
  const isFetch = row.kind.endsWith('Fetch');
  return (
    <li style={{ paddingInlineStart: `${row.depth * 14}px` }}>
      <div className="plan-row">
        <span className={isFetch ? 'plan-kind plan-fetch' : 'plan-kind'}>{row.kind}</span>
        <span className="plan-label">{row.label}</span>
        {row.actual && <Actual actual={row.actual} />}
      </div>
      {row.actual && whole_ms > 0 && <Bar actual={row.actual} whole_ms={whole_ms} />}
      {row.path && <p className="plan-reason">at <code>{row.path}</code></p>}
      {row.reason && <p className="plan-reason">{shortReason(row.reason)}</p>}
      {row.document && (
        <details>
          <summary>Operation sent</summary>
          <pre>{row.document}</pre>
          {row.reason && <p className="plan-reason">{row.reason}</p>}
        </details>
      )}
    </li>
  );
}

function Actual({ actual }) {
  const text = [actual.error, milliseconds(actual.duration_ms), actual.summary].filter(Boolean).join(' · ');
  return <span className={actual.error ? 'plan-actual plan-failed' : 'plan-actual'}>{text}</span>;
}

/** A bar that begins and ends when the fetch did, on the time line of the whole execution. */
function Bar({ actual, whole_ms }) {
  const left = (100 * actual.start_ms) / whole_ms;
  const width = Math.max(1, (100 * actual.duration_ms) / whole_ms);
  return (
    <div className="plan-bar">
      <div style={{ marginInlineStart: `${Math.min(left, 99)}%`, width: `${Math.min(width, 100 - Math.min(left, 99))}%` }} />
    </div>
  );
}

function wholeDuration(rows) {
  return Math.max(0, ...rows.map(({ actual }) => (actual?.start_ms ?? 0) + (actual?.duration_ms ?? 0)));
}

/** A fetch has one reason for each field; the first says enough, the others stand below the operation. */
function shortReason(reason) {
  const [first, ...others] = reason.split('; ');
  return others.length > 0 ? `${first}, and ${others.length} more` : first;
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function PlanIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
      <circle cx="12" cy="4.5" r="2.5" />
      <circle cx="5" cy="19" r="2.5" />
      <circle cx="19" cy="19" r="2.5" />
      <path d="M12 7v4.500M5 16.500v-1.500a3 3 0 0 1 3-3h8a3 3 0 0 1 3 3v1.5" />
    </svg>
  );
}
