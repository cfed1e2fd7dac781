import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/base/fault.ts';
import {
  checkCanonical,
  completeSnapshot,
  emptySnapshot,
  makeSnapshot,
  parseSnapshot,
  readPins,
  renderSnapshot,
  type Snapshot,
} from '../../src/manifest/snapshot.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import {
  anySnapshot,
  faultOf,
  LIVE,
  LIVE_PATH,
  PARENT,
  pin,
  STABLE,
  STABLE_PATH,
  said,
  sum,
} from './samples.ts';

const pathOf = (s: Snapshot) => (s.repository.tier === 'live' ? LIVE_PATH : STABLE_PATH);

const stable = makeSnapshot({
  repository: STABLE,
  from: PARENT,
  modules: new Map([['nodejs:18:9020230327152102:rhel9:x86_64', sum(7)]]),
  pins: [
    pin('openssl-1:3.0.7-28.el9.x86_64', 3),
    pin('kernel-core-5.14.0-503.11.1.el9_5.x86_64', 2),
    pin('kernel-core-5.14.0-427.13.1.el9_4.x86_64', 1, true),
  ],
});
const files = renderSnapshot(stable);

/** The sample with one change of its YAML, or of its lock. */
const yaml = (from: string | RegExp, to: string) => ({ ...files, yaml: replaced(files.yaml, from, to) });
const lock = (from: string | RegExp, to: string) => ({ ...files, lock: replaced(files.lock, from, to) });
function replaced(text: string, from: string | RegExp, to: string): string {
  const changed = text.replace(from, to);
  if (changed === text) throw new Error(`${from} is not there`);
  return changed;
}

