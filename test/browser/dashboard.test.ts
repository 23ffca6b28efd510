import { hostname } from 'node:os';
import { AxeBuilder } from '@axe-core/playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { Dashboard } from '../../src/dashboard/dashboard.ts';
import { BrowserUnderTest, REBOUND_HOST } from '../support/browser-under-test.ts';
import { freePorts } from '../support/free-ports.ts';
import { admissionReview, ownedBy, pod } from '../support/pods.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';

// Browsers and processes take their time on a machine that does other things besides.
jest.setTimeout(60_000);

// The page in a real browser, of a real webhook process that decides about real reviews.

const HOSTILE = '<img src="x" onerror="globalThis.hacked = true">';
const PHONE = { viewport: { width: 360, height: 740 } };

let browser: BrowserUnderTest;
let webhook: WebhookUnderTest;
let dashboard: Dashboard;

beforeAll(async () => {
  browser = await BrowserUnderTest.start();
}, 60_000);
afterAll(async () => browser.stop());
beforeEach(async () => {
  browser.problems.length = 0;
  webhook = await startWebhook();
});
afterEach(async () => {
  await browser.closePages();
  await webhook.stop();
});

async function startWebhook(
  settings: Record<string, object> = {},
  createDashboard = (options: ConstructorParameters<typeof Dashboard>[0]) => new Dashboard(options),
): Promise<WebhookUnderTest> {
  return WebhookUnderTest.start(settings, {
    createDashboard: (options) => (dashboard = createDashboard(options)),
  });
}

const origin = (): string => `http://127.0.0.1:${webhook.dashboardPort}`;

/** The number in the tile with this name, once the page has it. */
async function tile(page: Page, name: string, value: string): Promise<void> {
  await page.locator('#tiles > div', { hasText: name }).getByText(value, { exact: true }).waitFor();
}

async function openLive(options: Parameters<BrowserUnderTest['open']>[1] = {}): Promise<Page> {
  const page = await browser.open(origin(), options);
  await page.getByRole('status').getByText('Live').waitFor();
  return page;
}

/** A replica of the revision with this uid. */
function ofRevision(uid: string, image: string): object {
  return pod({
    metadata: { ownerReferences: [ownedBy('ReplicaSet', uid, 'apps/v1', `web-${uid}`)] },
    spec: { containers: [{ name: 'web', image }] },
  });
}

/** A revision is born, grows, and its tag moves; another one is refused. */
async function live(): Promise<{ first: string; second: string }> {
  const first = await webhook.registry.push('shop/web', '1.0', 'first');
  for (let replica = 0; replica < 3; replica += 1)
    await webhook.admit(ofRevision('one', webhook.image('1.0')));
  const second = await webhook.registry.push('shop/web', '1.0', 'second');
  await webhook.admit(ofRevision('two', webhook.image('1.0')));
  await webhook.admit(ofRevision('one', webhook.image('1.0')));
  await webhook.review(admissionReview(ofRevision('three', webhook.image('9.9'))));
  return { first, second };
}

test('it loads, says which process it shows and that others have their own numbers, and asks nobody else', async () => {
  const page = await openLive();
  const process = await page.locator('#process').textContent();
  const { process: shown } = await dashboard.state({ pointMs: -1, version: -1 });
  expect(process).toContain(`One webhook process: ${shown.name}, version ${shown.version}, since `);
  expect(process).toContain('Other processes have their own numbers.');
  expect(await page.title()).toBe(`${shown.name} · samebytes`);
  for (const text of ['No Pod was pinned yet.', 'Nothing was refused.', 'No tag was seen to move.'])
    await page.getByText(text).waitFor();
  expect(browser.problems).toEqual([]);
});

