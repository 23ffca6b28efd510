import { beforeEach, expect, test } from '@jest/globals';
import type { ImageDecision } from '../../../src/admission/outcome.ts';
import { Recorder, type RecordedAdmission } from '../../../src/dashboard/recorder.ts';
import { heldBytes } from '../../support/heap.ts';

const [A, B] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`] as const;
let now: number;
let recorder: Recorder;
beforeEach(() => {
  now = 1_000;
  recorder = new Recorder({ now: () => new Date(now) });
});

function pinned(
  digest: string,
  source: 'registry' | 'pin' = 'registry',
  reference = 'shop/web:1',
): ImageDecision {
  return { container: 'web', reference, result: { is: 'pinned', digest, source } };
}

const failed: ImageDecision = {
  container: 'log',
  reference: 'shop/log:1',
  result: { is: 'failed', code: 'not_found', error: new Error('a body that nobody shall see') },
};

function admission(
  decision: Partial<RecordedAdmission['decision']>,
  request: Partial<RecordedAdmission['request']> = {},
  mode: RecordedAdmission['mode'] = 'enabled',
): RecordedAdmission {
  return {
    request: { namespace: 'shop', name: '', dryRun: false, ...request },
    mode,
    decision: { outcome: 'pinned', warnings: [], images: [], owner: 'ReplicaSet/web-1', ...decision },
  };
}

test('a pin says what it replaced, with what, for whom, and where the digest was from', () => {
  recorder.admission(admission({ images: [pinned(A)] }));
  expect(recorder.since(-1)?.pins).toEqual([
    {
      ...{ namespace: 'shop', owner: 'ReplicaSet/web-1', container: 'web' },
      ...{ reference: 'shop/web:1', digest: A, source: 'registry', kind: 'real', atMs: 1_000, times: 1 },
    },
  ]);
});

test('replicas are counted, not listed; the latest owner is first', () => {
  recorder.admission(admission({ images: [pinned(A)] }));
  recorder.admission(admission({ images: [pinned(B)], owner: 'ReplicaSet/web-2' }));
  now = 2_000;
  recorder.admission(admission({ images: [pinned(A, 'pin')] }));
  expect(recorder.since(-1)?.pins).toMatchObject([
    { owner: 'ReplicaSet/web-1', times: 2, source: 'registry', atMs: 2_000 },
    { owner: 'ReplicaSet/web-2', times: 1 },
  ]);
});

test('a refusal has its reason as the author of the Pod read it, and its code; nothing was pinned by it', () => {
  const denial = { code: 403, message: 'samebytes: cannot pin image "shop/log:1"' } as const;
  recorder.admission(admission({ outcome: 'refused', denial, images: [pinned(A), failed] }));
  const recent = recorder.since(-1);
  expect(recent?.refusals).toEqual([
    {
      ...{ namespace: 'shop', owner: 'ReplicaSet/web-1', outcome: 'refused', codes: ['not_found'] },
      ...{ message: denial.message, atMs: 1_000, times: 1 },
    },
  ]);
  expect(recent?.pins).toEqual([]);
  expect(JSON.stringify(recent)).not.toContain('nobody shall see');
});

test('a Pod that runs by its tag, and one that would be refused, are told with their warnings', () => {
  const decision = { images: [failed], warnings: ['log: runs by its tag'] };
  recorder.admission(admission({ ...decision, outcome: 'admitted_unpinned' }, {}, 'allow'));
  recorder.admission(admission({ ...decision, outcome: 'would_refuse' }, {}, 'audit'));
  expect(recorder.since(-1)?.refusals).toMatchObject([
    { outcome: 'would_refuse', message: 'log: runs by its tag' },
    { outcome: 'admitted_unpinned', message: 'log: runs by its tag' },
  ]);
});

test('audits and dry runs are no pins, and say so', () => {
  recorder.admission(admission({ outcome: 'would_pin', images: [pinned(A)] }, {}, 'audit'));
  recorder.admission(admission({ images: [pinned(A)] }, { dryRun: true }));
  expect(recorder.since(-1)?.pins.map(({ kind }) => kind)).toEqual(['dry_run', 'audit']);
});

test('a bare Pod stands for itself', () => {
  recorder.admission(admission({ images: [pinned(A)], owner: undefined }, { name: 'shell' }));
  recorder.admission(admission({ images: [pinned(A)], owner: undefined }));
  expect(recorder.since(-1)?.pins.map(({ owner }) => owner)).toEqual(['Pod', 'Pod/shell']);
});

test('a tag that moved is told, with who showed it', () => {
  const move = { namespace: 'shop', owner: 'Job/backup', reference: 'shop/tool:1', from: A, to: B };
  recorder.tagMoved(move);
  expect(recorder.since(-1)?.tagMoves).toEqual([{ ...move, atMs: 1_000, times: 1 }]);
});

test('a password that somebody wrote into another image is not shown with what failed', () => {
  const warnings = ['"ann:hunter2@r.test/web:1" is not an image reference', 'runs by its tag'];
  recorder.admission(admission({ outcome: 'admitted_unpinned', images: [failed], warnings }));
  expect(JSON.stringify(recorder.since(-1))).not.toContain('hunter2');
});

test('lists that did not change are not handed out again', () => {
  const version = recorder.since(-1)?.version ?? -1;
  expect(recorder.since(version)).toBeUndefined();
  recorder.admission(admission({ images: [pinned(A)] }));
  expect(recorder.since(version)?.pins).toHaveLength(1);
});

test('what is kept of a long text does not hold the rest of it in memory', () => {
  const before = heldBytes();
  for (let index = 0; index < 50; index += 1) {
    // Made anew each time, as bodies are.
    const message = Buffer.alloc(2_000_000, `${index} `).toString('latin1');
    recorder.admission(admission({ outcome: 'refused', denial: { code: 403, message }, owner: message }));
  }
  expect(recorder.since(-1)?.refusals).toHaveLength(50);
  expect(heldBytes() - before).toBeLessThan(20_000_000);
});

test('neither many nor endless texts fill the memory', () => {
  const endless = 'x'.repeat(1_000_000);
  for (let index = 0; index < 300; index += 1) {
    const owner = `ReplicaSet/${index}-${endless}`;
    const denial = { code: 403, message: `${index} ${endless}` } as const;
    recorder.admission(admission({ images: [pinned(A, 'registry', `${endless}:${index}`)], owner }));
    recorder.admission(admission({ outcome: 'refused', denial, images: [failed], owner }));
    recorder.tagMoved({ namespace: endless, owner, reference: endless, from: A, to: B });
  }
  const recent = recorder.since(-1);
  expect([recent?.pins, recent?.refusals, recent?.tagMoves].map((list) => list?.length)).toEqual([
    50, 50, 50,
  ]);
  expect(JSON.stringify(recent).length).toBeLessThan(500_000);
});
