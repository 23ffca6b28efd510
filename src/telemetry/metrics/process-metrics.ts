import { X509Certificate } from 'node:crypto';
import { Gauge, type Registry } from 'prom-client';

/** The webhook process itself: what it is, and how long its certificate lasts. */
export class ProcessMetrics {
  readonly #build: Gauge<'version'>;
  readonly #certificateExpiry: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#build = new Gauge({
      name: 'samebytes_build_info',
      help: 'Always 1; its label says which version runs.',
      labelNames: ['version'],
      registers,
    });
    this.#certificateExpiry = new Gauge({
      name: 'samebytes_certificate_expiry_timestamp_seconds',
      help: 'When the serving certificate expires, in seconds since 1970; absent before there is one.',
      registers,
    });
    // A gauge without labels begins at 0, which would be a certificate that expired in 1970.
    this.#certificateExpiry.remove();
  }

  tellVersion(version: string): void {
    this.#build.set({ version }, 1);
  }

  /** This certificate is served from now on; in PEM, the leaf first. */
  tellCertificate(pem: string): void {
    this.#certificateExpiry.set(new X509Certificate(pem).validToDate.getTime() / 1000);
  }
}
