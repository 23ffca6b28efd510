import type { IncomingMessage } from 'node:http';
import { GrowingBytes, type GrowingBytesOptions } from '../flight/growing-bytes.ts';

export interface Receiving extends GrowingBytesOptions {
  /** What is thrown where the body ends before its end, or its client goes away. */
  readonly brokenOff: () => Error;
}

/** Receives a body into one buffer. What is not wanted is still taken from the connection. */
export function receiveBody(request: IncomingMessage, receiving: Receiving): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const bytes = new GrowingBytes(receiving);
  const leave = (): Buffer => {
    request.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
    return bytes.take();
  };
  const onData = (piece: Buffer): void => {
    try {
      bytes.add(piece);
    } catch (error) {
      leave();
      reject(error);
      request.resume();
    }
  };
  const onEnd = (): void => resolve(leave());
  const onBroken = (): void => {
    leave();
    reject(receiving.brokenOff());
  };
  request.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  return promise;
}
