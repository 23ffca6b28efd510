import type http from 'node:http';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AppsV1Api } from '@kubernetes/client-node';
import { ClusterControllerRevisions } from '../../../src/kubernetes/controller-revisions.ts';
import { PinStoreError } from '../../../src/pins/pin-store.ts';
import { HttpApi } from '../../support/http-api.ts';
import { noDeadline } from '../../support/signals.ts';

const NAME = {
  namespace: 'shop',
  name: 'db-5d8f',
  hash: '5d8f',
  workload: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'set-1' },
} as const;

let api: HttpApi;
let answer: (response: http.ServerResponse) => void;
let revisions: ClusterControllerRevisions;

beforeEach(async () => {
  api = await HttpApi.start((_request, response) => answer(response));
  revisions = new ClusterControllerRevisions(api.cluster.makeApiClient(AppsV1Api));
});
afterEach(async () => api.stop());

function found(ownerReferences?: object[]): void {
  answer = (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'ControllerRevision',
        metadata: { name: 'db-5d8f', uid: 'revision-1', ...(ownerReferences && { ownerReferences }) },
        revision: 1,
      }),
    );
  };
}

function status(code: number): void {
  answer = (response) => {
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ kind: 'Status', code, message: 'planted-secret' }));
  };
}

const uid = async (): Promise<string | undefined> => revisions.uidOf(NAME, noDeadline());

test('the uid is read by one consistent GET', async () => {
  found([{ uid: 'set-1', controller: true }]);
  expect(await uid()).toBe('revision-1');
  expect(api.asked).toEqual(['GET /apis/apps/v1/namespaces/shop/controllerrevisions/db-5d8f']);
});

test.each([
  ['of another owner', [{ uid: 'set-2', controller: true }]],
  ['that its owner does not control', [{ uid: 'set-1' }]],
  ['without an owner', undefined],
])('a ControllerRevision %s proves nothing', async (_what, owners) => {
  found(owners);
  expect(await uid()).toBeUndefined();
});

test('one that is not there is no error', async () => {
  status(404);
  expect(await uid()).toBeUndefined();
});

test.each([401, 403, 429, 500, 503])(
  'status %d means unreadable, without the body of the answer',
  async (code) => {
    status(code);
    const error = await uid().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PinStoreError);
    expect(error).toMatchObject({ code: 'pin_unreadable' });
    expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain('planted-secret');
  },
);

test('a broken connection means unreadable', async () => {
  answer = (response) => response.destroy();
  await expect(uid()).rejects.toMatchObject({ code: 'pin_unreadable' });
});

test('an API server that hangs is left when the signal ends', async () => {
  const controller = new AbortController();
  const reason = new Error('the deadline');
  answer = () => controller.abort(reason);
  await expect(revisions.uidOf(NAME, controller.signal)).rejects.toBe(reason);
});
