import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { verifyMirror } from '../../src/flows/publish.ts';
import { CORPUS, oracle } from '../fixtures/oracle.ts';
import {
  expectNothingToDo,
  gitDigest,
  type Line,
  locksOf,
  mergeOpen,
  published,
  recomputeAll,
  stopOf,
} from './corpus/journey.ts';
import { dnfSees, libsolvSees } from './corpus/readers.ts';
import { corpusSeries, type Series } from './corpus/series.ts';
import { isNewer, listedBy, newestOf, relisted, serveUpstream, splitNevra } from './corpus/upstream.ts';
import { makeSite, type Site } from './site.ts';

const UPSTREAM = 'corpus-1-x86_64-main';
const [LIVE, UNSTABLE, STABLE] = ['vendor-live', 'infra-unstable', 'infra-stable'].map(
  (tier) => `${tier}-${UPSTREAM}`,
) as [string, string, string];

/** Builds that a step of a series brings with other bytes than before; at any other step there is none. */
const REROLLED: Readonly<Record<string, number>> = {
  'al2023-series/007-2024-08-02-af4c07be': 4,
  'azurelinux-series/003-2025-05-26-18c7f0b8': 1,
  'azurelinux-series/005-2025-05-29-8a288aed': 17,
};
/** Builds that a step no longer lists, while it lists nothing newer of their name.arch: counted with librpm. */
const WITHDRAWN: Readonly<Record<string, number>> = {
  'al2023-series/008-2024-08-08-3b7b7c19': 11,
  'arrjay-series/018-2014-08-26-2b1cccf7': 3,
  'arrjay-series/020-2014-11-27-0dc83325': 8,
  'azurelinux-series/003-2025-05-26-18c7f0b8': 7,
  'azurelinux-series/005-2025-05-29-8a288aed': 1,
  'rpmsphere-series/v2-2024-11-18-39c7b39': 1,
  'rpmsphere-series/v4-2025-02-03-10e0007': 1,
};

it.skipIf(!CORPUS)('the corpus has 79 repositories in 16 series', () => {
  expect(corpusSeries().flatMap((s) => s.versions)).toHaveLength(79);
  expect(corpusSeries()).toHaveLength(16);
});

/** One of RPM files; `npm run test:corpus` (a quarter of an hour and more) takes all of them. */
const SAMPLE = new Set(['rpms-al2023']);
const chosen = corpusSeries().filter(
  ({ name }) => process.env['SLUICE_CORPUS'] === 'all' || SAMPLE.has(name),
);

const ready = CORPUS && oracle('dnf') && oracle('rpmmd2solv') && oracle('createrepo_c');

it.skipIf(!ready).each(chosen)(
  '$name: every version through all tiers',
  async (series) => {
    const upstream = await serveUpstream();
    const { key, policy } = series;
    const keys = key ? { keys: [{ file: 'keys/vendor', fingerprint: key.fingerprint }] } : {};
    const site = await makeSite({
      upstreams: { [UPSTREAM]: { baseurl: [upstream.url], ...keys, ...policy } },
      team: { complete: false }, // each stands on another distribution, which the corpus does not have
      ...(key
        ? { files: { 'policies/keys/vendor': readFileSync(join(CORPUS ?? '', key.file), 'utf8') } }
        : {}),
    });
    for (const [n, folder] of series.versions.entries()) {
      const label = series.versions.length === 1 ? series.name : join(series.name, basename(folder));
      const shown = series.relisted ? await relisted(folder) : folder;
      upstream.show(shown);
      if (n > 0) site.days(2);
      const listed = await listedBy(shown);
      await takeIn(site, listed, label);
      await promoteThrough(site, n === 0);
      await site.publish();
      await expectPublished(site, series);
      if (n === 0 || n === series.versions.length - 1) await expectNothingToDo(site);
    }
    expect(await verifyMirror(site.world())).toBe(true);
    expect(await recomputeAll(site)).toBeGreaterThan(0);
  },
  1_800_000, // a ceiling for machines that do other work too
);

