import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

/** A serving certificate, its chain and its private key, in PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Files that can be read, but hold no certificate, no key, or a key of another certificate. */
export class TlsPairError extends Error {
  override readonly name = 'TlsPairError';
  readonly code = 'invalid_tls_pair';
}

export interface TlsFilesOptions {
  readonly certFile: string;
  readonly keyFile: string;
  /** Called with every new pair that is usable. */
  readonly onChange: (pair: TlsPair) => void;
  /** Called when the files changed into something unusable; the last good pair stays in use. */
  readonly onError: (error: unknown) => void;
}

/** The serving certificate on disk. Read again and again: a mounted Secret is swapped without a signal. */
export class TlsFiles {
  readonly #options: TlsFilesOptions;
  #served: TlsPair;
  #lastProblem = '';

  private constructor(options: TlsFilesOptions, served: TlsPair) {
    this.#options = options;
    this.#served = served;
  }

  /** Reads the files for the first time. @throws {TlsPairError}, or the file system's error where one is missing. */
  static async open(options: TlsFilesOptions): Promise<TlsFiles> {
    return new TlsFiles(options, await readPair(options));
  }

  /** The pair in use. */
  get served(): TlsPair {
    return this.#served;
  }

  /** Reads the files again. Unchanged bytes change nothing; an unusable pair is reported once. */
  async check(): Promise<void> {
    try {
      const pair = await readPair(this.#options);
      this.#lastProblem = '';
      if (pair.cert === this.#served.cert && pair.key === this.#served.key) return;
      this.#served = pair;
      this.#options.onChange(pair);
    } catch (error) {
      // Halfway through a swap the two files may not match; the next look finds them whole.
      const problem = String(error);
      if (problem !== this.#lastProblem) this.#options.onError(error);
      this.#lastProblem = problem;
    }
  }
}

async function readPair({ certFile, keyFile }: TlsFilesOptions): Promise<TlsPair> {
  // In turn, so that where both are missing it is always the certificate that is named.
  const cert = await readFile(certFile, 'utf8');
  const key = await readFile(keyFile, 'utf8');
  try {
    createSecureContext({ cert, key });
    // That takes empty text for no certificate at all.
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
      throw new Error('the key is of another');
  } catch (cause) {
    const problem = `${certFile} and ${keyFile} are no certificate and its private key in PEM`;
    throw new TlsPairError(problem, { cause });
  }
  return { cert, key };
}
