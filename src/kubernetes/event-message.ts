/** What Kubernetes takes as the note of a new event (apis/core/validation/events.go). */
const MAX_BYTES = 1_024;

/** The message of an event as Kubernetes takes it: cut after so many bytes of UTF-8, between characters. */
export function fittingMessage(message: string): string {
  if (Buffer.byteLength(message) <= MAX_BYTES) return message.toWellFormed();
  const ending = '…';
  const bytes = Buffer.from(message).subarray(0, MAX_BYTES - Buffer.byteLength(ending));
  return `${new TextDecoder().decode(bytes, { stream: true })}${ending}`;
}
