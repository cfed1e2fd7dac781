import { Fault } from '../base/fault.ts';
import { lockPath, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import { type Hold, patternMatches, type TeamPolicy } from '../manifest/policy.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { filterText } from '../plan/rules.ts';
import type { Catalog } from '../pool/catalog.ts';
import { endWords } from '../report/holds.ts';
import { count } from '../report/words.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Checked, Spoken } from './check.ts';
import { factsOf } from './facts.ts';
import { namesOf } from './held-names.ts';
import { daysLeft, SOON } from './hold-queue.ts';
import { type State, targetName, upstreamsOf } from './state.ts';

/** Every hold that has ended or ends within a week: what it keeps, whose it is, and how to renew or drop it. */
export async function holdWarnings(state: State, now: Date): Promise<Fault[]> {
  const warnings: Fault[] = [];
  for (const team of state.policies.teams.values()) {
    for (const hold of team.holds) {
      const days = daysLeft(hold, now);
      if (days === undefined || days > SOON) continue;
      const names = hold.source
        ? undefined
        : (await namesOf(state, undefined, team, { sources: false })).matchedBy(hold);
      const keeps = names === undefined ? 'what is built from that source' : count(names.length, 'package');
      const ends =
        days < 0
          ? `ended on ${hold.until} and stays in force`
          : `ends ${endWords({ until: hold.until, days })}`;
      const message = `the hold of ${filterText(hold)} in ${team.team} ${ends}: ${hold.reason} (${hold.owner}); it keeps ${keeps}`;
      warnings.push(new Fault('POLICY_INVALID', message, { hint: nextStep(hold, team), at: hold.at }));
    }
  }
  return warnings;
}

function nextStep(hold: Hold, { team }: TeamPolicy): string {
  const text = hold.match?.text ?? hold.source?.text ?? '';
  const narrow = [
    hold.tier === undefined ? '' : ` --tier ${hold.tier}`,
    hold.repository === undefined ? '' : ` --repository ${hold.repository}`,
    hold.match ? '' : ' --source',
  ].join('');
  const quoted = `'${text.replaceAll("'", "'\\''")}'`;
  return `Renew it: sluice hold ${quoted}${narrow} --team ${team} --owner '${hold.owner}' --reason TEXT --until 30d --propose; or drop it: sluice unhold ${quoted}${narrow} --team ${team} --reason TEXT --propose.`;
}

/** Verbs that a hold that has ended does not stop: first contents, what takes back, and what is urgent. */
const WARNED = new Set(['hotfix', 'rollback', 'recall', 'remove', 'fill', 'init', 'sync']);

/**
 * A hold that has ended stays in force, and says so to whoever meets it: a merge that moves a build that it matches, or that
 * changes its team's policy, waits until it is renewed or dropped. A merge that renews or drops one of several goes through, and
 * so does a command's hold, which only keeps more back.
 */
export async function endedHolds(
  main: State,
  merged: State,
  spoken: Spoken,
  catalog: Catalog | undefined,
): Promise<Checked> {
  const { claim, proven, now } = spoken;
  const found: Fault[] = [];
  for (const team of merged.policies.teams.values()) {
    const ended = team.holds.filter((hold) => (daysLeft(hold, now) ?? 0) < 0);
    if (ended.length === 0) continue;
    const before = main.policies.teams.get(team.team);
    const wereEnded = before?.holds.filter((hold) => (daysLeft(hold, now) ?? 0) < 0).length ?? 0;
    const isEdited = main.files.get(team.path) !== merged.files.get(team.path);
    const onlyHolds = proven && claim?.verb === 'hold';
    if (isEdited && ended.length >= wereEnded && !onlyHolds) {
      for (const hold of ended) found.push(fault(hold, team, `${team.path} is changed beside it`));
    }
    for (const moved of await movedInto(main, merged, team, ended, catalog)) {
      found.push(
        fault(moved.hold, team, `${formatNevra(moved.pin.nevra)} would come into ${team.team}/${moved.tier}`),
      );
    }
  }
  const isWarned = proven && claim !== undefined && WARNED.has(claim.verb);
  return isWarned ? { complaints: [], warnings: found } : { complaints: found, warnings: [] };
}

function fault(hold: Hold, team: TeamPolicy, because: string): Fault {
  const message = `a hold of ${team.team} (${filterText(hold)}, ${hold.owner}) ended on ${hold.until}, and ${because}`;
  return new Fault('HELD', message, { hint: nextStep(hold, team), at: hold.at });
}

/** Of each hold the first build that it matches and that comes in: what else does is the same question to its owner. */
async function movedInto(
  main: State,
  merged: State,
  team: TeamPolicy,
  holds: readonly Hold[],
  catalog: Catalog | undefined,
): Promise<{ hold: Hold; tier: string; pin: Pin }[]> {
  const moved: { hold: Hold; tier: string; pin: Pin }[] = [];
  for (const upstream of upstreamsOf(merged.policies, team)) {
    for (const tier of team.tiers) {
      const name = targetName(team, tier.name, upstream);
      if (main.files.get(lockPath(name)) === merged.files.get(lockPath(name))) continue;
      const pins = newPins(main, merged, name);
      const sources = holds.some((h) => h.source) ? await sourcesOf(pins, catalog) : undefined;
      for (const hold of holds) {
        if (moved.some((m) => m.hold === hold)) continue;
        const pin = pins.find((p) => {
          const source = sources?.get(p.record);
          return patternMatches(hold, {
            name: p.nevra.name,
            source,
            repository: upstreamId(name),
            tier: tier.name,
          });
        });
        if (pin) moved.push({ hold, tier: tier.name, pin });
      }
    }
  }
  return moved;
}

function newPins(main: State, merged: State, name: RepositoryName): Pin[] {
  const had = new Set(main.snapshot(name)?.pins.map((pin) => formatNevra(pin.nevra)));
  return (merged.snapshot(name)?.pins ?? []).filter((pin) => !had.has(formatNevra(pin.nevra)));
}

/** By record; without a catalog a package counts as its own source. */
async function sourcesOf(pins: readonly Pin[], catalog: Catalog | undefined): Promise<Map<string, string>> {
  if (!catalog) return new Map();
  const lost = await catalog.hasRecords(pins.map((pin) => pin.record));
  const known = pins.filter((pin) => !lost.has(pin.record));
  const facts = factsOf(await catalog.getPrimaries(known.map((pin) => pin.record)), [], []);
  return new Map(known.map((pin) => [pin.record, facts.build(pin).source]));
}
