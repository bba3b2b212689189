// The plain page: picks an example, sends the operation, shows the answer. For builds without the GraphiQL bundle.
const element = (id) => document.getElementById(id);
const config = JSON.parse(element('playground-config').textContent);

element('title').textContent = config.title ?? 'GraphQL';
document.title = element('title').textContent;
for (const { query } of config.examples ?? []) {
  const name = /\b(?:query|mutation|subscription)\s+(\w+)/.exec(query)?.[1] ?? 'example';
  element('examples').append(new Option(name));
}
element('examples').addEventListener('change', showExample);
element('run').addEventListener('click', run);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run();
});
showExample();

function showExample() {
  const example = config.examples?.[element('examples').selectedIndex];
  element('query').value = example?.query ?? '{ __typename }';
  element('variables').value = example?.variables ?? '';
}

async function run() {
  element('response').textContent = '…';
  try {
    const variables = JSON.parse(element('variables').value || 'null');
    const response = await fetch(config.endpoint ?? '/graphql', {
      method: 'POST',
      headers: {
        ...JSON.parse(config.headers ?? '{}'),
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
      },
      body: JSON.stringify({ query: element('query').value, variables }),
    });
    element('response').textContent = JSON.stringify(await response.json(), null, 2);
  } catch (error) {
    element('response').textContent = String(error);
  }
}
