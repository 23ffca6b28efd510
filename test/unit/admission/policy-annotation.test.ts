import { describe, expect, test } from '@jest/globals';
import { readPolicyAnnotation, type Policy } from '../../../src/admission/policy.ts';

interface Read {
  readonly all?: Policy;
  readonly byContainer?: Readonly<Record<string, Policy>>;
  readonly unreadable?: readonly string[];
}

describe('the policy annotation', () => {
  test.each<[string, Read]>([
    ['sticky', { all: 'sticky' }],
    ['follow', { all: 'follow' }],
    ['off', { all: 'off' }],
    ['  off  ', { all: 'off' }],
    ['web=off', { byContainer: { web: 'off' } }],
    [' web = off , log= follow ', { byContainer: { web: 'off', log: 'follow' } }],
    [
      'sticky,istio-proxy=off,logger=follow',
      { all: 'sticky', byContainer: { 'istio-proxy': 'off', logger: 'follow' } },
    ],
    ['volume/data=off', { byContainer: { 'volume/data': 'off' } }],
    ['web=off,follow', { all: 'follow', byContainer: { web: 'off' } }],
    ['off,follow', { all: 'follow' }],
    ['web=off,web=follow', { byContainer: { web: 'follow' } }],
    ['__proto__=off', { byContainer: { ['__proto__']: 'off' } }],
  ])('%j can be read', (text, { all, byContainer = {} }) => {
    const annotation = readPolicyAnnotation(text);
    expect(annotation.all).toBe(all);
    expect([...annotation.byContainer]).toEqual(Object.entries(byContainer));
    expect(annotation.unreadable).toEqual([]);
  });

  test.each<[string, Read]>([
    ['', { unreadable: [''] }],
    ['on', { unreadable: ['on'] }],
    ['Sticky', { unreadable: ['Sticky'] }],
    ['web', { unreadable: ['web'] }],
    ['web=', { unreadable: ['web='] }],
    ['=off', { unreadable: ['=off'] }],
    ['web=on', { unreadable: ['web=on'] }],
    ['a=b=off', { unreadable: ['a=b=off'] }],
    ['sticky;off', { unreadable: ['sticky;off'] }],
    ['constructor', { unreadable: ['constructor'] }],
    ['off,', { all: 'off', unreadable: [''] }],
    ['off,log=maybe,web=follow', { all: 'off', byContainer: { web: 'follow' }, unreadable: ['log=maybe'] }],
  ])(
    '%j has parts that cannot be read, and the others hold',
    (text, { all, byContainer = {}, unreadable }) => {
      const annotation = readPolicyAnnotation(text);
      expect(annotation.unreadable).toEqual(unreadable);
      expect(annotation.all).toBe(all);
      expect([...annotation.byContainer]).toEqual(Object.entries(byContainer));
    },
  );
});
