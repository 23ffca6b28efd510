import { isIPv6 } from 'node:net';

/** Host with port, and path: what the kubelet looks at of a URL. Texts hold one byte of UTF-8 in each character. */
export interface GoUrl {
  readonly host: string;
  readonly path: string;
}

/** A host: ASCII characters that may stand in it (Go's table; `<`, `>` and `"` are among them), and all others, also escaped. */
const HOST = /^(?:[!"$&'()*+,\-.0-9:;<=>A-Z[\]_a-z~\u0080-\u00ff]|%25|%[89a-fA-F][0-9a-fA-F])*$/;
const USER_INFO = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/;
const PORT = /^(?::[0-9]*)?$/;

/**
 * Reads an http or https URL as Go's net/url.Parse does (1.26.8, which Kubernetes 1.36.3 is built with); undefined
 * where it refuses. WHATWG's `URL` is no substitute: it changes case, ports, dots and numbers in the host. Note that Go
 * refuses `[` inside a host since 1.26.1, so globs with classes are read no more.
 */
export function parseGoUrl(text: string): GoUrl | undefined {
  const { before: url, after: fragment } = cut(text, '#');
  // oxlint-disable-next-line eslint/no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(url) || unescapePercent(fragment) === undefined) return undefined;
  const { before: withoutQuery } = cut(url, '?');
  const rest = withoutQuery.slice(withoutQuery.indexOf('://') + 3);
  const slash = rest.indexOf('/');
  const authority = slash === -1 ? rest : rest.slice(0, slash);
  const path = unescapePercent(slash === -1 ? '' : rest.slice(slash));
  const at = authority.lastIndexOf('@');
  const user = at === -1 ? '' : authority.slice(0, at);
  const host = readHost(authority.slice(at + 1));
  if (path === undefined || host === undefined) return undefined;
  if (!USER_INFO.test(user) || unescapePercent(user) === undefined) return undefined;
  return { host, path };
}

/** Go's net.SplitHostPort as the kubelet uses it: where it fails, everything is the host. */
export function splitHostPort(text: string): { host: string; port: string } {
  const [, literal, plain, port = ''] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(text) ?? [];
  const host = literal ?? plain;
  return host === undefined ? { host: text, port: '' } : { host, port };
}

function readHost(text: string): string | undefined {
  const bracket = text.lastIndexOf('[');
  if (bracket > 0 || !HOST.test(text)) return undefined;
  const bracketEnd = text.lastIndexOf(']');
  const portAt = bracket === 0 ? bracketEnd + 1 : text.indexOf(':');
  if (portAt !== -1 && !PORT.test(text.slice(portAt))) return undefined;
  // Go takes zones (`%25eth0`), but no image's host has one.
  if (bracket === 0 && !isIPv6(text.slice(1, bracketEnd))) return undefined;
  return unescapePercent(text);
}

/** Undefined where a percent sign is not followed by two hexadecimal digits. */
function unescapePercent(text: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  return text.replaceAll(/%(..)/g, (_escape, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

function cut(text: string, separator: string): { before: string; after: string } {
  const at = text.indexOf(separator);
  return at === -1 ? { before: text, after: '' } : { before: text.slice(0, at), after: text.slice(at + 1) };
}
