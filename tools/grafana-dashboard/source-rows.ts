import { of, perSecond, quantile, share } from './expressions.ts';
import {
  CACHE_REQUESTS,
  REGISTRY_REQUESTS,
  REGISTRY_SECONDS,
  NOT_MISSED,
  REGISTRY_FAILED,
} from './metric-names.ts';
import { graph, line } from './panels.ts';
import type { Row } from './row.ts';

/** How often nobody had to be asked. */
export const caches: Row = {
  title: 'Caches',
  panels: [
    graph(
      {
        title: 'Hit ratio by cache',
        description: 'Looks that asked nobody anew: everything but misses.',
        unit: 'percentunit',
        queries: [line(share(CACHE_REQUESTS, { by: ['cache'], part: NOT_MISSED }), '{{cache}}')],
      },
      { width: 8, max: 1 },
    ),
    graph(
      {
        title: 'Looks by result',
        description: 'What each look into a cache came to; docs/metrics.md explains caches and results.',
        unit: 'cps',
        queries: [line(`${perSecond(CACHE_REQUESTS, ['cache', 'result'])} > 0`, '{{cache}} {{result}}')],
      },
      { width: 8, stacked: true },
    ),
    graph(
      {
        title: 'How full caches are',
        description: 'Entries as a part of the most that a cache keeps, in the fullest process.',
        unit: 'percentunit',
        queries: [
          line(
            `max by (cache) (${of('samebytes_cache_entries')} / ${of('samebytes_cache_max_entries')})`,
            '{{cache}}',
          ),
        ],
      },
      { width: 4, max: 1 },
    ),
    graph(
      {
        title: 'Evictions',
        description:
          'Entries dropped for want of room: `pins.maxRevisions` or `resolver.maxTags` is too small.',
        unit: 'cps',
        queries: [line(perSecond('samebytes_cache_evictions_total', ['cache']), '{{cache}}')],
      },
      { width: 4 },
    ),
  ],
};

/** How those answer that are asked. */
export const registries: Row = {
  title: 'Registries',
  panels: [
    graph(
      {
        title: 'Requests by registry',
        description: 'Manifest requests. The hundredth registry and all after it are `other`.',
        unit: 'reqps',
        queries: [line(perSecond(REGISTRY_REQUESTS, ['registry']), '{{registry}}')],
      },
      { width: 8, stacked: true },
    ),
    graph(
      {
        title: 'Failing requests by registry',
        description:
          'The part of requests without a proper answer: no connection, a server error, too many requests, no answer in time. Tags that are not there and refused access do not count.',
        unit: 'percentunit',
        queries: [
          line(share(REGISTRY_REQUESTS, { by: ['registry'], part: REGISTRY_FAILED }), '{{registry}}'),
        ],
      },
      { width: 8, max: 1 },
    ),
    graph(
      {
        title: 'Answers by code',
        description: 'Status codes, and kinds of failure where there was no answer.',
        unit: 'reqps',
        queries: [line(perSecond(REGISTRY_REQUESTS, ['registry', 'code']), '{{registry}} {{code}}')],
      },
      { width: 8, stacked: true },
    ),
    graph(
      {
        title: 'Latency by registry',
        description: 'Time of a manifest request: the middle one, and 99 of 100.',
        unit: 's',
        queries: [0.5, 0.99].map((q) =>
          line(quantile(q, REGISTRY_SECONDS, ['registry']), `{{registry}} p${q * 100}`),
        ),
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'Pulls left',
        description:
          'What registries say is left of their rate limit (Docker Hub). Few left: name credentials, or use a mirror.',
        unit: 'short',
        queries: [line(`min by (registry) (${of('samebytes_registry_pulls_remaining')})`, '{{registry}}')],
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'Open breakers',
        description:
          'Registries that failed several times in a row, or refuse us, and are not asked for a while: an open breaker answers in their place at once.',
        unit: 'short',
        queries: [
          line(`sum by (registry) (${of('samebytes_registry_breakers_open')})`, '{{registry}} open'),
          line(
            perSecond('samebytes_registry_denied_fast_total', ['registry']),
            '{{registry}} answers per second',
          ),
        ],
      },
      { width: 8 },
    ),
  ],
};
