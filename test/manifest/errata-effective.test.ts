import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chosenKernel,
  type ErrataSource,
  effectiveErrata,
  removeFrom,
} from '../../src/manifest/errata-effective.ts';
import type { ErrataRemoval } from '../../src/manifest/errata-parts.ts';
import type { KernelChoice } from '../../src/manifest/errata-policy.ts';
import { compileGlob, compileRegex } from '../../src/manifest/pattern.ts';
import { parseEvr } from '../../src/rpm/evr.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';

const kernel = (evr: string, at = 'here:1:1'): KernelChoice => ({ evr: parseEvr(evr), at });
const nevras = (...texts: string[]) => texts.map((text) => parseNevra(text));
const removal = (match: string): ErrataRemoval => ({
  pattern: compileRegex(match),
  reason: 'a test',
  at: `fix ${match}`,
});
const family = (evr: string, parts = ['kernel', 'kernel-core', 'kernel-modules', 'kernel-headers']) =>
  nevras(...parts.map((name) => `${name}-${evr}.x86_64`));

const MODULES = nevras(
  'kmod-lustre-5.14.0_427.13.1-2.15.4-1.x86_64',
  'kmod-lustre-5.14.0_427.13.1-2.15.5-1.x86_64',
  'kmod-lustre-5.14.0_503.11.1-2.15.5-1.x86_64',
);
const OLD = '5.14.0-362.8.1.el9';
const MID = '5.14.0-427.13.1.el9';
const NEW = '5.14.0-503.11.1.el9';
const UEK = '5.15.0-300.1.el9uek';
const source: ErrataSource = {
  kernel: undefined,
  builds: nevras(
    'bash-5.1-9.x86_64',
    'glibc-2.34-125.x86_64',
    'zfs-2.2-1.x86_64',
    'perf-5.14.0-503.11.1.el9.x86_64',
  ),
  available: [
    ...family(OLD),
    ...family(MID),
    ...family(NEW),
    ...MODULES,
    ...family(UEK, ['kernel-uek', 'kernel-uek-core']),
  ],
  remove: [],
  keep: 1,
};
const said = (o: Partial<ErrataSource>) => effectiveErrata({ ...source, ...o }).map(formatNevra);
const USER = [
  'bash-5.1-9.x86_64',
  'glibc-2.34-125.x86_64',
  'perf-5.14.0-503.11.1.el9.x86_64',
  'zfs-2.2-1.x86_64',
];

describe('who chooses the kernel', () => {
  const layers = { site: kernel('1-1'), errata: kernel('2-1'), os: kernel('3-1') };
  const table = [false, true].flatMap((site) =>
    [false, true].flatMap((errata) => [false, true].map((os) => ({ site, errata, os }))),
  );
  it.each(table)('of %j', (given) => {
    const wanted = given.site ? 'site' : given.errata ? 'errata' : given.os ? 'os' : undefined;
    const of = (who: keyof typeof layers) => (given[who] ? layers[who] : undefined);
    const chosen = chosenKernel({ site: of('site'), errata: of('errata'), os: of('os') });
    expect(chosen).toBe(wanted && layers[wanted]);
  });
});

