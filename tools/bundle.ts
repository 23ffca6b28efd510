// Bundles the program and everything that it imports into one file, which needs nothing but Node.js: for the image.
import { readFile, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';

const [outfile = 'dist/samebytes.mjs', entry = 'src/main.ts'] = process.argv.slice(2);
await build({
  entryPoints: [new URL(`../${entry}`, import.meta.url).pathname],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.19',
  // Names stay as they are, so that stack traces can be read; what V8 keeps of the source is half as much without spaces.
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 200,
  legalComments: 'linked',
  logLevel: 'warning',
  // CommonJS packages inside ask for it.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});

// With one other character anywhere V8 keeps two bytes for each, and esbuild does not escape those in regular expressions.
const text = await readFile(outfile, 'utf8');
const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
await writeFile(outfile, text.replaceAll(/[\u0080-\uffff]/g, escape), 'latin1');
