import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { checkClients } from './client-sets.ts';
import {
  ERRATA_POLICY,
  type ErrataPolicy,
  lintErrata,
  readErrataPolicy,
  validErrataPolicy,
} from './errata-policy.ts';
import { checkLockstep, type Lockstep, readLockstep, validLockstep } from './lockstep.ts';
import { lintPattern } from './pattern.ts';
import type { Policies, SitePolicy, TeamPolicy, UpstreamPolicy } from './policy.ts';
import { type PolicyFile, refuse } from './policy-reading.ts';
import { checkProvenance } from './provenance-policy.ts';
import { type Recall, readRecall, validRecall } from './recall.ts';
import { DEFAULT_SITE, readSitePolicy, validSite } from './site-policy.ts';
import { readTeamPolicy, validTeam } from './team-policy.ts';
import { readUpstreamPolicy, validUpstream } from './upstream-policy.ts';
import { complaints, type Schema } from './validate.ts';
import { readYaml } from './yaml.ts';

/** 2,000 holds with their reasons. Hostile YAML of this size takes `yaml` 3 s. */
const CEILING = 512 * 1024;
/** 20,000 builds with their checksums, which are plain lines. */
const RECALL_CEILING = 4 << 20;

/** Those that every site has, so that they are ready when its files are. */
export function compilePolicySchemas(): void {
  for (const schema of [validSite, validTeam, validUpstream]) schema();
}

/** Reads every policy among `files` (path → text), and everything that there is to complain of, in the order of the files. */
export function readPolicies(files: ReadonlyMap<string, string>): { policies: Policies; faults: Fault[] } {
  const upstreams = new Map<string, UpstreamPolicy>();
  const teams = new Map<string, TeamPolicy>();
  const teamFiles = new Map<string, PolicyFile>();
  const faults: Fault[] = [];
  const recalls = new Map<string, Recall>();
  const lockstep = new Map<string, Lockstep>();
  const lockstepFiles = new Map<string, PolicyFile>();
  let site: SitePolicy = DEFAULT_SITE;
  let errata: ErrataPolicy | undefined;
  for (const path of [...files.keys()].sort(byCodeUnit)) {
    const text = files.get(path) ?? '';
    const place = placeOf(path);
    if (place === 'other') continue;
    if (place === 'upstream') {
      const read = readFile(path, text, validUpstream, faults);
      const policy = read && readUpstreamPolicy(read.data, read.file);
      if (policy) upstreams.set(policy.id, policy);
    } else if (place === 'team') {
      const read = readFile(path, text, validTeam, faults);
      if (!read) continue;
      const policy = readTeamPolicy(read.data, read.file);
      teams.set(policy.team, policy);
      teamFiles.set(policy.team, read.file);
    } else if (place === 'recall') {
      const read = readFile(path, text, validRecall, faults, RECALL_CEILING);
      const recall = read && readRecall(read.data, read.file);
      if (recall) recalls.set(recall.id, recall);
    } else if (place === 'lockstep') {
      const read = readFile(path, text, validLockstep, faults);
      if (!read) continue;
      const group = readLockstep(read.data, read.file);
      lockstep.set(group.id, group);
      lockstepFiles.set(group.id, read.file);
    } else if (place === 'site') {
      const read = readFile(path, text, validSite, faults);
      if (read) site = readSitePolicy(read.data, read.file);
    } else if (place === 'errata') {
      const read = readFile(path, text, validErrataPolicy, faults);
      if (read) errata = readErrataPolicy(read.data, read.file);
    } else {
      const hint =
        'Move it to policies/upstreams/, policies/teams/, policies/lockstep/, policies/recalls/, policies/site.yaml or policies/errata.yaml.';
      faults.push(
        new Fault('POLICY_INVALID', `${path} is not a place for a policy`, { hint, at: `${path}:1:1` }),
      );
    }
  }
  const policies = { upstreams, teams, site, recalls, lockstep, ...(errata ? { errata } : {}) };
  for (const [team, file] of teamFiles) checkNames(teams.get(team), policies, files, file);
  const groups = [...lockstep.values()]; // in the order of their files
  groups.forEach((group, i) => {
    const file = lockstepFiles.get(group.id);
    if (file) checkLockstep(group, groups.slice(0, i), teams, files, file);
  });
  return { policies, faults: faults.sort(byPlace) };
}

