import { ApiException, Observable, type ConfigurationOptions } from '@kubernetes/client-node';

/** Options that end an API call when the signal is aborted; the generated client takes signals by middleware only. */
export function endingWith(signal: AbortSignal): ConfigurationOptions {
  const middleware: NonNullable<ConfigurationOptions['middleware']>[number] = {
    pre: (request) => {
      request.setSignal(signal);
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
