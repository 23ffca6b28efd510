import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadSettings, SettingsError } from '../../../src/config/load.ts';
import { errorOf, SettingsFiles } from '../../support/settings-files.ts';
import defaults from './defaults.json' with { type: 'json' };

let files: SettingsFiles;

beforeAll(() => {
  files = new SettingsFiles();
});
afterAll(() => {
  files.remove();
});

describe('a settings file', () => {
  test('is not needed', () => {
    expect(loadSettings(undefined, { flags: {}, env: {} })).toStrictEqual(defaults);
  });

  test.each([
    ['empty', ''],
    ['only comments', '# nothing\n\n# yet\n'],
    ['an empty document', '---\n'],
    ['an empty object', '{}'],
    ['null', 'null\n'],
    ['only a byte order mark', '\ufeff'],
    ['a section without fields', 'webhook: {}\n'],
  ])('that is %s means the defaults', (_what, text) => {
    expect(files.load(text)).toStrictEqual(defaults);
  });

  test('may start with a byte order mark and end its lines as Windows does', () => {
    expect(files.load('\ufefflog:\r\n  level: debug\r\n').log.level).toBe('debug');
  });

  test('may be JSON', () => {
    expect(files.load('{"log": {"level": "debug"}}').log.level).toBe('debug');
  });

  test('may use anchors for what it says twice', () => {
    const { policies } = files.load(
      'policies: {rules: [{images: &mine ["a.test/**"]}, {images: *mine, policy: off}]}',
    );
    expect(policies.rules).toEqual([{ images: ['a.test/**'] }, { images: ['a.test/**'], policy: 'off' }]);
  });

  test('may say off and yes in YAML 1.2, where these are words', () => {
    expect(files.load('policies: {default: off}').policies.default).toBe('off');
  });
});

describe('every problem is listed at once', () => {
  const SIX_MISTAKES = `
webhook: { port: eight, certReloadMs: 1 }
health: { prot: 9090 }
policies:
  rules:
    - policy: sticky
    - policy: maybe
registries:
  - host: Registry.example.com
surprise: true
`;

  test('with its path', () => {
    const problems = files.problems(SIX_MISTAKES);
    expect(problems).toHaveLength(6);
    expect(new Set(problems.map((line) => line.split(':')[0]))).toEqual(
      new Set([
        'health',
        'policies.rules[1].policy',
        'registries[0].host',
        'settings',
        'webhook.certReloadMs',
        'webhook.port',
      ]),
    );
    expect(problems.join()).toContain('"prot"');
    expect(problems.join()).toContain('"surprise"');
  });

  test('under the name of the file, in an error that has a code', () => {
    const error = errorOf(() => files.load(SIX_MISTAKES));
    expect(error).toMatchObject({ name: 'SettingsError', code: 'invalid_settings' });
    expect(String(error)).toContain(join(files.directory, 'settings.yaml'));
  });

  test('also where it was set beside a file', () => {
    const overrides = { flags: { logLevel: 'loud' }, env: { SAMEBYTES_HEALTH_PORT: '70000' } };
    const error = errorOf(() => loadSettings(undefined, overrides));
    expect(String(error)).toMatch(/health\.port: .*\n\s+log\.level: /);
  });

  test('of several lines of broken YAML, too', () => {
    const problems = files.problems('log: [\nwebhook: }\n');
    expect(problems.length).toBeGreaterThan(1);
    for (const problem of problems) expect(problem).toMatch(/^line \d+: /);
  });
});

describe('a file that holds no settings', () => {
  test.each([
    ['log:\n  level: info\n bad\n', 3],
    ['a: 1\na: 2\n', 2],
    ['log: {level: info\n', 2],
    ['log: "x\n', 2],
    ['\n\n\tlog: {}\n', 3],
    ['a: 1\n---\nb: 2\n', 2],
  ])('is refused with the line where it breaks: %j, line %d', (text, line) => {
    expect(files.problems(text)).toContainEqual(expect.stringMatching(new RegExp(`^line ${line}: `)));
  });

  test.each([
    ['list', '- webhook\n'],
    ['text', 'webhook\n'],
    ['text', '42\n'],
  ])('but a %s is refused: %j', (what, text) => {
    expect(files.problems(text)).toEqual([
      expect.stringContaining(`does not hold settings, but one ${what}`),
    ]);
  });

  test('but bytes that are no text is refused', () => {
    expect(errorOf(() => files.load(Buffer.from([0, 255, 254, 1])))).toBeInstanceOf(SettingsError);
  });

  test('since it cannot be read is named', () => {
    for (const file of [join(files.directory, 'missing.yaml'), files.directory]) {
      const error = errorOf(() => loadSettings(file, { flags: {}, env: {} }));
      expect(error).toBeInstanceOf(SettingsError);
      expect(String(error)).toContain(`settings: cannot read ${file} (`);
    }
  });

  test('but aliases that would fill the memory is refused like any other', () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const items = Array.from({ length: 10 }, () => (level === 0 ? 'x' : `*l${level - 1}`)).join(', ');
      return `l${level}: &l${level} [${items}]`;
    });
    expect(files.problems(levels.join('\n'))).toHaveLength(1);
  });

  test('but an alias to nothing is refused like any other', () => {
    expect(files.problems('log: *nothing\n').join()).toContain('nothing');
  });

  test('but an anchor that holds itself is refused', () => {
    expect(files.problems('log: &log {level: info, self: *log}\n')).toEqual([
      expect.stringMatching(/^log: .*"self"/),
    ]);
  });

  test('but names of JavaScript is refused, and changes no other object', () => {
    expect(files.problems('__proto__: {polluted: true}\n').join()).toContain('__proto__');
    expect(files.problems('log: {__proto__: {level: debug}}\n').join()).toContain('__proto__');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
