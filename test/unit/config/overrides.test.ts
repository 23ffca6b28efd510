import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SettingsFiles } from '../../support/settings-files.ts';
import defaults from './defaults.json' with { type: 'json' };

let files: SettingsFiles;

beforeAll(() => {
  files = new SettingsFiles();
});
afterAll(() => {
  files.remove();
});

describe('what is set beside the file', () => {
  const FILE = 'webhook: {port: 1, host: 127.0.0.1}\nlog: {level: warn}\n';
  const ENV = { SAMEBYTES_WEBHOOK_PORT: '2', SAMEBYTES_LOG_LEVEL: 'error' };

  test('by environment is stronger than the file', () => {
    expect(files.load(FILE, { env: ENV })).toMatchObject({
      webhook: { ...defaults.webhook, port: 2, host: '127.0.0.1' },
      log: { level: 'error' },
    });
  });

  test('by flag is stronger than the environment', () => {
    const { webhook, log } = files.load(FILE, { env: ENV, flags: { webhookPort: '3' } });
    expect([webhook.port, log.level]).toEqual([3, 'error']);
  });

  test.each([
    ['webhookPort', 'SAMEBYTES_WEBHOOK_PORT', '1234', { webhook: { port: 1234 } }],
    ['certFile', 'SAMEBYTES_CERT_FILE', '12', { webhook: { certFile: '12' } }],
    ['keyFile', 'SAMEBYTES_KEY_FILE', '/k', { webhook: { keyFile: '/k' } }],
    ['healthPort', 'SAMEBYTES_HEALTH_PORT', '0', { health: { port: 0 } }],
    ['dashboardPort', 'SAMEBYTES_DASHBOARD_PORT', '0', { dashboard: { port: 0 } }],
    ['kubeconfig', 'SAMEBYTES_KUBECONFIG', '/c', { kubernetes: { kubeconfig: '/c' } }],
    ['logLevel', 'SAMEBYTES_LOG_LEVEL', 'debug', { log: { level: 'debug' } }],
  ])('as --%s or %s goes where it belongs', (flag, env, value, expected) => {
    expect(files.load('', { flags: { [flag]: value } })).toMatchObject(expected);
    expect(files.load('', { env: { [env]: value } })).toMatchObject(expected);
  });

  test('but empty counts as not set', () => {
    expect(files.load('', { env: { SAMEBYTES_WEBHOOK_PORT: '', SAMEBYTES_LOG_LEVEL: '' } })).toStrictEqual(
      defaults,
    );
    expect(files.load(FILE, { flags: { webhookPort: undefined } }).webhook.port).toBe(1);
  });

  test.each(['eight', '80x', '-1', '8.5', '0x50', ' 80', '1e3', '65536', '9'.repeat(400)])(
    'as a port must be one: %.20j',
    (port) => {
      expect(files.problems('', { env: { SAMEBYTES_WEBHOOK_PORT: port } })).toEqual([
        expect.stringMatching(/^webhook\.port: /),
      ]);
    },
  );

  test('hides no mistake of the file around it', () => {
    const env = { SAMEBYTES_LOG_LEVEL: 'info' };
    expect(files.problems('log: debug\n', { env })).toEqual([expect.stringMatching(/^log: /)]);
  });

  test('has no other names', () => {
    const env = { SAMEBYTES_PINS_STORE: 'disk', WEBHOOK_PORT: '1', samebytes_log_level: 'debug' };
    expect(files.load('', { env, flags: { port: '1' } })).toStrictEqual(defaults);
  });
});
