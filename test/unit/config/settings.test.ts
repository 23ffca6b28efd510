import { describe, expect, test } from '@jest/globals';
import type { z } from 'zod';
import { defaultSettings, settingsSchema } from '../../../src/config/settings.ts';
import defaults from './defaults.json' with { type: 'json' };

type Issue = readonly [path: string, message: string];

function issuesOf(settings: unknown): Issue[] {
  const { error } = settingsSchema.safeParse(settings) as z.ZodSafeParseResult<unknown>;
  return (error?.issues ?? []).map(({ path, message }) => [path.join('.'), message]);
}

test('the defaults are those of defaults.json, so that changing one shows in review', () => {
  expect(defaultSettings()).toStrictEqual(defaults);
});

test('the defaults are complete settings: reading them again changes nothing', () => {
  expect(settingsSchema.parse(structuredClone(defaults))).toStrictEqual(defaults);
});

describe('settings are refused', () => {
  test.each([
    ['webhook.port', { webhook: { port: 65_536 } }],
    ['webhook.port', { webhook: { port: -1 } }],
    ['webhook.port', { webhook: { port: 80.5 } }],
    ['webhook.port', { webhook: { port: '8443' } }],
    ['webhook.certReloadMs', { webhook: { certReloadMs: 99 } }],
    ['webhook.certReloadMs', { webhook: { certReloadMs: Infinity } }],
    ['webhook.maxDecisionMs', { webhook: { maxDecisionMs: 30_001 } }],
    ['webhook.maxDecisionMs', { webhook: { maxDecisionMs: 0 } }],
    ['webhook.certFile', { webhook: { certFile: null } }],
    ['health.port', { health: { port: null } }],
    ['shutdown.drainMs', { shutdown: { drainMs: -1 } }],
    ['shutdown.graceMs', { shutdown: { graceMs: 86_400_001 } }],
    ['policies.default', { policies: { default: 'on' } }],
    ['policies.pullPolicy', { policies: { pullPolicy: 'IfNotPresent' } }],
    ['policies.keepTag', { policies: { keepTag: 'yes' } }],
    ['policies.rules', { policies: { rules: {} } }],
    ['policies.rules.0.images', { policies: { rules: [{ images: [] }] } }],
    ['policies.rules.0.images', { policies: { rules: [{ images: 'docker.io/**' }] } }],
    ['policies.rules.0.images.0', { policies: { rules: [{ images: [''] }] } }],
    ['policies.rules.0.images.0', { policies: { rules: [{ images: ['x'.repeat(513)] }] } }],
    ['policies.rules.1.policy', { policies: { rules: [{}, { policy: 'none' }] } }],
    ['policies.rules.0.ownerKinds', { policies: { rules: [{ ownerKinds: [] }] } }],
    ['policies.rules.0.allowOptOut', { policies: { rules: [{ allowOptOut: 'false' }] } }],
    ['policies.rules', { policies: { rules: Array.from({ length: 1_001 }, () => ({})) } }],
    ['pins.maxRevisions', { pins: { maxRevisions: 0 } }],
    ['pins.store', { pins: { store: 'disk' } }],
    ['pins.checkDigestsEveryMs', { pins: { checkDigestsEveryMs: 999 } }],
    ['resolver.freshnessMs', { resolver: { freshnessMs: 0.5 } }],
    ['registries.0.host', { registries: [{}] }],
    ['registries.0.host', { registries: [{ host: 'Registry.example.com' }] }],
    ['registries.0.host', { registries: [{ host: 'https://registry.example.com' }] }],
    ['registries.0.host', { registries: [{ host: '' }] }],
    ['registries.0.tokenHosts.0', { registries: [{ host: 'a.test', tokenHosts: ['https://b.test'] }] }],
    ['resolver.registryDeadlineMs', { resolver: { registryDeadlineMs: 3_001 } }],
    ['registries', { registries: [{ host: 'a.test' }, { host: 'b.test' }, { host: 'a.test' }] }],
    ['log.level', { log: { level: 'verbose' } }],
    ['', []],
    ['', null],
    ['webhook', { webhook: 8443 }],
  ])('with the path of the one problem: %s', (path, settings) => {
    expect(new Set(issuesOf(settings).map(([where]) => where))).toEqual(new Set([path]));
  });

  test.each([
    ['', 'unknown', { unknown: 1 }],
    ['webhook', 'prot', { webhook: { prot: 1 } }],
    ['policies.rules.0', 'image', { policies: { rules: [{ image: ['docker.io/**'] }] } }],
    ['registries.0', 'insecureTls', { registries: [{ host: 'a.test', insecureTls: true }] }],
  ])('where a name is not known: %s.%s', (path, name, settings) => {
    expect(issuesOf(settings)).toEqual([[path, expect.stringContaining(`"${name}"`)]]);
  });
});

describe('settings may say', () => {
  test.each([
    'registry.example.com',
    'registry.example.com:5000',
    'localhost:5000',
    '[::1]:5000',
    '10.0.0.1',
  ])('a registry as it stands in images: %s', (host) => {
    expect(settingsSchema.parse({ registries: [{ host }] }).registries).toEqual([
      { host, insecure: false, allowPrivateAddresses: false, allowLoopback: false, tokenHosts: [] },
    ]);
  });

  test('a section without saying all of it', () => {
    const { webhook } = settingsSchema.parse({ webhook: { port: 9443 } });
    expect(webhook).toEqual({ ...defaults.webhook, port: 9_443 });
  });

  test('registries on one host with different ports', () => {
    expect(issuesOf({ registries: [{ host: 'a.test:1' }, { host: 'a.test:2' }] })).toEqual([]);
  });
});
