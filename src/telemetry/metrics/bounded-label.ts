/** Values of a label that others choose: the first ones have their names, all further ones are `other`. */
export class BoundedLabel {
  readonly #max: number;
  readonly #known = new Set<string>();
  readonly #reserved = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** These have their names whenever they come: an operator wrote them, and others' values must not crowd them out. */
  reserve(values: Iterable<string>): void {
    for (const value of values) this.#reserved.add(value);
  }

  of(value: string): string {
    if (this.#known.has(value) || this.#reserved.has(value)) return value;
    if (this.#known.size >= this.#max) return 'other';
    this.#known.add(value);
    return value;
  }
}
