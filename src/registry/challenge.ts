/** One challenge of a `WWW-Authenticate` header (RFC 9110 §11.6.1). Scheme and parameter names are lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const BLANKS = /[ \t]*/y;
const SEPARATORS = /[ \t,]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
// Seen in the wild: `realm=/` without quotes (regclient#265).
const UNQUOTED = /[^\s,"]*/y;
const REST_OF_ELEMENT = /[^,]*/y;

/**
 * Reads every challenge of every header: registries send several headers, several challenges in one header,
 * tokens or quoted strings, and schemes that we do not know. Never throws; what cannot be read is passed over.
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  if (header === undefined) return [];
  return (typeof header === 'string' ? [header] : header).flatMap(parseHeader);
}

/** The Bearer challenge with a realm, wherever it stands: Gitea puts Basic in front of it on the same line. */
export function findBearer(challenges: readonly Challenge[]): Challenge | undefined {
  return challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
}

/** Whether a registry takes user name and password themselves. */
export function asksForBasic(challenges: readonly Challenge[]): boolean {
  return challenges.some(({ scheme }) => scheme === 'basic');
}

function parseHeader(text: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const reader = new Reader(text);
  while (!reader.done) {
    reader.take(SEPARATORS);
    const name = reader.take(TOKEN);
    if (name === '') {
      reader.take(REST_OF_ELEMENT);
      if (!reader.done) reader.skip();
      continue;
    }
    reader.take(BLANKS);
    const current = challenges.at(-1);
    if (!reader.next('=')) challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
    else if (current !== undefined) readValue(reader, name.toLowerCase(), current.parameters);
  }
  return challenges;
}

function readValue(reader: Reader, name: string, parameters: Map<string, string>): void {
  reader.skip();
  reader.take(BLANKS);
  // `Negotiate YII=`: what follows the scheme is no parameter but opaque credentials.
  if (reader.done || reader.next(',') || reader.next('=')) {
    reader.take(REST_OF_ELEMENT);
    return;
  }
  const quoted = reader.next('"') ? reader.take(QUOTED) : '';
  const value = quoted === '' ? reader.take(UNQUOTED) : quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1');
  // A value that starts with a quote that never ends cannot be read: step over the quote.
  if (quoted === '' && value === '' && reader.next('"')) reader.skip();
  if (!parameters.has(name)) parameters.set(name, value);
}

class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#position >= this.#text.length;
  }

  next(character: string): boolean {
    return this.#text[this.#position] === character;
  }

  skip(): void {
    this.#position += 1;
  }

  take(sticky: RegExp): string {
    sticky.lastIndex = this.#position;
    const found = sticky.exec(this.#text)?.[0] ?? '';
    this.#position += found.length;
    return found;
  }
}