test('an admission shows within moments, without a reload; the numbers are those of /metrics', async () => {
  const page = await openLive();
  await tile(page, 'Pinned', '0');
  const { first, second } = await live();
  await tile(page, 'Pinned', '5');
  await tile(page, 'Refused', '1');
  expect(await webhook.metric('samebytes_admissions_total{outcome="pinned"}')).toBe(5);
  const hits = await webhook.metric('samebytes_cache_requests_total{cache="pin",result="hit"}');
  await page.getByText(`${hits} of 6 looks`).waitFor();
  const outcomes = page.getByRole('table', { name: 'Admissions since this process started, by outcome' });
  expect(await outcomes.getByRole('row').allTextContents()).toEqual([
    'OutcomeLast minuteAdmissions',
    'pinned05',
    'refused01',
  ]);

  const pins = page.getByRole('table', { name: /^The last pins/ }).getByRole('row');
  expect(await pins.nth(1).innerText()).toMatch(/ReplicaSet\/web-one\s+shop/);
  expect(await pins.nth(1).innerText()).toContain(webhook.image('1.0'));
  expect(await pins.nth(1).innerText()).toContain(first);
  expect(await pins.nth(1).locator('.number').innerText()).toBe('4');
  expect(await pins.nth(2).innerText()).toContain(second);

  const moves = page.getByRole('table', { name: /^Tags that moved/ }).getByRole('row');
  expect(await moves.nth(1).innerText()).toMatch(new RegExp(`web-one[^]*${first}[^]*${second}`));
  expect(await moves.nth(2).innerText()).toMatch(new RegExp(`web-two[^]*${first}[^]*${second}`));

  const refusals = page.getByRole('table', { name: /^The last refusals/ }).getByRole('row');
  expect(await refusals.nth(1).innerText()).toMatch(
    /ReplicaSet\/web-three[^]*refused\s+not_found[^]*cannot pin image ".*shop\/web:9\.9".*no such tag/,
  );
  expect(browser.problems).toEqual([]);
});

test('charts are drawn, with the same numbers as a text and as a table; registries have their health', async () => {
  const page = await openLive();
  await live();
  await dashboard.sample();
  const plot = page.getByRole('img', { name: 'Admissions per minute: refused 1, pinned 5' });
  await plot.waitFor();
  await page.getByRole('img', { name: /^Cache hit ratio: pin 50%, tag 0%/ }).waitFor();
  await page.getByRole('img', { name: /^Latency: p99 .*ms, p50 .*ms$/ }).waitFor();
  await page.getByText('As a table').nth(1).click();
  const rows = page.getByRole('table', { name: 'Admissions per minute, minute by minute' }).getByRole('row');
  expect(await rows.nth(1).innerText()).toMatch(/^\d\d:\d\d:\d\d\s+–\s+–\s+1\s+–\s+–\s+–\s+–\s+5\s+–$/);
  expect(await rows.nth(0).innerText()).toMatch(/refused/);
  const registry = page
    .getByRole('table', { name: /^Registries/ })
    .getByRole('row')
    .nth(1);
  expect(await registry.innerText()).toMatch(new RegExp(`${webhook.registry.host}\\s+answers`));
  expect(await registry.innerText()).toContain('not told');
  expect(browser.problems).toEqual([]);
});

test('text from the cluster is text, whatever it looks like', async () => {
  const page = await openLive();
  await webhook.registry.push('shop/web', '1.0', 'first');
  const named = { name: HOSTILE, image: webhook.image('1.0') };
  const hostile = (image: string): object =>
    pod({
      metadata: { ownerReferences: [ownedBy('ReplicaSet', image, 'apps/v1', HOSTILE)] },
      spec: { containers: [{ ...named, image }] },
    });
  await webhook.review(admissionReview(hostile(webhook.image('1.0')), { namespace: HOSTILE }));
  await webhook.review(admissionReview(hostile(webhook.image('9.9')), { namespace: HOSTILE }));
  await webhook.review(admissionReview(hostile(HOSTILE)));
  const move = { namespace: HOSTILE, owner: HOSTILE, reference: HOSTILE, from: HOSTILE, to: HOSTILE };
  dashboard.recorder.tagMoved(move);
  await page
    .getByRole('table', { name: /^Tags that moved/ })
    .getByText(HOSTILE)
    .first()
    .waitFor();
  expect(await page.getByText(HOSTILE).count()).toBe(8);
  expect(await page.locator('main img').count()).toBe(0);
  expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false);
  expect(browser.problems).toEqual([]);
});

