import type { Plan } from '../plan/types.ts';
import { acting, type ForgeWords, PLAIN_FORGE, type Provenance, provenance } from './acting.ts';
import { checked } from './checked.ts';
import {
  cascade,
  dropped,
  follows,
  inside,
  modules,
  notes,
  resigned,
  staying,
  trees,
  undone,
} from './details.ts';
import { type Digest, digest } from './digest.ts';
import { type Cut, fitted } from './fitted.ts';
import { hotfixSections } from './hotfix.ts';
import { JOB_SUMMARY_LIMIT } from './limits.ts';
import { attention, lost, routine, routineRows, security } from './sections.ts';
import { summary } from './summary.ts';
import { join } from './tables.ts';
import { vendor } from './vendor.ts';
import { count } from './words.ts';

/**
 * The pull request's body: what a reviewer must decide first comes first. Where the whole would be too long, routine rows are cut,
 * then details of advisories; rows that need eyes only where they do not fit by themselves. The diff and the job's summary have all.
 */
export function body(plan: Plan, from: Provenance, forge: ForgeWords = PLAIN_FORGE): string {
  const d = digest(plan);
  return fitted(renderer(plan, d, from, forge), forge.bodyLimit) ?? shortest(plan, d, from);
}

/** The same for the summary of a job, where nearly everything fits. */
export function jobSummary(plan: Plan, from: Provenance): string {
  const d = digest(plan);
  const bytes = (text: string) => Buffer.byteLength(text);
  return fitted(renderer(plan, d, from, PLAIN_FORGE), JOB_SUMMARY_LIMIT, bytes) ?? shortest(plan, d, from);
}

/** What is the same however many rows there are is made once. */
function renderer(plan: Plan, d: Digest, from: Provenance, forge: ForgeWords): (cut: Cut) => string {
  const [said, vendors, checks] = [summary(plan, d), vendor(plan, d), checked(plan, d, from.base)];
  const rest = routineRows(d);
  const end = [acting(plan, forge), provenance(plan, from)];
  return (cut) => {
    const rows = cut.routine;
    const hotfix = hotfixSections(plan, rows);
    const sections = [
      said,
      hotfix.head,
      vendors,
      follows(plan, rows),
      attention(plan, d, cut.attention),
      security(plan, d, cut.security),
      lost(d, cut.security),
      cascade(plan, rows),
      undone(plan, rows),
      routine(plan, rest, rows),
      resigned(d, rows),
      inside(d, rows),
      modules(d, rows),
      trees(d),
      plan.cascade || plan.verb === 'recall' ? '' : dropped(d, rows),
      staying(plan, d, rows),
      notes(d, rows),
      checks,
      hotfix.tail,
      ...end,
    ];
    return `${join(sections)}\n`;
  };
}

/** Of a plan of which not even the sentences fit: names of a thousand teams, say. */
function shortest(plan: Plan, d: Digest, from: Provenance): string {
  const eyes = `**${count(d.attention.length, 'row')} that need eyes, ${count(d.moving, 'build')}, ${count(d.staying.length, 'row')} that stay.**`;
  return `> ${eyes} Nothing of it fits here: read the diff, or \`sluice pr show\`.\n\n${provenance(plan, from)}\n`;
}
