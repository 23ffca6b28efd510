/** Control characters, and those that turn the direction of writing: they could move the cursor or hide text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Text that came from outside, fit for a terminal: whatever could steer it is written as `\u{1b}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A value as indented JSON with a line end, fit for a terminal: JSON's own escapes for whatever could steer it. */
export function printableJson(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2);
  return `${text.replace(UNPRINTABLE, (character) => (character === '\n' ? character : escaped(character)))}\n`;
}

function escaped(character: string): string {
  // In UTF-16 units, as JSON counts.
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
