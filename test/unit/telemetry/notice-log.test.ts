import { expect, test } from '@jest/globals';
import { createLog } from '../../../src/telemetry/log.ts';
import { NoticeLog } from '../../../src/telemetry/notice-log.ts';

function underTest(): { notices: NoticeLog; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { notices: new NoticeLog(createLog({ level: 'info', pretty: false, destination })), lines };
}

test('a notice is logged once, however often a registry repeats it', () => {
  const { notices, lines } = underTest();
  for (let index = 0; index < 100; index += 1) {
    notices.tell({ kind: 'registry_warning', registry: 'r.test', subject: 'it moves' });
  }
  notices.tell({ kind: 'registry_warning', registry: 'r.test', subject: 'it has moved' });
  expect(lines).toMatchObject([
    { level: 'warn', registry: 'r.test', subject: 'it moves', kind: 'registry_warning' },
    { subject: 'it has moved' },
  ]);
});

test('a notice of withheld credentials names the setting to add', () => {
  const { notices, lines } = underTest();
  notices.tell({ kind: 'credentials_withheld', registry: 'r.test', subject: 'auth.test' });
  expect(lines[0]?.['msg']).toContain('registries[].tokenHosts');
});