describe('the canonical text', () => {
  it('is as the design shows it', () => {
    expect(files.yaml).toBe(`apiVersion: sluice/v1
kind: Snapshot
repository: infra-stable-rocky-9-x86_64-appstream
from: infra-unstable-rocky-9-x86_64-appstream

withdrawn:

  - "kernel-core-5.14.0-427.13.1.el9_4.x86_64"

modules:

  nodejs:18:9020230327152102:rhel9:x86_64: "${`sha256:${'7'.padStart(64, '0')}`}"

packages:

  kernel-core.x86_64: ["5.14.0-427.13.1.el9_4", "5.14.0-503.11.1.el9_5"]

  openssl.x86_64: "1:3.0.7-28.el9"

`);
    expect(files.lock.split('\n\n')).toEqual([
      `kernel-core-5.14.0-427.13.1.el9_4.x86_64 sha256:${'1'.padStart(64, '0')} 2 000000000001 withdrawn`,
      `kernel-core-5.14.0-503.11.1.el9_5.x86_64 sha256:${'2'.padStart(64, '0')} 3 000000000002`,
      `openssl-1:3.0.7-28.el9.x86_64 sha256:${'3'.padStart(64, '0')} 4 000000000003`,
      '',
    ]);
  });

  it('has live’s upstream state, and what was accepted', () => {
    const live = makeSnapshot({
      repository: LIVE,
      from: 'rocky-9-x86_64-appstream',
      upstream: {
        timestamp: 1_258_128_361.02,
        repomd: sum(1),
        documents: new Map([
          ['primary', sum(2)],
          ['filelists', sum(3)],
        ]),
      },
      older: { reason: 'the vendor took "9.4" back', timestamp: 5 },
      accepted: [{ nevra: 'a-1-1.noarch', was: sum(4), now: sum(5), reason: 'signed anew\u202e\n' }],
      pins: [],
    });
    const text = renderSnapshot(live).yaml.replaceAll(/0{60}/g, '…');
    expect(text).toBe(`apiVersion: sluice/v1
kind: Snapshot
repository: vendor-live-rocky-9-x86_64-appstream
from: rocky-9-x86_64-appstream

upstream:

  timestamp: 1258128361.02

  repomd: "sha256:…0001"

  documents:

    filelists: "sha256:…0003"

    primary: "sha256:…0002"

older:

  timestamp: 5

  reason: "the vendor took \\"9.4\\" back"

accepted:

  - build: "a-1-1.noarch"
    was: "sha256:…0004"
    now: "sha256:…0005"
    reason: "signed anew\\u202e\\n"

packages: {}
`);
    expect(parseSnapshot(renderSnapshot(live), LIVE_PATH)).toEqual(live);
  });

  it('of an empty snapshot reads back', () => {
    const empty = emptySnapshot(STABLE, PARENT);
    expect(renderSnapshot(empty).lock).toBe('');
    expect(parseSnapshot(renderSnapshot(empty), STABLE_PATH)).toEqual(empty);
  });

  it('reads back as what was written, whatever that is (300 snapshots)', () => {
    fc.assert(
      fc.property(anySnapshot, (s) => {
        expect(parseSnapshot(renderSnapshot(s), pathOf(s))).toEqual(s);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same bytes for the same data in any order (200 snapshots)', () => {
    const shuffled = anySnapshot.chain((s) =>
      fc.tuple(fc.constant(s), fc.shuffledSubarray([...s.pins], { minLength: s.pins.length })),
    );
    fc.assert(
      fc.property(shuffled, ([s, pins]) => {
        const modules = new Map([...s.modules].reverse());
        const again = makeSnapshot({ ...s, pins, modules, accepted: [...s.accepted].reverse() });
        expect(renderSnapshot(again)).toEqual(renderSnapshot(s));
      }),
      { numRuns: 200 },
    );
  });

  it('means the same read by line and read by yaml (200 snapshots)', () => {
    fc.assert(
      fc.property(anySnapshot, (s) => {
        const { yaml, lock } = renderSnapshot(s);
        const commented = {
          yaml: yaml.replace(/\npackages:( \{\})?\n/, '\npackages:$1 # read by yaml\n'),
          lock,
        };
        expect(commented.yaml).not.toBe(yaml);
        expect(parseSnapshot(commented, pathOf(s), { lenient: true })).toEqual(s);
        const places = (text: string) => readPins(text, pathOf(s)).builds.map((b) => b.text);
        expect(places(commented.yaml)).toEqual(places(yaml));
      }),
      { numRuns: 200 },
    );
  });

  it('gives every build its line and column, by line and by yaml alike', () => {
    const places = (text: string) => {
      const read = readPins(text, STABLE_PATH);
      return read.builds.map((build) => read.at(build.offset).replace(STABLE_PATH, ''));
    };
    expect(places(files.yaml)).toEqual([':16:24', ':16:49', ':18:19']);
    expect(places(files.yaml.replace('packages:\n', 'packages: # c\n'))).toEqual([
      ':16:24',
      ':16:49',
      ':18:19',
    ]);
  });
});

describe('a pair that disagrees', () => {
  it.each([
    [
      'a build that the lock lacks',
      yaml('openssl.x86_64: "1:3.0.7-28.el9"', 'openssl.x86_64: "1:3.0.7-29.el9"'),
      `LOCK_MISMATCH ${STABLE_PATH}:18:19 openssl-1:3.0.7-29.el9.x86_64 is not in the lock`,
    ],
    [
      'a build that the YAML lacks',
      yaml(/ {2}openssl.*\n\n/, ''),
      'LOCK_MISMATCH snapshots/infra/stable/rocky-9-x86_64-appstream.lock:5:1 openssl-1:3.0.7-28.el9.x86_64 is not in the manifest',
    ],
    [
      'an epoch that only one has',
      lock('openssl-1:', 'openssl-'),
      `LOCK_MISMATCH ${STABLE_PATH}:18:19 openssl-1:3.0.7-28.el9.x86_64 is not in the lock`,
    ],
    [
      'withdrawn only in the YAML',
      lock(' withdrawn', ''),
      'LOCK_MISMATCH snapshots/infra/stable/rocky-9-x86_64-appstream.lock:1:1 kernel-core-5.14.0-427.13.1.el9_4.x86_64 is withdrawn in the manifest, but not in the lock',
    ],
    [
      'withdrawn only in the lock',
      lock('4 000000000003', '4 000000000003 withdrawn'),
      'LOCK_MISMATCH snapshots/infra/stable/rocky-9-x86_64-appstream.lock:5:1 openssl-1:3.0.7-28.el9.x86_64 is withdrawn in the lock, but not in the manifest',
    ],
    [
      'a build twice in the lock',
      lock(/^(.*\n\n)/, '$1$1'),
      'MANIFEST_INVALID snapshots/infra/stable/rocky-9-x86_64-appstream.lock:3:1 kernel-core-5.14.0-427.13.1.el9_4.x86_64 is there twice',
    ],
  ])('%s', (_what, pair, fault) => {
    expect(faultOf(() => parseSnapshot(pair, STABLE_PATH))).toBe(fault);
    expect(checkCanonical(pair, STABLE_PATH).map(said)).toEqual([fault]);
  });

  it.each([
    ['a size of 0', / 2 0/, ' 0 0'],
    ['a negative size', / 2 0/, ' -2 0'],
    ['a size of 2^63', / 2 0/, ' 9223372036854775808 0'],
    ['a size in hex', / 2 0/, ' 0x2 0'],
    ['a checksum that is too short', /sha256:0/, 'sha256:'],
    ['a checksum in capitals', /sha256:0/, 'sha256:A'],
    ['an unknown checksum', /sha256/, 'sha257'],
    ['an old name of sha1', /sha256:0{24}/, 'sha:'],
    ['a record of 11 digits', /000000000001 /, '00000000001 '],
    ['another word at the end', / withdrawn/, ' Withdrawn'],
    ['two spaces', / 2 /, '  2 '],
    ['a tab', / 2 /, '\t2 '],
    ['a carriage return', /withdrawn/, 'withdrawn\r'],
    ['a conflict', /^/, '<<<<<<< HEAD\n'],
    ['a comment', /^/, '# mine\n'],
  ])('a lock with %s is refused at its line', (_what, from, to) => {
    const pair = lock(from, to);
    expect(faultOf(() => parseSnapshot(pair, STABLE_PATH, { lenient: true }))).toMatch(
      /^MANIFEST_INVALID \S+\.lock:1:1 /,
    );
  });
});

describe('what is not canonical', () => {
  it.each([
    ['an EVR without quotes', yaml('"1:3.0.7-28.el9"', '1:3.0.7-28.el9'), '18:19'],
    ['single quotes', yaml('"1:3.0.7-28.el9"', "'1:3.0.7-28.el9'"), '18:19'],
    ['an epoch of 0', yaml('"5.14.0-427', '"0:5.14.0-427'), '16:25'],
    ['builds in another order', yaml(/\["(.*)", "(.*)"\]/, '["$2", "$1"]'), '16:32'],
    ['a list in block style', yaml(/\["(.*)", "(.*)"\]/, '\n    - "$1"\n    - "$2"'), '16:23'],
    ['keys in another order', yaml(/( {2}kernel.*\n\n)( {2}openssl.*\n\n)/, '$2$1'), '16:3'],
    ['no empty line', yaml(/_5"\]\n\n/, '_5"]\n'), '17:1'],
    ['two empty lines', yaml(/_5"\]\n\n/, '_5"]\n\n\n'), '18:1'],
    ['a space at the end', yaml(/_5"\]\n/, '_5"] \n'), '16:73'],
    ['no newline at the end', yaml(/\n\n$/, '\n'), '19:1'],
    ['a comment', yaml('packages:', '# why\npackages:'), '14:1'],
    ['a document mark', yaml(/^/, '---\n'), '1:1'],
    ['sections in another order', yaml(/(modules:.*?)(packages:.*)/s, '$2$1'), '10:1'],
  ])('%s', (_what, pair, place) => {
    const [fault, ...others] = checkCanonical(pair, STABLE_PATH);
    expect(others).toEqual([]);
    expect(fault).toMatchObject({
      code: 'MANIFEST_NOT_CANONICAL',
      at: `${STABLE_PATH}:${place}`,
      hint: 'Run `sluice fix`.',
    });
    expect(parseSnapshot(pair, STABLE_PATH, { lenient: true })).toEqual(stable);
    expect(faultOf(() => parseSnapshot(pair, STABLE_PATH))).toBe(said(fault as Fault));
  });

  it('a lock in another order, told beside the YAML’s own fault', () => {
    const pair = {
      ...yaml('"1:3.0.7-28.el9"', '1:3.0.7-28.el9'),
      lock: files.lock.split('\n\n').reverse().join('\n\n'),
    };
    expect(checkCanonical(pair, STABLE_PATH).map((f) => `${f.code} ${f.at}`)).toEqual([
      `MANIFEST_NOT_CANONICAL ${STABLE_PATH}:18:19`,
      'MANIFEST_NOT_CANONICAL snapshots/infra/stable/rocky-9-x86_64-appstream.lock:1:1',
    ]);
  });

  it('says what is there and what should be', () => {
    const [fault] = checkCanonical(yaml('"1:3.0.7-28.el9"', '1:3.0.7-28.el9'), STABLE_PATH);
    expect(fault?.message).toBe(
      'not in canonical form: "  openssl.x86_64: \\"1:3.0.7-28.el9\\"", not "  openssl.x86_64: 1:3.0.7-28.el9"',
    );
  });
});

describe('what a manifest must not say', () => {
  it.each([
    [
      'another repository than its path',
      yaml('repository: infra', 'repository: web'),
      '3:13',
      "repository must be infra-stable-rocky-9-x86_64-appstream, as the file's path says",
    ],
    [
      'a parent of another upstream',
      yaml('from: infra-unstable-rocky-9', 'from: infra-unstable-rocky-8'),
      '4:7',
      "from must be another tier's rocky-9-x86_64-appstream",
    ],
    [
      'itself as parent',
      yaml('from: infra-unstable', 'from: infra-stable'),
      '4:7',
      "from must be another tier's",
    ],
    [
      'an upstream state',
      yaml(
        'withdrawn:',
        `upstream: { timestamp: 1, repomd: "sha256:${'0'.repeat(64)}", documents: {} }\nwithdrawn:`,
      ),
      '6:1',
      "upstream belongs to live's manifests only",
    ],
    [
      'a withdrawn build that it lacks',
      yaml('- "kernel-core-5.14.0-427', '- "kernel-core-5.14.0-428'),
      '8:5',
      'is withdrawn, but not among the packages',
    ],
    [
      'a key twice',
      yaml('  openssl.x86_64:', '  kernel-core.x86_64: "1-1"\n\n  openssl.x86_64:'),
      '18:3',
      'the key "kernel-core.x86_64" is there twice',
    ],
    [
      'a build twice in a list',
      yaml('"5.14.0-503.11.1.el9_5"', '"5.14.0-427.13.1.el9_4"'),
      '16:49',
      'is there twice',
    ],
    [
      'a build twice by its epoch',
      yaml('"5.14.0-503.11.1.el9_5"', '"0:5.14.0-427.13.1.el9_4"'),
      '16:49',
      'is there twice',
    ],
    ['an unknown key', yaml('modules:', 'module:'), '10:1', 'the file has the unknown key "module"'],
    ['a missing key', yaml(/from: .*\n/, ''), '1:1', 'the file lacks the key "from"'],
    [
      'another version of the format',
      yaml('sluice/v1', 'sluice/v2'),
      '1:13',
      'apiVersion must be sluice/v1, not "sluice/v2"',
    ],
    [
      'no builds of a name',
      yaml('"1:3.0.7-28.el9"', '[]'),
      '18:19',
      'packages.openssl.x86_64 must be a quoted EVR',
    ],
    [
      'a name without a value',
      yaml(' "1:3.0.7-28.el9"', ''),
      '18:18',
      'packages.openssl.x86_64 must be a quoted EVR',
    ],
    [
      'a version without a release',
      yaml('1:3.0.7-28.el9', '3.0.7'),
      '18:19',
      'packages.openssl.x86_64 must be a quoted EVR',
    ],
    [
      'a leading zero in the epoch',
      yaml('1:3.0.7-28.el9', '007:3.0.7-28.el9'),
      '18:19',
      '"007" is not a valid epoch',
    ],
    [
      'an epoch above 32 bits',
      yaml('1:3.0.7-28.el9', '4294967296:3.0.7-28.el9'),
      '18:19',
      'is not a valid epoch',
    ],
    [
      'digits of another script',
      yaml('1:3.0.7-28.el9', '1:٣.0.7-28.el9'),
      '18:19',
      'packages.openssl.x86_64 must be a quoted EVR',
    ],
    [
      'a name without an arch',
      yaml('openssl.x86_64', 'openssl'),
      '18:3',
      '"openssl" in packages is not a name.arch',
    ],
    ['a path for a name', yaml('openssl.x86_64', '../../x.x86_64'), '18:3', 'in packages is not a name.arch'],
    ['a checksum that is none', yaml(/"sha256:.*"/, '"sha256:7"'), '12:44', 'must be a checksum such as'],
    [
      'a module without its context',
      yaml('nodejs:18:9020230327152102:rhel9:x86_64', 'nodejs:18'),
      '12:3',
      '"nodejs:18" in modules is not name:stream:version:context:arch',
    ],
  ])('%s', (_what, pair, place, message) => {
    const fault = faultOf(() => parseSnapshot(pair, STABLE_PATH));
    expect(fault).toContain(`MANIFEST_INVALID ${STABLE_PATH}:${place} `);
    expect(fault).toContain(message);
  });

  it('a place that is none', () => {
    expect(faultOf(() => parseSnapshot(files, 'elsewhere/x.yaml'))).toContain(
      'is not a place for a snapshot',
    );
  });

  it.each([
    ['two pins of one NEVRA', { pins: [pin('a-1-1.noarch', 1), pin('a-1-1.noarch', 2)] }],
    ['a module of another form', { modules: new Map([['a b', sum(1)]]) }],
    ['a timestamp without end', { upstream: { timestamp: 9e15, repomd: sum(1), documents: new Map() } }],
    [
      'a timestamp that is none',
      { upstream: { timestamp: Number.NaN, repomd: sum(1), documents: new Map() } },
    ],
    [
      'a document type of another form',
      { upstream: { timestamp: 1, repomd: sum(1), documents: new Map([['a: b', sum(1)]]) } },
    ],
    ['an empty reason', { older: { timestamp: 1, reason: '' } }],
    ['a reason of 2,001 characters', { older: { timestamp: 1, reason: 'x'.repeat(2001) } }],
    ['a size of 0', { pins: [{ ...pin('a-1-1.noarch'), size: 0 }] }],
    ['a record of another form', { pins: [{ ...pin('a-1-1.noarch'), record: 'x' }] }],
  ])('%s is not written', (_what, fields) => {
    const base = { repository: LIVE, from: 'rocky-9-x86_64-appstream', pins: [] };
    expect(faultOf(() => makeSnapshot({ ...base, ...fields }))).toContain(`MANIFEST_INVALID ${LIVE_PATH} `);
  });
});

describe('fix', () => {
  const unknown = () => undefined;

  it('completes one line that a person edited from what knows the build', () => {
    const hotfix = pin('openssl-1:3.0.7-29.el9.x86_64', 99);
    const edited = replaced(files.yaml, '"1:3.0.7-28.el9"', '1:3.0.7-29.el9   # CVE-2026-1');
    const asked: string[] = [];
    const fixed = completeSnapshot(
      edited,
      STABLE_PATH,
      (n) => {
        asked.push(formatNevra(n));
        return hotfix;
      },
      files.lock,
    );
    expect(asked).toEqual(['openssl-1:3.0.7-29.el9.x86_64']); // the others are in the lock
    expect(fixed.pins).toEqual([...stable.pins.slice(0, 2), hotfix]);
    expect(checkCanonical(renderSnapshot(fixed), STABLE_PATH)).toEqual([]);
  });

  it('names a build that nothing knows, at its place', () => {
    expect(faultOf(() => completeSnapshot(files.yaml, STABLE_PATH, unknown))).toBe(
      `NOT_FOUND ${STABLE_PATH}:16:24 kernel-core-5.14.0-427.13.1.el9_4.x86_64 is in no lock of this repository, and not in the catalog`,
    );
  });

  it('takes the withdrawn mark from the YAML', () => {
    const edited = replaced(files.yaml, /withdrawn:\n\n.*\n\n/, '');
    const fixed = completeSnapshot(edited, STABLE_PATH, unknown, files.lock);
    expect(fixed.pins.map((p) => p.withdrawn)).toEqual([false, false, false]);
  });

  it('reads what is whole of a lock with a conflict', () => {
    const lines = files.lock.split('\n\n');
    const torn = `${lines[0]}\n\n<<<<<<< HEAD\n${lines[1]}\n=======\n${lines[2]}\n>>>>>>> theirs\nopenssl-1:3.0.7-2`;
    expect(completeSnapshot(files.yaml, STABLE_PATH, unknown, torn)).toEqual(stable);
  });

  it('changes nothing that is canonical (100 snapshots)', () => {
    fc.assert(
      fc.property(anySnapshot, (s) => {
        const rendered = renderSnapshot(s);
        const fixed = completeSnapshot(rendered.yaml, pathOf(s), unknown, rendered.lock);
        expect(renderSnapshot(fixed)).toEqual(rendered);
      }),
      { numRuns: 100 },
    );
  });
});
