import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DEMO_REPOSITORIES, layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { Clauses, type Client } from '../../src/plan/clauses.ts';
import { sentence } from '../../src/plan/explain.ts';
import { Satisfiers } from '../../src/plan/satisfiers.ts';
import { installable } from '../../src/plan/solve.ts';
import { canonicalElement } from '../../src/repodata/canonical.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { fillerElement, lacking, refusedByLibsolv, universeOf } from '../fixtures/libsolv.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import { document, elementsOf, repomdOf } from '../fixtures/repodata.ts';
import { ALL, sampled } from '../fixtures/sample.ts';

/** As the clients of Fedora and its kin, and as libsolv is without further options; of no name several versions. */
const CLIENTS: readonly Client[] = [true, false].map((multilib) => ({
  arch: 'x86_64',
  multilib,
  installOnly: [],
}));

/**
 * Builds that we refuse and libsolv does not, each with the reason. A build of a lesser arch needs the same version of the
 * better arch beside it where the name has one: for us where the set has one, for libsolv where its walk from the wanted
 * build came past one. What a client would answer then hangs on what else is installed.
 */
const STRICTER: readonly string[] = [
  // requires gsettings-desktop-schemas(x86-32) = 40.0-5.el9, of which x86_64 has only 40.0-4.el9
  'gsettings-desktop-schemas-devel-40.0-5.el9.i686',
];

const folder = mkdtempSync(join(tmpdir(), 'sluice-solve-'));
afterAll(() => rmSync(folder, { recursive: true }));

const primaryOf = (path: string): Promise<Buffer[]> =>
  elementsOf(document(path, repomdOf(path), 'primary') ?? Buffer.alloc(0), 'package', path);

/** One build of each name and arch: a third of AppStream. */
function lastOfEach(elements: readonly Buffer[]): Buffer[] {
  const key = (element: Buffer) => /<name>[\s\S]*<\/arch>/.exec(element.toString('latin1', 0, 400))?.[0];
  return [...new Map(elements.map((element) => [key(element), element])).values()];
}

/** Those of these builds that we refuse, with the explanation. */
function refused(universe: Satisfiers, client: Client, builds: readonly number[]) {
  const clauses = new Clauses(universe, new Uint8Array(universe.index.size).fill(1), client);
  const found = new Map<string, string[]>();
  for (const build of builds) {
    const answer = installable(clauses, build);
    if (answer.kind === 'yes') expect(brokenBy(answer.builds, clauses)).toEqual([]);
    else
      found.set(
        formatNevra(clauses.nevra(build)),
        answer.because.map((reason) => sentence(reason, clauses)),
      );
  }
  return found;
}

/** Rules of these builds that this set of builds breaks: asked of the clauses, without the search. */
function brokenBy(builds: readonly number[], clauses: Clauses): string[] {
  const chosen = new Set(builds);
  const isRich = (literals: readonly number[]) =>
    literals.some((l) => l >> 1 >= clauses.satisfiers.index.size);
  return builds
    .flatMap((build) => clauses.of(build))
    .filter(({ literals }) => !isRich(literals))
    .filter(({ literals }) => !literals.some((literal) => chosen.has(literal >> 1) === (literal % 2 === 0)))
    .map(({ reason }) => sentence(reason, clauses));
}

describe.skipIf(!oracle('rpmmd2solv'))('libsolv can install what we can', () => {
  it.each(['before', 'after', 'later'] as const)('of the demo, %s', async (state) => {
    const root = join(folder, state);
    await layDemoUpstream(root, state);
    const repositories = await Promise.all(DEMO_REPOSITORIES.map((name) => primaryOf(join(root, name))));
    for (const kept of [repositories, ...repositories.map((one) => [one])]) {
      const universe = universeOf(kept.flat());
      const builds = Array.from({ length: universe.index.size }, (_, n) => n);
      const asked = refusedByLibsolv(folder, kept, builds);
      for (const client of CLIENTS) {
        const theirs = client.multilib ? asked.multilib : asked.plain;
        expect([...refused(universe, client, builds).keys()].sort()).toEqual([...theirs].sort());
      }
    }
  });

  it.skipIf(CORPUS === undefined)(
    'of CentOS 9 AppStream with BaseOS, and most of what the two lack',
    async () => {
      const [whole = [], base = []] = await Promise.all(
        ['centos-9-appstream-2025-01', 'centos-9-baseos/v1-2024-03'].map((path) =>
          primaryOf(join(CORPUS ?? '', path)),
        ),
      );
      const app = ALL ? whole : lastOfEach(whole);
      const { index } = universeOf([...app, ...base]);
      const byName = Map.groupBy(lacking(new Satisfiers(index)), ({ name }) => name);
      const filler = [...byName.values()]
        .filter((_, n) => n % 9 !== 0) // so that there is something to refuse
        .map((provides, n) => fillerElement(`filler-${n}`, provides));
      for (const element of filler) index.add(canonicalElement(element));
      const universe = new Satisfiers(index);
      const drawn = app.map((_, n) => n).filter((n) => n % Math.floor(app.length / 500) === 0);
      const builds = sampled(drawn, 5);
      expect(drawn.length).toBeGreaterThanOrEqual(500);
      const asked = refusedByLibsolv(folder, [app, base, filler], builds);
      for (const client of CLIENTS) {
        const theirs = client.multilib ? asked.multilib : asked.plain;
        expect(theirs.size).toBeGreaterThan(builds.length / 10);
        const ours = refused(universe, client, builds);
        expect([...theirs].filter((build) => !ours.has(build))).toEqual([]);
        const stricter = [...ours].filter(([build]) => !theirs.has(build));
        const known = builds
          .map((build) => formatNevra(index.nevra(build)))
          .filter((b) => STRICTER.includes(b));
        expect(stricter.map(([build]) => build)).toEqual(known);
        for (const [, why] of stricter) expect(why.at(-1)).toMatch(/ better arch beside it: /);
      }
    },
  );
});
