import type { Logger } from './log.ts';

/** A pin, as far as the log shows it. */
export interface LoggedPin {
  readonly id: string;
  readonly revision: {
    readonly namespace: string;
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
    readonly workload?: { readonly kind: string; readonly name: string };
  };
  readonly images: readonly LoggedImage[];
}

interface LoggedImage {
  readonly reference: string;
  readonly digest: string;
  readonly resolvedAt: string;
  readonly source: string;
}

/** A pin that is gone, with as much as is known of it then. */
export interface LoggedEnd {
  readonly id: string;
  readonly namespace: string;
  readonly revision: { readonly kind: string; readonly name: string; readonly uid: string } | undefined;
  /** RFC 3339. */
  readonly bornAt: string | undefined;
  /** Undefined where this process did not know the pin. */
  readonly pin: LoggedPin | undefined;
}

/** A revision was born: what its references mean from now on, for as long as it exists. One line, by whoever wrote the pin. */
export function logPinCreated(log: Logger, pin: LoggedPin): void {
  log.info({ ...fieldsOf(pin), images: pin.images }, 'pin created');
}

/** The pin got more images, which an injector brought later. One line, by whoever wrote them. */
export function logPinExtended(log: Logger, pin: LoggedPin, added: readonly LoggedImage[]): void {
  log.info({ ...fieldsOf(pin), images: added }, 'pin extended');
}

/** A revision and its pin are gone. One line of each process that watched: the field `pin` tells that it is one end. */
export function logPinEnded(log: Logger, { id, namespace, revision, bornAt, pin }: LoggedEnd): void {
  const named = revision && {
    revision: `${revision.kind}/${revision.name}`,
    revisionUid: revision.uid,
  };
  const known = pin && { ...fieldsOf(pin), images: pin.images };
  log.info(
    { pin: id, namespace, ...named, ...known, ...(bornAt === undefined ? {} : { bornAt }) },
    'pin ended',
  );
}

function fieldsOf({ id, revision }: LoggedPin): Readonly<Record<string, string>> {
  const { namespace, kind, name, uid, workload = { kind, name } } = revision;
  return {
    pin: id,
    namespace,
    workload: `${workload.kind}/${workload.name}`,
    revision: `${kind}/${name}`,
    revisionUid: uid,
  };
}
