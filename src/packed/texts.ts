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
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const DIGEST_START = 'sha256:';
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;

/** Texts of one form, which take so many bytes. */
interface Form {
  readonly bytes: number;
  readonly has: (text: string) => boolean;
  readonly write: (text: string, into: Buffer, at: number) => void;
  readonly read: (from: Buffer, at: number) => string;
}

/** Their order is the number that stands for each. Texts are read as flat ones, since some are kept. */
const FORMS: readonly Form[] = [
  {
    bytes: 16,
    has: (text) => UUID.test(text),
    write: (text, into, at) => into.write(text.replaceAll('-', ''), at, 'hex'),
    read: (from, at) => {
      const hex = from.toString('hex', at, at + 16);
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
        '-',
      );
    },
  },
  {
    bytes: 32,
    has: (text) => DIGEST.test(text),
    write: (text, into, at) => into.write(text.slice(DIGEST_START.length), at, 'hex'),
    read: (from, at) => [DIGEST_START, from.toString('hex', at, at + 32)].join(''),
  },
  {
    // Milliseconds since 1970.
    bytes: 6,
    has: (text) => TIME.test(text) && isWrittenAgain(text),
    write: (text, into, at) => into.writeUIntLE(Date.parse(text), at, 6),
    read: (from, at) => new Date(from.readUIntLE(at, 6)).toISOString(),
  },
];

/** Not the thirtieth of February, nor before 1970. */
function isWrittenAgain(time: string): boolean {
  const ms = Date.parse(time);
  return ms >= 0 && new Date(ms).toISOString() === time;
}

/** The lowest bits of what precedes each text; above them its length in bytes, or the number of the word or form. */
const KIND = { text: 0, word: 1, form: 2 } as const;
const KIND_BITS = 2;
const KIND_MASK = 3;
/** A number takes seven bits a byte; it has 28 bits at most, lengths 26. */
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
    const number = head >> KIND_BITS;
    switch (head & KIND_MASK) {
      case KIND.text:
        texts.push(bytes.toString('utf8', at, at + number));
        at += number;
        break;
      case KIND.word:
        texts.push(WORDS[number] ?? '');
        break;
      default: {
        const form = FORMS[number];
        texts.push(form?.read(bytes, at) ?? '');
        at += form?.bytes ?? 0;
      }
    }
  }
  return texts;
}

function writeText(bytes: Buffer, start: number, text: string): number {
  const word = INDEX_OF_WORD.get(text);
  if (word !== undefined) return writeHead(bytes, start, KIND.word, word);
  const form = FORMS.find(({ has }) => has(text));
  if (form !== undefined) {
    const at = writeHead(bytes, start, KIND.form, FORMS.indexOf(form));
    form.write(text, bytes, at);
    return at + form.bytes;
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
