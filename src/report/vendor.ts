import type { Plan } from '../plan/types.ts';
import type { Digest } from './digest.ts';
import { name } from './safe.ts';
import { table } from './tables.ts';
import { number } from './words.ts';

/** Of an upstream's change: how many of each kind, and where to read of them. Undefined kinds are left out. */
export function vendor(plan: Plan, d: Digest): string {
  if (plan.verb !== 'sync') return '';
  const builds = (kind: string) =>
    d.rows.filter((row) => row.kind === kind).reduce((n, row) => n + row.builds.length, 0);
  const withdrawn = plan.repositories.flatMap((r) => r.changes).filter((c) => c.kind === 'withdrawn').length;
  const keys = keyChanges(plan);
  const kinds: readonly (readonly [number, string, string])[] = [
    [builds('add'), 'new', 'names or builds that live did not have'],
    [builds('update'), 'newer', 'builds that come beside or instead of older ones'],
    [d.dropped.length, 'gone', 'no longer listed, and no longer in live'],
    [withdrawn, 'pulled back', 'no longer listed while older ones are: marked, and promoted nowhere'],
    [builds('relisted'), 'listed again', 'had been pulled back'],
    [builds('rerolled'), 're-rolled', 'the same name and version with other bytes'],
    [builds('resigned'), 'signed anew', 'the same content under a new signature'],
    [keys.builds, 'signed by another key', keys.words],
    [d.modules.length, 'module documents', 'new, changed or gone'],
    [d.trees.length, 'installation trees', 'what hosts are installed from'],
  ];
  const rows = kinds.filter(([n]) => n > 0).map(([n, what, means]) => [what, number(n), means]);
  return rows.length === 0
    ? ''
    : `### What the vendor changed\n\n${table(['what', 'how many', 'that is'], rows)}`;
}

/** Fingerprints before and after, each pair once. */
function keyChanges({ inside }: Plan): { readonly builds: number; readonly words: string } {
  const pairs = new Set<string>();
  let builds = 0;
  for (const changes of inside?.changes.values() ?? []) {
    for (const change of changes) {
      if (change.kind !== 'key') continue;
      builds += 1;
      pairs.add(`${change.was.map(name).join(', ')} → ${change.now.map(name).join(', ')}`);
    }
  }
  const said = [...pairs].sort();
  return { builds, words: said.slice(0, 4).join('; ') + (said.length > 4 ? '; …' : '') };
}
