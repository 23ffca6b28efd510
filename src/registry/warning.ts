const MAX_LENGTH = 256;
const WARNING = /^299\s+\S+\s+"((?:[^"\\]|\\.)*)"/;

/**
 * The texts of `Warning: 299` headers, which registries may send to have something said to people (distribution
 * specification, "Warnings"). For the log only, and shortened: a registry may write anything there.
 */
export function warningsOf(header: string | string[] | undefined): string[] {
  if (header === undefined) return [];
  return (typeof header === 'string' ? [header] : header)
    .map((line) => WARNING.exec(line.trim())?.[1])
    .filter((text) => text !== undefined)
    .map((text) => text.replaceAll(/\\(.)/g, '$1').slice(0, MAX_LENGTH));
}
