// npm run cluster: a control plane with samebytes in it, for a person, until Ctrl-C.
import { buildBinaries } from './binaries.ts';
import { ControlPlane } from './control-plane.ts';
import { DistributionRegistry } from './distribution-registry.ts';
import { Installation } from './installation.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const stopped = Promise.withResolvers<void>();
// Ctrl-C comes twice under npm: from the terminal and from npm itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopped.resolve());

const { programs, ...binaries } = await buildBinaries(say);
say('starting etcd, API server, controller manager, scheduler, kwok and a registry …');
const plane = await ControlPlane.start({ programs, ...binaries });
const registry = await DistributionRegistry.start();
await registry.push('shop/web', '1.0', 'first');
const samebytes = await Installation.install(plane.address, {
  processes: 2,
  settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
});
const image = `${registry.host}/shop/web:1.0`;
say(`
samebytes is installed (2 webhook processes). In another terminal:

  export KUBECONFIG=${plane.address.kubeconfig}
  alias kubectl=${programs.kubectl}
  kubectl create namespace shop
  kubectl label namespace shop samebytes.dev/pin=enabled
  kubectl -n shop create deployment web --image=${image} --replicas=3
  kubectl -n shop describe pod

Ctrl-C stops everything and removes it.`);
await stopped.promise;
say('stopping');
await samebytes.abandon();
await registry.remove();
await plane.stop();
