import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { LIVE_TIER, lockPath, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import type { TeamPolicy, UpstreamPolicy } from '../manifest/policy.ts';
import { recallReason, recallsOf } from '../manifest/recall.ts';
import type { Pin, Plan, Stay } from '../plan/types.ts';
import type { Catalog } from '../pool/catalog.ts';
import { plain } from '../report/safe.ts';
import { columns } from '../report/terminal.ts';
import { age, day, when, why } from '../report/words.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra, parseNevra } from '../rpm/nevra.ts';
import { MIRROR_HINT, openState, type World } from './context.ts';
import { loadFacts } from './facts.ts';
import { askCatalog } from './hosted.ts';
import { promotionPlan } from './plan-promote.ts';
import { clientSets, liveName, readState, type State, targetName, teamOf, upstreamsOf } from './state.ts';

/** Where one build stands in one tier. */
interface Standing {
  readonly tier: string;
  readonly build: Pin;
  readonly since: Stay | undefined;
}

/** Where every build of a package stands in every tier of a team, why, and when it will move. */
export async function explain(world: World, name: string, teamName: string): Promise<void> {
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  const asked = await askCatalog(world, state, [], (catalog) =>
    explainFrom(world, state, catalog, name, teamName),
  );
  if (asked.kind === 'asked') return;
  if (asked.fault) throw asked.fault;
  throw new Fault('USAGE', `what builds are like cannot be known: ${asked.why}`, { hint: MIRROR_HINT });
}

async function explainFrom(
  world: World,
  state: State,
  catalog: Catalog,
  name: string,
  teamName: string,
): Promise<void> {
  const team = teamOf(state.policies, teamName);
  let found = 0;
  const json: unknown[] = [];
  for (const [set, upstreams] of clientSets(upstreamsOf(state.policies, team))) {
    const plans: Plan[] = [];
    for (const tier of team.tiers) {
      plans.push(await promotionPlan(state, catalog, { team, tier, set }, { named: [], now: world.now }));
    }
    for (const upstream of upstreams) {
      const matched = await matching(state, catalog, team, upstream, name);
      for (const [key, standings] of matched) {
        found += 1;
        if (world.json) json.push(jsonOf(key, upstream, standings, plans, world.now));
        else world.print(section(key, upstream, team, standings, plans, world.now));
      }
    }
  }
  const recalled = recalledBuilds(state, name);
  if (world.json) world.print(`${JSON.stringify([...json, ...recalled], null, 2)}\n`);
  else for (const { build, why } of recalled) world.print(`${build} is ${plain(why, 400)}\n`);
  if (found + recalled.length > 0) return;
  throw new Fault('NOT_FOUND', `no repository of ${teamName} has a package ${name}, and live has none`, {
    hint: 'Check the name (a package or a source package); sluice sync shows what is new upstream.',
  });
}

/** Builds of a name, or of a source package's name, that nobody has because they were recalled. */
function recalledBuilds({ policies }: State, name: string): { build: string; why: string }[] {
  return recallsOf(policies).all.flatMap((recall) => {
    const isSource =
      'source' in recall.match &&
      (recall.match.source === name || recall.match.source.startsWith(`${name}-`));
    const own = recall.builds.filter(({ nevra }) => isSource || parseNevra(nevra).name === name);
    return [...new Set(own.map(({ nevra }) => nevra))].map((build) => ({ build, why: recallReason(recall) }));
  });
}

/** By name.arch: the builds of the package, or of the source package, in each tier, live first. */
async function matching(
  state: State,
  catalog: Catalog,
  team: TeamPolicy,
  upstream: UpstreamPolicy,
  name: string,
): Promise<Map<string, Standing[]>> {
  const tiers: [string, RepositoryName][] = [[LIVE_TIER, liveName(upstream)]];
  for (const tier of team.tiers) tiers.push([tier.name, targetName(team, tier.name, upstream)]);
  const snapshots = tiers.flatMap(([, repository]) => state.snapshot(repository) ?? []);
  const facts = await loadFacts(catalog, snapshots);
  const found = new Map<string, Standing[]>();
  for (const [tier, repository] of tiers) {
    const snapshot = state.snapshot(repository);
    if (!snapshot) continue;
    const pins = snapshot.pins.filter((pin) => pin.nevra.name === name || facts.build(pin).source === name);
    if (pins.length === 0) continue;
    const stays = await state.history.stays(lockPath(repository), undefined);
    for (const build of pins) {
      const key = `${build.nevra.name}.${build.nevra.arch}`;
      const list = found.get(key) ?? [];
      list.push({ tier, build, since: stays.get(formatChecksum(build.checksum)) });
      found.set(key, list);
    }
  }
  return found;
}

function section(
  key: string,
  upstream: UpstreamPolicy,
  team: TeamPolicy,
  standings: readonly Standing[],
  plans: readonly Plan[],
  now: Date,
): string {
  const rows: string[][] = [];
  for (const tier of [LIVE_TIER, ...team.tiers.map((t) => t.name)]) {
    const here = standings.filter((s) => s.tier === tier);
    if (here.length === 0) rows.push([tier, '—', '', '']);
    here.forEach(({ build, since }, i) => {
      const stood = since ? `since ${day(since.began)} (${age(since, now)})` : '';
      rows.push([
        i === 0 ? tier : '',
        formatEvr(build.nevra.evr),
        stood,
        build.withdrawn ? 'pulled back by upstream' : '',
      ]);
    });
  }
  const next = moves(key, upstream, plans).map((m) => [`→ ${m.tier}`, m.evr, m.when, m.why]);
  return `${key} in ${upstream.id}, team ${team.team}\n${columns(rows, '  ')}${columns(next, '  ')}\n`;
}

function moves(key: string, upstream: UpstreamPolicy, plans: readonly Plan[]) {
  return plans.flatMap((plan) =>
    plan.repositories
      .filter((r) => upstreamId(r.repository) === upstream.id)
      .flatMap((r) => [
        ...r.changes.flatMap((c) => {
          if (!('to' in c) || c.kind === 'module' || c.kind === 'relisted') return [];
          if (`${c.to.nevra.name}.${c.to.nevra.arch}` !== key) return [];
          return [
            { tier: plan.tier, evr: formatEvr(c.to.nevra.evr), when: 'may move now', why: 'sluice promote' },
          ];
        }),
        ...r.staying.flatMap((s) =>
          `${s.build.nevra.name}.${s.build.nevra.arch}` === key
            ? [
                {
                  tier: plan.tier,
                  evr: formatEvr(s.build.nevra.evr),
                  when: when(s.reason),
                  why: why(s.reason),
                },
              ]
            : [],
        ),
      ]),
  );
}

function jsonOf(
  key: string,
  upstream: UpstreamPolicy,
  standings: readonly Standing[],
  plans: readonly Plan[],
  now: Date,
) {
  return {
    package: key,
    upstream: upstream.id,
    now: now.toISOString(),
    standing: standings.map(({ tier, build, since }) => ({
      tier,
      build: formatNevra(build.nevra),
      checksum: formatChecksum(build.checksum),
      since: since?.began.toISOString(),
      withdrawn: build.withdrawn,
    })),
    next: moves(key, upstream, plans),
  };
}
