// Entry: settings in, page out.
import 'graphiql/setup-workers/vite';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import '@graphiql/plugin-explorer/style.css';
import 'graphiql/graphiql.css';
import './playground.css';
import { createRoot } from 'react-dom/client';
import { App } from './App.jsx';
import { readConfig } from './config.js';

const config = readConfig();
document.title = config.title;
createRoot(document.getElementById('root')).render(<App config={config} />);
