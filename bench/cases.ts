import { setTimeout as pause } from 'node:timers/promises';
import { measure, measureTogether, type Measurement, type PodsOfCase, type Row } from './measure.ts';
import type { Rig, SamebytesWebhook, Webhook } from './rig.ts';

/** Everything that a case may use. */
export interface Stage {
  readonly rig: Rig;
  readonly null: Webhook;
  readonly samebytes: SamebytesWebhook;
  readonly peers: readonly Webhook[];
  readonly scale: Scale;
}

/** How much of everything is sent: enough to measure, or just enough to see that it works. */
export interface Scale {
  readonly rounds: number;
  /** Of loads that a target is about. */
  readonly targetRounds: number;
  /** Requests before such a load, not measured: V8 compiles what runs often, and a webhook runs for weeks. */
  readonly warmUp: number;
  /** Requests of a load that no registry slows down. */
  readonly warm: number;
  readonly burst: number;
  readonly pods: number;
  readonly births: number;
  readonly slowBirths: number;
}

export const FULL: Scale = {
  rounds: 5,
  targetRounds: 31,
  warmUp: 6_000,
  warm: 3_000,
  burst: 200,
  pods: 1_000,
  births: 500,
  slowBirths: 80,
};
export const QUICK: Scale = {
  rounds: 1,
  targetRounds: 1,
  warmUp: 80,
  warm: 80,
  burst: 200,
  pods: 1_000,
  births: 500,
  slowBirths: 10,
};

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly run: (stage: Stage) => Promise<Row[]>;
}

/** How far away a registry is. Design section 7 says 50 ms. */
export const FAR_MS = 50;
const SLOW_MS = 500;
const AT_ONCE = 8;
const MAX_BIRTH_TRIES = 120;
const BIRTH_PAUSE_MS = 250;

let seeds = 0;
/** Revisions that no load has sent yet. */
function newPods(fields: Partial<PodsOfCase> = {}): PodsOfCase {
  seeds += 1;
  return { seed: `load ${seeds}`, revisions: 1, containers: 1, tags: 1, ...fields };
}

/** Every case, in the order in which they run. */
export const CASES: readonly Case[] = [
  {
    name: 'warm',
    title: 'Pods of one known revision, registry on this machine',
    run: async (stage) => warm(stage, 'warm', { isTarget: true }),
  },
  {
    name: 'warm-far',
    title: `1 image, registry ${FAR_MS} ms away: after the first Pod`,
    run: async (stage) =>
      withRegistryAt(stage, FAR_MS, () => warm(stage, 'warm-far', { peers: 200, isTarget: true })),
  },
  {
    name: 'birth',
    title: `1 image, registry ${FAR_MS} ms away: every Pod the first of its revision`,
    run: async (stage) =>
      withRegistryAt(stage, FAR_MS, () => births(stage, 'birth', { containers: 1, peers: 80 })),
  },
  {
    name: 'birth-10',
    title: `10 images, registry ${FAR_MS} ms away: every Pod the first of its revision`,
    run: async (stage) =>
      withRegistryAt(stage, FAR_MS, () => births(stage, 'birth-10', { containers: 10, peers: 32 })),
  },
  {
    name: 'warm-10',
    title: `10 images, registry ${FAR_MS} ms away: after the first Pod`,
    run: async (stage) =>
      withRegistryAt(stage, FAR_MS, () =>
        warm(stage, 'warm-10', { containers: 10, peers: 32, isTarget: true }),
      ),
  },
  {
    name: 'burst',
    title: 'Pods of one known revision at the same instant, each on a new connection',
    run: async (stage) => {
      const pods = newPods();
      await bear(stage, pods);
      return measure(stage.rig, everybody(stage), {
        name: 'burst',
        pods: () => pods,
        rounds: stage.scale.rounds,
        requests: stage.scale.burst,
        atOnce: stage.scale.burst,
        newConnections: true,
      });
    },
  },
  {
    name: 'two-processes',
    title: 'Pods of one new revision through 2 webhook processes',
    run: twoProcesses,
  },
  {
    name: 'one-tag',
    title: `Births of one tag, 50 at once, registry ${FAR_MS} ms away`,
    run: async (stage) =>
      withRegistryAt(stage, FAR_MS, () =>
        measure(stage.rig, [stage.samebytes, ...stage.peers], {
          name: 'one-tag',
          pods: () => newPods({ revisions: stage.scale.births }),
          rounds: 1,
          requests: stage.scale.births,
          atOnce: 50,
          peerRequests: 100,
        }),
      ),
  },
  {
    name: 'slow',
    title: `Births, registry ${SLOW_MS} ms away`,
    run: async (stage) =>
      withRegistryAt(stage, SLOW_MS, () =>
        births(stage, 'slow', { containers: 1, peers: 16, requests: stage.scale.slowBirths / 2 }),
      ),
  },
  {
    name: 'down',
    title: 'Births, registry down: refused',
    run: async (stage) => whileDown(stage, deniedBirths),
  },
  {
    name: 'down-warm',
    title: 'Pods of one known revision, registry down',
    run: async (stage) => {
      const pods = newPods();
      await bear(stage, pods);
      return whileDown(stage, () => warm({ ...stage, peers: [] }, 'down-warm', { pods }));
    },
  },
  {
    name: 'containers-100',
    title: '100 containers, known revision',
    run: async (stage) =>
      warm(stage, 'containers-100', { containers: 100, requests: stage.scale.warm / 10, peers: 8 }),
  },
  ...[1, 64].map((atOnce) => ({
    name: `at-once-${atOnce}`,
    title: `Pods of one known revision, ${atOnce} at once`,
    run: async (stage: Stage) => warm({ ...stage, peers: [] }, `at-once-${atOnce}`, { atOnce }),
  })),
];

