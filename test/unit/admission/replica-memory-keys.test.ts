import { expect, test } from '@jest/globals';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { admissionRequest, pod } from '../../support/pods.ts';

// What is no Pod, but looks like one that is known where it is written as JSON again.

const WEB = 'registry.test/shop/web:1.0';
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const of = (spec: string): Record<string, unknown> => pod({ spec: json(spec) });
const C = `"containers":[{"name":"web","image":"${WEB}"}]`;

test.each<[string, string, string]>([
  ['a container that is a list', `{${C}}`, `{"containers":[["web","${WEB}",null]]}`],
  ['a volume that is a list', `{${C},"volumes":[{}]}`, `{${C},"volumes":[[null]]}`],
  [
    'an image volume that is a list',
    `{${C},"volumes":[{"name":"v","image":{"reference":"${WEB}"}}]}`,
    `{${C},"volumes":[["v","${WEB}",null]]}`,
  ],
  ['init containers that are 1e400', `{${C}}`, `{${C},"initContainers":1e400}`],
  [
    'a pull policy of 1e400',
    `{${C}}`,
    `{"containers":[{"name":"web","image":"${WEB}","imagePullPolicy":1e400}]}`,
  ],
  ['pull secrets that are 1e400', `{${C}}`, `{${C},"imagePullSecrets":1e400}`],
  [
    'a pull secret of the name 1e400',
    `{${C},"imagePullSecrets":[{"name":null}]}`,
    `{${C},"imagePullSecrets":[{"name":1e400}]}`,
  ],
  ['a volume image of 1e400', `{${C},"volumes":[{}]}`, `{${C},"volumes":[{"image":1e400}]}`],
])('%s is told as it is', async (_what, good, bad) => {
  const admission = new AdmissionUnderTest();
  admission.tags.set(WEB, digest('a'));
  for (let i = 0; i < 2; i += 1) await admission.decide(admissionRequest(of(good)));
  expect(admission.known(admissionRequest(of(good)))).toBeDefined();
  const anew = await admission.decideAnew(admissionRequest(of(bad)));
  expect(anew.outcome).toBe('invalid_pod');
  const known = admission.known(admissionRequest(of(bad)));
  expect(known?.outcome ?? anew.outcome).toBe('invalid_pod');
});
