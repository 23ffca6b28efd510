import { expect, test } from '@jest/globals';
import type { Decision } from '../../../src/admission/outcome.ts';
import { responseText } from '../../../src/admission/response.ts';
import { AdmissionLog } from '../../../src/telemetry/admission-log.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { heldBytes } from '../../support/heap.ts';
import { admissionRequest, ownedBy, pod } from '../../support/pods.ts';

// Decisions for replicas are kept up to 8 MiB as estimated; what a Pod's author can make of that is measured.

const WEB = 'registry.test/shop/web:1.0';

const many = <T>(count: number, of: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => of(n));
const fields = (count: number): Record<string, string> =>
  Object.fromEntries(many(count, (n) => [n.toString(36), '']));
const COMMAS = ','.repeat(15_000);

/** By what their authors can make of them. */
const KINDS: Readonly<Record<string, { readonly metadata?: object; readonly spec?: object }>> = {
  small: {},
  'many short ones': { metadata: { annotations: { z: 'x'.repeat(3_000) } } },
  'wide and short': { metadata: { annotations: { z: '中'.repeat(15_000) } } },
  'a wide name': { spec: { containers: [{ name: '中'.repeat(15_000), image: WEB }] } },
  'commas in the policy': { metadata: { annotations: { 'samebytes.dev/policy': COMMAS } } },
  'commas, wide': { metadata: { annotations: { x: '中', 'samebytes.dev/policy': `${COMMAS}中` } } },
  'many labels': { metadata: { labels: fields(1_000) } },
  'many annotations': { metadata: { annotations: fields(1_900) } },
  'many pull secrets': { spec: { imagePullSecrets: many(1_200, (n) => ({ name: n.toString(36) })) } },
  'pull secrets with names that are numbers': {
    spec: { imagePullSecrets: many(1_200, (n) => ({ [n]: '' })) },
  },
  'pull secrets without a name': { spec: { imagePullSecrets: many(3_000, () => ({})) } },
  'many volumes': { spec: { volumes: many(3_500, () => ({})) } },
};

/** A name that is written so many times: V8 gives the object room for each. */
const again = (count: number): string => `{${'"a":"",'.repeat(count)}"a":"x"}`;
/** Where JSON.stringify cannot write it, the field's text. */
const WRITTEN: Readonly<Record<string, { readonly field: string; readonly text: string }>> = {
  'one label again and again': { field: 'labels', text: again(10_000) },
  'one annotation again and again': { field: 'annotations', text: again(10_000) },
  'a secret of one field again and again': { field: 'imagePullSecrets', text: `[${again(10_000)}]` },
};

/** Each has an owner of its own, since of one owner there is one decision; and is read by itself, so that they share nothing. */
function podOf(kind: string, index: number): Record<string, unknown> {
  const { metadata, spec } = KINDS[kind] ?? {};
  const ownerReferences = [ownedBy('ReplicaSet', `rs-${index}`)];
  const written = WRITTEN[kind];
  const placeholder = written === undefined ? {} : { [written.field]: 'WRITTEN' };
  const isSpec = written?.field === 'imagePullSecrets';
  const text = JSON.stringify(
    pod({
      metadata: { ...metadata, ...(isSpec ? {} : placeholder), ownerReferences },
      spec: { ...spec, ...(isSpec ? placeholder : {}) },
    }),
  );
  return JSON.parse(text.replace('"WRITTEN"', () => written?.text ?? '')) as Record<string, unknown>;
}

test.each([...Object.keys(KINDS), ...Object.keys(WRITTEN)])(
  'what is kept is bounded: %s',
  async (kind) => {
    const admission = new AdmissionUnderTest();
    admission.tags.set(WEB, digest('a'));
    const log = new AdmissionLog(
      createLog({ level: 'info', pretty: false, destination: { write: () => {} } }),
    );
    await admission.decide(admissionRequest(pod()));
    await admission.decide(admissionRequest(pod()));
    const before = heldBytes();
    // More than there may be, or more than there is room for.
    const count = kind === 'small' || kind === 'many short ones' ? 1_100 : 300;
    for (let index = 0; index < count; index += 1) {
      const request = (): ReturnType<typeof admissionRequest> => admissionRequest(podOf(kind, index));
      await admission.decide(request());
      await admission.decide(request());
      const decision: Decision | undefined = admission.known(request());
      if (decision === undefined) throw new Error('it is not known');
      responseText('u', decision, 'enabled');
      log.write({ request: request(), mode: 'enabled', decision, durationMs: 1 });
    }
    const mib = (heldBytes() - before) / (1024 * 1024);
    expect(admission.known(admissionRequest(podOf(kind, count - 1)))).toBeDefined();
    expect(mib).toBeLessThan(12);
  },
  120_000,
);
