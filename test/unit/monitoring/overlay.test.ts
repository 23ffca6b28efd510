import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { dashboardFile } from '../../../tools/grafana-dashboard/dashboard.ts';
import { ALERTS, metricsIn, overlayFile, QUERIES } from '../../support/monitoring.ts';

const metricsPage = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
const alertsPage = readFileSync(new URL('../../../docs/alerts.md', import.meta.url), 'utf8');
const documented = [...metricsPage.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name);
const known = new Set(documented);

/** How GitHub calls the heading of a section. */
function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll(' ', '-');
}

describe('the dashboard', () => {
  test('is what its code makes: `npm run grafana-dashboard` after a change', () => {
    expect(overlayFile('dashboard.json')).toBe(dashboardFile());
  });

  test('asks for metrics only that docs/metrics.md names', () => {
    expect(QUERIES.length).toBeGreaterThan(30);
    const unknown = QUERIES.flatMap(({ expression }) => metricsIn(expression)).filter(
      (name) => !known.has(name),
    );
    expect(unknown).toEqual([]);
  });

  test('looks in every query at the processes alone that are chosen', () => {
    for (const { expression } of QUERIES) expect(expression).toContain('instance=~"$instance"');
  });

  test('has for each panel a title of its own, a description and an id of its own', () => {
    const { panels } = JSON.parse(overlayFile('dashboard.json')) as {
      panels: { id: number; type: string; title: string; description?: string }[];
    };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const shown = panels.filter(({ type }) => type !== 'row');
    expect(new Set(shown.map(({ title }) => title)).size).toBe(shown.length);
    for (const { description } of shown) expect(description).toMatch(/^[A-Z0-9].*\.$/);
  });

  test('shows every metric of samebytes that docs/metrics.md names', () => {
    const shown = new Set(QUERIES.flatMap(({ expression }) => metricsIn(expression)));
    const hidden = documented.filter((name) => name.startsWith('samebytes_') && !shown.has(name));
    expect(hidden).toEqual([]);
  });
});

describe('the alerts', () => {
  test('ask for metrics only that docs/metrics.md names', () => {
    expect(ALERTS.flatMap(({ expr }) => metricsIn(expr)).filter((name) => !known.has(name))).toEqual([]);
  });

  test.each(ALERTS)(
    '$alert says how bad it is, what happened, and where to read on',
    ({ labels, annotations }) => {
      expect(['info', 'warning', 'critical']).toContain(labels.severity);
      expect(annotations.summary).toMatch(/\.$/);
      expect(annotations.description.length).toBeGreaterThan(40);
      const [file, fragment = ''] = annotations.runbook.split('#');
      expect(file).toBe('docs/alerts.md');
      expect([...alertsPage.matchAll(/^## (.*)$/gm)].map(([, heading = '']) => anchor(heading))).toContain(
        fragment,
      );
    },
  );

  test('are explained in docs/alerts.md, and no others: what it means, what to look at, what to do', () => {
    const sections = alertsPage.split(/^## /m).slice(1);
    expect(sections.map((section) => section.split('\n')[0])).toEqual(ALERTS.map(({ alert }) => alert));
    for (const section of sections) {
      for (const part of ['**It means**', '**Look at**', '**Do**']) expect(section).toContain(part);
    }
  });
});

describe('the overlay', () => {
  const kustomization = parse(overlayFile('kustomization.yaml')) as {
    resources: string[];
    configMapGenerator: { name: string; files: string[]; options: { labels: Record<string, string> } }[];
  };

  test('holds every file of its folder, each once', () => {
    const generated = kustomization.configMapGenerator.flatMap(({ files }) =>
      files.map((file) => file.split('=')[1]),
    );
    const files = readdirSync(new URL('../../../manifests/overlays/monitoring', import.meta.url));
    const listed = [...kustomization.resources, ...generated, 'kustomization.yaml'];
    expect(new Set(listed)).toEqual(new Set(files));
    expect(listed).toHaveLength(files.length);
  });

  test("gives the dashboard's ConfigMap the label that Grafana's sidecar looks for", () => {
    const [dashboard] = kustomization.configMapGenerator;
    expect(dashboard?.options.labels['grafana_dashboard']).toBe('1');
  });

  test('scrapes the port and the Pods that the Deployment has', () => {
    const base = new URL('../../../manifests/base/43-deployment.yaml', import.meta.url);
    const { spec } = parse(readFileSync(base, 'utf8')) as {
      spec: {
        template: { metadata: { labels: object }; spec: { containers: { ports: { name: string }[] }[] } };
      };
    };
    const monitor = parse(overlayFile('70-pod-monitor.yaml')) as {
      spec: { selector: { matchLabels: object }; podMetricsEndpoints: { port: string }[] };
    };
    expect(spec.template.metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
    const ports = spec.template.spec.containers.flatMap((container) =>
      container.ports.map(({ name }) => name),
    );
    expect(ports).toContain(monitor.spec.podMetricsEndpoints[0]?.port);
  });
});
