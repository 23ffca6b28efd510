import { CASES } from './cases.ts';
import type { MemoryRow } from './memory.ts';
import type { Row } from './measure.ts';
import type { Verdict } from './targets.ts';

/** A Markdown table, so that the README's is a copy. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((texts) => (texts[column] ?? '').length)),
  );
  const line = (texts: readonly string[]): string =>
    `| ${texts.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

const HEAD = [
  'case',
  'webhook',
  'per second',
  'p50 ms',
  'p99 ms',
  'of null',
  'of peers',
  'registry requests',
];
const MORE = ['API calls on connections', 'calls for events', 'CPU ms each', 'RSS MiB', 'answers'];

/** All loads, one row per webhook. */
export function loadTable(rows: readonly Row[]): string {
  return table(
    [...HEAD, ...MORE],
    rows.map((row) => cells(row, rows)),
  );
}

function cells(row: Row, rows: readonly Row[]): string[] {
  const peers = rows.filter((other) => other.name === row.name && other.rssMiB === undefined);
  const isOurs = row.webhook.startsWith('samebytes');
  const timesPeers = peers.map((peer) => `${number(row.perSecond / peer.perSecond)} x ${peer.webhook}`);
  return [
    row.name,
    row.webhook,
    number(row.perSecond),
    number(row.p50Ms),
    number(row.p99Ms),
    isOurs && row.toNull !== undefined ? row.toNull.perSecond.toFixed(2) : '',
    isOurs ? timesPeers.join(', ') : '',
    `${row.registryRequests} for ${row.requests}`,
    row.apiCalls === 0 ? '0' : `${row.apiCalls} on ${row.apiConnections} new`,
    String(row.tellingCalls),
    row.cpuMs === undefined ? '' : row.cpuMs.toFixed(2),
    row.rssMiB === undefined ? '' : row.rssMiB.toFixed(0),
    answers(row),
  ];
}

/** What came back: anything but Pods with digests is said. */
function answers({ requests, pinned, allowed, denied, failed, webhook }: Row): string {
  if (webhook === 'null') return `${allowed} allowed`;
  const parts = [`${pinned} pinned`];
  if (allowed > pinned) parts.push(`${allowed - pinned} unpinned`);
  if (denied > 0) parts.push(`${denied} denied`);
  if (failed > 0) parts.push(`${failed} of ${requests} failed`);
  return parts.join(', ');
}

/** What the names of the cases mean, those that ran. */
export function legend(rows: readonly Row[]): string {
  const names = new Set(rows.map(({ name }) => name));
  return CASES.filter(({ name }) => names.has(name))
    .map(({ name, title }) => `  ${name}: ${title}`)
    .join('\n');
}

export function memoryTable(rows: readonly MemoryRow[]): string {
  const head = [
    'revisions',
    'tags',
    'RSS MiB',
    'null RSS MiB',
    'heap MiB',
    'births per second',
    'warm p50 ms',
    'failed',
  ];
  return table(
    head,
    rows.map((row) => [
      String(row.revisions),
      String(row.tags),
      row.rssMiB.toFixed(0),
      row.nullRssMiB.toFixed(0),
      row.heapMiB.toFixed(1),
      (row.revisions / row.seconds).toFixed(0),
      number(row.warmP50Ms),
      String(row.failed),
    ]),
  );
}

/** One line per target of the design. */
export function verdictLines(verdicts: readonly Verdict[]): string {
  return verdicts
    .map(({ target, isMet, measured }) => {
      const word = isMet === undefined ? 'NOT MEASURED' : isMet ? 'MET' : 'MISSED';
      return isMet === undefined
        ? `${word.padEnd(12)} ${target}`
        : `${word.padEnd(12)} ${target}: ${measured}`;
    })
    .join('\n');
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
