// The page: GraphiQL with documentation, history, explorer and query plan, and a button that shares the operation.
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { ToolbarButton, useGraphiQL } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect, useState } from 'react';
import { createFetcher } from './fetcher.js';
import { createExchangeStore, planPlugin } from './PlanPanel.jsx';
import { decodeShare, encodeShare } from './share.js';

/** @param {{config: import('./config.js').Config}} props */
export function App({ config }) {
  // Made once: GraphiQL compares plugins and the fetcher by identity.
  const [parts] = useState(() => createParts(config));
  return (
    <GraphiQL
      fetcher={parts.fetcher}
      plugins={parts.plugins}
      defaultTabs={parts.defaultTabs}
      initialQuery={parts.initial?.query}
      initialVariables={parts.initial?.variables}
      defaultHeaders={config.headers}
      defaultQuery={WELCOME}
      defaultEditorToolsVisibility
      shouldPersistHeaders={false}
      showPersistHeadersSettings
    >
      <GraphiQL.Logo>
        <span className="logo">{config.title}</span>
      </GraphiQL.Logo>
      <GraphiQL.Toolbar>
        {({ prettify, copy, merge }) => (
          <>
            {prettify}
            {merge}
            {copy}
            <ShareButton />
            <PlainUnicode />
          </>
        )}
      </GraphiQL.Toolbar>
    </GraphiQL>
  );
}

function createParts({ endpoint, examples, headers }) {
  const store = createExchangeStore();
  const shared = decodeShare(window.location.hash);
  return {
    fetcher: createFetcher({ endpoint, onExchange: store.set }),
    plugins: [HISTORY_PLUGIN, explorerPlugin({ showAttribution: false }), planPlugin(store)],
    defaultTabs: firstTabs(examples, shared, headers),
    initial: shared ?? (isFirstVisit() ? examples[0] : undefined),
  };
}

/** Tabs of a first visit: a shared operation, then the examples. `undefined` leaves the choice to GraphiQL. */
function firstTabs(examples, shared, headers) {
  const tabs = shared ? [shared, ...examples] : examples;
  return tabs.length > 0 ? tabs.map((tab) => ({ ...tab, headers })) : undefined;
}

/** Later, GraphiQL restores the tabs as they were left. */
function isFirstVisit() {
  return window.localStorage.getItem('graphiql:tabState') === null;
}

function ShareButton() {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [isCopied]);

  async function share() {
    const hash = encodeShare({ query: queryEditor?.getValue() ?? '', variables: variableEditor?.getValue() });
    window.history.replaceState(null, '', hash);
    // Absent on plain HTTP from another machine; the address bar then holds the link all the same.
    await navigator.clipboard?.writeText(window.location.href).catch(() => {});
    setCopied(true);
  }

  return (
    <ToolbarButton label={isCopied ? 'Link copied' : 'Share: copy a link to this operation'} onClick={share}>
      {isCopied ? <CheckIcon /> : <LinkIcon />}
    </ToolbarButton>
  );
}

/**
 * No boxes around characters that look like ASCII ones: the editor means to warn of them in source code, but in data a dash
 * or a Chinese comma is nothing suspicious. Draws nothing.
 */
function PlainUnicode() {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const responseEditor = useGraphiQL((state) => state.responseEditor);
  useEffect(() => {
    for (const editor of [queryEditor, variableEditor, responseEditor]) {
      editor?.updateOptions({ unicodeHighlight: { ambiguousCharacters: false } });
    }
  }, [queryEditor, variableEditor, responseEditor]);
  return null;
}

function LinkIcon() {
  return (
    <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" aria-hidden="true">
      <path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7" />
      <path d="M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7L12 17" />
    </svg>
  );
}

function CheckIcon() {
  return (
    <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="2" aria-hidden="true">
      <path d="m5 13 4.5 4.500L19 7.5" />
    </svg>
  );
}

const WELCOME = `# Write a query here and press Ctrl-Enter to run it.
# The panel on the left has the documentation of every type, the history of what you ran,
# an explorer that builds operations by clicking, and the query plan of the last answer.
`;
