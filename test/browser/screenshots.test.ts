import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, jest, test } from '@jest/globals';
import { Dashboard, SAMPLE_EVERY_MS } from '../../src/dashboard/dashboard.ts';
import { OciRegistry } from '../../src/demo/oci-registry.ts';
import { PlayedApiServer } from '../../src/demo/played-api-server.ts';
import { FOLLOWED, ShopLife } from '../../src/demo/shop-life.ts';
import { BrowserUnderTest } from '../support/browser-under-test.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';

// The pictures in the documents: a real webhook process and the demo's small cluster, whose quarter of an hour is played
// in seconds. They are written only on request (npm run screenshots), so that tests leave the tree as it is.

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const IS_WRITING = process.env['UPDATE_SCREENSHOTS'] === '1';
const POINTS = IS_WRITING ? 150 : 12;
const MAX_BYTES = 250_000;

const SHOTS = {
  'dashboard-light': { viewport: { width: 1200, height: 1130 } },
  'dashboard-dark': { viewport: { width: 1200, height: 1130 }, colorScheme: 'dark' },
  'dashboard-phone': { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5 },
} as const;

afterEach(() => void jest.restoreAllMocks());

test('the page is photographed in light, in dark and on a phone', async () => {
  let dashboard!: Dashboard;
  const partner = new OciRegistry();
  await partner.start();
  let nowMs = Date.UTC(2026, 4, 12, 14, 45);
  const since = new Date(nowMs).toISOString();
  // Breakers and caches live through that time as well.
  const [startMs, realMs] = [nowMs, performance.now.bind(performance)];
  jest.spyOn(performance, 'now').mockImplementation(() => realMs() + nowMs - startMs);
  const webhook = await WebhookUnderTest.start(
    { policies: { rules: [{ images: [`*/${FOLLOWED}`], policy: 'follow' }] } },
    {
      createDashboard: ({ metrics }) =>
        (dashboard = new Dashboard({
          metrics,
          process: { name: 'samebytes-6c9f7d8b5-x2x7k', namespace: 'samebytes', version: '0.1.0', since },
          now: () => new Date(nowMs),
        })),
      moreRegistries: [partner.host],
    },
  );
  const api = new PlayedApiServer({ port: webhook.port, ca: webhook.ca });
  const life = new ShopLife({ api, registry: webhook.registry, partner });
  const browser = await BrowserUnderTest.start();
  try {
    for (let point = 0; point < POINTS; point += 1) {
      nowMs += SAMPLE_EVERY_MS;
      for (let step = 0; step < 2 + (point % 3); step += 1) await life.step();
      await dashboard.sample();
    }
    for (const [name, options] of Object.entries(SHOTS)) {
      const page = await browser.open(`http://127.0.0.1:${webhook.dashboardPort}`, options);
      await page.getByRole('img', { name: /pinned \d/ }).waitFor();
      const path = `${IMAGES}${name}.png`;
      const bytes = await page.screenshot(IS_WRITING ? { path } : {});
      expect(bytes.length).toBeLessThan(MAX_BYTES);
      expect((await stat(path)).size).toBeLessThan(MAX_BYTES);
    }
    expect(browser.problems).toEqual([]);
  } finally {
    await Promise.all([browser.stop(), api.close()]);
    await webhook.stop();
    await partner.stop();
  }
}, 180_000);
