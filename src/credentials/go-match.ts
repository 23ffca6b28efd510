/**
 * Go's path/filepath.Match (1.26, on Unix) for text without a slash: `*`, `?`, classes such as `[a-c]` and `[^a]`, and
 * escapes with a backslash. Undefined where the pattern proves malformed, which Go notices only as far as it has to
 * read. picomatch and its like differ in classes, escapes and what they take for malformed.
 */
export function goMatch(pattern: string, name: string): boolean | undefined {
  let rest = name;
  for (let left = pattern; left !== '';) {
    const { star, chunk, after } = nextChunk(left);
    left = after;
    if (star && chunk === '') return !rest.includes('/');
    const starts = star ? Array.from({ length: rest.length + 1 }, (_, index) => index) : [0];
    let end: number | undefined;
    for (const start of starts) {
      if (start > 0 && rest[start - 1] === '/') break;
      const length = chunkLength(chunk, rest.slice(start));
      if (length === 'malformed') return undefined;
      // The last chunk has to reach the end.
      if (length === undefined || (left === '' && start + length < rest.length)) continue;
      end = start + length;
      break;
    }
    if (end === undefined) return false;
    rest = rest.slice(end);
  }
  return rest === '';
}

/** What stands up to the next star, and whether stars stand before it. */
function nextChunk(pattern: string): { star: boolean; chunk: string; after: string } {
  const chunkStart = /^\**/.exec(pattern)?.[0].length ?? 0;
  let end = chunkStart;
  let inClass = false;
  for (; end < pattern.length; end += 1) {
    const character = pattern[end];
    if (character === '\\') end += 1;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '*' && !inClass) break;
  }
  return { star: chunkStart > 0, chunk: pattern.slice(chunkStart, end), after: pattern.slice(end) };
}

/** How much of the beginning of `text` the chunk matches. It is read to its end either way, to see whether it is malformed. */
function chunkLength(chunk: string, text: string): number | undefined | 'malformed' {
  let at = 0;
  let failed = false;
  for (let index = 0; index < chunk.length;) {
    failed ||= at >= text.length;
    const character = chunk[index];
    if (character === '[') {
      const found = readClass(chunk, index + 1, failed ? '' : (text[at] ?? ''));
      if (found === undefined) return 'malformed';
      failed ||= !found.matches;
      index = found.end;
    } else if (character === '?') {
      failed ||= text[at] === '/';
      index += 1;
    } else {
      const isEscape = character === '\\';
      if (isEscape && index + 1 >= chunk.length) return 'malformed';
      failed ||= text[at] !== chunk[isEscape ? index + 1 : index];
      index += isEscape ? 2 : 1;
    }
    at += 1;
  }
  return failed ? undefined : at;
}

/** Reads a class from behind its bracket; undefined where it is malformed. */
function readClass(
  chunk: string,
  start: number,
  character: string,
): { matches: boolean; end: number } | undefined {
  const isNegated = chunk[start] === '^';
  let index = isNegated ? start + 1 : start;
  let isIn = false;
  for (let ranges = 0; chunk[index] !== ']' || ranges === 0; ranges += 1) {
    const low = readCharacter(chunk, index);
    if (low === undefined) return undefined;
    let high = low;
    if (chunk[low.end] === '-') {
      const last = readCharacter(chunk, low.end + 1);
      if (last === undefined) return undefined;
      high = last;
    }
    isIn ||= low.character <= character && character <= high.character;
    index = high.end;
  }
  return { matches: isIn !== isNegated, end: index + 1 };
}

/** A character of a class, maybe escaped. Something has to follow it: at least the closing bracket. */
function readCharacter(chunk: string, start: number): { character: string; end: number } | undefined {
  const first = chunk[start];
  if (first === undefined || first === '-' || first === ']') return undefined;
  const at = first === '\\' ? start + 1 : start;
  const character = chunk[at];
  return character === undefined || at + 1 >= chunk.length ? undefined : { character, end: at + 1 };
}
