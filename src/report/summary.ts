import type { Plan } from '../plan/types.ts';
import type { Digest } from './digest.ts';
import { policyWords, recallWords } from './follows.ts';
import { code, markdown } from './safe.ts';
import { bytes, count, number, setName } from './words.ts';

/** The first sentences of a pull request: what happens, to whom, and whether somebody must look. */
export function summary(plan: Plan, d: Digest): string {
  const gone =
    d.dropped.length > 0 && plan.verb !== 'remove' && plan.verb !== 'rollback'
      ? ` ${count(d.dropped.length, 'older build')} ${d.dropped.length === 1 ? 'leaves' : 'leave'}.`
      : '';
  const reason = plan.reason === undefined || plan.hotfix ? '' : ` Reason: ${markdown(plan.reason, 300)}`;
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
      if (plan.lockstep) return lockstepWords(plan, d, moving, fixes);
      return `${moving} move from \`${plan.from}\` to ${where}; ${fixes}, ${bytes(d.bytes)}. Nothing is lowered. ${stayWords(d.staying.length)}`;
    case 'sync':
      return `What upstream of ${set} changed: ${moving}, ${fixes}, ${bytes(d.bytes)}. Every document was verified against repomd.xml.`;
    case 'fill':
      return `The first content of ${where}: ${moving} from \`${plan.from}\`, ${bytes(d.bytes)}. Waits count from the merge of this pull request.`;
    case 'init':
      return `The first import of ${set}: ${moving}, ${bytes(d.bytes)}. Waits count from the merge of this pull request.`;
    case 'import':
      return `What clients kept by themselves, ${where} keeps for them: as holds, below, and as ${moving} that move from \`${plan.from}\`. Nothing is lowered. ${stayWords(d.staying.length)}`;
    case 'hotfix':
      return `${moving} go straight from \`${plan.from}\` to ${hotfixWhere(plan)}; ${fixes}, ${bytes(d.bytes)}. Waits are waived, nothing is lowered, and nothing else is touched.`;
    case 'hold':
    case 'unhold':
      return policyWords(plan);
    case 'recall':
      return recallWords(plan);
    case 'remove':
      return `${count(d.dropped.length, 'build')} leave ${where}; ${lostWords(d)}.`;
    case 'rollback':
      return `${where} goes back to what it was at ${plan.from}: ${moving} change${d.dropped.length > 0 ? `, ${number(d.dropped.length)} leave` : ''}; ${lostWords(d)}.`;
    case 'good':
      return `The state of **${plan.team} / ${plan.tier}** at \`${plan.from}\` is marked as good: what \`rollback --to last-known-good\` means from now on.`;
  }
}

function lockstepWords(plan: Plan, d: Digest, moving: string, fixes: string): string {
  const { id = '', reason = '', owner = '' } = plan.lockstep ?? {};
  const teams = (plan.teams ?? []).map((team) => `**${team}**`).join(', ');
  const group = `lockstep group ${code(id)}: ${markdown(reason, 300)} (${markdown(owner, 100)})`;
  return `${moving} move in lockstep to **${plan.tier}** of ${teams} (${setName(plan.set)}), ${group}; ${fixes}, ${bytes(d.bytes)}. Afterwards these teams have the same versions of its packages there, and nothing is lowered. ${stayWords(d.staying.length)}`;
}

function lostWords(d: Digest): string {
  if (d.lost.length === 0) return 'no security advisory is lost';
  return `**${count(d.lost.length, 'security advisory is', 'security advisories are')} lost**`;
}

function hotfixWhere(plan: Plan): string {
  const { team, tier, set, hotfix } = plan;
  const tiers = hotfix && hotfix.tiers.length > 0 ? hotfix.tiers : [tier];
  if (plan.teams)
    return `**${tiers.join(' and ')}** of ${plan.teams.map((name) => `**${name}**`).join(', ')} (${setName(set)})`;
  return `${tiers.map((name) => `**${team} / ${name}**`).join(' and ')} (${setName(set)})`;
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
