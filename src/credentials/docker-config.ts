import { isObject, type JsonObject } from '../json/json-object.ts';
import type { KeyringEntry } from './keyring.ts';

/** A docker config that the kubelet cannot read either. The message holds nothing of its text. */
export class DockerConfigError extends Error {
  override readonly name = 'DockerConfigError';
  readonly code = 'invalid_docker_config';
}

/** Makes of user name and secret what is handed on, so that they lie about in the open nowhere. */
export type Seal<T> = (username: string, secret: string) => T;

/**
 * Reads the body of a pull secret of this type as the kubelet does (kubernetes v1.36.3, pkg/credentialprovider/config.go,
 * by Go's encoding/json): names of fields in any case; of an entry `username`, `password` and `auth`, which goes before
 * them; all else, such as `identitytoken` and `credHelpers`, means nothing. It differs where a name stands twice in one
 * object: Go takes the entries of both, JSON.parse those of the last.
 * @throws {DockerConfigError}
 */
export function readDockerConfig<T>(type: string, body: string, seal: Seal<T>): KeyringEntry<T>[] {
  const config = parseJson(body);
  if (config === null) return [];
  if (!isObject(config)) throw new DockerConfigError('it is not a JSON object');
  const auths = type === 'kubernetes.io/dockercfg' ? config : authsOf(config);
  return Object.entries(auths).map(([key, entry]) => {
    if (entry !== null && !isObject(entry)) throw new DockerConfigError('an entry is not an object');
    const { username, secret } = readEntry(entry ?? {});
    return [key, seal(username, secret)];
  });
}

/** What JSON.parse throws quotes the text, so it goes no further. */
function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new DockerConfigError('it is not JSON');
  }
}

function authsOf(config: JsonObject): JsonObject {
  const headers = valuesOf(config, /^httpheaders$/iu).filter((value) => value !== null);
  const texts = headers.flatMap((value) => (isObject(value) ? Object.values(value) : [value]));
  if (!headers.every(isObject) || !texts.every(isTextOrNull)) {
    throw new DockerConfigError('HttpHeaders are not texts');
  }
  let auths: JsonObject = {};
  for (const value of valuesOf(config, /^auths$/iu)) {
    if (value !== null && !isObject(value)) throw new DockerConfigError('auths is not an object');
    auths = value === null ? {} : { ...auths, ...value };
  }
  return auths;
}

function readEntry(entry: JsonObject): { username: string; secret: string } {
  const username = textOf(entry, /^username$/iu);
  const secret = textOf(entry, /^password$/iu);
  textOf(entry, /^email$/iu);
  const auth = textOf(entry, /^auth$/iu);
  return auth === '' ? { username, secret } : decodeAuth(auth);
}

/** Base64 of `user:secret`, padded or not, with line breaks anywhere (Go skips them) and nothing else. */
function decodeAuth(auth: string): { username: string; secret: string } {
  const text = auth.replaceAll(/[\r\n]/g, '');
  const padded = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)$/;
  const unpadded = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?$/;
  if (!padded.test(text) && !unpadded.test(text)) throw new DockerConfigError('an auth is not base64');
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon === -1) throw new DockerConfigError('an auth does not hold user:password');
  return { username: decoded.slice(0, colon), secret: decoded.slice(colon + 1) };
}

/** The field's text; the last one counts where it stands there in several spellings. */
function textOf(entry: JsonObject, name: RegExp): string {
  const values = valuesOf(entry, name);
  if (!values.every(isTextOrNull)) throw new DockerConfigError('a field of an entry is not a text');
  return (values.findLast((value) => value !== null) ?? '').toWellFormed();
}

function valuesOf(object: JsonObject, name: RegExp): unknown[] {
  return Object.entries(object).flatMap(([key, value]) => (name.test(key) ? [value] : []));
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
