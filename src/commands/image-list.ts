import { CommandError, type Surroundings } from './surroundings.ts';

/** The argument that stands for standard input. */
const STANDARD_INPUT = '-';
/** More at once are refused: what is asked and what is answered is kept until the end. */
const MAX_IMAGES = 10_000;
const MAX_INPUT_CHARACTERS = 4 * 1024 * 1024;

/**
 * The images that a command is to deal with, each once, in the order given. `-` stands for the lines of standard
 * input, and so does no argument at all, unless standard input is a terminal.
 * @throws {CommandError} where there is none, or more than can be dealt with at once.
 */
export async function listImages(
  args: readonly string[],
  input: Surroundings['input'],
): Promise<readonly string[]> {
  if (args.length === 0 && input.isTTY) {
    throw new CommandError(
      'no image is named: name some as they stand in a Pod, or `-` to give them on standard input, one a line',
    );
  }
  const given = args.length === 0 ? [STANDARD_INPUT] : args;
  const lines = given.includes(STANDARD_INPUT) ? linesOf(await readAll(input.read())) : [];
  const images = new Set(given.flatMap((arg) => (arg === STANDARD_INPUT ? lines : [arg])));
  if (images.size === 0) throw new CommandError('no image is named: standard input holds none');
  if (images.size > MAX_IMAGES) {
    throw new CommandError(
      `${images.size} images are more than the ${MAX_IMAGES} that can be asked for at once`,
    );
  }
  return [...images];
}

/** One image a line; `#` begins a comment, at the start of a line or after a space: no image has a space. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/(?:^|\s)#.*/s, '')
        .trim(),
    )
    .filter((line) => line !== '');
}

async function readAll(input: AsyncIterable<string | Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of input) {
      text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
      if (text.length > MAX_INPUT_CHARACTERS) break;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new CommandError(`cannot read standard input${code}`, { cause: error });
  }
  if (text.length > MAX_INPUT_CHARACTERS) {
    throw new CommandError('standard input holds more than 4 MiB: that is no list of images');
  }
  return text + decoder.decode();
}
