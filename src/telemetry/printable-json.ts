/** Control characters, and those that turn the direction of writing: they could move a terminal's cursor or hide text. */
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/**
 * JSON text, fit for a terminal: JSON's own escapes stand for whatever could steer it; line ends stay. `backslash`: two for a
 * reader that takes one escape back before it shows the text.
 */
export function printableJsonText(json: string, backslash: '\\' | '\\\\' = '\\'): string {
  return json.replace(UNPRINTABLE, (character) =>
    character === '\n' ? character : escaped(character, backslash),
  );
}

function escaped(character: string, backslash: string): string {
  // In UTF-16 units, as JSON counts.
  return character
    .split('')
    .map((unit) => `${backslash}u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
