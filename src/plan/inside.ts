import type { Evr } from '../rpm/evr.ts';
import { FILE_TYPE, type Inside, type InsideFile, REGULAR } from '../rpm/inside.ts';

/** One thing that is other inside of a build than in the one that it comes after. */
export type InsideChange =
  | {
      readonly kind: 'script';
      /** `%post`, `%triggerin -- bash` */
      readonly name: string;
      readonly how: 'new' | 'changed' | 'gone';
      /** What came (`+ …`) and what went (`- …`), in order. */
      readonly lines: readonly string[];
    }
  /** Runs with the rights of its owner or group, whoever starts it. */
  | { readonly kind: 'setuid'; readonly path: string; readonly was: string; readonly now: string }
  | { readonly kind: 'capability'; readonly path: string; readonly was: string; readonly now: string }
  /** A service, timer or socket of systemd, an init script, a crontab. */
  | { readonly kind: 'unit'; readonly path: string; readonly how: 'new' | 'gone' }
  | { readonly kind: 'vendor' | 'license'; readonly was: string; readonly now: string }
  /** Fingerprints. */
  | { readonly kind: 'key'; readonly was: readonly string[]; readonly now: readonly string[] }
  /** A file that another package of the client set owns too, with other content. */
  | { readonly kind: 'shared'; readonly path: string; readonly other: string };

/** By NEVRA text of the build that comes: what is other inside of it. */
export interface InsidePlan {
  readonly changes: ReadonlyMap<string, readonly InsideChange[]>;
  /** Builds whose packages are not on this mirror: of them only what metadata says is known. */
  readonly unseen: number;
}

/** One side of a bump. */
export interface Seen {
  readonly evr: Evr;
  readonly inside: Inside;
  /** Fingerprints of whose signatures counted; empty where nobody's was asked for. */
  readonly signers: readonly string[];
}

const UNIT =
  /^(?:\/usr\/lib|\/lib|\/etc)\/systemd\/(?:system|user)\/[^/]+\.(?:service|timer|socket|path)$|^\/etc\/(?:rc\.d\/)?init\.d\/[^/]+$|^\/etc\/cron\.(?:d|hourly|daily|weekly|monthly)\/[^/]+$/;

/** What a person should know before the one build takes the other's place; of a new name, all that it brings. */
export function insideChanges(from: Seen | undefined, to: Seen): InsideChange[] {
  return [
    ...scriptChanges(from, to),
    ...fileChanges(from?.inside, to.inside),
    ...unitChanges(from?.inside, to.inside),
    ...(from ? wordChanges(from, to) : []),
  ];
}

/** Files that come with a build and that no build before it had: whoever else owns one may be in its way. */
export function newFiles(from: Inside | undefined, to: Inside): string[] {
  return [...to.files.keys()].filter((path) => !from?.files.has(path));
}

function scriptChanges(from: Seen | undefined, to: Seen): InsideChange[] {
  const after = to.inside.scripts;
  const before = from ? from.inside.scripts : new Map<string, string>();
  if (!after || !before) return [];
  const changes: InsideChange[] = [];
  for (const [name, text] of after) {
    const old = before.get(name);
    if (old === undefined) changes.push({ kind: 'script', name, how: 'new', lines: marked('+', text) });
    else if (from && general(old, from.evr) !== general(text, to.evr)) {
      changes.push({ kind: 'script', name, how: 'changed', lines: difference(old, text) });
    }
  }
  for (const [name, text] of before) {
    if (!after.has(name)) changes.push({ kind: 'script', name, how: 'gone', lines: marked('-', text) });
  }
  return changes;
}

/** A script that only names its own version is the same script. */
function general(text: string, { version, release }: Evr): string {
  const same = text.replaceAll(`${version}-${release}`, '%{version}-%{release}');
  return version.includes('.') ? same.replaceAll(version, '%{version}') : same;
}

function marked(mark: '+' | '-', text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${mark} ${line}`);
}

/** The lines between what both begin and what both end with. */
function difference(old: string, text: string): string[] {
  const [a, b] = [old.split('\n'), text.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const middle = (lines: string[]) => lines.slice(start, lines.length - end).join('\n');
  return [...marked('-', middle(a)), ...marked('+', middle(b))];
}

function fileChanges(from: Inside | undefined, to: Inside): InsideChange[] {
  const changes: InsideChange[] = [];
  const both = from ? new Set([...from.files.keys(), ...to.files.keys()]) : to.files.keys();
  for (const path of both) {
    const [before, after] = [from?.files.get(path), to.files.get(path)];
    if ((from?.files.has(path) && !before) || (to.files.has(path) && !after)) continue; // modes are not known
    const [ownerWas, ownerIs] = [rightsOf(before), rightsOf(after)];
    if (ownerWas !== ownerIs) changes.push({ kind: 'setuid', path, was: ownerWas, now: ownerIs });
    const [was, now] = [before?.capabilities ?? '', after?.capabilities ?? ''];
    if (was !== now) changes.push({ kind: 'capability', path, was, now });
  }
  return changes;
}

/** `setuid root`, `setgid mail`, or nothing. Of folders setgid means something else. */
function rightsOf(file: InsideFile | undefined): string {
  if (!file || (file.mode & FILE_TYPE) !== REGULAR) return '';
  const parts = [
    (file.mode & 0o4000) !== 0 ? `setuid ${file.user}` : '',
    (file.mode & 0o2000) !== 0 ? `setgid ${file.group}` : '',
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function unitChanges(from: Inside | undefined, to: Inside): InsideChange[] {
  const units = (inside: Inside | undefined) =>
    [...(inside?.files.keys() ?? [])].filter((path) => UNIT.test(path));
  const [before, after] = [new Set(units(from)), new Set(units(to))];
  return [
    ...[...after]
      .filter((path) => !before.has(path))
      .map((path) => ({ kind: 'unit', path, how: 'new' }) as const),
    ...[...before]
      .filter((path) => !after.has(path))
      .map((path) => ({ kind: 'unit', path, how: 'gone' }) as const),
  ];
}

function wordChanges(from: Seen, to: Seen): InsideChange[] {
  const changes: InsideChange[] = [];
  for (const kind of ['vendor', 'license'] as const) {
    const [was, now] = [from.inside[kind], to.inside[kind]];
    if (was !== now) changes.push({ kind, was, now });
  }
  const [was, now] = [from.signers, to.signers];
  const kept = was.some((key) => now.includes(key));
  if (was.length > 0 && now.length > 0 && !kept) changes.push({ kind: 'key', was, now });
  return changes;
}
