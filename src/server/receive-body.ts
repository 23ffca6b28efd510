import type { IncomingMessage } from 'node:http';

/** Room for most Pods. */
const FIRST_BYTES = 16 * 1024;

export interface Receiving {
  /** The most that the body may have. */
  readonly maxBytes: number;
  /** Told how much more room is needed, before it is taken; where it throws, the body is not received. */
  readonly reserve: (bytes: number) => void;
  /** What is thrown where the body has more. */
  readonly tooLong: () => Error;
  /** What is thrown where the body ends before its end, or its client goes away. */
  readonly brokenOff: () => Error;
}

/**
 * Receives a body into one buffer, which grows with what arrives. A list of its pieces would do for good clients; of a body that
 * comes a byte at a time such a list takes two hundred times the size. What is not wanted is still taken from the connection.
 */
export function receiveBody(request: IncomingMessage, receiving: Receiving): Promise<Buffer> {
  const { maxBytes, reserve, tooLong, brokenOff } = receiving;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let buffer: Buffer = Buffer.alloc(0);
  let length = 0;

  const add = (piece: Buffer): void => {
    const needed = length + piece.length;
    if (needed > maxBytes) throw tooLong();
    if (needed > buffer.length) {
      // Most bodies are one piece, which needs no copy.
      const room =
        length === 0 ? needed : Math.min(Math.max(needed, buffer.length * 2, FIRST_BYTES), maxBytes);
      reserve(room - buffer.length);
      buffer = length === 0 ? piece : Buffer.concat([buffer.subarray(0, length)], room);
    }
    if (length > 0) piece.copy(buffer, length);
    length = needed;
  };
  const leave = (): void => {
    request.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
    // A buffer that nobody asks for any more must not hang on the listeners of a connection that goes on.
    buffer = Buffer.alloc(0);
  };
  const onData = (piece: Buffer): void => {
    try {
      add(piece);
    } catch (error) {
      leave();
      reject(error);
      request.resume();
    }
  };
  const onEnd = (): void => {
    resolve(buffer.subarray(0, length));
    leave();
  };
  const onBroken = (): void => {
    leave();
    reject(brokenOff());
  };
  request.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  return promise;
}
