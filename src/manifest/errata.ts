import { createHash } from 'node:crypto';
import { Fault } from '../base/fault.ts';
import type { Nevra } from '../rpm/nevra.ts';
import { clientSetKey, ERRATA_TEAM, isWord, type RepositoryName } from './ids.ts';
import { readPackageLines } from './manifest-text.ts';
import { place } from './place.ts';
import { packageLines } from './render.ts';
import schema from './schemas/errata.schema.json' with { type: 'json' };
import { compileSchema, validated } from './validate.ts';
import { readYaml } from './yaml.ts';

/** Which set. */
export interface ErrataName {
  /** `<os>-<version>-<arch>`: the client set. */
  readonly set: string;
  /** `2026-11-01`: what the set is called, and the day (UTC) by whose end the commit stood at main. */
  readonly date: string;
}

/** Where a set comes from: enough to write it again. */
export interface ErrataHead extends ErrataName {
  /** `live`, `TEAM/TIER`, or `directory`: then nothing in git can write it again. */
  readonly from: string;
  /** The commit that last changed what it was made from; absent for a directory. */
  readonly commit?: string;
  /** Upstream ids, sorted; empty for a directory. */
  readonly repositories: readonly string[];
  /** Whether kernels are in it. */
  readonly kernels: boolean;
}

/** A dated set: the newest build of each name.arch as of a day. Generated, never edited. */
export interface ErrataSet extends ErrataHead {
  /** In the order of manifests. */
  readonly builds: readonly Nevra[];
}

interface ErrataData {
  readonly set: string;
  readonly date: string;
  readonly from: string;
  readonly commit?: string;
  readonly repositories?: readonly string[];
  readonly kernels: string;
  readonly digest: string;
}

const valid = compileSchema<ErrataData>(schema);
const PATH = /^errata\/([^/]+)\/(\d{4}-\d\d-\d\d)\.yaml$/;
const CEILING = 32 * 1024 * 1024;
const PACKAGES = '\npackages:\n\n';

export function errataPath({ set, date }: ErrataName): string {
  return `errata/${set}/${date}.yaml`;
}

/** The set and the day that a path names; undefined where it is no place of a set. */
export function parseErrataPath(path: string): ErrataName | undefined {
  const [, set = '', date = ''] = PATH.exec(path) ?? [];
  const parts = set.split('-');
  return parts.length === 3 && parts.every(isWord) ? { set, date } : undefined;
}

/** The tier that stands for a day in the ids of what is published: `20261101`. */
export function errataTier(date: string): string {
  return date.replaceAll('-', '');
}

/** The set that a published repository is of; undefined for every repository of a team. */
export function errataOf(repository: RepositoryName): ErrataName | undefined {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(repository.tier) ?? [];
  if (repository.team !== ERRATA_TEAM || year === undefined) return undefined;
  return { set: clientSetKey(repository), date: `${year}-${month}-${day}` };
}

/** Whether the calendar has this day. */
export function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** The one canonical text of a set: equal sets give equal bytes. */
export function renderErrata(errata: ErrataSet): string {
  const { set, date, from, commit, repositories, kernels } = errata;
  const head = [
    '# Written by `sluice errata`, and compared by `sluice check`: whoever wants another set writes another one.',
    'apiVersion: sluice/v1',
    'kind: Errata',
    `set: ${set}`,
    `date: ${date}`,
    `from: ${from}`,
    ...(commit === undefined ? [] : [`commit: "${commit}"`]),
    ...(repositories.length === 0 ? [] : ['repositories:', ...repositories.map((id) => `  - ${id}`)]),
    `kernels: ${kernels}`,
  ].join('\n');
  const lines = packageLines(errata.builds.map((nevra) => ({ nevra })));
  const packages = lines === '' ? '\npackages: {}\n' : `${PACKAGES}${lines}`;
  return `${head}\ndigest: "${digestOf(head, packages)}"\n${packages}`;
}

function digestOf(head: string, packages: string): string {
  return `sha256:${createHash('sha256').update(`${head}\n${packages}`).digest('hex')}`;
}

/**
 * Reads a set. A Fault MANIFEST_INVALID with `file:line:col` for what is none, or has another name than its path; and (unless
 * `lenient`) MANIFEST_NOT_CANONICAL where it is not, letter by letter, what was written: somebody edited it.
 */
export function readErrata(text: string, path: string, o: { lenient?: boolean } = {}): ErrataSet {
  if (text.length > CEILING) {
    const hint = 'Write it again with sluice errata.';
    throw new Fault('TOO_LARGE', `it has ${text.length} characters; ${CEILING} at most`, { hint, at: path });
  }
  const split = text.indexOf(PACKAGES);
  const builds = split < 0 ? [] : readPackageLines(text, split + PACKAGES.length);
  const head = split < 0 ? text : `${text.slice(0, split)}\npackages: {}\n`;
  const doc = readYaml(head, path, { code: 'MANIFEST_INVALID', ceiling: CEILING });
  const data = validated(doc, valid, 'MANIFEST_INVALID');
  const { set, date } = data;
  const expected = parseErrataPath(path);
  if (!expected || expected.set !== set || expected.date !== date) {
    const hint = `Move it to ${errataPath(data)}.`;
    throw new Fault('MANIFEST_INVALID', `the set ${set} of ${date} does not belong here`, { hint, at: path });
  }
  if (data.from === 'directory' ? data.commit !== undefined : data.commit === undefined) {
    const message =
      data.commit === undefined ? 'lacks the key "commit"' : 'has a commit, and is of a directory';
    throw new Fault('MANIFEST_INVALID', message, { hint: again(data), at: doc.at(['from']) });
  }
  const errata: ErrataSet = {
    set,
    date,
    from: data.from,
    ...(data.commit === undefined ? {} : { commit: data.commit }),
    repositories: data.repositories ?? [],
    kernels: data.kernels === 'true',
    builds: (builds ?? []).map(({ nevra }) => nevra),
  };
  if (o.lenient) return errata;
  const [different] = errataDifference(text, renderErrata(errata), path);
  if (different) throw different;
  return errata;
}

/** The first place where a file is not what it should be, as a complaint; none where it is. */
export function errataDifference(text: string, wanted: string, path: string): Fault[] {
  if (text === wanted) return [];
  let at = 0;
  while (at < text.length && text[at] === wanted[at]) at += 1;
  const name = parseErrataPath(path);
  return [edited(name ?? { set: 'SET', date: 'DATE' }, place(path, text, at))];
}

function edited(errata: ErrataName, at: string): Fault {
  const message = `the set ${errata.set} of ${errata.date} is not what sluice errata writes: somebody edited it`;
  return new Fault('MANIFEST_NOT_CANONICAL', message, { hint: again(errata), at });
}

function again({ set, date }: ErrataName): string {
  return `Write it again (sluice errata --set ${set} --as-of ${date}); what is to differ is a hold, an exception or another set.`;
}
