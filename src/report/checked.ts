import type { Plan } from '../plan/types.ts';
import type { Digest } from './digest.ts';
import { code, name } from './safe.ts';
import { table } from './tables.ts';
import { bytes, count, number } from './words.ts';

/** Verbs whose plan asks whether the client set stays closed. */
const CLOSED: ReadonlySet<string> = new Set(['promote', 'hotfix', 'import', 'remove']);

/** What the plan itself knows to be so, and what its check asks again: nothing that nobody asked. */
export function checked(plan: Plan, d: Digest, base: string): string {
  if (plan.repositories.length === 0) return '';
  const rows: string[][] = [
    [
      'this pull request is exactly the plan',
      `the check \`sluice/plan\` makes the plan again from ${code(base.slice(0, 12))} and the policies, and compares every byte`,
    ],
  ];
  const broken = plan.repositories.flatMap((r) => r.staying).filter((s) => s.reason.kind === 'broken').length;
  if (CLOSED.has(plan.verb)) {
    const kept = broken === 0 ? '' : `; ${count(broken, 'build')} would have broken something and stay`;
    rows.push(['nothing loses what it requires', `✓ asked of the whole client set${kept}`]);
  }
  if (plan.repositories.length > 0 && plan.repositories.every((r) => r.troubles !== undefined)) {
    const troubles = plan.repositories.reduce((n, r) => n + (r.troubles?.length ?? 0), 0);
    const said =
      troubles === 0 ? '✓ who could before still can' : `**${number(troubles)} cannot**: see above`;
    rows.push(['clients and profiles can upgrade and install', said]);
  }
  if (plan.inside) {
    const moving = movingBuilds(plan);
    const seen = number(Math.max(0, moving - plan.inside.unseen));
    const said = plan.inside.unseen === 0 ? `✓ ${seen} of ${number(moving)}` : `${seen} of ${number(moving)}`;
    rows.push(['scriptlets, file modes, services, vendor and key compared with the build before', said]);
  }
  if (plan.verb === 'sync') {
    const repomds = plan.repositories.map((r) => name(r.repository.repo));
    rows.push(['every document has the checksum that repomd.xml says', `✓ ${repomds.join(', ')}`]);
  }
  if (d.moving > 0) rows.push(['size', `${bytes(d.bytes)} in ${count(d.moving, 'package')}`]);
  return `### Checked\n\n${table(['what', 'result'], rows)}`;
}

function movingBuilds(plan: Plan): number {
  const kinds = ['add', 'update', 'rerolled', 'resigned'];
  const pairs = plan.repositories.flatMap((r) =>
    r.before?.pins.length
      ? r.changes.flatMap((c) =>
          kinds.includes(c.kind) && 'to' in c && typeof c.to === 'object' && 'record' in c.to
            ? [`${'from' in c ? c.from.record : ''} ${c.to.record}`]
            : [],
        )
      : [],
  );
  return new Set(pairs).size;
}
