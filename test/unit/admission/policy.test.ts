import { describe, expect, test } from '@jest/globals';
import {
  imageMatcher,
  PolicyRules,
  readPolicyAnnotation,
  type PolicyChoice,
  type PolicyContext,
  type PolicyRule,
} from '../../../src/admission/policy.ts';
import { parseReference } from '../../../src/image/reference.ts';

const CONTEXT: PolicyContext = {
  namespace: 'shop',
  ownerKinds: ['ReplicaSet', 'ReplicaSet.apps'],
  customOwner: false,
};
const CUSTOM: PolicyContext = {
  namespace: 'shop',
  ownerKinds: ['Cluster.postgresql.cnpg.io'],
  customOwner: true,
};

interface Question {
  readonly image?: string;
  readonly annotation?: string;
  readonly context?: PolicyContext;
  readonly container?: string;
}

function choose(rules: readonly PolicyRule[], question: Question = {}): PolicyChoice {
  const { image = 'nginx:1', annotation, context = CONTEXT, container = 'web' } = question;
  const asked = annotation === undefined ? undefined : readPolicyAnnotation(annotation);
  return new PolicyRules(rules, 'sticky').choose(parseReference(image), container, asked, context);
}

describe('an image glob', () => {
  test.each([
    ['docker.io/library/nginx', 'nginx:1', true],
    ['docker.io/library/nginx', 'docker.io/library/nginx', true],
    ['docker.io/library/nginx:1', 'nginx:1', true],
    ['docker.io/library/nginx:1', 'nginx:2', false],
    ['docker.io/library/nginx:latest', 'nginx', true],
    ['docker.io/library/nginx:v*', 'nginx:v1.2', true],
    ['docker.io/library/nginx:v*', 'nginx:1.2', false],
    ['nginx', 'nginx:1', false],
    ['docker.io/*', 'nginx', false],
    ['docker.io/*/*', 'nginx', true],
    ['docker.io/*/nginx', 'nginx', true],
    ['docker.io/**', 'nginx', true],
    ['quay.io/*', 'quay.io/a:1', true],
    ['quay.io/*', 'quay.io/a/b:1', false],
    ['quay.io/a/*', 'quay.io/a/b/c:1', false],
    ['quay.io/**', 'quay.io/a/b/c:1', true],
    ['**', 'quay.io/a/b/c:1', true],
    ['**/*:latest', 'quay.io/a/b/c', true],
    ['**/*:latest', 'quay.io/a/b/c:1', false],
    ['**/.hidden', 'quay.io/hidden', false],
    ['quay.io/a', 'QUAY.io/a:1', true],
    ['r.test:5000/**', 'r.test:5000/a/b', true],
    ['r.test/**', 'r.test:5000/a/b', false],
    ['!quay.io/**', 'nginx', false],
    ['{quay.io,docker.io}/**', 'nginx', false],
    ['docker.io/library/(nginx|redis)', 'httpd', false],
  ])('%s over %s: %p', (glob, image, matches) => {
    expect(imageMatcher([glob])(parseReference(image))).toBe(matches);
  });

  test('is one of several of which any may match; without globs every image matches', () => {
    expect(imageMatcher(['quay.io/**', 'docker.io/**'])(parseReference('nginx'))).toBe(true);
    expect(imageMatcher(['quay.io/**', 'gcr.io/**'])(parseReference('nginx'))).toBe(false);
    expect(imageMatcher(undefined)(parseReference('nginx'))).toBe(true);
  });
});

describe('the rules', () => {
  test('decide by the first that matches', () => {
    const rules: PolicyRule[] = [
      { images: ['quay.io/**'], policy: 'off' },
      { images: ['docker.io/**'], policy: 'follow' },
      { policy: 'off' },
    ];
    expect(choose(rules)).toEqual({
      policy: 'follow',
      reason: 'rule',
      optOutRefused: false,
      mayOptOut: true,
    });
  });

  test('leave what none matches to the default', () => {
    expect(choose([{ images: ['quay.io/**'], policy: 'off' }])).toEqual({
      policy: 'sticky',
      reason: 'default',
      optOutRefused: false,
      mayOptOut: true,
    });
  });

  test('may match without naming a policy, which ends the search', () => {
    expect(choose([{ namespaces: ['shop'] }, { policy: 'off' }]).policy).toBe('sticky');
  });

  test.each([
    [['shop'], 'shop', true],
    [['sh*'], 'shop', true],
    [['team-*'], 'shop', false],
    [['team-*', 'shop'], 'shop', true],
    [['*'], '', false],
  ])('match namespaces by %j: %s, %p', (namespaces, namespace, matches) => {
    const context = { ...CONTEXT, namespace };
    expect(choose([{ namespaces, policy: 'off' }], { context }).policy).toBe(matches ? 'off' : 'sticky');
  });

  test.each([
    [['ReplicaSet'], CONTEXT, true],
    [['ReplicaSet.apps'], CONTEXT, true],
    [['Job', 'ReplicaSet'], CONTEXT, true],
    [['replicaset'], CONTEXT, false],
    [['Replica*'], CONTEXT, false],
    [['None'], CONTEXT, false],
    [['None'], { ...CONTEXT, ownerKinds: ['None'] }, true],
  ])('match owner kinds by name: %j', (ownerKinds, context, matches) => {
    expect(choose([{ ownerKinds, policy: 'off' }], { context }).policy).toBe(matches ? 'off' : 'sticky');
  });

  test('match only where all their conditions hold', () => {
    const all: PolicyRule = {
      images: ['docker.io/**'],
      namespaces: ['shop'],
      ownerKinds: ['ReplicaSet'],
      policy: 'off',
    };
    expect(choose([all]).policy).toBe('off');
    expect(choose([{ ...all, images: ['quay.io/**'] }]).policy).toBe('sticky');
    expect(choose([{ ...all, namespaces: ['other'] }]).policy).toBe('sticky');
    expect(choose([{ ...all, ownerKinds: ['Job'] }]).policy).toBe('sticky');
  });
});

