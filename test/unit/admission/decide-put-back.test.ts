import { describe, expect, test } from '@jest/globals';
import { AdmissionUnderTest, type AdmissionUnderTestOptions } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { pod, type TestContainer } from '../../support/pods.ts';

const OLD = digest('a');
const MOVED = digest('b');
const RECORD = JSON.stringify({ web: { reference: 'nginx:1', digest: OLD } });

/** A registry in which the tag has moved on. */
function underTest(options: AdmissionUnderTestOptions = {}): AdmissionUnderTest {
  const admission = new AdmissionUnderTest(options);
  admission.tags.set('docker.io/library/nginx:1', MOVED);
  admission.tags.set('quay.io/nginx:1', MOVED);
  return admission;
}

function bare(image: string, recorded: string | undefined, more: Partial<TestContainer> = {}): object {
  const annotations = recorded === undefined ? undefined : { 'samebytes.dev/images': recorded };
  const metadata = { ownerReferences: undefined, name: 'bare', annotations };
  return pod({ metadata, spec: { containers: [{ name: 'web', image, ...more }] } });
}

const RUNNING = bare(`nginx@${OLD}`, RECORD);

describe('an update that puts back the recorded reference', () => {
  test('gets the same digest back, so that nothing changes, and asks nobody', async () => {
    const admission = underTest();
    const { decision, pod: after } = await admission.update(RUNNING, bare('nginx:1', RECORD));
    expect(after).toEqual(RUNNING);
    expect(decision).toMatchObject({ outcome: 'pinned', warnings: [] });
    expect(decision.images).toMatchObject([{ result: { is: 'pinned', digest: OLD, source: 'pod' } }]);
    expect(admission.tags.asked).toEqual([]);
    expect(admission.created).toEqual([]);
  });

  test('changes nothing either where our annotation was taken away with it', async () => {
    const admission = underTest();
    const { pod: after } = await admission.update(RUNNING, bare('nginx:1', undefined));
    expect(after).toEqual(RUNNING);
    expect(admission.tags.asked).toEqual([]);
  });

  test('changes nothing under keepTag', async () => {
    const running = bare(`nginx:1@${OLD}`, RECORD);
    const { pod: after } = await underTest({ keepTag: true }).update(running, bare('nginx:1', RECORD));
    expect(after).toEqual(running);
  });

  test('works after keepTag was turned on, with the digest that runs', async () => {
    const { images } = await underTest({ keepTag: true }).update(RUNNING, bare('nginx:1', RECORD));
    expect(images).toEqual({ web: `nginx:1@${OLD}` });
  });

  test('does so under policy follow, too', async () => {
    const admission = underTest({ defaultPolicy: 'follow' });
    const { images } = await admission.update(RUNNING, bare('nginx:1', RECORD));
    expect(images).toEqual({ web: `nginx@${OLD}` });
    expect(admission.tags.asked).toEqual([]);
  });

  test('is twice the same: applying again changes nothing again', async () => {
    const admission = underTest();
    admission.tags.set('docker.io/library/nginx:1', OLD);
    const first = await admission.admit(bare('nginx:1', undefined));
    admission.tags.set('docker.io/library/nginx:1', MOVED);
    const second = await admission.update(first.pod, bare('nginx:1', undefined));
    const third = await admission.update(second.pod, bare('nginx:1', undefined));
    expect(second.pod).toEqual(first.pod);
    expect(third.pod).toEqual(first.pod);
    expect(admission.tags.asked).toHaveLength(1);
  });
});

describe('an update gets a fresh digest', () => {
  test.each<[string, object, object]>([
    ['where the image was changed meanwhile', bare(`nginx@${digest('c')}`, RECORD), bare('nginx:1', RECORD)],
    ['where the old Pod ran by another tag', bare('nginx:0', RECORD), bare('nginx:1', RECORD)],
    [
      'where what ran came from another repository',
      bare(`quay.io/nginx@${OLD}`, RECORD),
      bare('nginx:1', RECORD),
    ],
    [
      'where the repository differs from the recorded one',
      bare(`nginx@${OLD}`, RECORD),
      bare('quay.io/nginx:1', RECORD),
    ],
    ['where nothing was recorded', bare(`nginx@${OLD}`, undefined), bare('nginx:1', RECORD)],
    [
      'where only the new Pod has a record, which anyone can forge',
      bare('nginx:0', undefined),
      bare('nginx:1', RECORD),
    ],
    ['where the record is broken', bare(`nginx@${OLD}`, '{"web":7}'), bare('nginx:1', RECORD)],
    [
      'where the recorded reference is none',
      bare(`nginx@${OLD}`, JSON.stringify({ web: { reference: ':', digest: OLD } })),
      bare('nginx:1', RECORD),
    ],
    [
      'where the record is of another container',
      bare(`nginx@${OLD}`, JSON.stringify({ log: { reference: 'nginx:1', digest: OLD } })),
      bare('nginx:1', RECORD),
    ],
    [
      'where the record is of another tag',
      bare(`nginx@${OLD}`, JSON.stringify({ web: { reference: 'nginx:0', digest: OLD } })),
      bare('nginx:1', RECORD),
    ],
  ])('%s', async (_when, before, after) => {
    const admission = underTest();
    const { images, decision } = await admission.update(before, after);
    expect(images['web']).toMatch(new RegExp(`@${MOVED}$`));
    expect(decision.images).toMatchObject([{ result: { source: 'registry' } }]);
    expect(admission.tags.asked).toHaveLength(1);
  });
});

test('a new Pod gets no digest from the record that it brings along', async () => {
  const { images } = await underTest().admit(bare('nginx:1', RECORD));
  expect(images).toEqual({ web: `nginx@${MOVED}` });
});

test.each([
  ['never pulled', {}, { imagePullPolicy: 'Never' }],
  ['turned off', { defaultPolicy: 'off' as const }, {}],
])('an image that is %s is left alone, though its digest is recorded', async (_how, options, container) => {
  const { images } = await underTest(options).update(RUNNING, bare('nginx:1', RECORD, container));
  expect(images).toEqual({ web: 'nginx:1' });
});
