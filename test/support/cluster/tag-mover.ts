import { until } from '../until.ts';
import type { DistributionRegistry } from './distribution-registry.ts';

/** Moves a tag to another image, again and again, as fast as the registry takes it. */
export class TagMover {
  readonly #registry: DistributionRegistry;
  readonly #image: { readonly repository: string; readonly tag: string };
  #stopped = false;
  #moving: Promise<void> = Promise.resolve();
  #moves = 0;

  constructor(registry: DistributionRegistry, image: { repository: string; tag: string }) {
    this.#registry = registry;
    this.#image = image;
  }

  /** How often the tag was moved. */
  get moves(): number {
    return this.#moves;
  }

  /** Waits for a move that begins from now on. */
  async moved(): Promise<void> {
    // One may be under way already.
    const enough = this.#moves + 2;
    await until('the tag to move', () => this.#moves >= enough);
  }

  start(): void {
    this.#stopped = false;
    this.#moving = this.#move();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#moving;
  }

  async #move(): Promise<void> {
    while (!this.#stopped) {
      await this.#registry.push(this.#image.repository, this.#image.tag, `move ${this.#moves}`);
      this.#moves += 1;
      // A registry that is written to without a pause answers nobody else on two cores.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