describe("a Pod's annotation", () => {
  test('chooses before default and rules', () => {
    expect(choose([], { annotation: 'off' })).toEqual({
      policy: 'off',
      reason: 'annotation',
      optOutRefused: false,
      mayOptOut: true,
    });
    expect(choose([{ policy: 'off' }], { annotation: 'follow' }).policy).toBe('follow');
  });

  test('chooses for a container before it chooses for all', () => {
    const annotation = 'off,web=follow';
    expect(choose([], { annotation }).policy).toBe('follow');
    expect(choose([], { annotation, container: 'log' }).policy).toBe('off');
  });

  test('for other containers alone changes nothing', () => {
    expect(choose([], { annotation: 'log=off' }).reason).toBe('default');
  });

  test('is powerless and reported where a rule forbids opting out', () => {
    const rules: PolicyRule[] = [{ allowOptOut: false }];
    expect(choose(rules, { annotation: 'off' })).toEqual({
      policy: 'sticky',
      reason: 'default',
      optOutRefused: true,
      mayOptOut: false,
    });
    expect(choose([{ policy: 'follow', allowOptOut: false }], { annotation: 'off' })).toEqual({
      policy: 'follow',
      reason: 'rule',
      optOutRefused: true,
      mayOptOut: false,
    });
  });

  test('that asks for what holds anyway is no opting out', () => {
    expect(choose([{ allowOptOut: false }], { annotation: 'sticky' }).optOutRefused).toBe(false);
  });

  test('has power where the forbidding rule does not match', () => {
    const rules: PolicyRule[] = [{ namespaces: ['other'], allowOptOut: false }];
    expect(choose(rules, { annotation: 'off' }).policy).toBe('off');
  });
});

describe('a Pod of a custom resource', () => {
  test('is off unless a rule says otherwise', () => {
    expect(choose([], { context: CUSTOM })).toEqual({
      policy: 'off',
      reason: 'custom_owner',
      optOutRefused: false,
      mayOptOut: true,
    });
    const rule: PolicyRule = { ownerKinds: ['Cluster.postgresql.cnpg.io'], policy: 'sticky' };
    expect(choose([rule], { context: CUSTOM })).toMatchObject({ policy: 'sticky', reason: 'rule' });
  });

  test('stays off under a rule for the kind of another group, or for the bare kind', () => {
    const rules: PolicyRule[] = [{ ownerKinds: ['Cluster.example.com', 'Cluster'], policy: 'sticky' }];
    expect(choose(rules, { context: CUSTOM }).policy).toBe('off');
  });

  test('stays off under a rule that names no policy', () => {
    expect(choose([{ namespaces: ['shop'] }], { context: CUSTOM })).toMatchObject({ reason: 'custom_owner' });
  });

  test('cannot be turned on by its annotation alone', () => {
    expect(choose([], { context: CUSTOM, annotation: 'sticky' }).policy).toBe('off');
    expect(choose([{ namespaces: ['shop'] }], { context: CUSTOM, annotation: 'follow' }).policy).toBe('off');
  });

  test('cannot be turned on by its annotation against a rule that says off', () => {
    expect(choose([{ policy: 'off' }], { context: CUSTOM, annotation: 'sticky' }).policy).toBe('off');
  });

  test('may choose by annotation once a rule has turned it on', () => {
    const rules: PolicyRule[] = [{ policy: 'sticky' }];
    expect(choose(rules, { context: CUSTOM, annotation: 'follow' }).policy).toBe('follow');
    expect(choose(rules, { context: CUSTOM, annotation: 'off' }).policy).toBe('off');
  });
});
