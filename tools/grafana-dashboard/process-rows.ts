import { of, ofProcess, perSecond } from './expressions.ts';
import { graph, line } from './panels.ts';
import type { Row } from './row.ts';

/** What is remembered. */
export const pins: Row = {
  title: 'Pins',
  panels: [
    graph(
      {
        title: 'Pins created and ended',
        description: 'Revisions that began, and that are gone. Every process is told of every end.',
        unit: 'cps',
        queries: [
          line(perSecond('samebytes_pins_created_total'), 'created'),
          line(`max(rate(${of('samebytes_pins_ended_total')}[$__rate_interval]))`, 'ended'),
          line(perSecond('samebytes_pin_conflicts_total'), 'another process was faster'),
        ],
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'Pins are remembered',
        description:
          '1 while every process follows the deletions of pins; 0 while one cannot, and reads the pin of each Pod from the API server: slower, never wrong.',
        unit: 'short',
        queries: [
          line(`min(${of('samebytes_pin_memory_open')})`, 'all remember'),
          line(perSecond('samebytes_pin_watch_gaps_total'), 'gaps per second'),
        ],
      },
      { width: 8, max: 1 },
    ),
    graph(
      {
        title: 'Pinned digests that are missing',
        description:
          'Images that Pods got from pins within a day, and that their registry does not have any more: a node without them cannot start another Pod. The log says which.',
        unit: 'short',
        queries: [line(`max by (registry) (${of('samebytes_pinned_digests_missing')})`, '{{registry}}')],
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'Worth a look',
        description:
          'Revisions that were split before samebytes came, Pods left alone since they are recreated for ever, annotations that the rules overrule, manifests that were not what their header said, tags that moved away from a pin, and digests of such pins that new Pods got.',
        unit: 'cps',
        queries: [
          line(perSecond('samebytes_revisions_split_total'), 'split revisions'),
          line(perSecond('samebytes_pods_left_alone_total'), 'Pods left alone'),
          line(perSecond('samebytes_opt_outs_refused_total'), 'opt-outs refused'),
          line(perSecond('samebytes_registry_digest_mismatches_total'), 'digests that did not match'),
          line(perSecond('samebytes_tags_moved_total'), 'tags moved'),
          line(perSecond('samebytes_old_digests_served_total'), 'old digests served'),
        ],
      },
      { width: 8 },
    ),
  ],
};

/** What it costs. */
export const processes: Row = {
  title: 'Webhook processes',
  panels: [
    graph(
      {
        title: 'CPU',
        description: 'Cores in use, by process.',
        unit: 'short',
        queries: [line(ofProcess('rate(process_cpu_seconds_total[$__rate_interval])'), '{{instance}}')],
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'Memory',
        description: 'Resident memory, by process. The manifests limit it to 448 MiB.',
        unit: 'bytes',
        queries: [line(ofProcess('process_resident_memory_bytes'), '{{instance}}')],
      },
      { width: 8 },
    ),
    graph(
      {
        title: "Event loop's delay, p99",
        description:
          'How late the process gets to its work. Past 100 ms it is short of CPU: more processes, or more CPU for each.',
        unit: 's',
        queries: [line(ofProcess('nodejs_eventloop_lag_p99_seconds'), '{{instance}}')],
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'Events by result',
        description:
          'Kubernetes events about the owners of Pods. `limited`: their object had enough for now. `dropped`: too many waited. `failed`: the API server did not take them; the log says why.',
        unit: 'cps',
        queries: [line(perSecond('samebytes_events_total', ['result']), '{{result}}')],
      },
      { width: 8 },
    ),
    graph(
      {
        title: 'How near the limits are',
        description:
          'What is under way or waits, as a part of what may be, in the process that has the most. At 100 % requests are turned away; docs/bounds.md says how.',
        unit: 'percentunit',
        queries: [
          line(`max by (limit) (${of('samebytes_limit_used')} / ${of('samebytes_limit_max')})`, '{{limit}}'),
        ],
      },
      { width: 8, max: 1 },
    ),
  ],
};
