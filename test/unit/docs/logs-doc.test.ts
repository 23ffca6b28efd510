import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(ROOT, 'docs/logs.md'), 'utf8');
const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(ROOT, 'src', file), 'utf8'));

/** The messages of all calls of the log in a source, as far as they are written there. */
function messagesIn(source: string): string[] {
  const calls = [...source.matchAll(/\blog(?:\.(?:info|warn|error)|\[level\])\(/g)];
  return calls.flatMap(({ index }) => {
    const call = callAt(source, index);
    const [, message] = /['"]([^'"]+)['"],?\s*\)$/.exec(call) ?? [];
    return message === undefined ? [] : [message];
  });
}

/** The text of a call from its name to its closing bracket. */
function callAt(source: string, start: number): string {
  let depth = 0;
  for (let index = source.indexOf('(', start); index < source.length; index += 1) {
    if (source[index] === '(') depth += 1;
    if (source[index] === ')') depth -= 1;
    if (depth === 0) return source.slice(start, index + 1);
  }
  return '';
}

/** What the page says of messages: whole ones, and beginnings that end with an ellipsis. */
const documented = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);

test('docs/logs.md has every message of the log', () => {
  const messages = [...new Set(sources.flatMap(messagesIn))];
  expect(messages.length).toBeGreaterThan(15);
  expect(messages).toContain('pin created');
  const missing = messages.filter(
    (message) =>
      !documented.some((text) =>
        text.endsWith('…') ? message.startsWith(text.slice(0, -1).trimEnd()) : text === message,
      ),
  );
  expect(missing).toEqual([]);
});
