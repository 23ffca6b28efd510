import {
  authoritiesIn,
  namesTogether,
  newestAuthority,
  renewalReason,
  renewBundle,
  type BundleOptions,
  type CertificateBundle,
  type RenewalReason,
} from './certificate-bundle.ts';

/** A bundle as it was read, with the version that a write has to name. */
export interface StoredBundle {
  readonly bundle: CertificateBundle;
  readonly version: string;
}

/** Where all webhook processes keep their one certificate. Writes say whether they won: somebody may be faster. */
export interface CertificateStore {
  read(): Promise<StoredBundle | undefined>;
  create(bundle: CertificateBundle): Promise<boolean>;
  replace(bundle: CertificateBundle, version: string): Promise<boolean>;
}

/** Which authorities the API server trusts when it calls us, as it was read. */
export interface TrustState {
  /** In PEM, one per webhook; undefined where a webhook has none. */
  readonly trusted: readonly (string | undefined)[];
  readonly version: string;
}

export interface TrustAnchors {
  read(): Promise<TrustState>;
  /** Writes the same authorities to every webhook, unless `version` is not the newest any more: then false. */
  write(trusted: string, version: string): Promise<boolean>;
}

export interface ManagedCertificateOptions extends BundleOptions {
  readonly store: CertificateStore;
  readonly anchors: TrustAnchors;
  /** How long the API servers may take to notice new authorities, in milliseconds. */
  readonly settleMs: number;
  readonly onChange: (bundle: CertificateBundle) => void;
  /** Told in words of every renewal and repair that this process makes. */
  readonly onRepair: (what: string) => void;
  /** The wall clock. */
  readonly now: () => Date;
}

/**
 * The certificate that samebytes makes for itself, shared by all its processes through a Secret. Each look brings
 * three things in line: the Secret (made, renewed), the API server's trust (put back where it was lost), and what this
 * process serves. A new certificate is served only once its authority has been trusted for `settleMs`, and the
 * authority before it stays trusted: so no admission request meets a certificate that it cannot check.
 */
export class ManagedCertificate {
  readonly #options: ManagedCertificateOptions;
  #served: (CertificateBundle & { readonly authority: string }) | undefined;
  /** What was found to be trusted, and since when. */
  #settling: { readonly trusted: string; readonly sinceMs: number } | undefined;

  constructor(options: ManagedCertificateOptions) {
    this.#options = options;
  }

  /** What is to be served; undefined before the first certificate has settled. */
  get served(): CertificateBundle | undefined {
    return this.#served;
  }

  /** Brings everything in line, as far as that goes now; the next look goes on. @throws what the stores throw. */
  async check(): Promise<void> {
    // In this order: whoever wrote the authorities that are read here had written the Secret before, so the Secret
    // that is read next is at least as new, and an older one can never replace newer authorities.
    const anchors = await this.#options.anchors.read();
    const stored = await this.#current(anchors);
    if (stored === undefined) return;
    const { bundle } = stored;
    const wasTrusted = anchors.trusted.every((trusted) => trusted === bundle.trusted);
    if (!wasTrusted && !(await this.#options.anchors.write(bundle.trusted, anchors.version))) return;
    if (!wasTrusted) this.#options.onRepair('wrote the certificate authorities to the webhook configuration');
    this.#serve(bundle, wasTrusted);
  }

  /** The bundle in the store, made or renewed first where that is due; undefined where somebody was faster. */
  async #current(anchors: TrustState): Promise<{ bundle: CertificateBundle } | undefined> {
    const { store, now } = this.#options;
    const stored = await store.read();
    if (stored === undefined) {
      const bundle = await renewBundle(this.#trustedNow(anchors), this.#options, now());
      if (!(await store.create(bundle))) return undefined;
      this.#options.onRepair('made a certificate');
      return { bundle };
    }
    const reason = renewalReason(stored.bundle, this.#options, now());
    if (reason === undefined) return stored;
    const bundle = await this.#renew(stored.bundle, reason, anchors);
    if (!(await store.replace(bundle, stored.version))) return undefined;
    this.#options.onRepair(`renewed the certificate: ${reason}`);
    return { bundle };
  }

  async #renew(
    { cert, trusted }: CertificateBundle,
    reason: RenewalReason,
    anchors: TrustState,
  ): Promise<CertificateBundle> {
    const { names: own, validDays, now } = this.#options;
    const hasOthers = reason === 'names changed';
    const names = hasOthers ? namesTogether(cert, own) : own;
    // The time of a renewal that is due comes long after the last one: by then every process serves the newest.
    const stored = hasOthers ? authoritiesIn(trusted) : [newestAuthority(trusted)];
    const kept = reason === 'unusable' ? this.#trustedNow(anchors) : stored;
    return renewBundle(kept, { names, validDays }, now());
  }

  /** Where the store does not tell: what other processes serve may be of any authority that is trusted. */
  #trustedNow({ trusted }: TrustState): string[] {
    return [this.#served?.authority ?? '', ...trusted.flatMap((text) => authoritiesIn(text ?? ''))];
  }

  #serve(bundle: CertificateBundle, wasTrusted: boolean): void {
    if (bundle.cert === this.#served?.cert) return;
    const nowMs = this.#options.now().getTime();
    if (this.#settling?.trusted !== bundle.trusted) {
      // A process that starts finds authorities that have been there for long.
      const isFirstLook = this.#served === undefined && this.#settling === undefined;
      const sinceMs = isFirstLook && wasTrusted ? nowMs - this.#options.settleMs : nowMs;
      this.#settling = { trusted: bundle.trusted, sinceMs };
    }
    // What is served may have lost its trust, by whatever hand: then nothing is better than the new one at once.
    const isServedTrusted = this.#served !== undefined && bundle.trusted.includes(this.#served.authority);
    const waits = this.#served === undefined || isServedTrusted;
    if (waits && nowMs - this.#settling.sinceMs < this.#options.settleMs) return;
    this.#served = { ...bundle, authority: newestAuthority(bundle.trusted) };
    this.#options.onChange(bundle);
  }
}
