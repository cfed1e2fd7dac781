import { Fault, quoteUrl } from '../base/fault.ts';
import type { Forge } from '../forge/forge.ts';
import { openGithubForge } from '../forge/github.ts';
import type { ApiTiming } from '../forge/github-api.ts';
import { readTokens, type Tokens } from '../forge/github-token.ts';
import { openLocalForge } from '../forge/local.ts';
import type { Repository } from '../forge/repository.ts';
import { type ForgePlace, type GithubPlace, loadPolicies } from '../manifest/policy.ts';
import type { World } from './context.ts';
import { VERSION } from './version.ts';

const SITE = 'policies/site.yaml';

/** One command's: what it was told of a forge it need not ask again. */
const forges = new WeakMap<World, Map<string, Promise<Forge>>>();

/** The forge that main's `policies/site.yaml` names; without a word of it, the local one that `origin` is. */
export function forgeOf(world: World, repo: Repository): Promise<Forge> {
  const known = forges.get(world) ?? new Map<string, Promise<Forge>>();
  forges.set(world, known);
  const forge = known.get(repo.root) ?? openForge(world, repo);
  known.set(repo.root, forge);
  forge.catch(() => known.delete(repo.root)); // what is mended is looked at again
  return forge;
}

/** What was opened for one world is there for another one of the same command. */
export function shareForges(from: World, to: World): void {
  const known = forges.get(from) ?? new Map<string, Promise<Forge>>();
  forges.set(from, known);
  forges.set(to, known);
}

async function openForge(world: World, repo: Repository): Promise<Forge> {
  if (repo.bare) return openLocalForge(repo.root);
  const origin = await repo.origin();
  const place = await forgePlace(repo);
  if (place !== 'local') return githubForge(world, repo, place);
  if (origin !== undefined && !isRemote(origin)) return openLocalForge(origin);
  throw new Fault(
    'FORGE_REFUSED',
    origin === undefined ? 'the repository has no origin' : `${quoteUrl(origin)} is not a local forge`,
    {
      hint:
        origin === undefined
          ? 'sluice init DIR makes a state repository with a local forge beside it.'
          : `Name the repository in ${SITE} (forge: { github: owner/repo }), or clone the local forge.`,
      at: repo.root,
    },
  );
}

/** Whether this host can say anything on a forge: not with a clone of somewhere else, nor without a token. */
export async function canWriteForge(world: World, repo: Repository): Promise<boolean> {
  const place = await forgePlace(repo);
  if (place !== 'local') return (await tokensOf(world, place)).kind !== 'none';
  const origin = repo.bare ? repo.root : await repo.origin();
  return origin !== undefined && !isRemote(origin);
}

/** What main says, as the clone has it. */
export async function forgePlace(repo: Repository): Promise<ForgePlace> {
  for (const rev of repo.bare ? ['main'] : ['origin/main', 'main', 'HEAD']) {
    const commit = await repo.resolve(rev).catch(() => undefined);
    if (commit === undefined) continue;
    const text = (await repo.readCommitted(commit, [SITE])).get(SITE)?.text;
    return text === undefined ? 'local' : loadPolicies(new Map([[SITE, text]])).site.forge;
  }
  return 'local';
}

async function githubForge(world: World, repo: Repository, place: GithubPlace): Promise<Forge> {
  const origin = await checkOrigin(repo, place);
  const tokens = await tokensOf(world, place);
  const [owner = '', name = ''] = place.github.split('/');
  return openGithubForge({
    owner,
    repo: name,
    api: place.api,
    dir: repo.root,
    origin,
    tokens,
    userAgent: `sluice/${VERSION}`,
    ...timingOf(world),
  });
}

/** For tests and for servers that have no limits: GitHub's own are kept unless somebody says so. */
export function timingOf({ env }: World): { timing?: ApiTiming } {
  return env['SLUICE_GITHUB_THROTTLE'] === 'off' ? { timing: { throttle: { enabled: false } } } : {};
}

export function tokensOf(world: World, place: GithubPlace): Promise<Tokens> {
  return readTokens(world.env, place.github);
}

/**
 * A policy names where requests go, and so where a token goes: only to the host that the clone was made from, which whoever
 * set it up has chosen, and not in the open.
 */
export async function checkOrigin(repo: Repository, place: GithubPlace): Promise<string> {
  const origin = await repo.origin();
  if (origin === undefined || !isRemote(origin)) {
    throw new Fault('FORGE_REFUSED', `${SITE} says github, and origin is ${origin ?? 'not set'}`, {
      hint: `git remote set-url origin https://github.com/${place.github}.git`,
      at: repo.root,
    });
  }
  const api = new URL(place.api);
  const host = hostOf(origin);
  if (api.hostname !== host && api.hostname !== `api.${host}`) {
    throw new Fault('FORGE_REFUSED', `origin is on ${host}, and the API in ${SITE} on ${api.hostname}`, {
      hint: 'Correct forge.api (https://HOST/api/v3 of an Enterprise server), or the origin of this clone.',
      at: SITE,
    });
  }
  if (api.protocol === 'http:' && !LOOPBACK.has(api.hostname)) {
    throw new Fault('UNSAFE_URL', 'a token would go to the API in the open', {
      hint: 'Write https:// in forge.api.',
      at: SITE,
    });
  }
  return origin;
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Of a URL, or of ssh's short form (`git@github.com:owner/repo.git`). */
function hostOf(origin: string): string {
  const host = /^[a-z+]+:\/\//.test(origin)
    ? new URL(origin).hostname
    : (/^(?:[^@/]+@)?([^:/]+):/.exec(origin)?.[1] ?? '');
  return host.toLowerCase().replace(/^ssh\.github\.com$/, 'github.com'); // ssh over port 443
}

export function isRemote(origin: string): boolean {
  return /^[a-z+]+:\/\/|^[^/]+:/.test(origin);
}
