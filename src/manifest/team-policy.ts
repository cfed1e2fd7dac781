import { type AlsoData, type ProfileData, readAlso, readProfiles } from './client-sets.ts';
import { ERRATA_TEAM, isWord, LIVE_TEAM, LIVE_TIER } from './ids.ts';
import { type NamesData, readNames } from './names.ts';
import { compileRegex, type Exception, type Filter, type Hold } from './pattern.ts';
import type { Good, Hastened, ProvenanceRule, TeamPolicy, TierBaseline, TierPolicy } from './policy.ts';
import { attempt, durationAt, type PolicyFile, refuse } from './policy-reading.ts';
import { waitPreset } from './presets.ts';
import { type ProvenanceData, readProvenance } from './provenance-policy.ts';
import schema from './schemas/team.schema.json' with { type: 'json' };
import { compileSchema } from './validate.ts';
import { DAYS, type Day, isTimeZone, type Window } from './window.ts';
import type { Path } from './yaml.ts';

const KEEP = '2';
const HASTENED: readonly Hastened[] = ['critical', 'important', 'moderate', 'low'];

interface FilterData extends NamesData {
  readonly source?: string;
  readonly repository?: string;
  readonly tier?: string;
}

interface HoldData extends FilterData {
  readonly reason: string;
  readonly owner: string;
  readonly until?: string;
}

interface ExceptionData extends Omit<FilterData, 'tier'> {
  readonly reason: string;
  readonly owner: string;
  readonly until: string;
}

interface TierData {
  readonly from: string;
  readonly wait?: { preset?: string; seen?: string; inParent?: string };
  readonly security?: Readonly<Partial<Record<Hastened, string>>>;
  readonly keep?: string;
  readonly keepInstallonly?: string;
  readonly mode?: TierPolicy['mode'];
  readonly window?: { days?: readonly Day[]; from: string; to?: string; zone: string };
  readonly baseline?: string | Readonly<Record<string, string>>;
  readonly exceptions?: readonly ExceptionData[];
  readonly auto?: string;
  readonly provenance?: ProvenanceData;
  readonly soak?: string;
  readonly good?: { commit: string; since: string; reason: string; owner: string };
}

export interface TeamData {
  readonly team: string;
  readonly repositories: readonly string[];
  readonly also?: readonly (string | AlsoData)[];
  readonly profiles?: readonly (string | ProfileData)[];
  readonly complete?: string;
  readonly families?: TeamPolicy['families'];
  readonly tiers: Readonly<Record<string, TierData>>;
  readonly holds?: readonly HoldData[];
  readonly allow?: readonly FilterData[];
  readonly deny?: readonly FilterData[];
  readonly provenance?: ProvenanceData;
  readonly owners?: readonly string[];
}

export const validTeam = compileSchema<TeamData>(schema);

/** The policy of `policies/teams/<team>.yaml`. What it says of other files is checked by `checkNames`. */
export function readTeamPolicy(data: TeamData, file: PolicyFile): TeamPolicy {
  if (file.path !== `policies/teams/${data.team}.yaml`) {
    refuse(
      file,
      ['team'],
      `must be the file's name, not ${data.team}`,
      'Correct the name, or rename the file.',
    );
  }
  if (data.team === LIVE_TEAM || data.team === ERRATA_TEAM) {
    const whose = data.team === LIVE_TEAM ? "live's manifests have" : 'published errata sets have';
    refuse(file, ['team'], `must not be ${data.team}: ${whose} that name`, 'Choose another name.');
  }
  refuseTwice(file, 'repositories', data.repositories);
  const { tiers: tierMap } = data;
  // by place in the file: JavaScript would put a tier named `1` before all others
  const names = Object.keys(tierMap).sort(
    (a, b) => file.doc.offset(tierMap, a) - file.doc.offset(tierMap, b),
  );
  const ofTeam = data.provenance && readProvenance(data.provenance, ['provenance'], file);
  const tiers = names.flatMap((name) => {
    const tier = tierMap[name];
    return tier ? [readTier(name, tier, data, file, ofTeam)] : [];
  });
  checkParents(tiers, file);
  const filters = (list: readonly FilterData[] | undefined, key: string): Filter[] =>
    (list ?? []).map((filter, i) => readFilter(filter, [key, i], data, file));
  return {
    team: data.team,
    path: file.path,
    repositories: data.repositories,
    tiers,
    holds: (data.holds ?? []).map((hold, i) => readHold(hold, ['holds', i], data, file)),
    allow: filters(data.allow, 'allow'),
    deny: filters(data.deny, 'deny'),
    also: readAlso(data.also, file),
    profiles: readProfiles(data.profiles, file),
    complete: data.complete !== 'false',
    families: data.families ?? 'lockstep',
    owners: data.owners ?? [],
  };
}

