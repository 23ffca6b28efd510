import type { OciRegistry } from './oci-registry.ts';
import type { PlayedApiServer, PlayedReplicaSet } from './played-api-server.ts';

export interface ShopLifeOptions {
  readonly api: PlayedApiServer;
  /** The shop's own registry, which is always there. */
  readonly registry: OciRegistry;
  /** Another company's, which is away now and then. */
  readonly partner: OciRegistry;
}

interface Deployment {
  readonly namespace: string;
  readonly name: string;
  readonly from: 'registry' | 'partner';
  readonly tag: string;
  /** Newest first; as many as `kubectl rollout undo` can reach here. */
  revisions: readonly PlayedReplicaSet[];
}

/** The repository whose tag every Pod follows: the demo's settings have a rule for it. */
export const FOLLOWED = 'shop/banner';

const MAX_REVISIONS = 3;
const SHOP: readonly Omit<Deployment, 'revisions'>[] = [
  { namespace: 'shop', name: 'web', from: 'registry', tag: '1.0' },
  { namespace: 'shop', name: 'cart', from: 'registry', tag: 'stable' },
  { namespace: 'shop', name: 'search', from: 'registry', tag: '2.4' },
  { namespace: 'office', name: 'mailer', from: 'registry', tag: 'latest' },
  { namespace: 'office', name: 'reports', from: 'partner', tag: '7' },
];
/** The partner's registry is away during these steps of every round. */
const ROUND_STEPS = 60;
const AWAY = { from: 35, until: 45 };

/** A small company's cluster that goes on living, so that there is something to see: scales, pushes, outages, typos. */
export class ShopLife {
  readonly #options: ShopLifeOptions;
  readonly #deployments = SHOP.map((deployment): Deployment => ({ ...deployment, revisions: [] }));
  #banner: PlayedReplicaSet | undefined;
  #step = 0;
  #builds = 0;

  constructor(options: ShopLifeOptions) {
    this.#options = options;
  }

  /** What happens next. The same each time, from the first step on. */
  async step(): Promise<void> {
    const step = this.#step;
    this.#step += 1;
    const turn = step % ROUND_STEPS;
    if (step === 0) await this.#open();
    if (turn === AWAY.from) await this.#options.partner.stop();
    if (turn === AWAY.until) await this.#options.partner.start();
    const chosen = this.#deployments[step % this.#deployments.length];
    if (chosen === undefined) return;
    if (step % 6 === 1) await this.#push(chosen);
    if (step % 6 === 3) await this.#restart(chosen);
    else if (step % 11 === 5) await this.#create(chosen.revisions[1] ?? chosen.revisions[0], 2);
    else await this.#create(chosen.revisions[0], 1 + ((step * 7) % 4));
    if (turn > AWAY.from && turn < AWAY.until && turn % 3 === 0) await this.#restartReports();
    if (step % 4 === 0) await this.#create(this.#banner, 3);
    if (step % 25 === 12) await this.#misspell();
  }

  async #open(): Promise<void> {
    for (const deployment of this.#deployments) {
      await this.#push(deployment);
      await this.#restart(deployment);
    }
    const { registry, api } = this.#options;
    await registry.push(FOLLOWED, 'live', 'a banner');
    this.#banner = api.newReplicaSet(`${registry.host}/${FOLLOWED}:live`, {
      namespace: 'shop',
      name: 'banner',
    });
  }

  /** CI builds it anew: the tag moves. Where CI cannot reach the registry, it fails. */
  async #push({ from, name, tag }: Deployment): Promise<void> {
    this.#builds += 1;
    await this.#options[from].push(`shop/${name}`, tag, `build ${this.#builds} of ${name}`).catch(() => {});
  }

  async #restart(deployment: Deployment): Promise<void> {
    const { from, namespace, name, tag } = deployment;
    const image = `${this.#options[from].host}/shop/${name}:${tag}`;
    const revision = this.#options.api.newReplicaSet(image, { namespace, name });
    deployment.revisions = [revision, ...deployment.revisions].slice(0, MAX_REVISIONS);
    await this.#create(revision, 3);
  }

  async #restartReports(): Promise<void> {
    const reports = this.#deployments.find(({ from }) => from === 'partner');
    if (reports !== undefined) await this.#restart(reports);
  }

  /** Somebody writes the letter O for a zero. */
  async #misspell(): Promise<void> {
    const image = `${this.#options.registry.host}/shop/web:1.O`;
    await this.#create(this.#options.api.newReplicaSet(image, { namespace: 'shop', name: 'web' }), 2);
  }

  async #create(revision: PlayedReplicaSet | undefined, count: number): Promise<void> {
    if (revision === undefined) return;
    await Promise.all(Array.from({ length: count }, () => this.#options.api.createPod(revision)));
  }
}