/** What `check` warns of: patterns that match more than they seem to, and thin upstreams, which keep nothing. */
export function lintPolicies(policies: Policies): Fault[] {
  const warnings: Fault[] = [];
  for (const team of policies.teams.values()) {
    for (const filter of [...team.holds, ...team.allow, ...team.deny]) {
      for (const pattern of [filter.match, filter.source, ...(filter.add ?? []), ...(filter.except ?? [])]) {
        const message = pattern && lintPattern(pattern);
        if (!message) continue;
        const hint = 'Anchor the pattern with ^ and $, or use a glob.';
        warnings.push(new Fault('POLICY_INVALID', message, { hint, at: filter.at }));
      }
    }
  }
  for (const { match, add, except, at } of [...policies.lockstep.values()].flatMap((g) => g.packages)) {
    for (const pattern of [match, ...(add ?? []), ...(except ?? [])]) {
      const message = pattern && lintPattern(pattern);
      const hint = 'Anchor the pattern with ^ and $, or use a glob.';
      if (message) warnings.push(new Fault('POLICY_INVALID', message, { hint, at }));
    }
  }
  for (const upstream of policies.upstreams.values()) {
    if (upstream.content !== 'thin') continue;
    const message = `${upstream.id} is thin: what the upstream drops is gone, so nothing can be kept or rolled back to`;
    warnings.push(
      new Fault('POLICY_INVALID', message, {
        hint: 'Use `content: full` to keep builds.',
        at: upstream.path,
      }),
    );
  }
  warnings.push(...lintErrata(policies.errata));
  return warnings.sort(byPlace);
}

type Kind = 'upstream' | 'team' | 'recall' | 'lockstep' | 'site' | 'errata' | 'other' | 'misplaced';

/** A policy in a folder of a wrong name would be a hold that nobody obeys: YAML stands in its place, or is refused. */
function placeOf(path: string): Kind {
  if (!path.startsWith('policies/')) return 'other';
  if (/^policies\/upstreams\/[^/]+\.yaml$/.test(path)) return 'upstream';
  if (/^policies\/teams\/[^/]+\.yaml$/.test(path)) return 'team';
  if (/^policies\/recalls\/[^/]+\.yaml$/.test(path)) return 'recall';
  if (/^policies\/lockstep\/[^/]+\.yaml$/.test(path)) return 'lockstep';
  if (path === 'policies/site.yaml') return 'site';
  if (path === ERRATA_POLICY) return 'errata';
  if (path.startsWith('policies/keys/') || /(^|\/)(README\.md|\.gitkeep)$/.test(path)) return 'other';
  return 'misplaced';
}

function readFile<T>(
  path: string,
  text: string,
  valid: Schema<T>,
  faults: Fault[],
  ceiling = CEILING,
): { data: T; file: PolicyFile } | undefined {
  try {
    const doc = readYaml(text, path, { code: 'POLICY_INVALID', ceiling });
    const found = complaints(doc, valid, 'POLICY_INVALID');
    faults.push(...found);
    if (found.length > 0) return undefined;
    return { data: doc.data as T, file: { path, doc, complain: (fault) => faults.push(fault) } };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    faults.push(error);
    return undefined;
  }
}

/** Whatever a team names in other files exists. */
function checkNames(
  team: TeamPolicy | undefined,
  policies: Policies,
  files: ReadonlyMap<string, string>,
  file: PolicyFile,
): void {
  // an upstream whose own file has complaints is there all the same
  const declared = (id: string): boolean =>
    policies.upstreams.has(id) || files.has(`policies/upstreams/${id}.yaml`);
  team?.repositories.forEach((id, i) => {
    if (declared(id)) return;
    const hint = `Write policies/upstreams/${id}.yaml, or correct the id.`;
    refuse(file, ['repositories', i], `names ${id}, which no policy declares`, hint);
  });
  if (!team) return;
  checkClients(team, policies, file, files);
  checkProvenance(team, policies.upstreams, declaredIds(files), file);
}

function declaredIds(files: ReadonlyMap<string, string>): string[] {
  return [...files.keys()].flatMap((path) => /^policies\/upstreams\/([^/]+)\.yaml$/.exec(path)?.[1] ?? []);
}

function byPlace(a: Fault, b: Fault): number {
  const [fileA = '', lineA = '0', columnA = '0'] = (a.at ?? '').split(':');
  const [fileB = '', lineB = '0', columnB = '0'] = (b.at ?? '').split(':');
  return byCodeUnit(fileA, fileB) || Number(lineA) - Number(lineB) || Number(columnA) - Number(columnB);
}
