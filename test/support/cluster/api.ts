import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Agent, request } from 'undici';
import type { ControlPlaneAddress } from './control-plane.ts';

/** An answer of the API server that is no success. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(`${status}: ${message}`);
    this.status = status;
  }
}

/** A Kubernetes object, as loosely as tests look at it. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests read fields of all kinds; a wrong one fails there
export type KubeObject = Record<string, any>;

/** The API server by HTTP, without a client in between that could hide what it says. */
export class Api {
  readonly #agent: Agent;
  readonly #server: string;
  readonly #token: string;
  /** The warnings that came with the last answer. */
  warnings: readonly string[] = [];
  /** The headers that came with the last answer, by their names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>> = {};

  private constructor(agent: Agent, server: string, token: string) {
    this.#agent = agent;
    this.#server = server;
    this.#token = token;
  }

  static async open({ server, ca, adminToken }: ControlPlaneAddress, token = adminToken): Promise<Api> {
    const connect = { ca: await readFile(ca, 'utf8') };
    return new Api(new Agent({ connect, connections: 64, keepAliveTimeout: 1_000 }), server, token);
  }

  async text(path: string): Promise<string> {
    return this.#send('GET', path);
  }

  async get(path: string): Promise<KubeObject> {
    return JSON.parse(await this.#send('GET', path)) as KubeObject;
  }

  async post(path: string, body: object): Promise<KubeObject> {
    return JSON.parse(await this.#send('POST', path, body)) as KubeObject;
  }

  async put(path: string, body: object): Promise<KubeObject> {
    return JSON.parse(await this.#send('PUT', path, body)) as KubeObject;
  }

  async patch(path: string, body: object, type = 'application/merge-patch+json'): Promise<KubeObject> {
    return JSON.parse(await this.#send('PATCH', path, body, type)) as KubeObject;
  }

  async delete(path: string, body?: object): Promise<void> {
    await this.#send('DELETE', path, body);
  }

  /** Calls `onEvent` with every event of a watch, until the signal or the API server ends it. */
  async watch(
    path: string,
    signal: AbortSignal,
    onEvent: (type: string, object: KubeObject) => void,
  ): Promise<void> {
    const answer = await request(`${this.#server}${path}`, {
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${this.#token}` },
      bodyTimeout: 0,
      signal,
    });
    if (answer.statusCode !== 200) throw new ApiError(answer.statusCode, await answer.body.text());
    for await (const line of createInterface({ input: answer.body })) {
      const { type, object } = JSON.parse(line) as { type: string; object: KubeObject };
      onEvent(type, object);
    }
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #send(method: string, path: string, body?: object, type = 'application/json'): Promise<string> {
    const answer = await request(`${this.#server}${path}`, {
      dispatcher: this.#agent,
      method: method as 'GET',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': type },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.body.text();
    this.headers = answer.headers;
    this.warnings = [answer.headers['warning'] ?? []].flat();
    if (answer.statusCode >= 300) throw new ApiError(answer.statusCode, text);
    return text;
  }
}
