import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/base/fault.ts';
import { collectComplaints } from '../../src/manifest/policy.ts';
import { checkCanonical } from '../../src/manifest/snapshot.ts';
import { readYaml } from '../../src/manifest/yaml.ts';
import { ALL } from '../fixtures/sample.ts';
import { faultOf, STABLE_PATH } from './samples.ts';

/** As for policies. */
const CEILING = 512 * 1024;

const read = (text: string) => readYaml(text, 'x.yaml', { code: 'POLICY_INVALID', ceiling: CEILING });

/** An alias bomb as in "billion laughs": 9 levels of 9. */
const ALIASES = Array.from({ length: 9 }, (_, i) => {
  const items = Array.from({ length: 9 }, () => (i === 0 ? 'lol' : `*l${i - 1}`)).join(',');
  return `l${i}: &l${i} [${items}]`;
}).join('\n');

/** What must never be read, and where it is refused. */
const HOSTILE: readonly (readonly [what: string, text: string, place: string, message: string])[] = [
  ['an alias bomb', ALIASES, '1:5', '"&…" is an anchor'],
  ['a YAML 1.1 directive', '%YAML 1.1\n---\na: no\n', '1:1', 'a directive (%…)'],
  ['a tag directive', '%TAG ! tag:x,2000:\n---\na: b\n', '1:1', 'a directive (%…)'],
  ['a tag', 'a: !!int "1"\n', '1:4', '"!…" is a tag'],
  ['a tag of its own', 'a: !ruby/object:X {}\n', '1:4', '"!…" is a tag'],
  ['an anchor', 'a: &x 1\n', '1:4', '"&…" is an anchor'],
  ['an alias', 'b: *x\n', '1:4', '"*…" is an alias'],
  ['a merge key', 'a: { <<: { b: c } }\n', '1:6', 'a merge key (<<)'],
  ['a quoted merge key', 'a:\n  "<<": { b: c }\n', '2:3', 'a merge key (<<)'],
  ['a key twice', 'a: 1\nb: 2\na: 3\n', '3:1', 'the key "a" is there twice'],
  ['a key twice, spelled otherwise', 'a: 1\n"\\x61": 3\n', '2:1', 'the key "a" is there twice'],
  ['two documents', 'a: 1\n---\na: 2\n', '2:1', 'not YAML'],
  ['two documents by an end mark', 'a: 1\n...\na: 2\n', '3:1', 'not YAML'],
  ['a tab as indentation', 'a:\n\tb: c\n', '2:1', 'not YAML'],
  ['CRLF', 'a: 1\r\nb: 2\r\n', '1:5', 'a carriage return'],
  ['a lone CR', 'a: 1\rb: 2\n', '1:5', 'a carriage return'],
  ['a byte order mark', '\ufeffa: 1\n', '1:1', 'a byte order mark'],
  ['a byte order mark in the middle', 'a: 1\n\ufeffb: 2\n', '2:1', 'a byte order mark'],
  ['50 MB', 'a'.repeat(50 * 1024 * 1024), '1:1', '52428800 characters'],
  ['a NUL', 'a: b\0c\n', '1:5', 'U+0000'],
  ['an escape character', 'a: \u001b[2J\n', '1:4', 'U+001B'],
  ['a right-to-left override', 'a: b # \u202e gnp.exe\n', '1:8', 'U+202E'],
  [
    'bytes that are not UTF-8',
    `a: ${Buffer.from([0xff, 0xfe]).toString('utf8')}\n`,
    '1:4',
    'bytes that are not UTF-8',
  ],
  ['a list as a key', '[a, b]: c\n', '1:1', 'a key that is not a word'],
  ['a map as a key', '? { a: b }\n: c\n', '1:3', 'a key that is not a word'],
  ['100,000 open brackets', '['.repeat(100_000), '1:13', 'nested too deeply'],
  ['100,000 open braces', '{ a: '.repeat(100_000), '1:61', 'nested too deeply'],
  ['100,000 dashes', '- '.repeat(100_000), '1:25', 'nested too deeply'],
  ['100,000 question marks', '? '.repeat(100_000), '1:25', 'nested too deeply'],
  [
    'a staircase',
    Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    '202:1',
    'nested too deeply',
  ],
  ['100,000 keys on a line', 'a: '.repeat(100_000), '1:1', 'a line of more than 32768 characters'],
  ['an open quote', 'a: "b\n', '2:1', 'not YAML'],
  ['two values', 'a: b: c\n', '1:4', 'not YAML'],
];

