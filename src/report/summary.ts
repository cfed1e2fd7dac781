import type { Plan } from '../plan/types.ts';
import { policyWords, recallWords } from './cascade.ts';
import type { Digest } from './digest.ts';
import { markdown } from './safe.ts';
import { bytes, count, number, setName } from './words.ts';

/** The first sentences of a pull request: what happens, to whom, and whether somebody must look. */
export function summary(plan: Plan, d: Digest): string {
  const gone = d.dropped.length > 0 ? ` ${count(d.dropped.length, 'older build')} leave.` : '';
  const reason = plan.reason === undefined ? '' : ` Reason: ${markdown(plan.reason, 300)}`;
  const eyes = d.attention.length > 0 ? `\n\n> [!WARNING]\n> ${rowsNeedEyes(d.attention.length)}` : '';
  return `> ${whatHappens(plan, d)}${gone}${reason}${eyes}`;
}

function whatHappens(plan: Plan, d: Digest): string {
  const set = setName(plan.set);
  const where = `**${plan.team} / ${plan.tier}** (${set})`;
  const moving = `${count(d.moving, 'build')} of ${count(sources(d), 'source package')}`;
  const fixes =
    d.security.length > 0
      ? count(d.security.length, 'security advisory', 'security advisories')
      : 'no security advisory';
  switch (plan.verb) {
    case 'promote':
      return `${moving} move from \`${plan.from}\` to ${where}; ${fixes}, ${bytes(d.bytes)}. Nothing is lowered. ${stayWords(d.staying.length)}`;
    case 'sync':
      return `What upstream of ${set} changed: ${moving}, ${fixes}, ${bytes(d.bytes)}. Every document was verified against repomd.xml.`;
    case 'fill':
      return `The first content of ${where}: ${moving} from \`${plan.from}\`, ${bytes(d.bytes)}. Waits count from the merge of this pull request.`;
    case 'init':
      return `The first import of ${set}: ${moving}, ${bytes(d.bytes)}. Waits count from the merge of this pull request.`;
    case 'hotfix':
      return `A hotfix for ${where}: ${moving} go straight there from \`${plan.from}\`; ${fixes}, ${bytes(d.bytes)}. Waits are waived.`;
    case 'hold':
    case 'unhold':
      return policyWords(plan);
    case 'recall':
      return recallWords(plan);
    case 'remove':
    case 'rollback':
      return `${plan.verb} in ${where}: ${moving}.`;
  }
}

function stayWords(n: number): string {
  if (n === 0) return 'No candidate stays behind.';
  return n === 1
    ? 'One candidate stays, with its reason below.'
    : `${number(n)} candidates stay, each with its reason below.`;
}

function rowsNeedEyes(n: number): string {
  return n === 1
    ? 'One row needs your eyes before you merge.'
    : `${number(n)} rows need your eyes before you merge.`;
}

function sources(d: Digest): number {
  return new Set(d.rows.map((row) => row.source)).size;
}
