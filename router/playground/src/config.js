// What the router tells the page, read from the JSON in index.html. Holds no behaviour.

/**
 * @typedef {object} Example
 * @property {string} query       text of the document
 * @property {string} [variables] JSON text
 *
 * @typedef {object} Config
 * @property {string} endpoint    URL of the GraphQL endpoint, absolute or relative to the page
 * @property {string} title       name of the graph
 * @property {string} [headers]   JSON text of the request headers that every tab starts with
 * @property {Example[]} examples one tab each, on a first visit
 */

/** @returns {Config} */
export function readConfig() {
  const text = document.getElementById('playground-config')?.textContent || '{}';
  const { endpoint = '/graphql', title = 'GraphiQL', headers, examples = [] } = JSON.parse(text);
  return { endpoint, title, headers, examples };
}
