import { AnswerTooLargeError } from './api-transport.ts';

/** How much of a list is asked for at once: less where its objects turn out to be large, down to one by one. */
export class PageSize {
  #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  /**
   * Reads one page, again with a tenth of the size where the answer is too large; later pages begin with what fitted.
   * @throws {AnswerTooLargeError} for a single object; what `page` throws.
   */
  async read<T>(page: (limit: number) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await page(this.#size);
      } catch (error) {
        if (!(error instanceof AnswerTooLargeError) || this.#size === 1) throw error;
        this.#size = Math.ceil(this.#size / 10);
      }
    }
  }
}
