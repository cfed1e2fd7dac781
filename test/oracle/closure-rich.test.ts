import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Requirements } from '../../src/plan/requirements.ts';
import { canonicalElement } from '../../src/repodata/canonical.ts';
import { PackageIndex } from '../../src/repodata/packageIndex.ts';
import { archesFor } from '../../src/rpm/arches.ts';
import { formatCapability } from '../../src/rpm/capability.ts';
import { formatEvr } from '../../src/rpm/evr.ts';
import { packageXml, refusedByLibsolv } from '../fixtures/libsolv.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { document, elementsOf, repomdOf } from '../fixtures/repodata.ts';
import { ALL } from '../fixtures/sample.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { chooser } from '../fixtures/versions.ts';

const ARCHES = archesFor('x86_64');

/** Which of these rich requirements nothing here can meet: by us, and by libsolv of packages that require nothing else. */
async function unmet(offers: readonly Buffer[], texts: readonly string[]) {
  const asking = texts.map((text, i) =>
    packageXml({ name: `asks-${i}`, evr: '1-1', arch: 'noarch' }, { provides: [], requires: [text] }),
  );
  const index = new PackageIndex();
  for (const element of [...offers, ...asking]) index.add(canonicalElement(element));
  const requirements = new Requirements(index);
  const set = new Uint8Array(index.size).fill(1);
  const ours = texts.filter((_, i) => {
    return [...requirements.of(offers.length + i)].some((r) => !requirements.isMet(r, set));
  });
  const numbers = texts.map((_, i) => i);
  const folder = await tempDir();
  const { plain } = refusedByLibsolv(folder, [asking, offers], numbers);
  const theirs = texts.filter((_, i) => plain.has(`asks-${i}-1-1.noarch`));
  return { ours, theirs };
}

/** What a build provides, and nothing that it asks for: only the dependency itself is in question. */
function offerOf(index: PackageIndex, build: number): Buffer {
  const { name, evr, arch } = index.nevra(build);
  const provides = [...index.relation(build, 'provides')].map((n) => index.capability(n));
  const plain = provides.filter((c) => !c.name.includes(' ')).map(formatCapability);
  return packageXml({ name, evr: formatEvr(evr), arch }, { provides: plain }, index.filesOf(build));
}

describe.skipIf(!oracle('rpmmd2solv'))(
  'what nothing can meet of rich requirements is what libsolv refuses',
  () => {
    it.skipIf(CORPUS === undefined)(
      'of CentOS 9 AppStream, with all builds, and with half of them',
      async () => {
        const path = 'centos-9-appstream-2025-01';
        const bytes = document(join(CORPUS ?? '', path), repomdOf(join(CORPUS ?? '', path)), 'primary');
        const index = new PackageIndex();
        for (const element of await elementsOf(bytes ?? Buffer.alloc(0), 'package', path)) index.add(element);
        const texts = [...index.distinct('requires')]
          .filter((number) => index.isRich(number))
          .map((number) => index.capability(number).name);
        const next = chooser(4);
        const rich = new Set(texts);
        const builds = Array.from({ length: index.size }, (_, build) => build).filter((build) => {
          return ARCHES.includes(index.nevra(build).arch) && index.nevra(build).arch !== 'src';
        });
        const all = builds.map((build) => offerOf(index, build));
        const half = all.filter(() => next(2) === 0);
        for (const offers of ALL ? [all, half] : [half]) {
          const { ours, theirs } = await unmet(offers, [...rich]);
          expect(ours).toEqual(theirs);
        }
        expect(rich.size).toBeGreaterThan(100);
      },
    );

    it('of dependencies at random over few packages', async () => {
      const next = chooser(11);
      const pick = <T>(list: readonly T[]): T => list[next(list.length)] as T;
      const term = (): string =>
        `${pick(['a', 'b', 'c', 'd', 'e'])}${pick(['', '', ' = 1-1', ' >= 2', ' < 2'])}`;
      const same = (depth: number): string =>
        depth === 0 ? term() : `(${same(depth - 1)} ${pick(['with', 'without'])} ${term()})`;
      const rich = (depth: number): string => {
        if (depth === 0) return next(6) === 0 ? same(1) : term();
        const [x, y, z] = [rich(depth - 1), rich(depth - 1), rich(0)];
        return pick([
          `(${x} and ${y})`,
          `(${x} or ${y})`,
          `(${x} if ${y})`,
          `(${x} if ${y} else ${z})`,
          `(${x} unless ${y})`,
          `(${x} unless ${y} else ${z})`,
        ]);
      };
      const texts = [...new Set(Array.from({ length: 400 }, () => rich(1 + next(2))))];
      for (let round = 0; round < 6; round += 1) {
        const offers = ['a', 'b', 'c', 'd'].flatMap((name) =>
          next(3) === 0
            ? []
            : [
                packageXml(
                  { name: `${name}-of-${round}`, evr: '1-1', arch: 'noarch' },
                  { provides: [`${name} = ${1 + next(2)}-1`, ...(next(3) === 0 ? ['e = 1-1'] : [])] },
                ),
              ],
        );
        const { ours, theirs } = await unmet(offers, texts);
        expect([...new Set(ours).symmetricDifference(new Set(theirs))]).toEqual([]);
      }
    });
  },
);