describe('an effective set', () => {
  it('without a choice is what the set says', () => {
    expect(said({})).toEqual(USER);
    const withKernel = said({ builds: [...source.builds, ...family(NEW)] });
    expect(withKernel).toContain(`kernel-core-${NEW}.x86_64`);
  });

  it('has the chosen kernel with all of its version and the modules that are named after it, and no other', () => {
    const chosen = said({ kernel: kernel(MID), builds: [...source.builds, ...family(NEW), ...MODULES] });
    expect(chosen.sort()).toEqual(
      [...USER, ...family(MID).map(formatNevra), 'kmod-lustre-5.14.0_427.13.1-2.15.5-1.x86_64'].sort(),
    );
  });

  it('has the kernels before it too, as many as are kept; never a newer one, never another variant', () => {
    const kernels = (keep: number, evr: string) =>
      said({ kernel: kernel(evr), keep }).filter((build) => /^kernel(-uek)?-\d/.test(build));
    expect(kernels(1, NEW)).toEqual([`kernel-${NEW}.x86_64`]);
    expect(kernels(2, NEW)).toEqual([MID, NEW].map((evr) => `kernel-${evr}.x86_64`));
    expect(kernels(9, NEW)).toEqual([OLD, MID, NEW].map((evr) => `kernel-${evr}.x86_64`));
    expect(kernels(9, OLD)).toEqual([`kernel-${OLD}.x86_64`]);
    expect(kernels(9, UEK)).toEqual([`kernel-uek-${UEK}.x86_64`]);
    expect(said({ kernel: kernel(NEW), keep: 2 }).filter((build) => build.startsWith('kmod'))).toHaveLength(
      2,
    );
  });

  it('refuses a kernel that is not there, at its place, and names those that are', () => {
    for (const evr of ['5.14.0-1.el9', `1:${NEW}`, `${NEW}_9`]) {
      expect(() => said({ kernel: kernel(evr, 'policies/site.yaml:4:3') })).toThrow(
        expect.objectContaining({
          code: 'NOT_FOUND',
          at: 'policies/site.yaml:4:3',
          hint: expect.stringContaining(NEW),
        }),
      );
    }
    const headers = nevras(`kernel-headers-${OLD}.x86_64`); // no kernel by itself
    expect(() => said({ kernel: kernel(OLD), available: headers })).toThrow('no kernel');
  });

  it('lacks what is taken out of it, and nothing else changes', () => {
    const remove = [removal('^zfs$'), { ...removal('x'), pattern: compileGlob('kmod-*') }];
    expect(said({ kernel: kernel(NEW), remove })).toEqual(
      said({ kernel: kernel(NEW) }).filter((build) => !/^(zfs|kmod)/.test(build)),
    );
  });

  it('refuses a removal that matches nothing, and one of the chosen kernel', () => {
    expect(() => said({ remove: [removal('^bash$'), removal('^nothing$')] })).toThrow(
      expect.objectContaining({ code: 'MANIFEST_INVALID', at: 'fix ^nothing$' }),
    );
    expect(() => said({ remove: [removal('^kmod-lustre')] })).toThrow('matches nothing'); // without a kernel
    expect(() => said({ kernel: kernel(NEW), remove: [removal('^bash$'), removal('^kernel')] })).toThrow(
      expect.objectContaining({ code: 'MANIFEST_INVALID', at: 'fix ^kernel' }),
    );
  });

  it('is the same in whatever order things were read, and twice as once', () => {
    const all = [...source.available, ...source.builds];
    const patterns = ['^bash$', '^kmod-', '^zfs', '^perf$', 'glibc', '^kernel-headers$'].map(removal);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.shuffledSubarray(source.builds as ReturnType<typeof nevras>, { minLength: source.builds.length }),
        fc.subarray(patterns),
        fc.constantFrom(OLD, MID, NEW),
        fc.integer({ min: 1, max: 3 }),
        (available, builds, remove, evr, keep) => {
          const one = { kernel: kernel(evr), builds, available, keep };
          const whole = effectiveErrata({ ...one, remove: [] });
          const used = remove.filter(({ pattern }) => whole.some(({ name }) => pattern.matches(name)));
          const set = said({ ...one, remove: used });
          expect(set).toEqual(
            said({ ...source, kernel: one.kernel, keep, available: all, remove: [...used].reverse() }),
          );
          const once = removeFrom(whole, used).builds;
          expect(removeFrom(once, used).builds).toEqual(once);
          const made = effectiveErrata({ ...one, remove: used });
          expect(removeFrom(made, used).builds).toEqual(made);
        },
      ),
      { numRuns: 60 },
    );
  });
});
