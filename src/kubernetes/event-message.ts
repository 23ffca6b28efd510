import { UNPRINTABLE } from '../telemetry/printable-json.ts';

/** What Kubernetes takes as the note of a new event (apis/core/validation/events.go). */
const MAX_BYTES = 1_024;

/**
 * The message of an event as Kubernetes takes it: cut after so many bytes of UTF-8, between characters. Names in it are those
 * that a Pod's author wrote, whom nobody has checked yet: they must not steer the terminal of whoever describes the owner.
 */
export function fittingMessage(message: string): string {
  // No character has less than a byte: what is behind need not be looked at, however much it is.
  const text = message.slice(0, MAX_BYTES + 1).replace(UNPRINTABLE, ' ');
  if (Buffer.byteLength(text) <= MAX_BYTES) return text.toWellFormed();
  const ending = '…';
  const bytes = Buffer.from(text).subarray(0, MAX_BYTES - Buffer.byteLength(ending));
  return `${new TextDecoder().decode(bytes, { stream: true })}${ending}`;
}
