// Texts as bytes: hexadecimal digits take half, and words that most of what is kept has in common take one byte.

/** Never changes its order while a process runs, and nobody else reads it. */
const WORDS = [
  'apps/v1',
  'v1',
  'batch/v1',
  'ReplicaSet',
  'ControllerRevision',
  'Job',
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'resolved',
  'adopted',
] as const;
const INDEX_OF_WORD: ReadonlyMap<string, number> = new Map(WORDS.map((word, index) => [word, index]));
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_BYTES = 16;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const DIGEST_START = 'sha256:';
const DIGEST_BYTES = 32;

/** The lowest bits of what precedes each text; above them its length in bytes, or the number of the word. */
const KIND = { text: 0, word: 1, uuid: 2, digest: 3 } as const;
const KIND_BITS = 2;
const KIND_MASK = 3;
/** A number takes seven bits a byte; lengths have 28 bits at most. */
const MAX_NUMBER_BYTES = 4;
const MORE = 0x80;
const MAX_UTF8_BYTES = 3;

/** The texts as bytes, for {@link unpackTexts}. They must be well-formed: half of a surrogate pair has no bytes of its own. */
export function packTexts(texts: readonly string[]): Buffer {
  const room = texts.reduce((sum, text) => sum + text.length * MAX_UTF8_BYTES + MAX_NUMBER_BYTES, 0);
  const bytes = Buffer.allocUnsafe(room);
  let at = 0;
  for (const text of texts) at = writeText(bytes, at, text);
  return bytes.subarray(0, at);
}

/** The texts, or only the first `count` of them. */
export function unpackTexts(bytes: Buffer, count = Infinity): string[] {
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length && texts.length < count) {
    let head = 0;
    for (let bits = 0, more = MORE; more !== 0; bits += 7) {
      const byte = bytes[at++] ?? 0;
      head |= (byte & ~MORE) << bits;
      more = byte & MORE;
    }
    const kind = head & KIND_MASK;
    const number = head >> KIND_BITS;
    const length = kind === KIND.word ? 0 : number;
    texts.push(readText(bytes, at, kind, number));
    at += length;
  }
  return texts;
}

function writeText(bytes: Buffer, start: number, text: string): number {
  const word = INDEX_OF_WORD.get(text);
  if (word !== undefined) return writeHead(bytes, start, KIND.word, word);
  if (UUID.test(text)) {
    const at = writeHead(bytes, start, KIND.uuid, UUID_BYTES);
    return at + bytes.write(text.replaceAll('-', ''), at, 'hex');
  }
  if (DIGEST.test(text)) {
    const at = writeHead(bytes, start, KIND.digest, DIGEST_BYTES);
    return at + bytes.write(text.slice(DIGEST_START.length), at, 'hex');
  }
  const at = writeHead(bytes, start, KIND.text, Buffer.byteLength(text));
  return at + bytes.write(text, at);
}

function writeHead(bytes: Buffer, start: number, kind: number, number: number): number {
  let [at, rest] = [start, (number << KIND_BITS) | kind];
  for (; rest >= MORE; rest >>= 7) bytes[at++] = rest | MORE;
  bytes[at++] = rest;
  return at;
}

function readText(bytes: Buffer, at: number, kind: number, number: number): string {
  if (kind === KIND.word) return WORDS[number] ?? '';
  if (kind === KIND.text) return bytes.toString('utf8', at, at + number);
  const hex = bytes.toString('hex', at, at + number);
  // As flat texts, since some are kept.
  return kind === KIND.uuid
    ? [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
    : [DIGEST_START, hex].join('');
}