function everybody({ null: nothing, samebytes, peers }: Stage): Webhook[] {
  return [nothing, samebytes, ...peers];
}

/** Admits the first Pod of a revision; where the registry was down its breaker refuses for a while. */
export async function bear(
  { rig, samebytes }: Pick<Stage, 'rig' | 'samebytes'>,
  pods: PodsOfCase,
): Promise<void> {
  for (let tries = 0; tries < MAX_BIRTH_TRIES; tries += 1) {
    const { pinned } = await rig.load({ url: samebytes.url, pods, requests: 1, atOnce: 1 });
    if (pinned === 1) return;
    await pause(BIRTH_PAUSE_MS);
  }
  throw new Error('the first Pod of a revision is refused again and again');
}

interface WarmOptions {
  readonly containers?: number;
  readonly requests?: number;
  readonly atOnce?: number;
  readonly peers?: number;
  readonly isTarget?: boolean;
  /** A revision that is known already. */
  readonly pods?: PodsOfCase;
}

/** Replicas of a revision whose first Pod was admitted before. */
async function warm(stage: Stage, name: string, options: WarmOptions = {}): Promise<Row[]> {
  const { containers = 1, requests = stage.scale.warm, atOnce = AT_ONCE, peers = 400, isTarget } = options;
  const pods = options.pods ?? newPods({ containers });
  await bear(stage, pods);
  for (const { url } of [stage.samebytes, stage.null]) {
    await stage.rig.load({ url, pods, requests: Math.min(requests * 2, stage.scale.warmUp), atOnce });
  }
  return measure(stage.rig, everybody(stage), {
    name,
    pods: () => pods,
    rounds: isTarget === true ? stage.scale.targetRounds : stage.scale.rounds,
    requests,
    atOnce,
    peerRequests: peers,
  });
}

/** Pods that are each the first of their revision, each revision with tags of its own. */
async function births(
  stage: Stage,
  name: string,
  {
    containers,
    peers,
    requests = stage.scale.slowBirths,
  }: { containers: number; peers: number; requests?: number },
): Promise<Row[]> {
  const what: Measurement = {
    name,
    pods: () => newPods({ containers, revisions: requests, tags: requests }),
    rounds: Math.min(stage.scale.rounds, 3),
    requests,
    atOnce: AT_ONCE,
    peerRequests: peers,
  };
  return measure(stage.rig, [stage.samebytes, ...stage.peers], what);
}

async function deniedBirths(stage: Stage): Promise<Row[]> {
  return measure(stage.rig, [stage.samebytes], {
    name: 'down',
    pods: () => newPods({ revisions: stage.scale.births }),
    rounds: 1,
    requests: stage.scale.births,
    atOnce: AT_ONCE,
  });
}

/** The same Pods to two processes at the same time, from the birth of their revision on. */
async function twoProcesses({ rig, samebytes, scale }: Stage): Promise<Row[]> {
  const second = await rig.startSamebytes();
  try {
    const pods = newPods();
    const what = {
      name: 'two-processes',
      pods: () => pods,
      rounds: 1,
      requests: scale.pods,
      atOnce: AT_ONCE,
    };
    return [await measureTogether(rig, [samebytes, second], what)];
  } finally {
    await second.stop();
  }
}

async function withRegistryAt<T>({ rig }: Stage, delayMs: number, act: () => Promise<T>): Promise<T> {
  await rig.registry.call('delay', delayMs);
  try {
    return await act();
  } finally {
    await rig.registry.call('delay', 0);
  }
}

async function whileDown<T>(stage: Stage, act: (stage: Stage) => Promise<T>): Promise<T> {
  await stage.rig.registry.call('stop');
  try {
    return await act(stage);
  } finally {
    await stage.rig.registry.call('start');
  }
}
