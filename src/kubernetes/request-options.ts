import { ApiException, Observable, type ConfigurationOptions } from '@kubernetes/client-node';

type Middleware = NonNullable<ConfigurationOptions['middleware']>[number];
type ApiRequest = Parameters<Middleware['pre']>[0];

/** Options that end an API call when the signal is aborted; the generated client takes signals by middleware only. */
export function endingWith(signal: AbortSignal): ConfigurationOptions {
  return preparing((request) => request.setSignal(signal));
}

/** Options for a patch of this kind (one of PatchStrategy), that end it when the signal is aborted. */
export function sendingAs(contentType: string, signal: AbortSignal): ConfigurationOptions {
  return preparing((request) => {
    request.setSignal(signal);
    request.setHeaderParam('Content-Type', contentType);
  });
}

function preparing(prepare: (request: ApiRequest) => void): ConfigurationOptions {
  const middleware: Middleware = {
    pre: (request) => {
      prepare(request);
      return new Observable(Promise.resolve(request));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  };
  return { middleware: [middleware], middlewareMergeStrategy: 'append' };
}

/** An API error for our log: the status without the body and headers that the client puts into its message. */
export function plainCause(error: unknown): unknown {
  return error instanceof ApiException
    ? new Error(`the API server answered with status ${error.code}`)
    : error;
}

/** An Error that says what could not be done, and why, fit for our log. */
export function plainError(what: string, error: unknown): Error {
  return new Error(what, { cause: plainCause(error) });
}

/**
 * As {@link plainError}, where answers hold secrets: one that is cut short ends in an error that quotes it, so of errors that are not
 * the API server's only the code is told.
 */
export function silentError(what: string, error: unknown): Error {
  return new Error(what, { cause: silentCause(error) });
}

function silentCause(error: unknown): unknown {
  if (error instanceof ApiException) return plainCause(error);
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unreadable';
  return new Error(`no answer of the API server that can be used (${code})`);
}
