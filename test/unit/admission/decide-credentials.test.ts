import { beforeEach, describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/admission/failure.ts';
import { RegistryError } from '../../../src/registry/errors.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { dockerConfig, PlayedSecrets } from '../../support/played-secrets.ts';
import { admissionRequest, pod, type TestContainer } from '../../support/pods.ts';

const A = digest('a');
const B = digest('b');
const WEB = 'registry.test/shop/web:1.0';
const SUBRESOURCE = { operation: 'UPDATE', subResource: 'ephemeralcontainers' } as const;
let secrets: PlayedSecrets;
let admission: AdmissionUnderTest;

beforeEach(() => {
  secrets = new PlayedSecrets();
  secrets.put('shop/regcred', dockerConfig({ 'registry.test': 'ann' }));
  admission = new AdmissionUnderTest({ secrets });
  admission.tags.set(WEB, A);
});

interface PodFields {
  readonly metadata?: object;
  readonly containers?: readonly TestContainer[];
  readonly spec?: object;
}

function of(
  names: readonly string[],
  { metadata, containers, spec }: PodFields = {},
): Record<string, unknown> {
  return pod({
    metadata: metadata ?? {},
    spec: {
      imagePullSecrets: names.map((name) => ({ name })),
      ...(containers && { containers }),
      ...spec,
    },
  });
}

/** A bare Pod with the Secret `regcred`. */
function bare(image = WEB): Record<string, unknown> {
  return of(['regcred'], { metadata: { ownerReferences: undefined }, containers: [{ name: 'web', image }] });
}

/** User names, question by question, as the registry was asked. */
function askers(): string[][] {
  return admission.tags.askers.map(({ credentials }) =>
    credentials.map((credential) => credential.reveal().username),
  );
}

async function denial(object: object): Promise<{ code: number; message: string }> {
  const { decision } = await admission.admit(object);
  return decision.denial ?? { code: 0, message: '' };
}

describe('a registry is asked with the credentials of the Pod', () => {
  test('for a birth', async () => {
    expect((await admission.admit(of(['regcred']))).images).toEqual({ web: `registry.test/shop/web@${A}` });
    expect(askers()).toEqual([['ann']]);
  });

  test('for `follow`', async () => {
    await admission.admit(
      of(['regcred'], { metadata: { annotations: { 'samebytes.dev/policy': 'follow' } } }),
    );
    expect(askers()).toEqual([['ann']]);
  });

  test('for a bare Pod, and for an image that an update changes', async () => {
    await admission.admit(bare());
    await admission.update(bare(`registry.test/shop/web@${B}`), bare());
    expect(askers()).toEqual([['ann'], ['ann']]);
  });

  test('for an ephemeral container, on its subresource', async () => {
    const ephemeralContainers = [{ name: 'debug', image: WEB }];
    const { images } = await admission.update(
      of(['regcred']),
      of(['regcred'], { spec: { ephemeralContainers } }),
      SUBRESOURCE,
    );
    expect(images['debug']).toBe(`registry.test/shop/web@${A}`);
    expect(askers()).toEqual([['ann']]);
  });

  test('and each image with those that are for its registry', async () => {
    admission.tags.set('other.test/cache:1', B);
    admission.tags.set('docker.io/library/nginx:1', B);
    secrets.put('shop/other', dockerConfig({ 'other.test': 'olaf', 'https://index.docker.io/v1/': 'hub' }));
    const containers = [
      { name: 'web', image: WEB },
      { name: 'cache', image: 'other.test/cache:1' },
      { name: 'proxy', image: 'nginx:1' },
    ];
    await admission.admit(of(['regcred', 'other'], { containers }));
    expect(askers()).toEqual([['ann'], ['olaf'], ['hub']]);
    expect(secrets.reads).toEqual(['shop/regcred', 'shop/other']);
  });

  test('of its own namespace: nobody gets an answer that was given to others', async () => {
    const follow = { annotations: { 'samebytes.dev/policy': 'follow' } };
    await admission.admit(of(['regcred'], { metadata: follow }));
    admission.tags.fail(WEB, 'denied');
    const stranger = await admission.admit(of(['regcred'], { metadata: follow }), { namespace: 'evil' });
    expect(stranger.decision.outcome).toBe('refused');
    expect(askers()).toEqual([['ann'], []]);
    const friend = await admission.admit(of(['regcred'], { metadata: follow }));
    expect(friend.images).toEqual({ web: `registry.test/shop/web@${A}` });
    expect(askers()).toHaveLength(2);
  });
});

describe('no Secret is read', () => {
  test('when the revision is known', async () => {
    await admission.admit(of(['regcred']));
    for (let replica = 0; replica < 10; replica += 1) {
      admission.clock.advance(60_000);
      await admission.admit(of(['regcred']));
    }
    expect(secrets.reads).toEqual(['shop/regcred']);
  });

  test.each([
    ['has its digest', { containers: [{ name: 'web', image: `registry.test/shop/web@${A}` }] }],
    ['is left alone', { metadata: { annotations: { 'samebytes.dev/policy': 'off' } } }],
    ['is never pulled', { containers: [{ name: 'web', image: WEB, imagePullPolicy: 'Never' }] }],
    ['cannot be read', { containers: [{ name: 'web', image: 'no//image' }] }],
  ])('where an image %s', async (_why, fields) => {
    await admission.admit(of(['regcred'], fields));
    expect(secrets.reads).toEqual([]);
  });

  test('where an update changes no image, or puts one back', async () => {
    const { pod: running } = await admission.admit(bare());
    const before = secrets.reads.length;
    await admission.update(running, { ...running, metadata: { ...running.metadata, labels: { a: 'b' } } });
    const put = await admission.update(running, bare());
    expect(put.images).toEqual({ web: `registry.test/shop/web@${A}` });
    expect(secrets.reads).toHaveLength(before);
  });
});

describe('a Pod that is admitted is told of Secrets that could not be used', () => {
  test('once, when a registry was asked', async () => {
    secrets.put('shop/opaque', '{}', 'Opaque');
    const containers = [
      { name: 'a', image: WEB },
      { name: 'b', image: WEB },
    ];
    const object = of(['gone', 'regcred', 'opaque'], { containers });
    expect((await admission.admit(object)).decision.warnings).toEqual([
      'Secret "gone" does not exist in this namespace: create it, or take it out of imagePullSecrets',
      'Secret "opaque" is of type "Opaque", which holds no docker config: create it anew with `kubectl create secret docker-registry`',
    ]);
    expect(askers()).toEqual([['ann']]);
    expect((await admission.admit(object)).decision.warnings).toEqual([]);
  });

  test('whose text nodes cannot read either, though the image is pinned', async () => {
    secrets.put('shop/broken', '{"auths":{"registry.test":{"auth":"broken!"}}}');
    const { decision, images } = await admission.admit(of(['broken', 'regcred']));
    expect(images).toEqual({ web: `registry.test/shop/web@${A}` });
    expect(decision.warnings).toEqual([expect.stringContaining('nodes fail to pull with it')]);
  });

  test.each(['allow', 'audit'] as const)(
    'and of what was tried, where its image gets no digest (%s)',
    async (mode) => {
      admission.tags.fail(WEB, 'denied');
      const { decision } = await admission.admit(of(['regcred', 'gone']), { mode });
      expect(decision.warnings).toEqual([
        expect.stringContaining('the registry denied access (tried: Secret regcred, anonymous)'),
        expect.stringContaining('Secret "gone" does not exist'),
      ]);
    },
  );
});

describe('a denial', () => {
  beforeEach(() => admission.tags.fail(WEB, 'denied'));

  test('names the Secrets whose credentials were tried, and what to check', async () => {
    secrets.put('shop/second', dockerConfig({ 'registry.test': 'bob' }));
    expect(await denial(of(['regcred', 'second']))).toEqual({
      code: 403,
      message:
        'samebytes: cannot pin image "registry.test/shop/web:1.0": the registry denied access (tried: Secret regcred, Secret second, anonymous); check that the users in Secret regcred and Secret second may pull this image, with that password',
    });
  });

  test('says of a Pod without pull secrets that it could have some', async () => {
    expect((await denial(of([]))).message).toMatch(
      /\(tried: anonymous\); check that the image exists; if it is private, name a Secret for this registry in imagePullSecrets$/,
    );
  });

  test('says when none of the pull secrets is for this registry', async () => {
    secrets.put('shop/other', dockerConfig({ 'other.test': 'olaf' }));
    expect((await denial(of(['other']))).message).toMatch(
      /\(tried: anonymous\); none of the Pod's imagePullSecrets is for this registry: check their entries$/,
    );
  });

  test.each(['denied', 'not_found'] as const)(
    'after %s names the Secrets that could not be used',
    async (code) => {
      admission.tags.fail(WEB, code);
      const { message } = await denial(of(['gone']));
      expect(message).toMatch(/\. Secret "gone" does not exist in this namespace: create it,/);
    },
  );

  test('after anything else does not: they are not the reason', async () => {
    admission.tags.fail(WEB, 'unreachable');
    expect((await denial(of(['gone']))).message).not.toContain('gone');
  });

  test('names a Secret once, and five at most, for however many images', async () => {
    const containers = Array.from({ length: 20 }, (_, index) => ({
      name: `c${index}`,
      image: `registry.test/private:${index}`,
    }));
    const names = Array.from({ length: 20 }, (_, index) => `gone-${index}`);
    const { message } = await denial(of(names, { containers }));
    expect(message.match(/"gone-\d+"/g)).toEqual([
      '"gone-0"',
      '"gone-1"',
      '"gone-2"',
      '"gone-3"',
      '"gone-4"',
    ]);
  });

  test('has code 503 where the API server gave no answer: trying again may help', async () => {
    secrets.set('shop/regcred', { is: 'unreadable' });
    expect(await denial(of(['regcred']))).toMatchObject({
      code: 503,
      message: expect.stringContaining('the API server gave no answer'),
    });
  });

  test('goes to the log with the names of what was tried', async () => {
    const { decision } = await admission.admit(of(['regcred']));
    expect(decision.images[0]?.result).toMatchObject({
      is: 'failed',
      tried: ['Secret regcred', 'anonymous'],
    });
  });

  test('is told to all Pods that waited for the same birth', async () => {
    const both = await Promise.all([denial(of(['regcred'])), denial(of(['regcred']))]);
    for (const { message } of both) expect(message).toContain('tried: Secret regcred, anonymous');
    expect(secrets.reads).toHaveLength(1);
  });

  test('is not repeated for the mended Secret: other credentials are another question', async () => {
    await denial(of(['regcred']));
    secrets.put('shop/regcred', dockerConfig({ 'registry.test': 'bob' }));
    admission.tags.set(WEB, A);
    admission.clock.advance(10_001);
    expect((await admission.admit(of(['regcred']))).images).toEqual({ web: `registry.test/shop/web@${A}` });
    expect(askers()).toEqual([['ann'], ['bob']]);
  });
});

test('the manifest of what a revision runs is read with its credentials', async () => {
  admission.siblings = [
    { image: WEB, recorded: undefined, imageId: `registry.test/shop/web@${B}`, state: 'running' },
  ];
  const { images } = await admission.admit(of(['regcred']));
  expect(images).toEqual({ web: `registry.test/shop/web@${B}` });
  expect(admission.manifestAskers.map(({ credentials }) => credentials.length)).toEqual([1]);
});

test('a deadline that ends while a Secret is read is the deadline, not the Secret', async () => {
  const controller = new AbortController();
  secrets.before = async (_key, signal) => {
    controller.abort(new DeadlineError('no decision after 3000 ms'));
    signal.throwIfAborted();
  };
  const decision = await admission.decide(admissionRequest(of(['regcred'])), 'enabled', controller.signal);
  expect(decision.images[0]?.result).toMatchObject({ code: 'deadline' });
  expect(admission.tags.asked).toEqual([]);
});

test.each([
  ['a list that is none', { imagePullSecrets: 'regcred' }],
  ['an entry that is none', { imagePullSecrets: ['regcred'] }],
  ['a name that is none', { imagePullSecrets: [{ name: 7 }] }],
])('%s is not a Pod', async (_what, spec) => {
  expect((await admission.admit(of([], { spec }))).decision.outcome).toBe('invalid_pod');
});

test.each([
  ['no list', { imagePullSecrets: undefined }],
  ['a null list', { imagePullSecrets: null }],
  ['entries without a name', { imagePullSecrets: [{}, { name: '' }, { name: null }] }],
])('%s names nobody', async (_what, spec) => {
  expect((await admission.admit(of([], { spec }))).decision.outcome).toBe('pinned');
  expect(secrets.reads).toEqual([]);
});

test('an error of the registry client that names a host says nothing of Secrets that are in order', async () => {
  admission.tags.fail(WEB, new RegistryError('throttled', 'slow down', { registry: 'registry.test' }));
  const { code, message } = await denial(of(['regcred']));
  expect(code).toBe(503);
  expect(message).not.toContain('regcred');
});
