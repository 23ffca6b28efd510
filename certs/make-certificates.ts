// Makes a development CA and a serving certificate in certs/out. See certs/README.md.
import { mkdir, writeFile } from 'node:fs/promises';
import { issueCertificates } from '../src/certificates/authority.ts';

const DEFAULT_NAMES = ['localhost', '127.0.0.1', '::1', 'samebytes.samebytes.svc'];
const VALID_DAYS = 30;

const names = process.argv.length > 2 ? process.argv.slice(2) : DEFAULT_NAMES;
const out = new URL('./out/', import.meta.url);
const { ca, serving } = await issueCertificates({ names, notBefore: new Date(), validDays: VALID_DAYS });
await mkdir(out, { recursive: true });
await writeFile(new URL('ca.crt', out), ca.cert);
await writeFile(new URL('tls.crt', out), serving.cert);
await writeFile(new URL('tls.key', out), serving.key, { mode: 0o600 });
process.stdout.write(
  `certs/out: ca.crt, tls.crt and tls.key for ${names.join(', ')}, valid for ${VALID_DAYS} days\n`,
);