test('what a registry answers with does not reach the page', async () => {
  const { registry } = webhook;
  registry.intercept = (_request, response) => {
    const hostile = JSON.stringify({ errors: [{ code: 'DENIED', message: `planted-secret ${HOSTILE}` }] });
    const challenge = 'Basic realm="planted-secret"';
    response.writeHead(401, { 'www-authenticate': challenge, warning: '299 - "planted-secret"' });
    response.end(hostile);
  };
  const page = await openLive();
  const image = webhook.image('1.0');
  const response = await webhook.review(admissionReview(ofRevision('one', image)));
  const refusals = page.getByRole('table', { name: /^The last refusals/ }).getByRole('row');
  await refusals.nth(1).getByText('denied', { exact: true }).waitFor();
  expect(await refusals.nth(1).innerText()).toContain(response.status?.message);
  expect(await page.content()).not.toMatch(/planted-secret|onerror/);
  const state = await fetch(`${origin()}/state`).then((answer) => answer.text());
  expect(state).toContain(image);
  expect(state).not.toMatch(/planted-secret|onerror/);
  expect(browser.problems).toEqual([]);
});

test('even a page that went wrong could not turn text into markup', async () => {
  const page = await browser.openUnwatched();
  await page.goto(origin());
  const outcome = await page.evaluate((text) => {
    try {
      document.body.innerHTML = text;
      return 'inserted';
    } catch (error) {
      return String(error);
    }
  }, HOSTILE);
  expect(outcome).toMatch(/TrustedHTML/);
});

test('it says when the process is gone, and goes on by itself when one is back, with the numbers of that one', async () => {
  const [port = 0] = await freePorts(1);
  await webhook.stop();
  webhook = await startWebhook({ dashboard: { port } });
  const page = await openLive();
  await live();
  await tile(page, 'Pinned', '5');
  await webhook.stop();
  const status = page.getByRole('status');
  await status.getByText(/^Connection lost at \d\d:\d\d:\d\d: trying again$/).waitFor();
  await tile(page, 'Pinned', '5');

  webhook = await startWebhook(
    { dashboard: { port } },
    (options) => new Dashboard({ ...options, process: { ...options.process, name: 'another-pod' } }),
  );
  await status.getByText('Live').waitFor();
  await page.getByText('another-pod').waitFor();
  await tile(page, 'Pinned', '0');
  await page.getByText('No Pod was pinned yet.').waitFor();
  expect(await page.locator('#process').textContent()).not.toContain(hostname());
});

test('it loads itself anew where a process of another version comes back', async () => {
  const [port = 0] = await freePorts(1);
  const startVersion = async (version: string): Promise<WebhookUnderTest> =>
    startWebhook(
      { dashboard: { port } },
      (options) =>
        new Dashboard({ ...options, process: { ...options.process, name: `pod-of-${version}`, version } }),
    );
  await webhook.stop();
  webhook = await startVersion('1.0.0');
  const page = await openLive();
  await page.evaluate(() => document.body.classList.add('old'));
  await webhook.stop();
  await page.getByText(/^Connection lost/).waitFor();
  expect(await page.locator('body.old').count()).toBe(1);
  webhook = await startVersion('2.0.0');
  await page.getByText('version 2.0.0').waitFor();
  expect(await page.locator('body.old').count()).toBe(0);
});

test('a site whose name was made to resolve to this machine cannot read it', async () => {
  const page = await browser.openUnwatched();
  const answer = await page.goto(`http://${REBOUND_HOST}:${webhook.dashboardPort}/state`);
  expect(answer?.status()).toBe(403);
  expect(await page.content()).not.toContain('admissions');
});

