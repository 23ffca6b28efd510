import { isIP, type LookupFunction } from 'node:net';
import { rootCertificates } from 'node:tls';
import { buildConnector } from 'undici';
import { ForbiddenAddressError, guardedLookup, isForbidden, type AddressRules } from './address-guard.ts';

/** What the operator allows for the connections to a registry's own hosts. */
export interface ConnectorOptions extends AddressRules {
  /** The origins that these rules are for: the registry itself and its token servers. */
  readonly origins: ReadonlySet<string>;
  /** Whether the operator lists this registry; names of unlisted ones are looked up as absolute names. */
  readonly listed: boolean;
  /** More certificate authorities in PEM, trusted beside the usual ones. */
  readonly ca: string | undefined;
  /** The system's own where absent. */
  readonly lookup?: LookupFunction | undefined;
}

const CONNECT_TIMEOUT_MS = 2_000;
const PUBLIC_ONLY: AddressRules = { allowPrivate: false, allowLoopback: false };

/**
 * Makes connections whose addresses were checked: literals before, names by a look-up whose vetted addresses are what
 * the socket connects to. What the operator allows is allowed for the endpoint contacted, not for the registry that
 * led there: any other host that a registry redirects or points to must be at a public address.
 */
export function guardedConnector(options: ConnectorOptions): buildConnector.connector {
  const { listed, ca, lookup } = options;
  const own = checked(options, { absolute: !listed, ca, lookup });
  const other = checked(PUBLIC_ONLY, { absolute: true, ca: undefined, lookup });
  return (target, callback) => {
    const { origin } = new URL(`${target.protocol}//${target.host ?? ''}`);
    return options.origins.has(origin) ? own(target, callback) : other(target, callback);
  };
}

function checked(
  rules: AddressRules,
  { absolute, ca, lookup }: { absolute: boolean; ca: string | undefined; lookup: LookupFunction | undefined },
): buildConnector.connector {
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    lookup: guardedLookup(rules, { absolute, ...(lookup === undefined ? {} : { lookup }) }),
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
  });
  return (target, callback) => {
    // No lookup is made for an address literal, and localhost is this machine whatever a name server says (RFC 6761).
    const host = target.hostname.replace(/^\[|\]$/g, '');
    const closed = isIP(host) === 0 ? host === 'localhost' && !rules.allowLoopback : isForbidden(host, rules);
    if (closed) return callback(new ForbiddenAddressError(`the address ${host} is closed`), null);
    return connect(target, callback);
  };
}
