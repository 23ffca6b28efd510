import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { createLog, errorFields, type LogLevel, type Logger } from '../../../src/telemetry/log.ts';

const SECRET = 'hunter2';

/** A log of JSON that writes to `lines`. */
function logTo(lines: string[], level: LogLevel = 'trace'): Logger {
  return createLog({ level, pretty: false, destination: { write: (line: string) => void lines.push(line) } });
}

/** What a log for people writes. */
function prettily(write: (log: Logger) => void): string {
  let text = '';
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString();
      done();
    },
  });
  write(createLog({ level: 'info', pretty: true, destination }));
  return text;
}

function logged(write: (log: Logger) => void): Record<string, unknown> {
  const lines: string[] = [];
  write(logTo(lines));
  return JSON.parse(lines.join('')) as Record<string, unknown>;
}

/** How many causes an error has in the log. */
function depthOf(fields: unknown): number {
  const { cause } = fields as { cause?: unknown };
  return cause === undefined ? 0 : 1 + depthOf(cause);
}

describe('a line of the log', () => {
  test('is one JSON object with level, time and message, and no process id or host name', () => {
    const line = logged((log) => log.warn({ port: 8443 }, 'line\nbreaks stay inside'));
    expect(line).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      port: 8443,
      msg: 'line\nbreaks stay inside',
    });
  });

  test('says what could steer a terminal in escapes, and means the same', () => {
    const reference = 'a\u001B[2J\u009B31m\u202E\u2028\u{E0041}b';
    const lines: string[] = [];
    logTo(lines).info({ images: [{ reference }] }, 'x');
    expect(lines.join('')).toMatch(/^[ -~]*\n$/);
    expect(JSON.parse(lines.join(''))).toMatchObject({ images: [{ reference }] });
    expect(prettily((log) => log.info({ images: [{ reference }], reference }, 'x'))).toMatch(/^[\n -~]*$/);
  });

  test('ends with a line break, and has no other', () => {
    const lines: string[] = [];
    logTo(lines).info({ text: 'a\nb' }, 'c\nd');
    expect(lines.join('').indexOf('\n')).toBe(lines.join('').length - 1);
  });

  test.each<[LogLevel, string[]]>([
    ['error', ['error']],
    ['info', ['info', 'warn', 'error']],
    ['silent', []],
  ])('is written from its level on: %s', (level, written) => {
    const lines: string[] = [];
    const log = logTo(lines, level);
    log.debug('debug');
    log.info('info');
    log.warn('warn');
    log.error('error');
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(written);
  });

  test('is for people where that is asked for', () => {
    const text = prettily((log) => log.info({ port: 8443 }, 'listening'));
    expect(text).toContain('INFO');
    expect(text).toContain('listening');
    expect(text).toMatch(/port.*8443/);
    expect(() => JSON.parse(text) as unknown).toThrow('JSON');
  });
});

describe('a secret', () => {
  const NAMES = ['authorization', 'password', 'token', 'auth', 'secret', 'cookie', 'identitytoken'];

  test.each(NAMES)('is masked under the name %s, at three depths and in lists', (name) => {
    const line = logged((log) =>
      log.info({
        [name]: SECRET,
        headers: { [name]: SECRET, kept: 1 },
        request: { headers: { [name]: SECRET } },
        list: [{ [name]: SECRET }],
      }),
    );
    expect(JSON.stringify(line)).not.toContain(SECRET);
    expect(line).toMatchObject({
      [name]: '[masked]',
      headers: { [name]: '[masked]', kept: 1 },
      request: { headers: { [name]: '[masked]' } },
      list: [{ [name]: '[masked]' }],
    });
  });

  test('is masked whole, whatever it is', () => {
    const line = logged((log) => log.info({ auth: { user: 'a', pass: SECRET }, token: [SECRET], cookie: 7 }));
    expect(line).toMatchObject({ auth: '[masked]', token: '[masked]', cookie: '[masked]' });
  });

  test('is masked for people, too', () => {
    const text = prettily((log) => log.info({ token: SECRET, headers: { authorization: SECRET } }, 'hello'));
    expect(text).toContain('[masked]');
    expect(text).not.toContain(SECRET);
  });

  test('is masked for people by what it looks like, too', () => {
    const text = prettily((log) => log.info({ url: `https://ann:${SECRET}@r.test` }, `/?sig=${SECRET}`));
    expect(text).toContain('[masked]');
    expect(text).not.toContain(SECRET);
  });

  test('is masked at any depth, and what is nested without end is not written', () => {
    const deep = logged((log) => log.info({ a: { b: [{ c: { d: { password: SECRET, kept: 1 } } }] } }));
    expect(deep).toMatchObject({ a: { b: [{ c: { d: { password: '[masked]', kept: 1 } } }] } });
    const circle: Record<string, unknown> = { password: SECRET };
    circle['again'] = circle;
    const line = JSON.stringify(logged((log) => log.info({ circle })));
    expect(line).toContain('[too deep]');
    expect(line).not.toContain(SECRET);
  });

  test('stays in what was given to the log', () => {
    const fields = { headers: { authorization: SECRET } };
    logged((log) => log.info(fields));
    expect(fields).toEqual({ headers: { authorization: SECRET } });
  });
});

