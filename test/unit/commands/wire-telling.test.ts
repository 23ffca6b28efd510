import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Decision } from '../../../src/admission/outcome.ts';
import { wireTelling, type Telling } from '../../../src/commands/wire-telling.ts';
import { Recorder } from '../../../src/dashboard/recorder.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { NOT_WAITED } from '../../../src/telemetry/waits.ts';
import { digest } from '../../support/digests.ts';

let lines: string[];
let metrics: Metrics;
let recorder: Recorder;
/** Which digests were told to be served, to how many Pods. */
let served: string[];
let telling: Telling;

beforeEach(() => {
  lines = [];
  served = [];
  metrics = new Metrics({ processMetrics: false });
  recorder = new Recorder({ now: () => new Date(0) });
  telling = tellingTo(() => {});
});

afterEach(() => {
  telling.close();
});

function tellingTo(tellOwner: (owner: string | undefined) => void): Telling {
  const destination = {
    write: (line: string) => {
      if (line.includes('unwritable')) throw new Error('the disk is full');
      lines.push(line);
    },
  };
  const log = createLog({ level: 'info', pretty: false, destination });
  return wireTelling(
    { metrics, log },
    {
      recorder,
      tellOwner: (event) => tellOwner(event.decision.owner),
      tellServed: ({ revision }, pods) => void served.push(`${revision.name} x ${pods}`),
    },
  );
}

/** A decision about Pods of this revision; one object for all that get it where it is repeated. */
function decision(name: string, fields: Partial<Decision> = {}): Decision {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: name };
  const image = {
    reference: 'r.test/web:1',
    digest: digest('a'),
    resolvedAt: '',
    source: 'resolved',
  } as const;
  return {
    outcome: 'pinned',
    patch: [],
    warnings: [],
    images: [
      {
        container: 'web',
        reference: 'r.test/web:1',
        result: { is: 'pinned', digest: digest('a'), source: 'pin' },
      },
    ],
    owner: `ReplicaSet/${name}`,
    served: [
      {
        revision: { ...owner, namespace: 'shop' },
        image,
        owner,
        reference: parseReference('r.test/web:1'),
        secrets: { namespace: 'shop', names: [] },
      },
    ],
    optOutsRefused: 0,
    ...fields,
  };
}

function tell(...decisions: readonly Decision[]): void {
  for (const [index, one] of decisions.entries()) {
    const request = {
      uid: `u-${index}`,
      operation: 'CREATE',
      namespace: 'shop',
      name: '',
      dryRun: false,
    } as const;
    telling.admission({ request, mode: 'enabled', decision: one, durationMs: 1, waited: NOT_WAITED });
  }
}

const shown = (): [string, number][] =>
  (recorder.since(-1)?.pins ?? []).map(({ owner, times }) => [owner, times]);

async function pinned(): Promise<number | undefined> {
  const samples = await metrics.samples('samebytes_admissions_total');
  return samples.find(({ labels }) => labels.get('outcome') === 'pinned')?.value;
}

test('each request is a line and a count, by the time that anybody reads the metrics', async () => {
  const one = decision('one', { isRepeated: true });
  tell(one, decision('two'), one);
  expect(await pinned()).toBe(3);
  expect(lines.map((line) => (JSON.parse(line) as { uid: string }).uid)).toEqual(['u-0', 'u-1', 'u-2']);
});

test('the page shows the owner first that was answered last, whatever was told together', async () => {
  const one = decision('one', { isRepeated: true });
  tell(one, decision('two'), one);
  await pinned();
  expect(shown()).toEqual([
    ['ReplicaSet/one', 2],
    ['ReplicaSet/two', 1],
  ]);
});

test('what was served is told at once of a new decision, and together of repeated ones', async () => {
  const one = decision('one', { isRepeated: true });
  tell(one, decision('two'), one);
  expect(served).toEqual(['two x 1']);
  await pinned();
  expect(served).toEqual(['two x 1', 'one x 2']);
});

test('who cannot be told of one decision is told of the others, and the log says so', async () => {
  telling.close();
  telling = tellingTo((owner) => {
    if (owner === 'ReplicaSet/one') throw new Error('no room');
  });
  tell(decision('one'), decision('two'));
  expect(await pinned()).toBe(2);
  expect(shown().map(([owner]) => owner)).toEqual(['ReplicaSet/two', 'ReplicaSet/one']);
  expect(lines.filter((line) => line.includes('a decision could not be told'))).toHaveLength(1);
});

test('what is not told when the webhook ends is told then, and nothing listens for the end of the process', () => {
  const listeners = process.listenerCount('exit');
  tell(decision('one'));
  telling.close();
  expect(lines).toHaveLength(1);
  expect(process.listenerCount('exit')).toBe(listeners - 1);
});

test.each<[string, string, () => void]>([
  ['the log', 'unwritable', () => {}],
  [
    'an owner’s events',
    'web-1',
    () => {
      throw new Error('no');
    },
  ],
])('whoever fails keeps nobody else from being told: %s', async (_who, name, tellOwner) => {
  telling = tellingTo(tellOwner);
  tell(decision(name, { isRepeated: true }));
  telling.close();
  const samples = await metrics.samples('samebytes_admissions_total');
  expect(samples.find(({ labels }) => labels.get('outcome') === 'pinned')?.value).toBe(1);
  expect(served).toEqual([`${name} x 1`]);
});
