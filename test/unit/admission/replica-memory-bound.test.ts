import { expect, test } from '@jest/globals';
import type { Decision } from '../../../src/admission/outcome.ts';
import { responseText } from '../../../src/admission/response.ts';
import { AdmissionLog } from '../../../src/telemetry/admission-log.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { heldBytes } from '../../support/heap.ts';
import { admissionRequest, pod } from '../../support/pods.ts';

// Decisions for replicas are kept up to 8 MiB as estimated; what a Pod's author can make of that is measured.

const WEB = 'registry.test/shop/web:1.0';

function podOf(kind: string, index: number): Record<string, unknown> {
  const id = String(index).padStart(4, '0');
  if (kind === 'commas in the policy')
    return pod({ metadata: { annotations: { id, 'samebytes.dev/policy': ','.repeat(15_000) } } });
  if (kind === 'commas, wide')
    return pod({
      metadata: { annotations: { id, x: '中', 'samebytes.dev/policy': `${','.repeat(15_000)}中` } },
    });
  if (kind === 'a wide name')
    return pod({
      metadata: { annotations: { id } },
      spec: { containers: [{ name: '中'.repeat(15_000), image: WEB }] },
    });
  if (kind === 'many short ones') return pod({ metadata: { annotations: { id, z: 'x'.repeat(3_000) } } });
  if (kind === 'wide and short') return pod({ metadata: { annotations: { id, z: '中'.repeat(15_000) } } });
  return pod({ metadata: { annotations: { id } } });
}

test.each([
  'small',
  'many short ones',
  'wide and short',
  'a wide name',
  'commas in the policy',
  'commas, wide',
])(
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
    for (let index = 0; index < 1_100; index += 1) {
      const request = (): ReturnType<typeof admissionRequest> => admissionRequest(podOf(kind, index));
      await admission.decide(request());
      await admission.decide(request());
      const decision: Decision | undefined = admission.known(request());
      if (decision === undefined) throw new Error('it is not known');
      responseText('u', decision, 'enabled');
      log.write({ request: request(), mode: 'enabled', decision, durationMs: 1 });
    }
    const mib = (heldBytes() - before) / (1024 * 1024);
    expect(admission.known(admissionRequest(podOf(kind, 1_099)))).toBeDefined();
    expect(mib).toBeLessThan(12);
  },
  120_000,
);