/** Sync, past the stop where upstream rebuilt a build under its name, and merge: live has what is listed, and marks what was pulled back. */
async function takeIn(site: Site, listed: ReadonlyMap<string, string>, label: string): Promise<void> {
  const before = locksOf(site).get(LIVE) ?? [];
  const was = new Map(before.map((line) => [line.nevra, line]));
  const rerolled = [...listed].filter(([nevra, sum]) => was.has(nevra) && was.get(nevra)?.checksum !== sum);
  expect(rerolled).toHaveLength(REROLLED[label] ?? 0);
  let number: number | undefined;
  if (rerolled.length > 0) {
    const untouched = await gitDigest(site);
    const stop = await stopOf(site.sync());
    const names = rerolled.map(([nevra]) => nevra.replace(/-0:/, '-')).sort();
    expect(stop).toEqual({ code: 'UPSTREAM_REROLLED', nevras: expect.any(Array) });
    expect(stop?.nevras.sort()).toEqual(names);
    expect(await gitDigest(site)).toBe(untouched);
    number = await site.sync({ upstreams: [UPSTREAM], rerolled: names, reason: 'rebuilt by the vendor' });
  } else {
    number = await site.sync();
  }
  await mergeOpen(site, number);

  const live = locksOf(site).get(LIVE) ?? [];
  const standing = new Map(live.filter((l) => !l.withdrawn).map((l) => [l.nevra, l.checksum]));
  expect([...listed].filter(([nevra, sum]) => standing.get(nevra) !== sum)).toEqual([]);
  expect(live.filter(({ nevra }) => !listed.has(nevra) && !was.has(nevra))).toEqual([]);
  const pulledBack = before.filter((line) => isPulledBack(line, listed)).map(({ nevra }) => nevra);
  expect(pulledBack).toHaveLength(WITHDRAWN[label] ?? 0);
  const marked = live.filter((l) => l.withdrawn).map((l) => l.nevra);
  expect(marked.filter((nevra) => !was.get(nevra)?.withdrawn)).toEqual(pulledBack);
}

/** Not listed any more, while nothing newer of its name.arch is. */
function isPulledBack({ nevra, withdrawn }: Line, listed: ReadonlyMap<string, string>): boolean {
  if (withdrawn || listed.has(nevra)) return false;
  const { nameArch, evr } = splitNevra(nevra);
  return ![...listed.keys()].map(splitNevra).some((o) => o.nameArch === nameArch && isNewer(o.evr, evr));
}

/** Unstable at once, stable a day later, as the policy says: each then has the newest that live has, with live's bytes. */
async function promoteThrough(site: Site, first: boolean): Promise<void> {
  const before = locksOf(site);
  await mergeOpen(site, await site.promote('unstable'));
  if (first) expect(await site.promote('stable')).toBe(undefined); // it waits for a day in unstable
  site.days(1);
  await mergeOpen(site, await site.promote('stable'));
  const after = locksOf(site);
  const standing = (after.get(LIVE) ?? []).filter((line) => !line.withdrawn);
  const sums = new Map(standing.map((line) => [line.nevra, line.checksum]));
  for (const id of [UNSTABLE, STABLE]) {
    const lines = after.get(id) ?? [];
    const had = before.get(id) ?? [];
    expect(newestOf(lines)).toEqual(newestOf([...had, ...standing]));
    expect(lines.filter((line) => sums.has(line.nevra) && sums.get(line.nevra) !== line.checksum)).toEqual(
      [],
    );
  }
}

/** The published repositories are main's, and a client sees in each of them the pins of its lock and nothing else. */
async function expectPublished(site: Site, series: Series): Promise<void> {
  const locks = locksOf(site);
  const ids = [...locks.keys()].sort();
  expect(published(site)).toEqual(ids);
  const pinned = [...locks].flatMap(([id, lines]) =>
    lines.map((l) => `${id} ${l.nevra} ${l.checksum.replace(/^\w+:/, '')}`),
  );
  for (const read of series.libsolv ? [dnfSees, libsolvSees] : [dnfSees]) {
    const seen = await read(join(site.mirrorDir, 'public'), ids);
    const [known, found] = [new Set(pinned), new Set(seen)];
    expect(pinned.filter((line) => !found.has(line))).toEqual([]);
    expect(seen.filter((line) => !known.has(line))).toEqual([]);
    expect(seen).toHaveLength(pinned.length);
  }
}