function readTier(
  name: string,
  tier: TierData,
  team: TeamData,
  file: PolicyFile,
  ofTeam: ProvenanceRule | undefined,
): TierPolicy {
  const key = (...rest: string[]): Path => ['tiers', name, ...rest];
  if (name === LIVE_TIER || !isWord(name)) {
    refuse(file, key(), `must not be named ${name}: live follows upstream`, 'Choose another name.', 'key');
  }
  const security = new Map<Hastened, number>();
  for (const severity of HASTENED) {
    const text = tier.security?.[severity];
    if (text !== undefined) security.set(severity, durationAt(file, key('security', severity), text, 0));
  }
  const provenance = [
    ...(ofTeam ? [ofTeam] : []),
    ...(tier.provenance ? [readProvenance(tier.provenance, key('provenance'), file)] : []),
  ];
  return {
    name,
    from: tier.from,
    wait: {
      seen: readSeen(tier.wait, key('wait'), file),
      inParent: durationAt(file, key('wait', 'inParent'), tier.wait?.inParent, 0),
    },
    security,
    keep: Number(tier.keep ?? KEEP),
    keepInstallonly: Number(tier.keepInstallonly ?? tier.keep ?? KEEP),
    mode: tier.mode ?? 'rolling',
    ...(tier.baseline === undefined ? {} : { baseline: readBaselines(tier, key('baseline'), file) }),
    exceptions: readExceptions(tier, key('exceptions'), team, file),
    ...(tier.window ? { window: readWindow(tier.window, key('window'), file) } : {}),
    auto: tier.auto === 'true',
    ...(provenance.length > 0 ? { provenance } : {}),
    ...(tier.soak === undefined ? {} : { soak: durationAt(file, key('soak'), tier.soak, 0) }),
    ...(tier.good ? { good: readGood(tier.good, key('good'), file) } : {}),
  };
}

function readGood(good: NonNullable<TierData['good']>, key: Path, file: PolicyFile): Good {
  const since = new Date(good.since);
  if (Number.isNaN(since.getTime())) {
    const hint = 'Write it as 2026-11-21T09:00:00Z.';
    refuse(file, [...key, 'since'], `must be a moment, not ${good.since}`, hint);
  }
  const { commit, reason, owner } = good;
  return { commit, since, reason, owner, at: file.doc.at([...key, 'commit']) };
}

function readBaselines({ baseline, mode }: TierData, key: Path, file: PolicyFile): TierBaseline[] {
  if (mode !== 'updates-only' && mode !== 'frozen') {
    const hint = 'Add mode: updates-only or mode: frozen, or remove the baseline.';
    refuse(file, key, 'says nothing of a tier that rolls', hint, 'key');
  }
  if (typeof baseline === 'string') return [{ file: baseline, at: file.doc.at(key) }];
  return Object.entries(baseline ?? {}).map(([set, path]) => {
    return { set, file: path, at: file.doc.at([...key, set]) };
  });
}

function readExceptions(tier: TierData, key: Path, team: TeamData, file: PolicyFile): Exception[] {
  const { exceptions = [], mode } = tier;
  if (exceptions.length > 0 && mode !== 'frozen') {
    const hint = 'Add mode: frozen, or remove the exceptions.';
    refuse(file, key, 'are of a frozen tier: nothing else needs any', hint, 'key');
  }
  return exceptions.map((exception, i) => {
    const at: Path = [...key, i];
    const { until, reason, owner } = exception;
    checkDay(until, [...at, 'until'], file);
    return { ...readFilter(exception, at, team, file), reason, owner, until };
  });
}

function readSeen(wait: TierData['wait'], key: Path, file: PolicyFile): number {
  const { preset, seen } = wait ?? {};
  if (preset === undefined) return durationAt(file, [...key, 'seen'], seen, 0);
  if (seen !== undefined)
    refuse(file, [...key, 'seen'], 'must not stand beside preset', 'Keep one of the two.', 'key');
  return durationAt(file, key, attempt(file, [...key, 'preset'], () => waitPreset(preset))?.seen, 0);
}

