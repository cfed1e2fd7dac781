import { Fault, quote } from '../base/fault.ts';
import { editHolds, type HoldEdit } from '../manifest/edit-holds.ts';
import { type HoldEntry, holdPattern, isSameHold, isWrittenAs } from '../manifest/hold-entry.ts';
import { type Hold, loadPolicies, type TeamPolicy } from '../manifest/policy.ts';
import { filterText } from '../plan/rules.ts';
import type { Plan } from '../plan/types.ts';
import type { Claim } from './recompute.ts';
import type { State } from './state.ts';

/** What was asked of a team's holds, as trailers say it again. */
export interface HoldAsked {
  readonly verb: 'hold' | 'unhold';
  readonly patterns: readonly string[];
  /** The patterns are of source packages. */
  readonly source: boolean;
  readonly tier?: string | undefined;
  readonly repository?: string | undefined;
  readonly reason: string;
  readonly owner?: string | undefined;
  /** A day. */
  readonly until?: string | undefined;
  /** A renewal: of the hold at this place, whose own reason stays. */
  readonly index?: number | undefined;
}

/** The scope of a plan that changes a team's policy and no tier. */
export const POLICY_TIER = 'policy';
export const HOLDS_SET = 'holds';

export function holdTrailers(asked: HoldAsked): [string, string][] {
  const optional = [
    ['Sluice-Tier', asked.tier],
    ['Sluice-Repository', asked.repository],
    ['Sluice-Owner', asked.owner],
    ['Sluice-Until', asked.until],
    ['Sluice-Renewal', asked.index === undefined ? undefined : String(asked.index)],
  ] as const;
  return [
    ...asked.patterns.map((p): [string, string] => ['Sluice-Named', p]),
    ...(asked.source ? [['Sluice-Over', 'source'] as [string, string]] : []),
    ...optional.flatMap(([key, value]): [string, string][] => (value === undefined ? [] : [[key, value]])),
    ['Sluice-Reason', asked.reason],
  ];
}

export function readHoldClaim(claim: Claim, verb: HoldAsked['verb']): HoldAsked {
  return {
    verb,
    patterns: claim.all('Sluice-Named'),
    source: claim.all('Sluice-Over')[0] === 'source',
    tier: claim.all('Sluice-Tier')[0],
    repository: claim.all('Sluice-Repository')[0],
    reason: claim.all('Sluice-Reason')[0] ?? '',
    owner: claim.all('Sluice-Owner')[0],
    until: claim.all('Sluice-Until')[0],
    ...(claim.all('Sluice-Renewal')[0] === undefined
      ? {}
      : { index: Number(claim.all('Sluice-Renewal')[0]) }),
  };
}

export interface HoldPlan {
  readonly plan: Plan;
  /** The team as its policy is afterwards. */
  readonly after: TeamPolicy;
  /** The holds that it adds or changes, or of an unhold those that it drops. */
  readonly holds: readonly Hold[];
}

/** What becomes of a team's policy: the bot and the check that recomputes it run this. What follows from it is asked elsewhere. */
export function holdPlan(state: State, team: TeamPolicy, asked: HoldAsked, now: Date): HoldPlan {
  let text = state.files.get(team.path) ?? '';
  let holds = team.holds;
  const notes: string[] = [];
  const touched: Hold[] = [];
  for (const pattern of asked.patterns) {
    const { edit, note, hold } =
      asked.verb === 'hold' ? holdEdit(holds, asked, pattern) : unholdEdit(holds, asked, pattern, team);
    notes.push(note);
    if (hold) touched.push(hold);
    if (!edit) continue;
    text = editHolds(text, team.path, edit);
    const next = teamWith(state, team, text).holds;
    if (edit.kind === 'add') touched.push(next.at(-1) as Hold);
    if (edit.kind === 'change') touched.splice(-1, 1, next[edit.index] as Hold);
    holds = next;
  }
  const plan: Plan = {
    verb: asked.verb,
    team: team.team,
    tier: POLICY_TIER,
    set: HOLDS_SET,
    now,
    from: POLICY_TIER,
    repositories: [],
    reason: asked.reason,
    headline: headline(asked, team, touched),
    files: new Map([[team.path, text]]),
    follows: { notes, effects: [] },
    about: new Map(),
  };
  return { plan, after: teamWith(state, team, text), holds: touched };
}

function headline(
  { verb, until, index, patterns }: HoldAsked,
  { team }: TeamPolicy,
  holds: readonly Hold[],
): string {
  const what = holds.map(filterText).join(', ') || patterns.join(', ');
  if (verb === 'unhold') return `Let ${team} move ${what} again`;
  return index === undefined
    ? `Hold ${what} in ${team} until ${until}`
    : `Renew the hold of ${what} in ${team} until ${until}`;
}

