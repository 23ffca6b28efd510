// Starts two processes as tests do, says who they are, and waits: one ends when it is asked to, the other does not.
import { ChildProcess } from './child-process.ts';

const WAIT = 'setInterval(() => {}, 1_000); console.log("up");';
const codes = [WAIT, `process.on("SIGTERM", () => {}); ${WAIT}`];
const children = codes.map((code) => new ChildProcess({ command: process.execPath, args: ['-e', code] }));
await Promise.all(children.map((child) => child.printed(/up/)));
console.log(`children ${children.map(({ pid }) => pid).join(' ')}`);
setInterval(() => {}, 1_000);