describe('hostile YAML (repository content by anyone)', () => {
  it.each(HOSTILE)('%s', (_what, text, place, message) => {
    const began = process.cpuUsage();
    const fault = faultOf(() => read(text));
    expect(fault).toMatch(new RegExp(`^(POLICY_INVALID|TOO_LARGE) x\\.yaml:${place} `));
    expect(fault).toContain(message);
    expect(process.cpuUsage(began).user).toBeLessThan(2_000_000); // of the processor, in microseconds
  });

  it.each(HOSTILE)('as a snapshot and as a policy: %s', (_what, text) => {
    const files = { yaml: text, lock: '' };
    for (const fault of [
      ...checkCanonical(files, STABLE_PATH),
      ...collectComplaints(new Map([['policies/site.yaml', text]])),
    ]) {
      expect(fault).toBeInstanceOf(Fault);
      expect(fault.at).toMatch(/^(snapshots|policies)\/.*\.yaml:\d+:\d+$/);
    }
    expect(checkCanonical(files, STABLE_PATH)).toHaveLength(1);
    expect(collectComplaints(new Map([['policies/site.yaml', text]])).length).toBeGreaterThan(0);
  });

  it.each([
    ['lines of many keys', 'a: '.repeat(10_000).concat('\n').repeat(60)],
    ['lines of open quotes', '"'.repeat(1_000).concat('\n').repeat(1_000)],
    ['60,000 lists in lists', `a:\n${'- - - - - - - -\n'.repeat(60_000)}`],
    ['200,000 keys', Array.from({ length: 200_000 }, (_, i) => `k${i}: v`).join('\n')],
    ['colons', ':\n'.repeat(500_000)],
    ['comments', '#\n'.repeat(500_000)],
  ])('takes seconds at most: %s', (_what, text) => {
    const began = process.cpuUsage();
    try {
      read(text.slice(0, ALL ? CEILING : CEILING / 4));
    } catch (error) {
      if (!(error instanceof Fault)) throw error; // a stack that overflows is our bug
    }
    expect(process.cpuUsage(began).user).toBeLessThan(10_000_000);
  });
});

describe('plain YAML', () => {
  it('has strings only: versions are not numbers', () => {
    const text =
      'a: [2.10, 007, 1e3, 0x1F, no, null, ~, 2027-03-31, "", "2.10", \'x\']\nb:\nc: |\n  two\n  lines\n';
    expect(JSON.parse(JSON.stringify(read(text).data))).toEqual({
      a: ['2.10', '007', '1e3', '0x1F', 'no', 'null', '~', '2027-03-31', '', '2.10', 'x'],
      b: null,
      c: 'two\nlines\n',
    });
  });

  it('has `__proto__` and `constructor` as keys like any other', () => {
    const data = read('__proto__: { polluted: "yes" }\nconstructor: x\n').data as Record<string, unknown>;
    expect(Object.keys(data)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.getPrototypeOf(data)).toBeNull();
  });

  it('refuses `__proto__` as an unknown key of a policy', () => {
    const text = 'apiVersion: sluice/v1\nkind: Site\n__proto__: { forge: github }\n';
    const [fault, ...others] = collectComplaints(new Map([['policies/site.yaml', text]]));
    expect(others).toEqual([]);
    expect(fault).toMatchObject({
      at: 'policies/site.yaml:3:1',
      message: 'the file has the unknown key "__proto__"',
    });
  });

  it('knows the place of every value and key', () => {
    const doc = read('a:\n  - b: "c"\n    d:\n      e: f\n');
    expect(doc.at(['a', 0, 'b'])).toBe('x.yaml:2:8');
    expect(doc.at(['a', 0, 'd'], 'key')).toBe('x.yaml:3:5');
    expect(doc.at(['a', 0, 'd', 'e'])).toBe('x.yaml:4:10');
    expect(doc.at(['a', 0, 'missing'])).toBe('x.yaml:2:5'); // what encloses it
    expect(doc.at([])).toBe('x.yaml:1:1');
  });
});
