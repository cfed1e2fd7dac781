import { describe, expect, it } from 'vitest';
import { type PinsKind, readClientPins } from '../../src/manifest/client-pins.ts';
import { compileRegex, type Hold } from '../../src/manifest/pattern.ts';
import type { WrittenHold } from '../../src/plan/importPins.ts';
import { type ImportInput, importPins } from '../../src/plan/importPins.ts';
import { parseNevra } from '../../src/rpm/nevra.ts';
import { faultOf } from '../manifest/samples.ts';

const PARENT = [
  'bash-2-1.x86_64',
  'bash-3-1.x86_64',
  'glibc-2-1.i686',
  'glibc-2-1.x86_64',
  'libstdc++-2-1.x86_64',
];
const TARGET = [
  'bash-1-1.x86_64',
  'glibc-2-1.x86_64',
  'vim-2:9-1.x86_64',
  'kernel-5-1.x86_64',
  'kernel-core-5-1.x86_64',
];

function imported(kind: PinsKind, text: string, o: Partial<ImportInput> = {}) {
  return importPins({
    pins: readClientPins(kind, text, 'file').pins,
    parent: [...PARENT, ...TARGET].map((b) => parseNevra(b)),
    target: TARGET.map((b) => parseNevra(b)),
    tier: 'stable',
    holds: [],
    reason: ({ line }) => `line ${line}`,
    owner: 'ops',
    together: kind === 'rpm-qa',
    ...o,
  });
}
const patterns = (holds: readonly WrittenHold[]) =>
  holds.map(({ pattern }) => ('match' in pattern ? pattern.match : pattern.glob));
const said = (kind: PinsKind, text: string, o: Partial<ImportInput> = {}) => {
  const { holds, builds, accounts } = imported(kind, text, o);
  return [...patterns(holds), ...builds, ...accounts.map((a) => `${a.line} ${a.outcome}: ${a.says}`)];
};

describe('a locklist', () => {
  it.each([
    ['bash-0:2-1.*', ['^bash$', 'bash-2-1.x86_64', '1 taken: held by ^bash$; bash-2-1.x86_64 moves up']],
    ['0:bash-2-1.*', ['^bash$', 'bash-2-1.x86_64', '1 taken: held by ^bash$; bash-2-1.x86_64 moves up']], // yum's
    [
      'bash-[23]-1.x86_64',
      ['^bash$', 'bash-3-1.x86_64', '1 taken: held by ^bash$; bash-3-1.x86_64 moves up'],
    ],
    ['bash', ['^bash$', 'bash-3-1.x86_64', '1 taken: held by ^bash$; bash-3-1.x86_64 moves up']],
    ['bash-0:1-1.*', ['^bash$', '1 taken: held by ^bash$; the tier is at bash-1-1.x86_64']],
    ['vim-2:9-1.*', ['^vim$', '1 taken: held by ^vim$; the tier is at vim-2:9-1.x86_64']],
    ['vim-1:9-1.*', ['^vim$', expect.stringContaining('no build of the tier or of its parent matches it')]],
    ['libstdc++-0:2-1.*', ['^libstdc\\+\\+$', 'libstdc++-2-1.x86_64', expect.stringContaining('moves up')]],
    ['gone-0:7-1.*', ['^gone$', expect.stringContaining('there is no such build to pin')]],
    ['!bash-0:3-1.*', ['^bash$', '1 taken: held by ^bash$; a hold is of all versions, not only of those']],
    ['glibc-0:2-1.x86_64', ['^glibc$', expect.stringContaining('a hold is of all arches, so i686 too')]],
    ['<html>', ['1 not taken: no package can have such a name']],
    ['bash-[2-1.*', ['1 not taken: no package can have such a name']],
    ['!', ['1 not taken: no package can have such a name']],
    ['!!bash', ['1 not taken: no package can have such a name']],
    ['a(b)|c', ['1 not taken: no package can have such a name']],
    ['ba{s,x}h', ['1 not taken: no package can have such a name']],
    ['\\Qx\\E', ['1 not taken: no package can have such a name']],
    ['$basearch', ['1 not taken: no package can have such a name']],
    ['бaш-1-1.*', ['1 not taken: no package can have such a name']],
    ['x'.repeat(5000), ['1 not taken: no package can have such a name']],
    ['?*', ['1 not taken: it is everything: mode: frozen says that']],
    ['[ab]*', ['[ab]*', 'bash-3-1.x86_64', expect.stringContaining('bash-3-1.x86_64 moves up')]],
    ['[a-b]*', ['[a-b]*', 'bash-3-1.x86_64', expect.stringContaining('bash-3-1.x86_64 moves up')]],
    ['*', ['1 not taken: it is everything: mode: frozen says that']],
  ])('%s', (line, expected) => {
    expect(said('versionlock', `${line}\n`)).toEqual(expected);
  });

  it('that the tier is past already names the way back, and moves nothing', () => {
    const target = ['bash-3-1.x86_64'].map((b) => parseNevra(b));
    expect(said('versionlock', 'bash-0:2-1.*\n', { target })).toEqual([
      '^bash$',
      '1 taken: held by ^bash$; the tier is past bash-2-1.x86_64 already: going back is a rollback',
    ]);
  });

  it('accounts for each of its lines, and asks for nothing twice', () => {
    const text = '# Added lock on x\n\nbash-0:2-1.*\nkernel*-0:5-1.*\nbash-0:2-1.*\n';
    const { holds, builds, accounts } = imported('versionlock', text);
    expect(patterns(holds)).toEqual(['^bash$', 'kernel*']);
    expect(holds[0]).toMatchObject({ tier: 'stable', reason: 'line 3', owner: 'ops' });
    expect(builds).toEqual(['bash-2-1.x86_64']);
    expect(accounts.map(({ line }) => line)).toEqual([3, 4, 5]);
  });

  it('that is held already asks for nothing', () => {
    const hold = (match: string, more: Partial<Hold> = {}): Hold => {
      return { match: compileRegex(match), reason: 'r', owner: 'o', at: 'x', ...more };
    };
    const line = 'bash-0:1-1.*\n';
    for (const holds of [[hold('^bash$')], [hold('^bash$', { tier: 'stable' })], [hold('^ba')]])
      expect(said('versionlock', line, { holds })).toEqual([
        '1 there already: held already; the tier is at bash-1-1.x86_64',
      ]);
    for (const other of [
      hold('^bash$', { tier: 'other' }),
      hold('^bash$', { repository: 'x' }),
      hold('^zsh$'),
    ])
      expect(said('versionlock', line, { holds: [other] })[0]).toBe('^bash$');
  });
});

