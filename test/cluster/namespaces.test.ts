import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Injector } from '../support/cluster/injector.ts';
import { Installation } from '../support/cluster/installation.ts';
import { barePod, imagesOf } from '../support/cluster/objects.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';

let registry: DistributionRegistry;
let samebytes: Installation;
let tagged: string;
let missing: string;
let pinned: string;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  const digest = await registry.push('shop/web', '1.0', 'first');
  tagged = `${registry.host}/shop/web:1.0`;
  missing = `${registry.host}/shop/web:none`;
  pinned = `${registry.host}/shop/web@${digest}`;
  samebytes = await Installation.install(sharedControlPlane(), {
    settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
  });
  await samebytes.enabled('strict');
  await samebytes.namespace('lenient', {
    'samebytes.dev/pin': 'enabled',
    'samebytes.dev/on-failure': 'allow',
  });
  await samebytes.namespace('audited', { 'samebytes.dev/pin': 'audit' });
  await samebytes.namespace('stranger');
});

afterAll(async () => {
  await samebytes?.remove();
  await registry?.remove();
});

async function imageOf(namespace: string, name: string): Promise<string[]> {
  return imagesOf(await samebytes.api.get(`/api/v1/namespaces/${namespace}/pods/${name}`));
}

describe('a namespace', () => {
  test('that opted in refuses what cannot be pinned, and says why', async () => {
    const applied = samebytes.applyObjects(barePod('strict', 'missing', { image: missing }));
    await expect(applied).rejects.toThrow('the registry has no such tag; push it, or correct the image');
  });

  test('that allows failures admits it with a warning, and pins the rest', async () => {
    const spec = {
      containers: [
        { name: 'web', image: missing },
        { name: 'other', image: tagged },
      ],
    };
    const { stderr } = await samebytes.applyObjects(barePod('lenient', 'missing', { image: missing, spec }));
    expect(await imageOf('lenient', 'missing')).toEqual([missing, pinned]);
    expect(stderr).toMatch(/Warning: samebytes: web: ".*" runs by its tag, not pinned/);
  });

  test('under audit changes nothing and says what would happen', async () => {
    const would = await samebytes.applyObjects(barePod('audited', 'would-pin', { image: tagged }));
    expect(would.stderr).toContain('samebytes (audit): would pin web:');
    const refused = await samebytes.applyObjects(barePod('audited', 'would-refuse', { image: missing }));
    expect(refused.stderr).toContain('samebytes (audit): would refuse web:');
    expect(await imageOf('audited', 'would-pin')).toEqual([tagged]);
  });

  test('without the label never reaches the webhook', async () => {
    await samebytes.applyObjects(barePod('stranger', 'web', { image: missing }));
    expect(await imageOf('stranger', 'web')).toEqual([missing]);
    const decisions = await samebytes.decisionsUntilNow();
    expect(decisions.filter(({ namespace }) => namespace === 'stranger')).toEqual([]);
  });

  test('that opts in while a Pod runs by tag leaves that Pod alone when its labels change', async () => {
    await samebytes.namespace('late');
    await samebytes.applyObjects(barePod('late', 'web', { image: tagged }));
    await samebytes.kubectl.run('label', 'namespace', 'late', 'samebytes.dev/pin=enabled');
    await samebytes.kubectl.run('-n', 'late', 'label', 'pod', 'web', 'changed=yes');
    expect(await imageOf('late', 'web')).toEqual([tagged]);
  });
});

test('a Pod that says itself what samebytes left alone is not believed', async () => {
  const annotations = { 'samebytes.dev/left-alone': '*' };
  for (const [name, image] of [
    ['forged-tag', tagged],
    ['forged-digest', pinned],
  ] as const) {
    await samebytes.applyObjects(barePod('strict', name, { image, annotations }));
    const { metadata, spec } = await samebytes.api.get(`/api/v1/namespaces/strict/pods/${name}`);
    expect(imagesOf({ spec })).toEqual([pinned]);
    expect(metadata.annotations).not.toHaveProperty(['samebytes.dev/left-alone']);
  }
});

