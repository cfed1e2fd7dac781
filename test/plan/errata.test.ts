import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readErrata, renderErrata } from '../../src/manifest/errata.ts';
import { packagePreset } from '../../src/manifest/presets.ts';
import { chooseErrata } from '../../src/plan/errata.ts';
import { compareEvr } from '../../src/rpm/evr.ts';
import { formatNevra, nameArch, parseNevra } from '../../src/rpm/nevra.ts';

const isKernelSpace = packagePreset('kernel-space').matches;

const names = ['ada', 'bob', 'kernel', 'kmod-ada', 'nodejs'];
const build = fc
  .tuple(
    fc.constantFrom(...names),
    fc.nat(12),
    fc.constantFrom('', '1:'),
    fc.constantFrom('noarch', 'x86_64', 'src'),
  )
  .map(([name, version, epoch, arch]) => parseNevra(`${name}-${epoch}${version}-1.${arch}`));
const streams = (text: string): string[] => (/^nodejs-.*[02468]-1\./.test(text) ? ['nodejs:even'] : []);

it('has of each name.arch and stream the newest, no kernel, no source, whatever the order; and reads back', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(build, { selector: formatNevra, maxLength: 40 }),
      fc.boolean(),
      (builds, kernels) => {
        const { builds: chosen } = chooseErrata(builds, { streams, kernels });
        expect(chooseErrata([...builds].reverse(), { streams, kernels }).builds).toEqual(chosen);
        const key = (b: (typeof builds)[number]) => `${nameArch(b)} ${streams(formatNevra(b)).join()}`;
        const wanted = builds.filter((b) => b.arch !== 'src' && (kernels || !isKernelSpace(b.name)));
        expect(new Set(chosen.map(key))).toEqual(new Set(wanted.map(key)));
        for (const one of chosen) {
          const rivals = wanted.filter((other) => key(other) === key(one));
          expect(rivals.every((other) => compareEvr(other.evr, one.evr) <= 0)).toBe(true);
        }
        const head = { set: 'a-1-x86_64', date: '2026-01-01', from: 'directory', repositories: [], kernels };
        const text = renderErrata({ ...head, builds: chosen });
        expect(readErrata(text, 'errata/a-1-x86_64/2026-01-01.yaml')).toEqual({ ...head, builds: chosen });
      },
    ),
    { numRuns: 60 },
  );
});
