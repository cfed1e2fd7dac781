import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { primaryDocument } from '../../src/repodata/primary.ts';
import { parseEvr } from '../../src/rpm/evr.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { joined, packageElement, writeRepository } from '../fixtures/repodata.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { corpusSeries } from '../flows/corpus/series.ts';

const DAY = 86_400_000;

/** What an upstream was, and since when. */
export interface Version {
  readonly at: Date;
  readonly folder: string;
}

export interface History {
  readonly versions: readonly Version[];
  /** Of the upstream's policy. */
  readonly policy: Readonly<Record<string, unknown>>;
}

/** A series of the corpus, by the dates in its folders' names; several of one day are spread over it. */
export function historyOf(name: string): History {
  const series = corpusSeries().find((s) => s.name === name);
  if (!series) throw new Error(`the corpus has no ${name}`);
  const dates = series.versions.map((folder) => /\d{4}-\d\d-\d\d/.exec(basename(folder))?.[0] ?? '');
  const versions = series.versions.map((folder, n) => {
    const ofDay = dates.filter((date) => date === dates[n]).length;
    const place = n - dates.indexOf(dates[n] as string);
    return { folder, at: new Date(Date.parse(dates[n] as string) + Math.floor((place * DAY * 0.9) / ofDay)) };
  });
  return { versions, policy: series.policy };
}

type Lock = ReadonlyMap<string, { readonly evra: string; readonly digest?: string }>;

/**
 * A year of Fedora CoreOS as its bot changed the lock. The corpus has every fourth of those commits; the three between two of them are
 * computed: each has a quarter of what changed until the next one, at even distances of time.
 */
export async function locksOf(
  year: number,
  most = Number.POSITIVE_INFINITY,
): Promise<History & { commits: number }> {
  const folder = join(CORPUS ?? '', 'fcos-locks/base');
  const files = readdirSync(folder)
    .filter((name) => name.split('-')[1] === String(year))
    .sort();
  const kept = files.map((name) => {
    const [, number = '', date = ''] = /^(\d+)-(\d{4}-\d\d-\d\d)-/.exec(name) ?? [];
    const { packages } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    return { number: Number(number), at: Date.parse(date), lock: new Map(Object.entries(packages)) as Lock };
  });
  const versions: Version[] = [];
  for (const [n, { number, at, lock }] of kept.entries()) {
    const next = kept[n + 1] ?? { number: number + 1, at, lock };
    const steps = next.number - number;
    const moving = [...new Set([...lock.keys(), ...next.lock.keys()])]
      .filter((name) => JSON.stringify(lock.get(name)) !== JSON.stringify(next.lock.get(name)))
      .sort();
    for (let step = 0; step < steps && versions.length < most; step += 1) {
      const moved = new Set(moving.slice(0, Math.floor((moving.length * step) / steps)));
      const now = new Map([...lock].filter(([name]) => !moved.has(name)));
      for (const name of moved) {
        const to = next.lock.get(name);
        if (to) now.set(name, to);
      }
      const time = at + Math.floor(((next.at - at) * step) / steps);
      versions.push({ at: new Date(time), folder: await layLock(now, time) });
    }
  }
  const absent = { filelists: 'a lock has none', other: 'a lock has none' };
  return { versions, policy: { content: 'thin', absent }, commits: versions.length };
}

async function layLock(lock: Lock, time: number): Promise<string> {
  const folder = await tempDir();
  const elements = [...lock].map(([name, { evra, digest }]) => {
    const [, evr = '', arch = ''] = /^(.*)\.([^.]+)$/.exec(evra) ?? [];
    const { epoch, version, release } = parseEvr(evr);
    const file = `${name}-${version}-${release}`;
    const provided = `name="${name}" flags="EQ" epoch="${epoch}" ver="${version}" rel="${release}"`;
    return packageElement({
      name: `<name>${name}</name>`,
      arch: `<arch>${arch}</arch>`,
      version: `<version epoch="${epoch}" ver="${version}" rel="${release}"/>`,
      checksum: `<checksum type="sha256" pkgid="YES">${hexOf(name, evra, digest)}</checksum>`,
      location: `<location href="${file}.${arch}.rpm"/>`,
      format:
        `<rpm:license>MIT</rpm:license>\n    <rpm:sourcerpm>${file}.src.rpm</rpm:sourcerpm>\n    ` +
        `<rpm:provides>\n      <rpm:entry ${provided}/>\n    </rpm:provides>`,
    });
  });
  const primary = joined(primaryDocument(elements.length), elements);
  const seconds = Math.floor(time / 1000);
  const repomd = { revision: String(seconds), tags: { content: [], repo: [], distro: [] }, records: [] };
  await writeRepository(folder, repomd, new Map([['primary', primary]]), 'gzip');
  return folder;
}

/** Some locks have no digests. */
function hexOf(name: string, evra: string, digest: string | undefined): string {
  return digest?.replace(/^sha256:/, '') ?? createHash('sha256').update(`${name}-${evra}`).digest('hex');
}
