import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Fault, quoteUrl } from '../base/fault.ts';
import { gitVersion } from '../forge/git-version.ts';
import { openRepository, type Repository } from '../forge/repository.ts';
import { loadPolicies, type SitePolicy } from '../manifest/policy.ts';
import { plain } from '../report/safe.ts';
import type { World } from './context.ts';
import { githubFindings } from './doctor-github.ts';
import { forgeOf, forgePlace } from './forge-of.ts';

/** One thing that was looked at. `unknown`: this token, or this host, cannot tell. */
export interface Finding {
  readonly about: string;
  readonly is: 'ok' | 'wrong' | 'warning' | 'unknown';
  readonly says: string;
  /** What to do about it. */
  readonly next?: string;
}

/** What is missing for the daily work of this host, each with the next step. False where something is wrong. */
export async function doctor(world: World): Promise<boolean> {
  const findings = [await gitFinding(), ...(await stateFindings(world)), ...(await toolFindings(world))];
  if (world.json) world.print(`${JSON.stringify(findings, null, 2)}\n`);
  else for (const finding of findings) world.print(line(finding));
  return findings.every(({ is }) => is !== 'wrong');
}

function line({ about, is, says, next }: Finding): string {
  const step = next === undefined ? '' : `\n         ${plain(next, 500)}`;
  return `${is.padEnd(8)} ${plain(about)}: ${plain(says, 500)}${step}\n`;
}

/** The oldest git that has `merge-tree`'s and `push`'s options that are used here. */
const OLDEST_GIT = [2, 38] as const;

async function gitFinding(): Promise<Finding> {
  const about = 'git';
  const version = await gitVersion();
  const [major = 0, minor = 0] = version?.split('.').map(Number) ?? [];
  if (version === undefined || major < OLDEST_GIT[0] || (major === OLDEST_GIT[0] && minor < OLDEST_GIT[1])) {
    const next = `Install git ${OLDEST_GIT.join('.')} or newer.`;
    return { about, is: 'wrong', says: version ?? 'cannot be started', next };
  }
  return { about, is: 'ok', says: version };
}

async function stateFindings(world: World): Promise<Finding[]> {
  const about = 'state repository';
  let repo: Repository;
  let site: SitePolicy;
  try {
    repo = await openRepository(world.repoDir);
    const rev = await newest(repo);
    const files = await repo.readCommitted(rev, ['policies']);
    site = loadPolicies(new Map([...files].map(([path, { text }]) => [path, text]))).site;
  } catch (error) {
    return [wrong(about, error)];
  }
  const found: Finding[] = [{ about, is: 'ok', says: repo.root }];
  const place = await forgePlace(repo);
  if (place === 'local') {
    try {
      const tip = await (await forgeOf(world, repo)).tip();
      found.push({ about: 'forge', is: 'ok', says: `local, main is ${tip.slice(0, 12)}` });
    } catch (error) {
      found.push(wrong('forge', error));
    }
  } else found.push(...(await githubFindings(world, repo, place)));
  return [...found, ...(await siteFindings(site))];
}

async function newest(repo: Repository): Promise<string> {
  for (const rev of ['origin/main', 'main']) {
    const id = await repo.resolve(rev).catch(() => undefined);
    if (id !== undefined) return id;
  }
  return repo.resolve('HEAD');
}

async function siteFindings({ mirrorUrl, catalogUrl }: SitePolicy): Promise<Finding[]> {
  const found: Finding[] = [];
  if (catalogUrl === undefined) {
    const next = 'Name it in policies/site.yaml where checks run on hosts without the mirror (CI).';
    found.push({ about: 'catalogUrl', is: 'warning', says: 'is not set', next });
  }
  for (const [about, url] of [
    ['mirrorUrl', mirrorUrl],
    ['catalogUrl', catalogUrl],
  ] as const) {
    if (url !== undefined) found.push(await reachable(about, url));
  }
  return found;
}

const PATIENCE_MS = 10_000;

/** Any answer at all: what a server says of its own root is its business. */
async function reachable(about: string, url: string): Promise<Finding> {
  if (url.startsWith('file:')) return { about, is: 'unknown', says: `${quoteUrl(url)} is on a disk` };
  try {
    const { status } = await fetch(url, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (status < 500) return { about, is: 'ok', says: `${quoteUrl(url)} answers` };
    return {
      about,
      is: 'wrong',
      says: `${quoteUrl(url)} answers ${status}`,
      next: 'Look at the web server’s log.',
    };
  } catch {
    const next = 'Start the web server, or correct the address in policies/site.yaml.';
    return { about, is: 'wrong', says: `${quoteUrl(url)} does not answer`, next };
  }
}

/** Nothing of Sluice starts them; people who try a preview do. */
async function toolFindings({ env, mirrorDir }: World): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const tool of ['dnf', 'rpm']) {
    const there = await onPath(tool, env['PATH'] ?? '');
    const next = `Install ${tool} where previews are tried; nothing else here needs it.`;
    found.push(
      there
        ? { about: tool, is: 'ok', says: there }
        : { about: tool, is: 'warning', says: 'is not on the PATH', next },
    );
  }
  if (mirrorDir === undefined) {
    found.push({ about: 'mirror', is: 'unknown', says: 'none is named, so this host only reviews' });
    return found;
  }
  const may = await access(mirrorDir, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  const next = 'Make it, writable by the user that runs sluice.';
  const about = 'mirror';
  found.push(
    may
      ? { about, is: 'ok', says: mirrorDir }
      : { about, is: 'wrong', says: `${mirrorDir} cannot be written`, next },
  );
  return found;
}

async function onPath(tool: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter((f) => f !== '')) {
    const file = join(folder, tool);
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return undefined;
}

/** A fault has its own next step; anything else is a bug of ours. */
export function wrong(about: string, error: unknown): Finding {
  if (!(error instanceof Fault)) throw error;
  return { about, is: 'wrong', says: error.message, next: error.hint };
}