test('another site can neither read it nor frame it', async () => {
  const page = await browser.openUnwatched();
  // The health port is another origin on this machine.
  await page.goto(`http://localhost:${webhook.dashboardPort}/favicon.svg`);
  const read = await page.evaluate(
    (url) => fetch(url).then((response) => response.text(), String),
    `${origin()}/state`,
  );
  expect(read).toMatch(/Failed to fetch/);
});

describe('who uses it', () => {
  const moods = { light: 'rgb(243, 245, 248)', dark: 'rgb(14, 18, 23)' } as const;

  test.each(['light', 'dark'] as const)(
    'in %s finds no fault that axe knows of, on a desk and on a phone',
    async (colorScheme) => {
      for (const [size, isBusy] of [
        [{}, false],
        [{}, true],
        [PHONE, true],
      ] as const) {
        if (isBusy) {
          await live();
          await dashboard.sample();
        }
        const page = await browser.openUnwatched({ colorScheme, ...size });
        await page.goto(origin());
        await page.getByRole('status').getByText('Live').waitFor();
        const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        expect(ground).toBe(moods[colorScheme]);
        await page.getByText('As a table').first().click();
        const { violations, passes } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => ({ id, html: nodes.map(({ html }) => html) }))).toEqual([]);
        expect(passes.map(({ id }) => id)).toContain('color-contrast');
      }
    },
  );

  test('on a phone need not scroll sideways, however long the names are', async () => {
    await live();
    const long = 'a-name-without-any-space-in-it-'.repeat(8);
    dashboard.recorder.tagMoved({
      ...{ namespace: long, owner: `ReplicaSet/${long}`, reference: `registry.example/${long}` },
      ...{ from: `sha512:${'a'.repeat(128)}`, to: `sha512:${'b'.repeat(128)}` },
    });
    await dashboard.sample();
    const page = await openLive(PHONE);
    await page
      .getByRole('table', { name: /^Tags that moved/ })
      .getByText(long)
      .first()
      .waitFor();
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(widths).toEqual([360, 360]);
    const sideways = await page.evaluate(
      () =>
        [...document.querySelectorAll('.cards')].filter((list) => list.scrollWidth > list.clientWidth).length,
    );
    expect(sideways).toBe(0);
    expect(browser.problems).toEqual([]);
  });

  test('reaches everything by keyboard', async () => {
    await live();
    for (let index = 0; index < 20; index += 1)
      dashboard.recorder.tagMoved({
        namespace: 'shop',
        owner: `Job/${index}`,
        reference: 'a:1',
        from: 'a',
        to: 'b',
      });
    await dashboard.sample();
    const page = await openLive();
    await page.getByText('Show all 22').waitFor();
    const focused = async (): Promise<string> =>
      page.evaluate(
        () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '',
      );
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the numbers');
    const seen: string[] = [];
    for (let press = 0; press < 14; press += 1) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
      if (seen.at(-1) === 'As a table' && seen.length === 1) await page.keyboard.press('Enter');
    }
    expect(seen.slice(0, 4)).toEqual([
      'As a table',
      'Cache hit ratio, minute by minute',
      'As a table',
      'As a table',
    ]);
    expect(seen).toContain('Show all 22');
    await page.getByRole('button', { name: 'Show all 22' }).focus();
    await page.keyboard.press('Enter');
    const rows = page.getByRole('table', { name: /^Tags that moved/ }).getByRole('row');
    expect(await rows.count()).toBe(23);
    const button = page.getByRole('button', { name: 'Show the newest 8' });
    expect(await button.getAttribute('aria-expanded')).toBe('true');
    expect(browser.problems).toEqual([]);
  });

  test('finds landmarks, one heading of the first level, and a caption on every table', async () => {
    const page = await openLive();
    for (const role of ['banner', 'main', 'contentinfo'] as const)
      expect(await page.getByRole(role).count()).toBe(1);
    expect(await page.getByRole('heading', { level: 1 }).allTextContents()).toEqual(['samebytes']);
    expect(await page.getByRole('heading', { level: 2 }).count()).toBe(7);
    expect(await page.locator('table:not(:has(caption))').count()).toBe(0);
  });
});
