import { inRange, of, perSecond, quantile, share } from './expressions.ts';
import { ADMISSIONS, ADMISSION_SECONDS, PART_SECONDS, CACHE_REQUESTS, NOT_MISSED } from './metric-names.ts';
import { graph, line, stat } from './panels.ts';
import type { Row } from './row.ts';

/** Single numbers: is all well? */
export const glance: Row = {
  title: 'At a glance',
  panels: [
    stat(
      {
        title: 'Admissions',
        description: 'Admission requests per second.',
        unit: 'reqps',
        queries: [line(perSecond(ADMISSIONS), 'admissions')],
      },
      4,
    ),
    stat(
      {
        title: 'Refused',
        description: 'Pods that were refused in the time shown, each try counted. Below: why.',
        unit: 'short',
        queries: [line(inRange(ADMISSIONS, 'outcome=~"refused|internal_error|overloaded"'), 'refused')],
      },
      4,
      { warn: 1, alarm: 20 },
    ),
    stat(
      {
        title: 'Pin cache hits',
        description:
          'Looks for the digests of a revision that were answered from memory, or shared with a Pod that was asking already. Low where most Pods begin a revision (CronJobs), and while pins are not remembered.',
        unit: 'percentunit',
        queries: [line(share(CACHE_REQUESTS, { of: ['cache="pin"'], part: NOT_MISSED }), 'hits')],
      },
      4,
      { warn: 0.8, alarm: 0.5 },
    ),
    stat(
      {
        title: 'Admission p99',
        description: 'So long, or less, did 99 of 100 admission requests take.',
        unit: 's',
        queries: [line(quantile(0.99, ADMISSION_SECONDS), 'p99')],
      },
      4,
      { warn: 0.5, alarm: 2 },
    ),
    stat(
      {
        title: 'Certificate lasts',
        description:
          'Until the first serving certificate expires. samebytes renews its own with a third of its life left.',
        unit: 's',
        queries: [line(`min(${of('samebytes_certificate_expiry_timestamp_seconds')}) - time()`, 'left')],
      },
      4,
      { warn: 14 * 86_400, alarm: 3 * 86_400 },
    ),
    stat(
      {
        title: 'Webhook processes',
        description: 'Processes that are scraped, by version.',
        unit: 'short',
        queries: [line(`count by (version) (${of('samebytes_build_info')})`, '{{version}}')],
      },
      4,
    ),
  ],
};

/** What Pods get, and how long they wait for it. */
export const admissions: Row = {
  title: 'Admissions',
  panels: [
    graph(
      {
        title: 'Admissions by outcome',
        description: 'What each admission came to; docs/outcomes.md explains each outcome.',
        unit: 'reqps',
        queries: [line(`${perSecond(ADMISSIONS, ['outcome'])} > 0`, '{{outcome}}')],
      },
      { width: 8, stacked: true },
    ),
    graph(
      {
        title: 'Time of an admission',
        description: 'From the arrival of a request to its answer.',
        unit: 's',
        queries: [0.5, 0.9, 0.99].map((q) => line(quantile(q, ADMISSION_SECONDS), `p${q * 100}`)),
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'Where the time goes',
        description:
          "Mean time of an admission, in parts: waiting for the API server, for registries, and the rest (answers from memory, our own work). Where both are waited for at once the time is the registry's.",
        unit: 's',
        queries: [
          line(
            `${perSecond(`${PART_SECONDS}_sum`, ['part'])} / on () group_left () (${perSecond(`${ADMISSION_SECONDS}_count`)} > 0)`,
            '{{part}}',
          ),
        ],
      },
      { width: 8, stacked: true },
    ),
    graph(
      {
        title: 'Images without a digest, by reason',
        description: 'Why images got no digest; docs/outcomes.md, Failures. Each try of a controller counts.',
        unit: 'cps',
        queries: [line(`${perSecond('samebytes_images_failed_total', ['code'])} > 0`, '{{code}}')],
      },
      { width: 12, stacked: true },
    ),
    graph(
      {
        title: 'Time spent waiting, p99',
        description: 'Of the admissions that waited for the API server, or for a registry.',
        unit: 's',
        queries: [line(quantile(0.99, PART_SECONDS, ['part']), '{{part}}')],
      },
      { width: 12 },
    ),
  ],
};
