import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { readPolicyAnnotation } from '../../../src/admission/policy.ts';
import { settingsSchema } from '../../../src/config/settings.ts';

const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
const manifest = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  scripts: Record<string, string>;
};
const yamlBlocks = [...readme.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(
  ([, text = '']) => parse(text) as object,
);

test("the README's settings are valid settings", () => {
  const settings = yamlBlocks.find((block) => 'policies' in block);
  expect(settingsSchema.safeParse(settings)).toMatchObject({ success: true });
});

test("the README's annotation can be read, every part of it", () => {
  const pod = yamlBlocks.find((block) => 'metadata' in block) as {
    metadata: { annotations: Record<string, string> };
  };
  const annotation = readPolicyAnnotation(pod.metadata.annotations['samebytes.dev/policy'] ?? '');
  expect(annotation.unreadable).toEqual([]);
  expect(Object.fromEntries(annotation.byContainer)).toEqual({ 'istio-proxy': 'off', logger: 'follow' });
});

test('every npm script that the README names exists', () => {
  const named = [...readme.matchAll(/npm run ([a-z:-]+)/g)].map(([, name = '']) => name);
  expect(named).not.toEqual([]);
  for (const name of named) expect(manifest.scripts).toHaveProperty([name]);
});
