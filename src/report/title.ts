import type { Plan } from '../plan/types.ts';
import { type Digest, digest } from './digest.ts';
import { hotfixTitle } from './hotfix.ts';
import { plain } from './safe.ts';
import { count, number, setName, teamNames } from './words.ts';

/** One line, at most 120 characters, of enumerated words and checked names only. */
export function title(plan: Plan, d: Digest = digest(plan)): string {
  if (plan.headline !== undefined) return cut(plain(plan.headline, 200));
  const set = setName(plan.set);
  switch (plan.verb) {
    case 'promote': {
      const sources = new Set(d.rows.map((row) => row.source));
      const [only] = sources.size === 1 ? d.rows : [];
      const tree = sources.size === 0 && d.trees.length > 0;
      const what = tree
        ? 'installation tree'
        : only && only.source.length <= 40
          ? `${only.source} ${only.to}`
          : count(sources.size, 'source package');
      if (plan.teams)
        return cut(`Promote ${what} in lockstep to ${plan.tier} of ${teamNames(plan)} (${set})`);
      return cut(`Promote ${what} to ${plan.team}/${plan.tier} (${set})`);
    }
    case 'sync':
      return cut(`Upstream of ${set}: ${changesInWords(d)}`);
    case 'fill':
      return cut(`Fill ${plan.team}/${plan.tier} (${set}) with ${count(d.moving, 'build')}`);
    case 'init':
      return cut(`First import of ${set}: ${count(d.moving, 'build')}`);
    case 'import':
      return cut(
        `Pins of clients for ${plan.team}/${plan.tier} (${set}): ${count(d.moving, 'build')} and holds`,
      );
    case 'hotfix':
      return cut(hotfixTitle(plan, d));
    case 'hold':
    case 'unhold':
    case 'remove': {
      const [only] = d.dropped.length === 1 ? d.dropped : [];
      const what = only && only.build.length <= 60 ? only.build : count(d.dropped.length, 'build');
      return cut(`Remove ${what} from ${plan.team}/${plan.tier} (${set})`);
    }
    case 'rollback':
      return cut(`Roll ${plan.team}/${plan.tier} (${set}) back to ${plan.from}`);
    case 'good':
      return cut(`Mark ${plan.team}/${plan.tier} at ${plan.from} as good`);
    case 'recall':
      return cut(`${plan.verb}: ${plan.team}/${plan.tier} (${set})`);
  }
}

function changesInWords(d: Digest): string {
  const of = (kind: string) => d.rows.filter((r) => r.kind === kind).reduce((n, r) => n + r.builds.length, 0);
  const parts = [
    [of('add'), 'new'],
    [of('update'), 'newer'],
    [of('rerolled'), 're-rolled'],
    [of('resigned'), 'signed anew'],
    [of('relisted'), 'listed again'],
    [d.attention.filter((a) => a.why.startsWith('upstream stopped')).length, 'pulled back'],
    [d.dropped.length, 'dropped'],
    [d.trees.length, d.trees.length === 1 ? 'installation tree' : 'installation trees'],
  ] as const;
  const said = parts.filter(([n]) => n > 0).map(([n, word]) => `${number(n)} ${word}`);
  return said.length > 0 ? said.join(', ') : 'documents only';
}

function cut(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
