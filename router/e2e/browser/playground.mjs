// Does what a visitor of the playground does, and prints what happened as one JSON object.
//
//     node playground.mjs <page URL> <path of Chromium> <folder for screenshots>
//
// It judges nothing: router/e2e/tests/it/browser.rs does. It fails only when a step cannot be done at all.
import { chromium } from 'playwright-core';

const [pageUrl, executablePath, screenshots] = process.argv.slice(2);
const origin = new URL(pageUrl).origin;
const report = { foreignRequests: [], failedRequests: [], consoleErrors: [] };

const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    // A page that needs another host fails here, whatever network the machine has.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  ],
});
try {
  const page = await visit({ colorScheme: 'light' });
  report.title = await page.title();
  report.tabs = await page.locator('.graphiql-tab').allInnerTexts();
  report.answer = await run(page);
  // What is on the screen, not only on the wire.
  await page.locator('.graphiql-response').getByText('"data"').waitFor();
  report.shown = await page.locator('.graphiql-response').innerText();
  await page.screenshot({ path: `${screenshots}/answer.png` });
  report.plan = await openPanel(page, 'Query plan', '.plan-rows');
  await page.screenshot({ path: `${screenshots}/plan.png` });
  report.documentation = await openPanel(page, 'Documentation Explorer', '.graphiql-doc-explorer-content');
  await page.screenshot({ path: `${screenshots}/documentation.png` });

  await page.locator('.graphiql-tab', { hasText: 'Later' }).click();
  report.typeOfParts = (await send(page)).headers()['content-type'];
  await page.locator('.graphiql-response').getByText('"rating"').first().waitFor();
  report.shownInParts = await page.locator('.graphiql-response').innerText();
  report.planInParts = await openPanel(page, 'Query plan', '.plan-rows');
  await page.screenshot({ path: `${screenshots}/parts.png` });
  await page.locator('.graphiql-tab').first().click();

  await page.getByRole('button', { name: /^Share/ }).click();
  await page.waitForURL(/#operation=/);
  report.sharedUrl = page.url();
  await load(page, () => page.reload());
  report.tabsAfterReload = await page.locator('.graphiql-tab').allInnerTexts();
  report.answerAfterReload = await run(page);

  const visitor = await visit({ colorScheme: 'dark', url: report.sharedUrl });
  report.visitorTabs = await visitor.locator('.graphiql-tab').allInnerTexts();
  report.visitorAnswer = await run(visitor);
  await visitor.screenshot({ path: `${screenshots}/dark.png` });
} catch (error) {
  // What broke off is what is told, whatever becomes of the pictures.
  await keepScreens().catch(() => {});
  throw error;
} finally {
  await browser.close();
}
console.log(JSON.stringify(report));

/** What every page showed when a step could not be done. */
async function keepScreens() {
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [index, page] of pages.entries()) {
    await page.screenshot({ path: `${screenshots}/broken-off-${index}.png` });
  }
}

/** A new visitor's page: own storage, everything that goes wrong is kept. */
async function visit({ colorScheme, url = pageUrl }) {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1440, height: 900 } });
  // A debug build on a busy machine may take its time; a page that hangs still fails.
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  page.on('request', (request) => {
    const requestUrl = request.url();
    if (!requestUrl.startsWith(`${origin}/`) && !/^(data|blob):/.test(requestUrl)) report.foreignRequests.push(requestUrl);
  });
  page.on('requestfailed', (request) => {
    const error = request.failure()?.errorText;
    // What a page is still loading when it is left or reloaded, its icon for one, is cancelled by the browser itself.
    if (error !== 'net::ERR_ABORTED') report.failedRequests.push(`${request.url()}: ${error}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) report.failedRequests.push(`${response.url()}: ${response.status()}`);
  });
  page.on('console', (message) => message.type() === 'error' && report.consoleErrors.push(message.text()));
  page.on('pageerror', (error) => report.consoleErrors.push(String(error)));
  await load(page, () => page.goto(url));
  return page;
}

/**
 * Until the editor stands and the schema has come. Not until the network is idle: Chromium does not tell the page's session
 * when a worker's script, taken from the cache, has been read.
 */
async function load(page, navigate) {
  const schema = page.waitForResponse((response) => isIntrospection(response.request()));
  await navigate();
  await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  await (await schema).finished();
}

function isIntrospection(request) {
  return request.method() === 'POST' && (request.postData() ?? '').includes('IntrospectionQuery');
}

/** Runs the operation in the editor; the answer as it came over the wire. */
async function run(page) {
  return (await send(page)).json();
}

/** Presses Ctrl-Enter in the editor. */
async function send(page) {
  const isAnswer = (response) => response.request().method() === 'POST' && !isIntrospection(response.request());
  await page.locator('.graphiql-query-editor .view-line').first().click({ position: { x: 2, y: 4 } });
  const [response] = await Promise.all([page.waitForResponse(isAnswer), page.keyboard.press('Control+Enter')]);
  return response;
}

async function openPanel(page, title, selector) {
  await page.getByRole('button', { name: `Show ${title}` }).click();
  const panel = page.locator(selector);
  await panel.waitFor();
  return panel.innerText();
}
