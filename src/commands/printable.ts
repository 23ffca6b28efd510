import { printableJsonText, UNPRINTABLE } from '../telemetry/printable-json.ts';

/** Text that came from outside, fit for a terminal: whatever could steer it is written as `\u{1b}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A value as indented JSON with a line end, fit for a terminal: JSON's own escapes for whatever could steer it. */
export function printableJson(value: unknown): string {
  return `${printableJsonText(JSON.stringify(value, undefined, 2))}\n`;
}
