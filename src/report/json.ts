import { formatChecksum } from '../base/checksum.ts';
import { formatRepositoryId } from '../manifest/ids.ts';
import type { Change, Pin, Plan } from '../plan/types.ts';
import { formatNevra } from '../rpm/nevra.ts';

/** A plan for machines: every change and every candidate that stays, with reasons and dates in RFC 3339. */
export function toJson(plan: Plan) {
  return {
    verb: plan.verb,
    team: plan.team,
    tier: plan.tier,
    ...(plan.teams ? { teams: plan.teams } : {}),
    ...(plan.lockstep ? { lockstep: plan.lockstep } : {}),
    set: plan.set,
    now: plan.now.toISOString(),
    ...(plan.reason === undefined ? {} : { reason: plan.reason }),
    ...(plan.cascade ? { cascade: plan.cascade } : {}),
    ...(plan.follows ? { follows: plan.follows } : {}),
    ...(plan.lost
      ? { lost: plan.lost.map(({ advisory: { builds: _, ...said }, packages }) => ({ ...said, packages })) }
      : {}),
    ...(plan.undone
      ? { undone: plan.undone.map(({ time, ...said }) => ({ ...said, time: time.toISOString() })) }
      : {}),
    repositories: plan.repositories.map((r) => ({
      repository: formatRepositoryId(r.repository),
      pins: r.after.pins.length,
      changes: r.changes.map((change) => changeJson(change, plan)),
      staying: r.staying.map((s) => ({
        build: formatNevra(s.build.nevra),
        source: s.source,
        has: s.has && formatNevra(s.has.nevra),
        reason: {
          ...s.reason,
          ...('until' in s.reason && s.reason.until ? { until: s.reason.until.toISOString() } : {}),
        },
      })),
      attention: r.attention.map((a) => ({ build: formatNevra(a.build.nevra), why: a.why })),
      ...(r.troubles
        ? { troubles: r.troubles.map(({ who, what, because }) => ({ who, what, because })) }
        : {}),
      notes: r.notes,
    })),
  };
}

function changeJson(change: Change, plan: Plan) {
  if (change.kind === 'module') {
    return { kind: change.kind, nsvca: change.nsvca, to: change.to && formatChecksum(change.to) };
  }
  if (change.kind === 'tree') {
    const { kind, was, tree, words } = change;
    return { kind, was: was && formatChecksum(was), tree: tree && formatChecksum(tree), words };
  }
  const { kind, source, ...rest } = change;
  const pins = Object.entries(rest).map(([key, value]) => [key, isPin(value) ? pinJson(value) : value]);
  const inside = 'to' in change ? plan.inside?.changes.get(formatNevra(change.to.nevra)) : undefined;
  return { kind, source, ...Object.fromEntries(pins), ...(inside ? { inside } : {}) };
}

function isPin(value: unknown): value is Pin {
  return typeof value === 'object' && value !== null && 'nevra' in value;
}

function pinJson(pin: Pin) {
  return { nevra: formatNevra(pin.nevra), checksum: formatChecksum(pin.checksum), size: pin.size };
}