function teamWith(state: State, team: TeamPolicy, text: string): TeamPolicy {
  const policies = [...state.files].filter(([path]) => path.startsWith('policies/'));
  return loadPolicies(new Map([...policies, [team.path, text]])).teams.get(team.team) as TeamPolicy;
}

interface Edit {
  readonly edit: HoldEdit | undefined;
  readonly note: string;
  readonly hold?: Hold;
}

/** A hold of just this pattern is renewed; else one is added. */
function holdEdit(holds: readonly Hold[], asked: HoldAsked, pattern: string): Edit {
  const { tier, repository, reason, owner, until } = asked;
  const named = holdPattern(pattern, asked.source);
  const narrowed = {
    ...(repository === undefined ? {} : { repository }),
    ...(tier === undefined ? {} : { tier }),
  };
  const said = asked.index === undefined ? { reason } : {};
  const isMeant = (hold: Hold): boolean => {
    const written = { ...named, ...narrowed, reason, owner: '' };
    const spelled = isWrittenAs(hold, pattern) && (hold.source !== undefined) === asked.source;
    return isSameHold(hold, written) || (spelled && hold.tier === tier && hold.repository === repository);
  };
  const index = asked.index ?? holds.findIndex(isMeant);
  const known = holds[index];
  if (!known) {
    if (owner === undefined || until === undefined) {
      throw new Fault('USAGE', 'a hold says who decides and until when', {
        hint: 'Add --owner and --until.',
      });
    }
    const entry: HoldEntry = { ...named, ...narrowed, reason, owner, until };
    const [[kind, written] = ['', '']] = Object.entries(named);
    return { edit: { kind: 'add', entry }, note: `held by ${kind}: ${written} (${owner}, until ${until})` };
  }
  const wanted = {
    ...said,
    ...(owner === undefined ? {} : { owner }),
    ...(until === undefined ? {} : { until }),
  };
  const to = Object.fromEntries(
    Object.entries(wanted).filter(([key, value]) => known[key as 'reason' | 'owner' | 'until'] !== value),
  );
  const changes = Object.entries(to).map(
    ([key, value]) => `${key}: ${known[key as 'until'] ?? 'none'} → ${value}`,
  );
  if (changes.length === 0) return { edit: undefined, note: `${known.at} says so already`, hold: known };
  return {
    edit: { kind: 'change', index, to },
    note: `${known.at} ${filterText(known)}: ${changes.join('; ')}`,
    hold: known,
  };
}

/** The entry that is written just so. A name that patterns cover is no entry: which of them is to go is for a person to say. */
function unholdEdit(holds: readonly Hold[], asked: HoldAsked, pattern: string, team: TeamPolicy): Edit {
  const { tier, repository } = asked;
  const found = [...holds.entries()].filter(
    ([, hold]) =>
      isWrittenAs(hold, pattern) &&
      (tier === undefined || hold.tier === tier) &&
      (repository === undefined || hold.repository === repository) &&
      (!asked.source || hold.source !== undefined),
  );
  const [only] = found;
  if (!only) throw notHeld(holds, pattern, team);
  if (found.length > 1) {
    const list = found.map(([, hold]) => described(hold)).join('; ');
    throw new Fault('USAGE', `${quote(pattern)} is held by ${found.length} entries: ${list}`, {
      hint: 'Say which one: --tier TIER, --repository ID or --source.',
      at: team.path,
    });
  }
  const [index, hold] = only;
  return { edit: { kind: 'drop', index }, note: `no longer held: ${described(hold)}`, hold };
}

function notHeld(holds: readonly Hold[], name: string, team: TeamPolicy): Fault {
  const covering = holds.filter((hold) => hold.match?.matches(name) ?? hold.source?.matches(name) ?? true);
  if (covering.length === 0) {
    const known = holds.map(filterText).join(', ') || 'nothing';
    return new Fault('NOT_FOUND', `${team.team} does not hold ${quote(name)}`, {
      hint: `It holds ${known}.`,
      at: team.path,
    });
  }
  const [first] = covering as [Hold];
  return new Fault(
    'USAGE',
    `${quote(name)} is no hold of its own, but covered by ${covering.map(described).join('; ')}`,
    {
      hint: `Name the pattern, which lets go of all that it matches: sluice unhold '${filterText(first).replace(/^source /, '')}' --team ${team.team} --reason TEXT`,
      at: first.at,
    },
  );
}

function described(hold: Hold): string {
  const narrow = [hold.repository, hold.tier && `tier ${hold.tier}`]
    .filter((part) => part !== undefined)
    .join(', ');
  return `${filterText(hold)}${narrow && ` in ${narrow}`} (${hold.owner}, until ${hold.until ?? 'no end'}, ${hold.at})`;
}
