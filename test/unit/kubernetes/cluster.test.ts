import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { findCluster, KubeconfigError } from '../../../src/kubernetes/cluster.ts';

const directory = mkdtempSync(join(tmpdir(), 'samebytes-kubeconfig-'));
afterAll(() => rmSync(directory, { recursive: true }));

function kubeconfig(text: string): string {
  const file = join(directory, 'config');
  writeFileSync(file, text);
  return file;
}

const CLUSTER = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: u, user: {token: planted-secret}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
`;

test('the cluster is the current one of the kubeconfig that was named', () => {
  const cluster = findCluster(kubeconfig(`${CLUSTER}current-context: c\n`));
  expect(cluster?.getCurrentCluster()?.server).toBe('https://127.0.0.1:6443');
});

test('without a kubeconfig and outside of a cluster there is none', () => {
  expect(findCluster(undefined)).toBeUndefined();
});

test.each([
  ['that is not there', () => join(directory, 'gone')],
  ['that is no YAML', () => kubeconfig('{planted-secret')],
  ['that is empty', () => kubeconfig('')],
  ['without a current context', () => kubeconfig(CLUSTER)],
  ['whose current context is not there', () => kubeconfig(`${CLUSTER}current-context: d\n`)],
])('a kubeconfig %s is refused by name, and nothing of what it holds is said', (_what, file) => {
  const name = file();
  let message = '';
  try {
    findCluster(name);
  } catch (error) {
    message = error instanceof KubeconfigError ? error.message : '';
  }
  expect(message).toContain(name);
  expect(message).not.toContain('planted-secret');
});
