import { normalizedName, type ImageReference } from '../../src/image/reference.ts';
import type { Identity } from '../../src/registry/identity.ts';
import type { TagSource } from '../../src/resolver/resolver.ts';

/** One question to the source that a test has not answered yet. */
export interface HeldQuestion {
  readonly reference: string;
  readonly fingerprint: string;
  readonly signal: AbortSignal;
  answer(digest: string): void;
  fail(error: Error): void;
}

/** A registry in a test's hand: every question waits until the test answers it. */
export class HeldSource implements TagSource {
  /** All questions so far, answered or not. */
  readonly questions: HeldQuestion[] = [];

  async resolveTag(
    reference: ImageReference,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<{ digest: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ digest: string }>();
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    this.questions.push({
      reference: normalizedName(reference),
      fingerprint: identity.fingerprint,
      signal,
      answer: (digest) => resolve({ digest }),
      fail: reject,
    });
    return promise;
  }

  /** The question with this number, from 0. @throws where it has not been asked. */
  question(number: number): HeldQuestion {
    const question = this.questions[number];
    if (question === undefined) throw new Error(`question ${number} was not asked`);
    return question;
  }
}

/** A registry whose tag a test moves: every question is answered at once with what the tag means then. */
export class MovingSource implements TagSource {
  digest: string;
  failure: Error | undefined;
  asked = 0;

  constructor(digest: string) {
    this.digest = digest;
  }

  async resolveTag(): Promise<{ digest: string }> {
    this.asked += 1;
    if (this.failure !== undefined) throw this.failure;
    return { digest: this.digest };
  }
}