describe('lines that exclude', () => {
  it('are read from dnf.conf and .repo files, with what is on further lines, and no other is lost', () => {
    const text =
      '[main]\ngpgcheck=1\nexclude=bash kernel*,\n  glibc.i686\n# exclude=no\nExcludePkgs: vim\n\n[updates]\nincludepkgs=a b\nexclude = *.i686 nothere\n';
    const { pins, passed } = readClientPins('excludes', text, 'dnf.conf');
    expect(pins.map(({ line, pattern, section }) => [line, pattern, section])).toEqual([
      [3, 'bash', undefined],
      [3, 'kernel*', undefined],
      [4, 'glibc.i686', undefined],
      [6, 'vim', undefined],
      [10, '*.i686', 'updates'],
      [10, 'nothere', 'updates'],
    ]);
    expect(passed.map(({ line, why }) => [line, why])).toEqual([
      [2, 'it excludes nothing'],
      [9, 'a list of what may come in: that is allow: of the policy'],
    ]);
    expect(said('excludes', text)).toEqual([
      '^bash$',
      'kernel*',
      '^glibc$',
      '^vim$',
      '^nothere$',
      '3 taken: held by ^bash$',
      '3 taken: held by kernel*',
      '4 taken: held by ^glibc$; a hold is of all arches, so x86_64 too',
      '6 taken: held by ^vim$',
      "10 not taken: holds are by name; to keep i686 out of all tiers, name the others in arches: of the upstream's policy",
      '10 taken: held by ^nothere$; no build of the tier or of its parent matches it; there only of [updates]',
    ]);
  });
});

describe('what is installed', () => {
  it('is one hold for many names, and the builds that the tier lacks', () => {
    const text = 'bash-2-1.x86_64\nvim-9-1.x86_64\ngpg-pubkey-1-1\nlibstdc++-2-1.x86_64\nlost-1-1.noarch\n';
    const { holds, builds } = imported('rpm-qa', text);
    expect(patterns(holds)).toEqual(['^(bash|vim|libstdc\\+\\+|lost)$']);
    expect(builds).toEqual(['bash-2-1.x86_64', 'libstdc++-2-1.x86_64']); // vim's epoch is not said, and is the tier's
  });

  it('of many names are several patterns that can be compiled, which hold just those', () => {
    const names = Array.from({ length: 900 }, (_, i) => `package-number-${i}`);
    const { holds } = imported('rpm-qa', names.map((name) => `${name}-1-1.noarch\n`).join(''));
    const compiled = patterns(holds).map((pattern) => compileRegex(pattern));
    expect(compiled.length).toBeLessThan(20);
    for (const name of names) expect(compiled.filter((pattern) => pattern.matches(name))).toHaveLength(1);
    expect(compiled.some((pattern) => pattern.matches('package-number-9000'))).toBe(false);
  });
});

it.each([
  ['versionlock', 'version = "1.0"\n[[packages]]\nname = "bash"\n', 'NOT_SUPPORTED file'],
  ['rpm-qa', 'bash\n', 'MALFORMED file:1'],
] as const)('%s of another kind is refused', (kind, text, code) => {
  expect(faultOf(() => readClientPins(kind, text, 'file'))).toContain(code);
});
