import { setGood } from '../manifest/edit-good.ts';
import type { Plan } from '../plan/types.ts';
import type { PromoteScope } from './plan-promote.ts';
import { checkNow, type State } from './state.ts';

/** A mark is of all client sets of a tier. */
const EVERY_SET = 'all';

/** The team's policy with a mark on a state of the tier. A mark made again is not renewed: what it says is the same. */
export function planGood(
  state: State,
  { team, tier }: Pick<PromoteScope, 'team' | 'tier'>,
  o: { readonly commit: string; readonly reason: string; readonly owner: string; readonly now: Date },
): Plan {
  checkNow(state, o.now);
  const { commit, reason, owner, now } = o;
  state.history.timeOf(commit);
  const { good } = tier;
  const isSame = good?.commit === commit && good.reason === reason && good.owner === owner;
  const since = isSame ? good.since : now;
  const text = state.files.get(team.path) ?? '';
  const policy = setGood(text, team.path, tier.name, { commit, since: since.toISOString(), reason, owner });
  return {
    verb: 'good',
    team: team.team,
    tier: tier.name,
    set: EVERY_SET,
    now,
    from: commit.slice(0, 12),
    repositories: [],
    reason,
    files: new Map([[team.path, policy]]),
    about: new Map(),
  };
}