function readWindow(window: NonNullable<TierData['window']>, key: Path, file: PolicyFile): Window {
  if (!isTimeZone(window.zone)) {
    const hint = 'Use a name such as Europe/Berlin or UTC.';
    refuse(file, [...key, 'zone'], `must be an IANA time zone, not ${JSON.stringify(window.zone)}`, hint);
  }
  if (window.to === window.from) {
    refuse(file, [...key, 'to'], 'must not equal from', 'Leave `to` out for a window to the end of the day.');
  }
  return {
    days: window.days ?? DAYS,
    from: window.from,
    ...(window.to === undefined ? {} : { to: window.to }),
    zone: window.zone,
  };
}

/** Every tier descends from live, by tiers that exist. */
function checkParents(tiers: readonly TierPolicy[], file: PolicyFile): void {
  const parents = new Map(tiers.map((tier) => [tier.name, tier.from]));
  const known = [LIVE_TIER, ...parents.keys()].join(', ');
  for (const tier of tiers) {
    const key: Path = ['tiers', tier.name, 'from'];
    if (tier.from === tier.name) {
      refuse(file, key, 'must not be the tier itself', `Use one of: ${known}.`);
    } else if (tier.from !== LIVE_TIER && !parents.has(tier.from)) {
      refuse(
        file,
        key,
        `must be one of ${known}, not ${tier.from}`,
        'Correct the name, or declare the tier.',
      );
    } else if (inCycle(tier.name, parents)) {
      refuse(file, key, `makes a circle: ${cycle(tier.name, parents)}`, 'Let one of them follow live.');
    }
  }
}

function cycle(name: string, parents: ReadonlyMap<string, string>): string {
  const path = [name];
  for (let from = parents.get(name); from !== undefined && !path.includes(from); from = parents.get(from))
    path.push(from);
  return [...path, name].join(' ← ');
}

function inCycle(name: string, parents: ReadonlyMap<string, string>): boolean {
  let from = parents.get(name);
  for (let steps = 0; from !== undefined && steps < parents.size; steps += 1) {
    if (from === name) return true;
    from = parents.get(from);
  }
  return false;
}

function readHold(hold: HoldData, key: Path, team: TeamData, file: PolicyFile): Hold {
  const { until } = hold;
  if (until !== undefined) checkDay(until, [...key, 'until'], file);
  return {
    ...readFilter(hold, key, team, file),
    reason: hold.reason,
    owner: hold.owner,
    ...(until === undefined ? {} : { until }),
  };
}

function readFilter(filter: FilterData, key: Path, team: TeamData, file: PolicyFile): Filter {
  const { preset, match, glob, source, repository, tier } = filter;
  if ([preset, match, glob, source, repository, tier].every((part) => part === undefined)) {
    refuse(file, key, 'must say what it matches', 'Add preset, match, glob, source, repository or tier.');
  }
  if (repository !== undefined && !team.repositories.includes(repository)) {
    const message = `must be one of the team's repositories, not ${repository}`;
    refuse(
      file,
      [...key, 'repository'],
      message,
      'Correct the id: a filter that matches nothing is an error.',
    );
  }
  if (tier !== undefined && !Object.hasOwn(team.tiers, tier)) {
    const message = `must be one of the team's tiers, not ${tier}`;
    refuse(file, [...key, 'tier'], message, 'Correct the name: a filter that matches nothing is an error.');
  }
  const from =
    source === undefined ? undefined : attempt(file, [...key, 'source'], () => compileRegex(source));
  return {
    ...readNames(filter, key, file),
    ...(from ? { source: from } : {}),
    ...(repository === undefined ? {} : { repository }),
    ...(tier === undefined ? {} : { tier }),
    at: file.doc.at(key),
  };
}

function refuseTwice(file: PolicyFile, key: string, list: readonly string[]): void {
  list.forEach((item, i) => {
    if (list.indexOf(item) < i) refuse(file, [key, i], `names ${item} twice`, 'Keep one of the two.');
  });
}

function checkDay(day: string, key: Path, file: PolicyFile): void {
  if (isDate(day)) return;
  refuse(file, key, `must be a day of the calendar, not ${day}`, 'Write it as 2027-03-31.');
}

/** A day that exists: `2027-02-30` does not. */
function isDate(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(text);
}
