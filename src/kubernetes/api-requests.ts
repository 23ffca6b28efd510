import { Observable, ResponseContext, type HttpLibrary, type RequestContext } from '@kubernetes/client-node';
import { request } from 'undici';
import { untilAborted } from '../flight/until-aborted.ts';

/**
 * Sends what the generated client asks for. Its own way is `fetch`, of which each call leaves streams and finalizers that
 * only a collection of the whole heap frees: at births they were most of what it had to free.
 */
export const API_REQUESTS: HttpLibrary = {
  send: (call) => {
    const signal = call.getSignal();
    return new Observable(signal === undefined ? answerTo(call) : untilAborted(answerTo(call), signal));
  },
};

async function answerTo(call: RequestContext): Promise<ResponseContext> {
  const body = call.getBody();
  if (body !== undefined && typeof body !== 'string') throw new TypeError('only text can be sent');
  const {
    statusCode,
    headers,
    body: answer,
  } = await request(call.getUrl(), {
    method: call.getHttpMethod(),
    headers: call.getHeaders(),
    body: body ?? null,
    signal: call.getSignal() ?? null,
    ...dispatcherOf(call),
  });
  const text = await answer.text();
  const flat = Object.entries(headers).map(([name, value]) => [name, String(value)]);
  return new ResponseContext(statusCode, Object.fromEntries(flat), {
    text: async () => text,
    binary: async () => Buffer.from(text),
    stream: () => null,
  });
}

function dispatcherOf(call: RequestContext): Pick<NonNullable<Parameters<typeof request>[1]>, 'dispatcher'> {
  const dispatcher = call.getDispatcher();
  return dispatcher === undefined ? {} : { dispatcher };
}
