// npm run grafana-dashboard: writes the Grafana dashboard anew, after a change of what is in this folder.
import { writeFile } from 'node:fs/promises';
import { dashboardFile } from './dashboard.ts';

await writeFile(
  new URL('../../manifests/overlays/monitoring/dashboard.json', import.meta.url),
  dashboardFile(),
);
