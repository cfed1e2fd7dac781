import { Fault, quote } from '../base/fault.ts';

/** The team and the tier that follow upstream: every other tier descends from them. */
export const LIVE_TEAM = 'vendor';
export const LIVE_TIER = 'live';

/** In place of a team: published errata sets, whose tiers are days (`errata-20261101-rocky-9-x86_64-baseos`). */
export const ERRATA_TEAM = 'errata';

/** What an id says: `infra-unstable-centos-6-x86_64-updates` (design, 1). */
export interface RepositoryName {
  readonly team: string;
  readonly tier: string;
  readonly os: string;
  readonly version: string;
  readonly arch: string;
  readonly repo: string;
}

/** The part of an id that names the upstream: `centos-6-x86_64-updates`. */
export type UpstreamName = Pick<RepositoryName, 'os' | 'version' | 'arch' | 'repo'>;

/** Without a hyphen, so that an id has one reading; only `repo`, which comes last, may have some. */
const WORD = /^[a-z0-9][a-z0-9._]{0,63}$/;
const REPO = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const SNAPSHOT_PATH = /^snapshots\/([^/]+)\/([^/]+)\/([^/]+)\.(yaml|lock)$/;

/** True of what may stand for a team, a tier, an os, a version or an arch. */
export function isWord(text: string): boolean {
  return WORD.test(text);
}

/** `<team>-<tier>-<os>-<version>-<arch>-<repo>`; a Fault on anything else. */
export function parseRepositoryId(text: string, at?: string): RepositoryName {
  const [team = '', tier = '', ...rest] = text.split('-');
  const upstream = splitUpstream(rest);
  if (!upstream || !WORD.test(team) || !WORD.test(tier)) {
    throw badId('repository', '<team>-<tier>-<os>-<version>-<arch>-<repo>', text, at);
  }
  return { team, tier, ...upstream };
}

/** `parseRepositoryId(formatRepositoryId(r))` equals `r`. */
export function formatRepositoryId(r: RepositoryName): string {
  return `${r.team}-${r.tier}-${upstreamId(r)}`;
}

/** `<os>-<version>-<arch>-<repo>`; a Fault on anything else. */
export function parseUpstreamId(text: string, at?: string): UpstreamName {
  const upstream = splitUpstream(text.split('-'));
  if (!upstream) throw badId('upstream', '<os>-<version>-<arch>-<repo>', text, at);
  return upstream;
}

/** The upstream that this repository descends from: `rocky-9-x86_64-baseos`. */
export function upstreamId(r: UpstreamName): string {
  return `${r.os}-${r.version}-${r.arch}-${r.repo}`;
}

/** Repositories of one team and tier that share this key are one client set. */
export function clientSetKey(r: Pick<RepositoryName, 'os' | 'version' | 'arch'>): string {
  return `${r.os}-${r.version}-${r.arch}`;
}

/** The manifest for people. */
export function snapshotPath(r: RepositoryName): string {
  return `snapshots/${r.team}/${r.tier}/${upstreamId(r)}.yaml`;
}

/** The lock beside it. */
export function lockPath(r: RepositoryName): string {
  return `snapshots/${r.team}/${r.tier}/${upstreamId(r)}.lock`;
}

/** The repository whose manifest or lock stands at `path`; undefined for every other path. */
export function parseSnapshotPath(path: string): RepositoryName | undefined {
  const [, team = '', tier = '', file = ''] = SNAPSHOT_PATH.exec(path) ?? [];
  const upstream = splitUpstream(file.split('-'));
  if (!upstream || !WORD.test(team) || !WORD.test(tier)) return undefined;
  return { team, tier, ...upstream };
}

function splitUpstream(parts: readonly string[]): UpstreamName | undefined {
  const [os = '', version = '', arch = '', ...rest] = parts;
  const repo = rest.join('-');
  if (![os, version, arch].every(isWord) || !REPO.test(repo)) return undefined;
  return { os, version, arch, repo };
}

function badId(kind: string, form: string, text: string, at: string | undefined): Fault {
  return new Fault('MALFORMED', `${quote(text)} is not a ${kind} id of the form ${form}`, {
    hint: 'Use lower-case letters, digits, dots and underscores in each part; only the last may have hyphens.',
    at,
  });
}
