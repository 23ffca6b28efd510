import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { CHROMIUM_ARGS, findChromium } from './chromium.ts';

/** A name that resolves to this machine in the browser alone, as a hostile site's does after DNS rebinding. */
export const REBOUND_HOST = 'evil.example';

/** A real browser, and everything in it that should not have happened. */
export class BrowserUnderTest {
  /** Console errors and warnings, exceptions, violations of the policy, requests to anywhere but the page's own origin. */
  readonly problems: string[] = [];
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<BrowserUnderTest> {
    const browser = await chromium.launch({
      executablePath: findChromium() ?? 'chromium',
      args: [...CHROMIUM_ARGS, `--host-resolver-rules=MAP ${REBOUND_HOST} 127.0.0.1`],
    });
    return new BrowserUnderTest(browser);
  }

  /** A page whose problems are collected; `origin` is all that it may talk to. */
  async open(origin: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.openUnwatched(options);
    page.on('console', (message) => {
      if (message.type() !== 'log') this.problems.push(`console ${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.problems.push(`exception: ${error.message}`));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) this.problems.push(`request to ${request.url()}`);
    });
    await page.goto(origin);
    return page;
  }

  /** A page of which problems are expected. */
  async openUnwatched(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: { width: 1280, height: 900 },
      locale: 'en-GB',
      timezoneId: 'UTC',
      ...options,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    return page;
  }

  async closePages(): Promise<void> {
    await Promise.all(this.#browser.contexts().map((context) => context.close()));
  }

  async stop(): Promise<void> {
    await this.#browser.close();
  }
}
