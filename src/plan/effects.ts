import { by } from '../base/order.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Effect, Plan, Reason, Staying } from './types.ts';

/**
 * What another policy changes about one promotion: `before` and `after` are the plans of the same tier and set at the same time.
 * Builds that would have moved and now stay, that would stay and now move, and that are held or let go for later.
 */
export function policyEffects(before: Plan, after: Plan): Effect[] {
  const where = `${after.team}/${after.tier} ${after.set}`;
  const effects: Effect[] = [];
  for (const [i, next] of after.repositories.entries()) {
    const was = before.repositories[i];
    if (!was) continue;
    const [moved, moves] = [moving(was), moving(next)];
    const [stayed, stays] = [staying(was), staying(next)];
    for (const build of moved) {
      if (moves.has(build)) continue;
      const reason = stays.get(build)?.reason;
      const what =
        reason?.kind === 'held' || !reason
          ? 'stays, and would move now'
          : 'waits with it, and would move now';
      effects.push({ where, build, what, why: words(reason) });
    }
    for (const build of moves) {
      if (moved.has(build)) continue;
      effects.push({
        where,
        build,
        what: 'may move now',
        why: `${words(stayed.get(build)?.reason)}, until now`,
      });
    }
    for (const [build, { reason }] of stays) {
      const known = stayed.get(build)?.reason;
      if (!known || moved.has(build)) continue;
      if (known.kind !== 'held' && reason.kind === 'held') {
        effects.push({ where, build, what: `stays, and would ${later(known)}`, why: words(reason) });
      } else if (known.kind === 'held' && reason.kind !== 'held') {
        effects.push({ where, build, what: `will ${later(reason)}`, why: words(reason) });
      }
    }
  }
  return effects.sort(by((e) => `${e.where} ${e.build}`));
}

function moving({ changes }: Plan['repositories'][number]): ReadonlySet<string> {
  return new Set(changes.flatMap((c) => ('to' in c && c.kind !== 'module' ? [formatNevra(c.to.nevra)] : [])));
}

function staying(r: Plan['repositories'][number]): ReadonlyMap<string, Staying> {
  return new Map(r.staying.map((s) => [formatNevra(s.build.nevra), s]));
}

function words(reason: Reason | undefined): string {
  if (!reason) return 'nothing newer may move';
  return reason.kind === 'held' ? `held by ${reason.rule}: ${reason.why}` : reason.why;
}

function later(reason: Reason): string {
  const until = 'until' in reason ? reason.until : undefined;
  if (until) return `move from ${until.toISOString().slice(0, 10)} on`;
  return reason.kind === 'with' || reason.kind === 'broken' ? 'wait for others' : 'not move by itself';
}
