// Ends the processes it was told of (`+PID`, `-PID` a line) when whoever told it has gone, however that happened.
import { createInterface } from 'node:readline';

const GRACE_MS = 5_000;
const pids = new Set();

// A Ctrl-C at the terminal goes to the whole group; this process has to outlive it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const pid = Number(line.slice(1));
  if (line.startsWith('+')) pids.add(pid);
  else pids.delete(pid);
}
for (const pid of pids) kill(pid, 'SIGTERM');
const deadline = Date.now() + GRACE_MS;
while ([...pids].some((pid) => kill(pid, 0)) && Date.now() < deadline)
  await new Promise((resolve) => setTimeout(resolve, 50));
for (const pid of pids) kill(pid, 'SIGKILL');

function kill(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
