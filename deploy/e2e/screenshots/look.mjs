// Looks at the status page as people do: at several widths, in the light and in the
// dark, with the keyboard. What is wrong is written to standard output as JSON, an
// array of sentences; the test that starts this reads it.
//
//   node look.mjs CHROMIUM URL [DIRECTORY]
//
// With a directory, the screenshots of README are written into it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [executablePath, url, directory] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const shots = [
  { name: 'wide-light', width: 1280, height: 1240, colorScheme: 'light' },
  { name: 'wide-dark', width: 1280, height: 900, colorScheme: 'dark' },
  { name: 'narrow-dark', width: 400, height: 1100, colorScheme: 'dark', at: 'large/' },
];

const wrong = [];
const expect = (holds, sentence) => {
  if (!holds) wrong.push(sentence);
};

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--hide-scrollbars'],
});

// open opens the page in a window of its own, in which every message on the console
// and every request to another place is wrong.
async function open(width, height, colorScheme, query = '') {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const name = `${width} px, ${colorScheme}, "${query}"`;
  page.on('console', (message) => wrong.push(`${name}: the console says: ${message.text()}`));
  page.on('pageerror', (error) => wrong.push(`${name}: an error: ${error}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) wrong.push(`${name}: it asks for ${request.url()}`);
  });
  const response = await page.goto(url + query);
  expect(response.status() === 200, `${name}: status ${response.status()}`);
  return { page, context, name };
}

// checkLook checks that nothing is wider than the window, and what axe knows.
async function checkLook(width, colorScheme, query) {
  // The debugger's protocol may evaluate what the policy forbids the page itself.
  const { page, context, name } = await open(width, 900, colorScheme, query);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow <= 0, `${name}: the page is ${overflow} px wider than the window`);
  const hidden = await page.evaluate(() =>
    [...document.querySelectorAll('.region')].filter((e) => e.scrollWidth > e.clientWidth && e.tabIndex !== 0).length);
  expect(hidden === 0, `${name}: a region scrolls and cannot be reached by the keyboard`);
  await page.evaluate(axe);
  const result = await page.evaluate(async () =>
    await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  expect(result.passes.some((rule) => rule.id === 'color-contrast'), `${name}: contrast was not checked`);
  for (const violation of result.violations) {
    wrong.push(`${name}: ${violation.id}: ${violation.help}: ${violation.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)).join(' | ')}`);
  }
  await context.close();
}

// focused returns what has the focus, by its id or text.
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());

// tabTo presses Tab until something has the focus.
async function tabTo(page, what) {
  for (let i = 0; i < 200; i++) {
    await page.keyboard.press('Tab');
    if ((await focused(page)) === what) return true;
  }
  wrong.push(`Tab never reaches "${what}"`);
  return false;
}

// checkKeyboard filters without a pointer and a script.
async function checkKeyboard() {
  const { page, context } = await open(1280, 900, 'light');
  await page.keyboard.press('Tab');
  expect((await focused(page)).startsWith('Skip to'), 'the first Tab does not reach the skip link');
  const box = await page.locator('.skip').boundingBox();
  expect(box && box.x >= 0, 'the skip link is not seen when it has the focus');

  if (await tabTo(page, 'Filter')) await page.keyboard.press('Enter');
  await tabTo(page, 'q');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  expect(outline === 'solid', 'the focus is not seen');
  await page.keyboard.type('TENANT');
  await Promise.all([page.waitForURL(/q=TENANT/), page.keyboard.press('Enter')]);
  const caption = () => page.locator('#scopes-caption').innerText();
  expect((await caption()).startsWith('240 rows.'), `filtered by text the table says: ${await caption()}`);

  await tabTo(page, '0 ✕ Failed');
  await Promise.all([page.waitForURL(/state=failed/), page.keyboard.press('Enter')]);
  expect((await caption()).startsWith('No key ring or vault matches.'), `with no match the table says: ${await caption()}`);
  if (await tabTo(page, 'Clear')) {
    await Promise.all([page.waitForURL((at) => at.search === ''), page.keyboard.press('Enter')]);
    expect((await caption()).startsWith('261 rows.'), `without a filter the table says: ${await caption()}`);
  }
  await context.close();
}

// checkFirstScreen checks that a cause is seen without scrolling.
async function checkFirstScreen(width, height, query, text) {
  const { page, context, name } = await open(width, height, 'light', query);
  const box = await page.getByText(text).first().boundingBox();
  expect(box && box.y + box.height <= height, `${name}: "${text}" is not on the first screen`);
  await context.close();
}

async function take(shot) {
  const { page, context } = await open(shot.width, shot.height, shot.colorScheme, shot.at);
  await page.screenshot({ path: join(directory, `${shot.name}.png`) });
  await context.close();
}

try {
  for (const width of [400, 800, 1280]) {
    for (const colorScheme of ['light', 'dark']) {
      // These rows have every state, and the checker takes long for many.
      await checkLook(width, colorScheme, '?target=prod-eu');
      await checkLook(width, colorScheme, 'empty/');
    }
  }
  await checkLook(400, 'light', '?cause=nonsense&state=nonsense&q=kv');
  await checkLook(1280, 'dark', 'large/?state=failed');
  await checkKeyboard();
  await checkFirstScreen(1280, 900, '', 'cloudkms.cryptoKeys.list');
  await checkFirstScreen(400, 700, '', 'context deadline exceeded');
  await checkFirstScreen(400, 700, 'large/', 'cloudkms.cryptoKeys.list');
  if (directory) for (const shot of shots) await take(shot);
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(wrong));
