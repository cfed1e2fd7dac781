import type { Blob } from '../rpm/blob.ts';
import { vercmp } from '../rpm/evr.ts';
import { type HeaderRelation, type RelationKind, relationsOf } from '../rpm/relations.ts';

/** RPMSENSE_PREREQ, _SCRIPT_PRE and _SCRIPT_POST (include/rpm/rpmds.h): createrepo_c 0.17's `pre`. */
const PRE = (1 << 6) | (1 << 9) | (1 << 10);

export function isPre({ sense }: HeaderRelation): boolean {
  return (sense & PRE) !== 0;
}

/** Files that primary lists; all are in filelists. Anything with `bin/` in it, because clients have counted on that since yum. */
export function isPrimaryFile(path: string): boolean {
  return path.startsWith('/etc/') || path === '/usr/lib/sendmail' || path.includes('bin/');
}

/** What metadata says of a package's relations: all that the header has, but for requirements that nobody else must meet. */
export function writtenRelations(
  header: Blob,
  kind: RelationKind,
  files: ReadonlySet<string>,
  at: string,
): HeaderRelation[] {
  const all = relationsOf(header, kind, at).filter((relation) => relation.name !== '');
  if (kind !== 'requires') return all;
  const provided = new Set(relationsOf(header, 'provides', at).map(keyOf));
  const written: HeaderRelation[] = [];
  const last = new Map<string, string>();
  let libc: HeaderRelation | undefined;
  for (const relation of all) {
    const { name } = relation;
    if (name.startsWith('rpmlib(')) continue; // rpm itself meets these
    if (name.startsWith('/') && files.has(name) && isPrimaryFile(name)) continue;
    const key = keyOf(relation);
    if (provided.has(key)) continue;
    const repeated = `${key}\n${isPre(relation)}`;
    if (last.get(name) === repeated) continue; // only what was said of this name last: createrepo_c looks no further back
    if (name.startsWith('libc.so.6')) {
      if (!libc || vercmpOf(libc.name, name) < 0) libc = relation;
      continue;
    }
    last.set(name, repeated);
    written.push(relation);
  }
  return libc ? [...written, libc] : written; // a C library has all versions before its newest
}

function keyOf({ name, operator, evr }: HeaderRelation): string {
  return `${name}\n${operator}\n${evr}`;
}

/** `libc.so.6` < `libc.so.6()(64bit)` = `libc.so.6(GLIBC_PRIVATE)` < `libc.so.6(GLIBC_2.4)` < `libc.so.6(GLIBC_2.34)(64bit)`. */
function vercmpOf(a: string, b: string): number {
  const [x, y] = [libcVersion(a), libcVersion(b)];
  if (typeof x === 'number' || typeof y === 'number') {
    return (typeof x === 'number' ? x : 3) - (typeof y === 'number' ? y : 3);
  }
  return vercmp(x, y);
}

/** From the first digit within the first brackets on; a rank where there is none. */
function libcVersion(name: string): string | number {
  const inside = /\(([^)]*)\)/.exec(name)?.[1];
  if (inside === undefined) return 0;
  const digit = inside.search(/[0-9]/);
  return digit < 0 ? (inside === '' ? 1 : 2) : inside.slice(digit);
}
