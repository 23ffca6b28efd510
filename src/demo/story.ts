import type { OciRegistry } from './oci-registry.ts';
import type { Admission, PlayedApiServer, PlayedPod, PlayedReplicaSet } from './played-api-server.ts';

/** One thing that the demo says is so, and whether it was. */
export interface Claim {
  readonly text: string;
  readonly holds: boolean;
}

/** One step of the story, told when it has happened. */
export interface Scene {
  readonly title: string;
  /** What the tag means in the registry now. */
  readonly tagMeans: string;
  /** The image line of the Pods as it was sent. */
  readonly before: string;
  /** The image lines of the Pods as they were admitted, with how many have each. */
  readonly after: readonly { readonly image: string; readonly count: number }[];
  readonly denied: string | undefined;
  readonly claims: readonly Claim[];
}

const REPOSITORY = 'shop/web';
const TAG = '1.0';

/**
 * Tells the story of one Deployment, scene by scene. Every claim is computed from the Pods as they were admitted and
 * from the registry's own log of requests, never from what the webhook thinks.
 */
export async function* tellStory(registry: OciRegistry, api: PlayedApiServer): AsyncGenerator<Scene> {
  const image = `${registry.host}/${REPOSITORY}:${TAG}`;
  const stage = new Stage(registry, api, image);

  const first = await registry.push(REPOSITORY, TAG, 'the first build');
  const revision1 = api.newReplicaSet(image);
  yield await stage.play('CI pushes 1.0; a Deployment with 3 replicas is created', first, revision1, 3, {
    expected: first,
    claim: 'all 3 replicas have the digest that the tag meant',
    requests: { count: 1, claim: 'the registry was asked once, for 3 Pods' },
  });

  const second = await registry.push(REPOSITORY, TAG, 'a build that is broken');
  yield await stage.play('Somebody moves the tag 1.0; then: scale from 3 to 6', second, revision1, 3, {
    expected: first,
    claim: 'the 3 new replicas have the digest of the first 3: all 6 run the same bytes',
    requests: { count: 0, claim: 'the registry was not asked at all' },
  });

  const revision2 = api.newReplicaSet(image);
  yield await stage.play('An environment variable changes: a new revision', second, revision2, 2, {
    expected: second,
    claim: 'a new revision gets what the tag means now',
    requests: { count: 1, claim: 'the registry was asked once' },
  });

  await registry.stop();
  yield await stage.play('The registry goes down, a node dies: a replica is replaced', second, revision2, 1, {
    expected: second,
    claim: 'the replacement has the digest of its revision',
    requests: { count: 0, claim: 'no registry was needed' },
  });
  yield await stage.play('kubectl rollout undo, the registry still down', second, revision1, 3, {
    expected: first,
    claim: 'the rollback really goes back: the first digest, though the tag means another',
    requests: { count: 0, claim: 'no registry was needed' },
  });
  yield await stage.play(
    'kubectl rollout restart, the registry still down',
    second,
    api.newReplicaSet(image),
    1,
    {
      expected: undefined,
      claim: 'a new revision is refused rather than guessed, and the message says why',
      requests: { count: 0, claim: 'the registry saw nothing' },
    },
  );

  await registry.start();
  const third = await registry.push(REPOSITORY, TAG, 'the build with the fix');
  yield await stage.play(
    'The registry is back, CI pushes the fix and restarts at once',
    third,
    api.newReplicaSet(image),
    3,
    {
      expected: third,
      claim: 'all replicas have the digest that was just pushed',
      requests: { count: 1, claim: 'the registry was asked once' },
    },
  );
}

interface Expectation {
  /** The digest of every Pod; undefined where the Pods must be refused. */
  readonly expected: string | undefined;
  readonly claim: string;
  readonly requests: { readonly count: number; readonly claim: string };
}

class Stage {
  readonly #registry: OciRegistry;
  readonly #api: PlayedApiServer;
  readonly #image: string;

  constructor(registry: OciRegistry, api: PlayedApiServer, image: string) {
    this.#registry = registry;
    this.#api = api;
    this.#image = image;
  }

  /** Creates the Pods, one after another as a controller's slow start does, and compares with what is expected. */
  async play(
    title: string,
    tagMeans: string,
    replicaSet: PlayedReplicaSet,
    replicas: number,
    { expected, claim, requests }: Expectation,
  ): Promise<Scene> {
    const asked = this.#registry.manifestRequests.length;
    const admissions: Admission[] = [];
    for (let replica = 0; replica < replicas; replica += 1)
      admissions.push(await this.#api.createPod(replicaSet));

    const pods = admissions.flatMap((admission) => (admission.admitted ? [admission.pod] : []));
    const denied = admissions.find((admission) => !admission.admitted);
    const wanted = `${this.#image.slice(0, this.#image.lastIndexOf(':'))}@${expected}`;
    const holds =
      expected === undefined
        ? pods.length === 0 && denied?.message.includes(this.#image) === true
        : pods.length === replicas && pods.every((pod) => imageOf(pod) === wanted);
    const askedNow = this.#registry.manifestRequests.length - asked;
    return {
      title,
      tagMeans,
      before: this.#image,
      after: countImages(pods),
      denied: denied?.message,
      claims: [
        { text: claim, holds },
        { text: requests.claim, holds: askedNow === requests.count },
      ],
    };
  }
}

function imageOf(pod: PlayedPod): string {
  return pod.spec.containers[0]?.image ?? '';
}

function countImages(pods: readonly PlayedPod[]): { image: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const pod of pods) counts.set(imageOf(pod), (counts.get(imageOf(pod)) ?? 0) + 1);
  return [...counts].map(([image, count]) => ({ image, count }));
}
