import { expect, test } from '@jest/globals';
import { WatchedDigests } from '../../../src/fleet/watched-digests.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { digest } from '../../support/digests.ts';

const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u' };
const revision = { ...owner, namespace: 'shop' };

test('what is too long to be kept costs no more than finding that out', () => {
  const watched = new WatchedDigests({ maxDigests: 10, firstTurnMs: () => 0, now: () => 0 });
  let read = 0;
  const names = new Proxy(
    Array.from({ length: 100_000 }, (_, index) => index.toString(36)),
    {
      get: (target, property, receiver) => {
        if (/^[0-9]+$/.test(String(property))) read += 1;
        return Reflect.get(target, property, receiver) as unknown;
      },
    },
  );
  watched.served({
    reference: parseReference('registry.test/web:1'),
    image: { reference: 'registry.test/web:1', digest: digest('a'), resolvedAt: '', source: 'resolved' },
    secrets: { namespace: 'shop', names },
    revision,
    owner,
  });
  expect(watched.all()).toEqual([]);
  // The key holds 4,096 characters: as many names are enough to tell.
  expect(read).toBeLessThanOrEqual(4_100);
});