describe('an error in the log', () => {
  test('has name, code, status, message and causes, and nothing else that it may carry', () => {
    const cause = Object.assign(new TypeError('inner'), { code: 'ECONNREFUSED' });
    const error = Object.assign(new Error('outer', { cause }), {
      code: 'unreachable',
      status: 502,
      request: { headers: { authorization: SECRET } },
    });
    expect(errorFields(error)).toEqual({
      name: 'Error',
      code: 'unreachable',
      status: 502,
      message: 'outer',
      cause: { name: 'TypeError', code: 'ECONNREFUSED', message: 'inner' },
    });
  });

  test('has no stack', () => {
    expect(JSON.stringify(errorFields(new Error('x', { cause: new Error('y') })))).not.toMatch(/stack|\.ts:/);
  });

  test.each([
    ['a text', 'boom', 'boom'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a number', 7, '7'],
  ])('may be %s that was thrown', (_what, thrown, message) => {
    expect(errorFields(thrown)).toEqual({ message });
    expect(errorFields(new Error('outer', { cause: thrown ?? 'boom' }))).toMatchObject({
      cause: { message: String(thrown ?? 'boom') },
    });
  });

  test('has five causes and no more', () => {
    let error = new Error('root');
    for (let depth = 0; depth < 100; depth += 1) error = new Error(`${depth}`, { cause: error });
    expect(depthOf(errorFields(error))).toBe(5);
  });

  test('may be its own cause', () => {
    const error = new Error('circle');
    error.cause = error;
    expect(depthOf(errorFields(error))).toBe(5);
    const other = new Error('one', { cause: new Error('two') });
    (other.cause as Error).cause = other;
    expect(() => JSON.stringify(errorFields(other))).not.toThrow();
  });
});

describe('a line that is written many times', () => {
  test('is the line that it would be otherwise, with the time of each', () => {
    const lines: string[] = [];
    const log = logTo(lines);
    const again = log.repeated('info', { outcome: 'pinned', images: [{ container: 'web' }] }, 'admission');
    again({ uid: 'one' });
    again({ uid: 'two' });
    log.info({ outcome: 'pinned', images: [{ container: 'web' }], uid: 'two' }, 'admission');
    const [one, two, plain] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(one).toMatchObject({ level: 'info', uid: 'one', outcome: 'pinned', msg: 'admission' });
    expect({ ...two, time: '' }).toEqual({ ...plain, time: '' });
    expect(two?.['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
  });

  test('masks secrets in what is the same in all lines, and in what is not', () => {
    const lines: string[] = [];
    const again = logTo(lines).repeated(
      'info',
      { password: SECRET, reference: `https://me:${SECRET}@r.test/a` },
      'x',
    );
    again({ token: SECRET, image: `me:${SECRET}@r.test/a`, header: `Bearer ${SECRET.repeat(4)}` });
    expect(lines).toHaveLength(1);
    expect(lines.join('')).not.toContain(SECRET);
    expect(JSON.parse(lines.join(''))).toMatchObject({ password: '[masked]', token: '[masked]' });
  });

  test('says what could steer a terminal in escapes, for people as well', () => {
    const odd = 'a\u001B[2J\u009B31m\u202E\u2028b';
    const lines: string[] = [];
    logTo(lines).repeated('warn', { odd }, 'x')({ also: odd });
    expect(lines.join('')).toMatch(/^[ -~]*\n$/);
    expect(JSON.parse(lines.join(''))).toMatchObject({ level: 'warn', odd, also: odd });
    const text = prettily((log) => log.repeated('info', { odd }, 'again')({ also: odd }));
    expect(text).toMatch(/^[\n -~]*$/);
    expect(text).toContain('again');
  });

  test('follows the level of the log as it is at each time', () => {
    const lines: string[] = [];
    const log = logTo(lines, 'warn');
    const again = log.repeated('info', { outcome: 'pinned' }, 'x');
    again({ uid: 'hidden' });
    log.level = 'info';
    again({ uid: 'shown' });
    log.level = 'silent';
    again({ uid: 'hidden' });
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ uid: 'shown' }]);
  });
});
