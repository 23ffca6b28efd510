// Bundles the dashboard's page into src/dashboard/page.json, which the program imports like any module: so it is there
// wherever the program runs (from source, from dist, from the image's one file). With --check, says whether it is current.
import { readFile, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';

const PAGE = new URL('../src/dashboard/page/', import.meta.url);
const OUTPUT = new URL('../src/dashboard/page.json', import.meta.url);
const LICENCE = new URL('../node_modules/uplot/LICENSE', import.meta.url);

const files = await Promise.all([
  bundle(),
  asset('/', 'index.html', 'text/html'),
  asset('/favicon.svg', 'favicon.svg', 'image/svg+xml'),
]);
const text = `${JSON.stringify(files.flat(), null, 2)}\n`;
if (process.argv.includes('--check')) {
  if ((await readFile(OUTPUT, 'utf8')) !== text) {
    process.stderr.write('src/dashboard/page.json is older than src/dashboard/page: npm run page\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(OUTPUT, text);
}

interface Asset {
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
}

async function asset(path: string, file: string, mediaType: string): Promise<Asset[]> {
  return [
    { path, contentType: `${mediaType}; charset=utf-8`, body: await readFile(new URL(file, PAGE), 'utf8') },
  ];
}

/** The script with its library, whose licence asks to be in every copy; and the styles of both. */
async function bundle(): Promise<Asset[]> {
  const licence = `/*! uPlot\n${await readFile(LICENCE, 'utf8')}*/`;
  const { outputFiles } = await build({
    entryPoints: ['main.ts', 'page.css'].map((file) => ({ in: new URL(file, PAGE).pathname, out: 'page' })),
    outdir: '/',
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['chrome120', 'firefox120', 'safari17'],
    legalComments: 'none',
    banner: { js: licence, css: licence },
    logLevel: 'warning',
  });
  const types: Record<string, string> = { js: 'text/javascript', css: 'text/css' };
  return outputFiles.map(({ path, text: body }) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return { path: `/${name}`, contentType: `${types[name.split('.')[1] ?? '']}; charset=utf-8`, body };
  });
}
