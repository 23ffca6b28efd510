import { describe, expect, test } from '@jest/globals';
import { AdmissionLog, type LoggedAdmission } from '../../../src/telemetry/admission-log.ts';
import { createLog, type LogLevel } from '../../../src/telemetry/log.ts';
import { digest } from '../../support/digests.ts';

const REQUEST = { uid: 'request-1', operation: 'CREATE', namespace: 'shop', name: '', dryRun: false };
const PINNED = {
  container: 'web',
  reference: 'nginx:1',
  result: { is: 'pinned', digest: digest('a'), source: 'pin' },
};
const FAILED = {
  container: 'cache',
  reference: 'redis:7',
  result: { is: 'failed', code: 'denied', error: Object.assign(new Error('status 403'), { status: 403 }) },
};

function logged(
  admission: Partial<LoggedAdmission>,
  level: LogLevel = 'info',
  times = 1,
): Record<string, unknown>[] {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = new AdmissionLog(createLog({ level, pretty: false, destination }));
  for (let time = 0; time < times; time += 1)
    log.write({
      request: REQUEST,
      mode: 'enabled',
      decision: { outcome: 'pinned', owner: 'ReplicaSet/web', images: [PINNED] },
      durationMs: 1.23456,
      ...admission,
    });
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log line of an admission', () => {
  test('says which request came to what, image by image', () => {
    expect(logged({})).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        uid: 'request-1',
        operation: 'CREATE',
        namespace: 'shop',
        owner: 'ReplicaSet/web',
        mode: 'enabled',
        outcome: 'pinned',
        images: [
          { container: 'web', reference: 'nginx:1', is: 'pinned', digest: digest('a'), source: 'pin' },
        ],
        durationMs: 1.235,
        msg: 'admission',
      },
    ]);
  });

  test('of a repeated decision says what that of any other does, each time anew for its request', () => {
    const decision = { outcome: 'pinned', owner: 'ReplicaSet/web', images: [PINNED] };
    const repeated = { ...decision, isRepeated: true } as const;
    const second = { ...REQUEST, uid: 'request-2', name: 'web-1' };
    const [once] = logged({ decision, request: second });
    for (const again of logged({ decision: repeated, request: second }, 'info', 3)) {
      expect({ ...again, time: '' }).toEqual({ ...once, time: '' });
      expect(Object.keys(again)).toEqual(Object.keys(once ?? {}));
    }
    expect(logged({ decision: repeated }, 'warn')).toEqual([]);
  });

  test('says which revision the Pod is a replica of, and how long an image’s digest took', () => {
    const images = [{ ...PINNED, result: { ...PINNED.result, source: 'registry', tookMs: 48 } }];
    const revision = { kind: 'ControllerRevision', name: 'db-6d4f' };
    const [line] = logged({ decision: { outcome: 'pinned', owner: 'StatefulSet/db', revision, images } });
    expect(line).toMatchObject({
      owner: 'StatefulSet/db',
      revision: 'ControllerRevision/db-6d4f',
      images: [{ source: 'registry', tookMs: 48 }],
    });
    expect(logged({})[0]).not.toHaveProperty('revision');
  });

  test('says the name of the Pod and that it is a dry run, where that is so', () => {
    const [line] = logged({ request: { ...REQUEST, name: 'bare', dryRun: true } });
    expect(line).toMatchObject({ pod: 'bare', dryRun: true });
    expect(logged({})[0]).not.toHaveProperty('pod');
    expect(logged({})[0]).not.toHaveProperty('dryRun');
  });

  test('has no owner where the Pod has none', () => {
    const [line] = logged({ decision: { outcome: 'pinned', owner: undefined, images: [] } });
    expect(line).not.toHaveProperty('owner');
  });

  test('is a warning where an image failed, with the error that the Pod’s author is not told', () => {
    const [line] = logged({ decision: { outcome: 'refused', images: [PINNED, FAILED] } });
    expect(line).toMatchObject({ level: 'warn', outcome: 'refused' });
    expect(line?.['images']).toMatchObject([
      { container: 'web' },
      {
        container: 'cache',
        is: 'failed',
        code: 'denied',
        error: { name: 'Error', status: 403, message: 'status 403' },
      },
    ]);
    expect(JSON.stringify(line)).not.toContain('stack');
  });

  test('is not written below the level of the log', () => {
    expect(logged({}, 'warn')).toEqual([]);
    expect(logged({ decision: { outcome: 'refused', images: [FAILED] } }, 'warn')).toHaveLength(1);
    expect(logged({ decision: { outcome: 'refused', images: [FAILED] } }, 'error')).toEqual([]);
  });
});

test('a line that would be too long to be written names the first thousand images, and says how many more there are', () => {
  const images = Array.from({ length: 20_000 }, () => PINNED);
  const request = { ...REQUEST, name: 'x'.repeat(1_000_000) };
  const [line] = logged({ request, decision: { outcome: 'pinned', images } });
  expect(line?.['images']).toHaveLength(1_000);
  expect(line?.['moreImages']).toBe(19_000);
  expect(line?.['pod']).toHaveLength(253);
  expect(logged({})[0]).not.toHaveProperty('moreImages');
});
