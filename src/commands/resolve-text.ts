import { hostOf, repositoryName, type ImageReference } from '../image/reference.ts';
import type { FailedImage, FoundImage, Platforms } from './image-lookup.ts';
import { printable } from './printable.ts';

/** Writes found images for people, one by one as they come: how wide everything will be is known before. */
export interface Layout {
  /** What stands above all images; undefined where nothing does. */
  readonly header: string | undefined;
  /** One image, with line ends. */
  image(found: FoundImage): string;
}

export interface LayoutOptions {
  /** Every image that may come. */
  readonly references: readonly ImageReference[];
  /** How many characters a line of the terminal holds; undefined: as many as needed. */
  readonly columns: number | undefined;
  readonly showPlatforms: boolean;
  readonly emphasize: (text: string) => string;
}

const GAP = '  ';
const DIGEST_LENGTH = 'sha256:'.length + 64;
/** Marks a digest that stood in the image: there was nothing to resolve. */
const AS_WRITTEN = ' (as written)';
/** Less room for platforms makes no table. */
const MIN_PLATFORMS_LENGTH = 20;
const SHORT_TYPES: Readonly<Record<string, string>> = {
  'application/vnd.oci.image.index.v1+json': 'OCI index',
  'application/vnd.oci.image.manifest.v1+json': 'OCI image',
  'application/vnd.docker.distribution.manifest.list.v2+json': 'Docker index',
  'application/vnd.docker.distribution.manifest.v2+json': 'Docker image',
};

/** A table where it fits; three lines an image where the terminal is too narrow for one. */
export function chooseLayout(options: LayoutOptions): Layout {
  const { columns } = options;
  const table = new Table(options);
  return columns === undefined || table.minLength <= columns ? table : new Records(options, columns);
}

class Table implements Layout {
  readonly header: string;
  /** The shortest line that it can do with. */
  readonly minLength: number;
  readonly #widths: readonly number[];
  readonly #showPlatforms: boolean;
  readonly #room: number | undefined;

  constructor({ references, columns, showPlatforms, emphasize }: LayoutOptions) {
    const headings = ['REGISTRY', 'REPOSITORY', 'TAG', 'DIGEST', 'TYPE', 'TIME'];
    const longest = references
      .map((reference) => [
        ...nameCells(reference),
        digestCell(reference, 'x'.repeat(DIGEST_LENGTH)),
        'Docker index',
        '10.0 s',
      ])
      .concat([headings])
      .reduce((widest, cells) => widest.map((cell, at) => longer(cell, cells[at] ?? '')), headings);
    this.#widths = longest.map((cell) => cell.length);
    this.#showPlatforms = showPlatforms;
    const fixed = this.#widths.reduce((sum, width) => sum + width + GAP.length, 0);
    this.minLength = showPlatforms ? fixed + MIN_PLATFORMS_LENGTH : fixed - GAP.length;
    this.#room = columns === undefined ? undefined : columns - fixed;
    this.header = `${emphasize(this.#line(showPlatforms ? [...headings, 'PLATFORMS'] : headings))}\n`;
  }

  image({ reference, digest, mediaType, platforms, durationMs }: FoundImage): string {
    const cells = [
      ...nameCells(reference),
      digestCell(reference, digest),
      shortType(mediaType),
      duration(durationMs),
    ];
    const last = this.#showPlatforms ? [platformsText(platforms, this.#room)] : [];
    return `${this.#line([...cells, ...last])}\n`;
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, at) => cell.padEnd(this.#widths[at] ?? 0));
    return padded.join(GAP).trimEnd();
  }
}

class Records implements Layout {
  readonly header = undefined;
  readonly #options: LayoutOptions;
  readonly #columns: number;

  constructor(options: LayoutOptions, columns: number) {
    this.#options = options;
    this.#columns = columns;
  }

  image({ reference, digest, mediaType, platforms, durationMs }: FoundImage): string {
    const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
    const origin = reference.digest === undefined ? [] : ['digest as written'];
    const facts = [...origin, shortType(mediaType), duration(durationMs)].join(GAP);
    const room = this.#columns - 2 * GAP.length - facts.length;
    const text = this.#options.showPlatforms ? `${GAP}${platformsText(platforms, room)}` : '';
    return [
      this.#options.emphasize(`${repositoryName(reference)}${tag}`),
      `${GAP}${digest}`,
      `${GAP}${facts}${text}`,
      '',
    ].join('\n');
  }
}

/**
 * Why images have no digest: those that share class, cause and advice stand together, so that one registry that is
 * down does not fill the screen.
 */
export function failuresText(failed: readonly FailedImage[]): string {
  const groups = Map.groupBy(failed, ({ failure }) => JSON.stringify(failure));
  return [...groups.values()].map(groupText).join('\n\n');
}

function groupText(group: readonly FailedImage[]): string {
  const [first] = group;
  if (first === undefined) return '';
  const { class: failureClass, message, cause, nextStep } = first.failure;
  return [
    `${failureClass}: ${message}`,
    ...group.map(({ written }) => `  ${printable(visible(written))}`),
    ...(cause === undefined ? [] : [`  cause: ${printable(cause)}`]),
    `  next:  ${nextStep}`,
  ].join('\n');
}

/** What somebody wrote; in quotes where its ends could not be seen. */
function visible(written: string): string {
  return written === '' || written !== written.trim() ? `"${written}"` : written;
}

function nameCells(reference: ImageReference): string[] {
  return [hostOf(reference), reference.path, reference.tag ?? '-'];
}

function digestCell(reference: ImageReference, digest: string): string {
  return reference.digest === undefined ? digest : `${reference.digest}${AS_WRITTEN}`;
}

function shortType(mediaType: string | undefined): string {
  return mediaType === undefined ? '-' : (SHORT_TYPES[mediaType] ?? mediaType);
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** As many platforms as there is room for, and how many more there are. */
function platformsText(platforms: Platforms | undefined, room = Number.POSITIVE_INFINITY): string {
  if (platforms === undefined) return '-';
  if (platforms.of === 'image') return 'single platform';
  if (platforms.of === 'unread') return `not read: ${platforms.failure.class}`;
  const { names } = platforms;
  if (names.length === 0) return 'none named';
  for (let shown = names.length; shown > 0; shown -= 1) {
    const more = names.length - shown;
    const text = `${names.slice(0, shown).join(', ')}${more === 0 ? '' : ` +${more}`}`;
    if (text.length <= room) return text;
  }
  return `${names.length} platforms`;
}

function longer(one: string, other: string): string {
  return other.length > one.length ? other : one;
}
