/**
 * What became of an event: `written`; `limited`, since its object has had enough for now; `dropped`, since too many waited;
 * `failed`, since the API server did not take it.
 */
export const EVENT_RESULTS = ['written', 'limited', 'dropped', 'failed'] as const;
export type EventResult = (typeof EVENT_RESULTS)[number];
