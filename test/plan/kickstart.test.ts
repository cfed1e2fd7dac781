import { describe, expect, it } from 'vitest';
import { formatChecksum } from '../../src/base/checksum.ts';
import type { TierPolicy } from '../../src/manifest/policy.ts';
import { promoteTree, type Trees } from '../../src/plan/kickstart.ts';

const tree = (digit: string) => ({ type: 'sha256', hex: digit.repeat(64) }) as const;
const [OLD, NEW] = [tree('1'), tree('2')];
const day = (n: number) => new Date(Date.UTC(2026, 0, n));
const DAY = 86_400_000;

const TIER: TierPolicy = {
  name: 'stable',
  from: 'unstable',
  wait: { seen: 5 * DAY, inParent: 2 * DAY },
  security: new Map(),
  keep: 1,
  keepInstallonly: 1,
  exceptions: [],
  mode: 'rolling',
  auto: false,
};

/** Live has had the new one since the first, the parent since the third. */
const TREES: Trees = {
  seen: new Map([[formatChecksum(NEW), { began: day(1), exact: true }]]),
  inParent: new Map([[formatChecksum(NEW), { began: day(3), exact: true }]]),
  words: () => 'Test 9.2, 4 files',
};

const asked = { parent: NEW, target: OLD, trees: TREES, tier: TIER, isNamed: false, now: day(10) };

describe('an installation tree', () => {
  it('moves when both waits have ended, and says what it is', () => {
    expect(promoteTree(asked)).toEqual({
      kickstart: NEW,
      change: { kind: 'tree', was: OLD, tree: NEW, words: 'Test 9.2, 4 files' },
    });
    expect(promoteTree({ ...asked, now: day(6) })).toMatchObject({ kickstart: NEW });
    const early = promoteTree({ ...asked, now: day(5) });
    expect(early).toMatchObject({ kickstart: OLD });
    expect(early.stays).toMatch(/Test 9\.2, 4 files stays: .* until 2026-01-06 00:00 UTC/);
    const young = { ...TIER, wait: { seen: 0, inParent: 4 * DAY } };
    expect(promoteTree({ ...asked, tier: young, now: day(6) }).stays).toMatch(/unstable, until 2026-01-07/);
  });

  it('stays where the tier is frozen or closed, where others were named, and where nobody knows since when', () => {
    expect(promoteTree({ ...asked, tier: { ...TIER, mode: 'frozen' } }).stays).toMatch(/frozen/);
    const window = { days: ['tue'] as const, from: '09:00', zone: 'UTC' };
    expect(promoteTree({ ...asked, tier: { ...TIER, window } }).stays).toMatch(/window/); // a Saturday
    expect(promoteTree({ ...asked, isNamed: true })).toEqual({ kickstart: OLD });
    for (const trees of [undefined, { ...TREES, seen: new Map() }])
      expect(promoteTree({ ...asked, trees })).toMatchObject({
        kickstart: OLD,
        stays: expect.stringMatching(/history/),
      });
  });

  it('comes to a tier that has none, goes with its policy at once, and the same one is no change', () => {
    expect(promoteTree({ ...asked, target: undefined })).toMatchObject({
      kickstart: NEW,
      change: { was: undefined },
    });
    expect(promoteTree({ ...asked, parent: undefined, now: day(1) })).toMatchObject({
      kickstart: undefined,
      change: { was: OLD, tree: undefined },
    });
    expect(promoteTree({ ...asked, target: { ...NEW } })).toEqual({ kickstart: { ...NEW } });
    expect(promoteTree({ ...asked, target: undefined, parent: undefined })).toEqual({ kickstart: undefined });
  });
});
