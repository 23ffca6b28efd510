import { Observable, ResponseContext, type HttpLibrary, type RequestContext } from '@kubernetes/client-node';
import type { ApiTransport } from './api-transport.ts';

/**
 * Sends what the generated client asks for. Its own way is `fetch`, of which each call leaves streams and finalizers that
 * only a collection of the whole heap frees: at births they were most of what it had to free.
 */
export class ApiRequests implements HttpLibrary {
  readonly #transport: ApiTransport;

  constructor(transport: ApiTransport) {
    this.#transport = transport;
  }

  send(call: RequestContext): Observable<ResponseContext> {
    return new Observable(this.#answerTo(call));
  }

  async #answerTo(call: RequestContext): Promise<ResponseContext> {
    const content = call.getBody();
    if (content !== undefined && typeof content !== 'string') throw new TypeError('only text can be sent');
    const dispatcher = call.getDispatcher();
    const { status, headers, body } = await this.#transport.send({
      url: call.getUrl(),
      method: call.getHttpMethod(),
      headers: call.getHeaders(),
      signal: call.getSignal() ?? new AbortController().signal,
      ...(content === undefined ? {} : { body: content }),
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    const flat = Object.entries(headers).map(([name, value]) => [name, String(value)]);
    return new ResponseContext(status, Object.fromEntries(flat), {
      text: async () => body.toString('utf8'),
      binary: async () => body,
      stream: () => null,
    });
  }
}
