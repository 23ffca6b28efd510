import { describe, expect, test } from '@jest/globals';
import { createLog, type Logger } from '../../../src/telemetry/log.ts';
import {
  logPinCreated,
  logPinEnded,
  logPinExtended,
  type LoggedPin,
} from '../../../src/telemetry/pin-log.ts';
import { digest } from '../../support/digests.ts';
import { hasJq, ranAt } from '../../support/log-query.ts';

// The lines by which somebody can say, months later, what ran.

const testWithJq = hasJq ? test : test.skip;
const WEB = 'r.test/web:1';
const revision = {
  namespace: 'shop',
  kind: 'ReplicaSet',
  name: 'web-5d8f',
  uid: 'rs',
  workload: { kind: 'Deployment', name: 'web' },
};
const entry = (reference: string, digit: string): LoggedPin['images'][number] => ({
  reference,
  digest: digest(digit),
  resolvedAt: '2026-05-01T09:12:44.000Z',
  source: 'resolved',
});
const PIN: LoggedPin = { id: 'pin-1', revision, images: [entry(WEB, 'a')] };

/** The lines that were written, at the times that are given to them, hour by hour. */
function lines(...writes: ((log: Logger) => void)[]): string[] {
  return writes.flatMap((write, hour) => {
    const written: string[] = [];
    write(
      createLog({ level: 'info', pretty: false, destination: { write: (line) => void written.push(line) } }),
    );
    const time = `2026-05-12T${String(hour).padStart(2, '0')}:00:00.000Z`;
    return written.map((line) => line.replace(/"time":"[^"]+"/, `"time":"${time}"`));
  });
}

const parsed = (write: (log: Logger) => void): unknown => JSON.parse(lines(write).join(''));

describe('the line about a pin', () => {
  test('at its birth says whose it is and what is in it', () => {
    expect(parsed((log) => logPinCreated(log, PIN))).toEqual({
      level: 'info',
      time: expect.any(String),
      pin: 'pin-1',
      namespace: 'shop',
      workload: 'Deployment/web',
      revision: 'ReplicaSet/web-5d8f',
      revisionUid: 'rs',
      images: [entry(WEB, 'a')],
      msg: 'pin created',
    });
  });

  test('that got more images names these alone', () => {
    const mesh = entry('r.test/mesh:2', 'b');
    const pin = { ...PIN, images: [...PIN.images, mesh] };
    expect(parsed((log) => logPinExtended(log, pin, [mesh]))).toMatchObject({
      msg: 'pin extended',
      pin: 'pin-1',
      images: [mesh],
    });
  });

  test('at its end says the same as at its birth where the process knew it', () => {
    const end = { id: 'pin-1', namespace: 'shop', revision, bornAt: '2026-05-01T09:12:44Z', pin: PIN };
    expect(parsed((log) => logPinEnded(log, end))).toMatchObject({
      msg: 'pin ended',
      pin: 'pin-1',
      workload: 'Deployment/web',
      revision: 'ReplicaSet/web-5d8f',
      revisionUid: 'rs',
      images: PIN.images,
      bornAt: '2026-05-01T09:12:44Z',
    });
  });

  test('at its end says whose it was where the process did not know it', () => {
    const end = { id: 'pin-1', namespace: 'shop', revision, bornAt: '2026-05-01T09:12:44Z', pin: undefined };
    const line = parsed((log) => logPinEnded(log, end));
    expect(line).toMatchObject({ pin: 'pin-1', namespace: 'shop', revision: 'ReplicaSet/web-5d8f' });
    expect(line).not.toHaveProperty('images');
    expect(line).not.toHaveProperty('workload');
  });

  test('of a revision that nothing is above names the revision itself as the workload', () => {
    const job = { namespace: 'shop', kind: 'Job', name: 'backup-1', uid: 'j' };
    expect(parsed((log) => logPinCreated(log, { ...PIN, revision: job }))).toMatchObject({
      workload: 'Job/backup-1',
      revision: 'Job/backup-1',
    });
  });
});

const admitted = (name: string) => (log: Logger) =>
  log.info({ namespace: 'shop', revision: `ReplicaSet/${name}` }, 'admission');
const row = (name: string, reference: string, digit: string, last: string): string =>
  ['shop', 'Deployment/web', `ReplicaSet/${name}`, reference, digest(digit), last].join('\t');

describe('what ran at an instant, by the query of docs/logs.md', () => {
  const next: LoggedPin = {
    id: 'pin-2',
    revision: { ...revision, name: 'web-77c9', uid: 'rs-2' },
    images: [entry(WEB, 'b')],
  };
  const ended = { id: 'pin-1', namespace: 'shop', revision, bornAt: undefined, pin: undefined };
  const log = [
    '{"msg":"a line of another program"}',
    'and one that is no JSON',
    ...lines(
      (to) => logPinCreated(to, PIN),
      admitted('web-5d8f'),
      (to) => logPinExtended(to, PIN, [entry('r.test/mesh:2', 'c')]),
      (to) => logPinCreated(to, next),
      admitted('web-77c9'),
      (to) => logPinEnded(to, ended),
      // The other webhook process saw the same end.
      (to) => logPinEnded(to, ended),
    ),
  ]
    .map((line) => line.trim())
    .toReversed()
    .join('\n');

  testWithJq.each<[string, string, string[]]>([
    ['before anything', '2026-05-11T23:59:59.000Z', []],
    ['at a birth', '2026-05-12T00:00:00.000Z', [row('web-5d8f', WEB, 'a', '')]],
    [
      'with an image that came later',
      '2026-05-12T02:30:00.000Z',
      [
        row('web-5d8f', WEB, 'a', '2026-05-12T01:00:00.000Z'),
        row('web-5d8f', 'r.test/mesh:2', 'c', '2026-05-12T01:00:00.000Z'),
      ],
    ],
    [
      'during a rollout',
      '2026-05-12T04:30:00.000Z',
      [
        row('web-5d8f', WEB, 'a', '2026-05-12T01:00:00.000Z'),
        row('web-5d8f', 'r.test/mesh:2', 'c', '2026-05-12T01:00:00.000Z'),
        row('web-77c9', WEB, 'b', '2026-05-12T04:00:00.000Z'),
      ],
    ],
    ['after an end', '2026-05-12T06:30:00.000Z', [row('web-77c9', WEB, 'b', '2026-05-12T04:00:00.000Z')]],
  ])('%s', async (_when, at, rows) => {
    expect((await ranAt(log, at)).split('\n').filter(Boolean)).toEqual(rows);
  });
});
