import type { AdvisoryFacts } from '../plan/types.ts';
import type { Advisory } from '../repodata/updateinfo.ts';
import { formatNevra, nameArch, parseNevra } from '../rpm/nevra.ts';

/** What live's documents say, by build and by package. */
export interface AdvisoryIndex {
  /** Of a build, as `formatNevra` writes it: no id twice, in the documents' order. */
  ofBuild(nevra: string): readonly AdvisoryFacts[];
  /** Of any build of a name.arch. */
  onPackage(nameArch: string): readonly AdvisoryFacts[];
}

const NONE: readonly AdvisoryFacts[] = [];

/**
 * One advisory may come in several pieces: re-issued, once for each arch (81 of Oracle's), or once in each repository of a set
 * (RHEL's). Pieces of one id and one title are one advisory: it names the builds and CVEs of all of them, in the words of the
 * newest. Another title is another advisory, though its id is the same (openSUSE's were names of packages).
 */
export function indexAdvisories(advisories: readonly Advisory[]): AdvisoryIndex {
  const pieces = new Map<string, Advisory[]>();
  for (const advisory of advisories) {
    const key = `${advisory.id}\n${advisory.title}`;
    const known = pieces.get(key);
    if (known) known.push(advisory);
    else pieces.set(key, [advisory]);
  }
  const byBuild = new Map<string, Dated[]>();
  let byPackage: Map<string, Set<AdvisoryFacts>> | undefined; // asked only where something goes back
  for (const group of pieces.values()) {
    const dated = { facts: factsOf(group), date: Math.max(...group.map(dateOf)) };
    for (const build of dated.facts.builds) add(byBuild, build, dated);
  }
  return {
    ofBuild: (nevra) => newestOfEach(byBuild.get(nevra)),
    onPackage: (key) => {
      byPackage ??= indexPackages(byBuild);
      return [...(byPackage.get(key) ?? NONE)];
    },
  };
}

function indexPackages(byBuild: ReadonlyMap<string, readonly Dated[]>): Map<string, Set<AdvisoryFacts>> {
  const packages = new Map<string, Set<AdvisoryFacts>>();
  for (const [build, all] of byBuild) {
    const key = nameArch(parseNevra(build));
    const known = packages.get(key) ?? new Set();
    packages.set(key, known);
    for (const facts of newestOfEach(all)) known.add(facts);
  }
  return packages;
}

interface Dated {
  readonly facts: AdvisoryFacts;
  readonly date: number;
}

function newestOfEach(all: readonly Dated[] | undefined): readonly AdvisoryFacts[] {
  if (!all) return NONE;
  if (all.length === 1) return [(all[0] as Dated).facts];
  const newest = new Map<string, Dated>();
  for (const one of all) {
    const known = newest.get(one.facts.id);
    if (!known || one.date >= known.date) newest.set(one.facts.id, one);
  }
  return [...newest.values()].map(({ facts }) => facts);
}

/** Of pieces of the same date the last one speaks. */
function factsOf(group: readonly Advisory[]): AdvisoryFacts {
  const newest = group.reduce((a, b) => (dateOf(b) >= dateOf(a) ? b : a));
  const { id, severity, type, title } = newest;
  const url = newest.references.find((r) => r.type === 'self' || r.type === 'vendor')?.href;
  const builds = [...new Set(group.flatMap((a) => a.packages.map((p) => formatNevra(p.nevra))))];
  const cves = [...new Set(group.flatMap((a) => a.cves))];
  return { id, severity, type, title, cves, url, builds };
}

/** `2024-05-01 10:00:00`, or seconds, as openSUSE writes them; 0 for what is neither. Used for order alone. */
function dateOf({ updated, issued }: Advisory): number {
  const text = updated ?? issued ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(`${text.replace(' ', 'T')}Z`);
  return Number.isFinite(ms) ? ms : Date.parse(text) || 0;
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const known = map.get(key);
  if (known) known.push(value);
  else map.set(key, [value]);
}
