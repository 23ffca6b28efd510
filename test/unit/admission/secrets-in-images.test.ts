import { expect, test } from '@jest/globals';
import { responseOf } from '../../../src/admission/response.ts';
import { decisionEvents } from '../../../src/admission/owner-event.ts';
import { Recorder } from '../../../src/dashboard/recorder.ts';
import { AdmissionLog } from '../../../src/telemetry/admission-log.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { admissionRequest, pod } from '../../support/pods.ts';

// People write users and passwords into images; what is said of these is cut, and an @ that is cut off masks nothing.
const WEB = 'registry.test/shop/web:1.0';

test.each([
  ...[40, 93, 120, 1_100].map((length) => 'S3cr3t-'.padEnd(length, 'q')),
  'x/S3cr3t-/y',
  `x/${'q'.repeat(100)}S3cr3t-`,
  'x@S3cr3t-',
])('a password in an image shows nowhere: %s', async (secret) => {
  const image = `user:${secret}@ghcr.io/shop/x:1`;
  const admission = new AdmissionUnderTest();
  admission.tags.set(WEB, digest('a'));
  admission.tags.fail('registry.test/shop/gone:1', 'not_found');
  const request = admissionRequest(
    pod({
      spec: {
        containers: [
          { name: 'web', image: WEB },
          { name: 'x', image },
          { name: 'y', image: 'registry.test/shop/gone:1' },
        ],
      },
    }),
  );
  const lines: string[] = [];
  const log = new AdmissionLog(
    createLog({
      level: 'info',
      pretty: false,
      destination: { write: (line: string) => void lines.push(line) },
    }),
  );
  const recorder = new Recorder({ now: () => new Date(0) });
  const decision = await admission.decide(request, 'allow');
  log.write({ request, mode: 'allow', decision, durationMs: 1 });
  recorder.admission({ request, mode: 'allow', decision });
  const seen = {
    log: lines.join(''),
    audit: JSON.stringify(responseOf('u', decision, 'allow')),
    page: JSON.stringify(recorder.since(-1)),
    events: JSON.stringify(decisionEvents(request, 'allow', decision)),
  };
  const leaks = Object.entries(seen).filter(([, text]) => text.includes('S3cr3t-'));
  expect(leaks.map(([where]) => where)).toEqual([]);
});