describe('another webhook that adds a sidecar after us', () => {
  let injector: Injector;
  afterEach(async () => injector.stop());

  test('has it pinned, since we are asked again', async () => {
    const options = { image: tagged, namespace: 'strict', how: 'add' } as const;
    injector = await Injector.start(samebytes.api, options);
    await samebytes.applyObjects(barePod('strict', 'injected', { image: tagged }));
    expect(await imageOf('strict', 'injected')).toEqual([pinned, pinned]);
    const { metadata } = await samebytes.api.get('/api/v1/namespaces/strict/pods/injected');
    expect(Object.keys(JSON.parse(metadata.annotations['samebytes.dev/images']))).toEqual(['web', 'sidecar']);
  });

  test.each([
    ['strict', {}],
    ['strict', { 'samebytes.dev/left-alone': 'sidecar' }],
    ['lenient', {}],
  ])(
    'has it pinned in namespace %s also where all else has digests, annotations %j',
    async (namespace, annotations) => {
      injector = await Injector.start(samebytes.api, { image: tagged, namespace, how: 'add' });
      const name = `digests-${Object.keys(annotations).length}`;
      await samebytes.applyObjects(barePod(namespace, name, { image: pinned, annotations }));
      expect(await imageOf(namespace, name)).toEqual([pinned, pinned]);
      const { metadata } = await samebytes.api.get(`/api/v1/namespaces/${namespace}/pods/${name}`);
      expect(metadata.annotations).not.toHaveProperty(['samebytes.dev/left-alone']);
    },
  );

  test('and writes its tag back whenever it is asked is stopped by the validating policy', async () => {
    const options = { image: tagged, namespace: 'strict', how: 'rerender' } as const;
    injector = await Injector.start(samebytes.api, options);
    const applied = samebytes.applyObjects(barePod('strict', 'rerendered', { image: tagged }));
    await expect(applied).rejects.toThrow(
      /samebytes: an image has no digest after all webhooks ran: sidecar;/,
    );
    expect(injector.asked).toBeGreaterThan(1);
  });
});

describe('while no webhook process runs', () => {
  beforeAll(async () => {
    await samebytes.stopProcess('process-0');
  });
  afterAll(async () => {
    await samebytes.startProcess('process-0');
  });

  test('a namespace that opted in is denied, in the words of Kubernetes', async () => {
    const applied = samebytes.applyObjects(barePod('strict', 'down', { image: tagged }));
    await expect(applied).rejects.toThrow(/failed calling webhook "enabled\.samebytes\.dev"/);
  });

  test('a namespace that allows failures, and one under audit, go on', async () => {
    for (const namespace of ['lenient', 'audited']) {
      await samebytes.applyObjects(barePod(namespace, 'down', { image: tagged }));
      expect(await imageOf(namespace, 'down')).toEqual([tagged]);
    }
  });

  test.each(['kube-system', 'samebytes'])('%s goes on, even with the label', async (namespace) => {
    await samebytes.kubectl.run('label', '--overwrite', 'namespace', namespace, 'samebytes.dev/pin=enabled');
    const restricted = {
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'web',
          image: tagged,
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    };
    await samebytes.applyObjects(barePod(namespace, 'down', { image: tagged, spec: restricted }));
    expect(await imageOf(namespace, 'down')).toEqual([tagged]);
    await samebytes.kubectl.run('label', 'namespace', namespace, 'samebytes.dev/pin-');
    await samebytes.kubectl.run('-n', namespace, 'delete', 'pod', 'down', '--force');
  });

  test('a sidecar that slips into a Pod with digests is stopped by the validating policy', async () => {
    const injector = await Injector.start(samebytes.api, { image: tagged, namespace: 'strict', how: 'add' });
    const applied = samebytes.applyObjects(barePod('strict', 'slipped', { image: pinned }));
    await expect(applied).rejects.toThrow(/has no digest after all webhooks ran: sidecar;/);
    await injector.stop();
  });

  test('Pods with digests, and changes of metadata, go on everywhere', async () => {
    await samebytes.applyObjects(barePod('strict', 'digest', { image: pinned }));
    const labelled = await samebytes.kubectl.run('-n', 'strict', 'label', 'pod', 'digest', 'changed=yes');
    expect(labelled).toContain('labeled');
  });
});
