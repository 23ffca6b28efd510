import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { request } from 'undici';
import { ChildProcess } from './child-process.ts';
import { freePorts } from './free-ports.ts';
import { until } from './until.ts';

/** Where Prometheus and its promtool are. */
export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/** The programs, by PATH; undefined where one is missing. */
export function findPrometheus(): PrometheusPrograms | undefined {
  const [prometheus, promtool] = ['prometheus', 'promtool'].map((name) =>
    (process.env['PATH'] ?? '')
      .split(delimiter)
      .map((directory) => join(directory, name))
      .find((file) => existsSync(file)),
  );
  return prometheus === undefined || promtool === undefined ? undefined : { prometheus, promtool };
}

/** One line of an answer: its labels, and its value as text. */
export interface PrometheusSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A real Prometheus on loopback that scrapes one webhook process each second. */
export class Prometheus {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #url: string;

  private constructor(process: ChildProcess, directory: string, url: string) {
    this.#process = process;
    this.#directory = directory;
    this.#url = url;
  }

  /** Resolves once it answers. @throws where the program is missing or does not start. */
  static async start(healthPort: number): Promise<Prometheus> {
    const command = findPrometheus()?.prometheus;
    if (command === undefined) throw new Error('Prometheus is not installed');
    const directory = await mkdtemp(join(tmpdir(), 'samebytes-prometheus-'));
    const config = {
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'samebytes', static_configs: [{ targets: [`127.0.0.1:${healthPort}`] }] }],
    };
    // JSON is YAML.
    await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(config));
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const process = new ChildProcess({
      command,
      args: [
        `--config.file=${join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      cwd: directory,
    });
    const started = new Prometheus(process, directory, url);
    try {
      await until('Prometheus to answer', async () => (await request(`${url}/-/ready`)).statusCode === 200);
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** What an expression gives now, or at another time, in seconds since 1970. @throws where it cannot be read. */
  async query(expression: string, atSeconds?: number): Promise<readonly PrometheusSample[]> {
    const parameters = { query: expression, ...(atSeconds === undefined ? {} : { time: String(atSeconds) }) };
    const answer = await request(`${this.#url}/api/v1/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(parameters).toString(),
    });
    const { status, error, data } = (await answer.body.json()) as {
      status: string;
      error?: string;
      data?: { result: PrometheusSample[] };
    };
    if (status !== 'success' || data === undefined) throw new Error(`${expression}: ${error}`);
    return data.result;
  }
}
