import { unreachable } from '../base/fault.ts';
import { formatCapability } from '../rpm/capability.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Clauses, Reason } from './clauses.ts';

/** As many builds are named before the rest is counted. */
const NAMED = 3;

/** Reasons in the order in which one walks from what was wanted to what is in the way. */
export function byPath(reasons: readonly Reason[]): Reason[] {
  const left = new Set(reasons);
  const ordered: Reason[] = [];
  const reached: number[] = [];
  const take = (reason: Reason): void => {
    left.delete(reason);
    ordered.push(reason);
    reached.push(...leadsTo(reason));
  };
  for (const reason of reasons) if (reason.kind === 'wanted') take(reason);
  for (const build of reached) {
    for (const reason of left) if (reason.kind !== 'wanted' && reason.build === build) take(reason);
  }
  return [...ordered, ...left];
}

function leadsTo(reason: Reason): readonly number[] {
  if (reason.kind === 'wanted') return reason.anyOf;
  if (reason.kind === 'requires') return reason.by;
  return reason.kind === 'beside' ? reason.better : [];
}

/** One rule as a sentence: `nginx-1:1.20-1.el9.x86_64 requires openssl-libs >= 3.2, which nothing here provides`. */
export function sentence(reason: Reason, clauses: Clauses): string {
  const name = (build: number): string => formatNevra(clauses.nevra(build));
  const list = (builds: readonly number[]): string => {
    const named = builds.slice(0, NAMED).map(name);
    const more = builds.length - named.length;
    return more > 0 ? `${named.join(', ')} and ${more} more` : named.join(' or ');
  };
  switch (reason.kind) {
    case 'wanted':
      return reason.anyOf.length === 0
        ? 'nothing here is what was asked for'
        : `${list(reason.anyOf)} is asked for`;
    case 'arch':
      return `${name(reason.build)} is not for clients of ${clauses.client.arch}, or not in this set`;
    case 'beside':
      return `${name(reason.build)} needs the same version of its better arch beside it: ${list(reason.better)}`;
    case 'requires': {
      const what = `${name(reason.build)} requires ${formatCapability(reason.capability)}`;
      if (reason.unreadable !== undefined) return `${what}, which cannot be read: ${reason.unreadable}`;
      return `${what}, which ${reason.by.length === 0 ? 'nothing here provides' : `${list(reason.by)} provides`}`;
    }
    case 'conflicts': {
      const other = reason.other === undefined ? '' : `, which ${name(reason.other)} provides`;
      return `${name(reason.build)} conflicts with ${formatCapability(reason.capability)}${other}`;
    }
    case 'obsoletes': {
      const other = reason.other === undefined ? '' : `, which is ${name(reason.other)}`;
      return `${name(reason.build)} obsoletes ${formatCapability(reason.capability)}${other}`;
    }
    case 'sameName':
      return `${name(reason.build)} and ${name(reason.other)} cannot be installed at once`;
    default:
      return unreachable(reason);
  }
}
