import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Which addresses one registry's connections may go to, beside the public ones. */
export interface AddressRules {
  /** Private networks (RFC 1918, RFC 6598, unique local): where a company's own registry lives. */
  readonly allowPrivate: boolean;
  /** This machine itself: for demo, tests and kind. */
  readonly allowLoopback: boolean;
}

/** Thrown where a connection would go to an address that is closed for it. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
  readonly code = 'ERR_FORBIDDEN_ADDRESS';
}

type Subnet = readonly [network: string, prefix: number];

// IANA's special-purpose registries, and the addresses at which clouds answer with credentials.
const LOOPBACK: readonly Subnet[] = [
  ['127.0.0.0', 8],
  ['::1', 128],
];
const PRIVATE: readonly Subnet[] = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['198.18.0.0', 15],
  ['fc00::', 7],
];
const NEVER: readonly Subnet[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  ['fd00:ec2::', 32],
  ['fd20:ce::254', 128],
  ['fd00:c1::', 32],
  // Addresses that carry others in a way that cannot be told apart: local NAT64 (RFC 8215) and Teredo.
  ['64:ff9b:1::', 48],
  ['2001::', 32],
];
/** IPv6 ranges that carry an IPv4 address, and the 16-bit group at which it starts. */
const EMBEDDING: readonly { network: string; prefix: number; group: number }[] = [
  { network: '::ffff:0:0', prefix: 96, group: 6 },
  { network: '::', prefix: 96, group: 6 },
  { network: '64:ff9b::', prefix: 96, group: 6 },
  { network: '2002::', prefix: 16, group: 1 },
];

const loopback = blockList(LOOPBACK);
const privateNetworks = blockList(PRIVATE);
const never = blockList(NEVER);
const embedding = EMBEDDING.map(({ network, prefix, group }) => ({
  list: blockList([[network, prefix]]),
  group,
}));

/** Whether a connection to this IP address is closed under `rules`. Text that is no IP address is closed. */
export function isForbidden(address: string, rules: AddressRules): boolean {
  const family = isIP(address);
  if (family === 0) return true;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (loopback.check(address, type)) return !rules.allowLoopback;
  if (never.check(address, type)) return true;
  if (privateNetworks.check(address, type)) return !rules.allowPrivate;
  if (family === 4) return false;
  const carrier = embedding.find(({ list }) => list.check(address, type));
  return carrier !== undefined && isForbidden(embeddedIPv4(address, carrier.group), rules);
}

/**
 * A DNS lookup for `net.connect` that refuses a name if *any* of its addresses is closed, and hands the vetted
 * addresses to the socket, which connects to exactly those: no second lookup that could answer otherwise.
 * `absolute` looks names up as absolute ones, so that a cluster's DNS search path cannot turn the image host
 * `kubernetes.default` into the API server. The system's lookup is replaced in tests.
 */
export function guardedLookup(
  rules: AddressRules,
  { absolute, lookup = systemLookup }: { absolute: boolean; lookup?: LookupFunction },
): LookupFunction {
  return (hostname, options, callback) => {
    const name = absolute && !hostname.endsWith('.') ? `${hostname}.` : hostname;
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '');
      const addresses = typeof found === 'string' ? [] : found;
      if (addresses.length === 0 || addresses.some(({ address }) => isForbidden(address, rules))) {
        return callback(new ForbiddenAddressError(`${hostname} has an address that is closed`), '');
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? '', first?.family);
    });
  };
}

function blockList(subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of subnets) {
    list.addSubnet(network, prefix, isIP(network) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

function embeddedIPv4(address: string, group: number): string {
  // The URL parser writes any spelling of an IPv6 address in its shortest hexadecimal form.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  const bits = groups.slice(group, group + 2).map((text) => Number.parseInt(text, 16));
  return bits.flatMap((value) => [value >> 8, value & 0xff]).join('.');
}
