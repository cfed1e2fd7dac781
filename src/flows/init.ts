import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { codeOf, Fault, malformed } from '../base/fault.ts';
import { commitMessage } from '../forge/forge.ts';
import { openGit, withLocks } from '../forge/git.ts';
import { initLocalForge } from '../forge/local.ts';
import { parseIdentity, writeCommit, writeTree } from '../forge/objects.ts';
import { updateRefs } from '../forge/refs.ts';
import { openRepository } from '../forge/repository.ts';
import { ERRATA_TEAM, isWord, LIVE_TEAM } from '../manifest/ids.ts';
import { loadPolicies } from '../manifest/policy.ts';
import { CODEOWNERS, codeowners as codeownersOf } from './codeowners.ts';
import type { VendorKey } from './distro-table.ts';
import { type NewUpstream, upstreamsOf } from './distros.ts';
import { ACTIONLINT, ruleset } from './templates/github.ts';
import { keysReadme, sitePolicy, teamPolicy, upstreamPolicy } from './templates/policies.ts';
import {
  codeowners,
  GITATTRIBUTES,
  GITIGNORE,
  NPMRC,
  packageJson,
  stateReadme,
  toolPath,
} from './templates/project.ts';
import { nginxConf, systemdUnits } from './templates/server.ts';
import { workflows } from './templates/workflows.ts';

export interface InitOptions {
  /** The work clone: a folder that is not there yet, or is empty. */
  readonly dir: string;
  /** The bare repository that becomes its origin; default `<dir>.git`. */
  readonly forge?: string;
  /** `rocky-9`, `epel-9`, `amazon-2023=URL`, or your own: `harbor-9-x86_64-base=URL`. */
  readonly distros: readonly string[];
  readonly team: string;
  /** Default x86_64. */
  readonly arch?: string;
  readonly content?: 'full' | 'thin';
  readonly mirrorUrl?: string;
  /** Keys of the distributions that are named by their URL. */
  readonly keys?: readonly VendorKey[];
  /** Armored keys by file name: those of `keys`, and of known distributions as far as they could be had. */
  readonly keyFiles?: ReadonlyMap<string, string>;
  /** `acme/rpm-state`: where it will be hosted; its workflows, ruleset and owners are written too. */
  readonly github?: string;
  readonly now: Date;
  readonly by: string;
  readonly sluiceVersion: string;
  /** The tool as `npm pack` makes it: committed as `vendor/sluice-<version>.tgz`, so that git alone has all. */
  readonly tool?: Buffer;
}

export interface Initialised {
  readonly root: string;
  readonly bare: string;
  /** Paths of the first commit. */
  readonly files: string[];
}

/**
 * Creates a state repository: a local forge whose main has one commit, and a clone of it. Everything is checked before
 * anything is written; what was created is removed again where a later step fails.
 */
export async function initStateRepository(o: InitOptions): Promise<Initialised> {
  const root = resolve(o.dir);
  const bare = resolve(o.forge ?? `${root}.git`);
  const files = stateFiles(o);
  const author = parseIdentity(o.by);
  await mustBeFree(root);
  await mustBeFree(bare);
  try {
    await initLocalForge(bare);
    const git = openGit(bare);
    const tree = await writeTree(git, undefined, files);
    const message = commitMessage('A new state repository', [['Sluice-Verb', 'init']]);
    const times = { authored: o.now, committed: o.now };
    const commit = await writeCommit(git, {
      tree,
      parents: [],
      author,
      committer: author,
      ...times,
      message,
    });
    await updateRefs(git, [{ ref: 'refs/heads/main', from: undefined, to: commit }], 'sluice init');
    await clone(bare, root);
  } catch (cause) {
    await Promise.all([root, bare].map((made) => rm(made, { recursive: true, force: true })));
    throw cause;
  }
  return { root: (await openRepository(root)).root, bare, files: [...files.keys()] };
}

/** Every file of the first commit, in order of their paths' sections; a Fault where the options do not make sense. */
function stateFiles(o: InitOptions): Map<string, string | Buffer> {
  if (!isWord(o.team) || o.team === LIVE_TEAM || o.team === ERRATA_TEAM) {
    throw malformed(
      `team (a word other than ${LIVE_TEAM} and ${ERRATA_TEAM}: a-z, 0-9, dot, underscore)`,
      o.team,
      '--team',
    );
  }
  const upstreams = upstreamsOf(o.distros, o.arch ?? 'x86_64', o.keys);
  const owner = ownerOf(o);
  const policies = policyFiles(o, upstreams, owner);
  const loaded = loadPolicies(policies); // our own templates under the same judge as everybody's files
  const { team, sluiceVersion } = o;
  const readme = { team, sluiceVersion, upstreams, toolIncluded: o.tool !== undefined };
  return new Map<string, string | Buffer>([
    ['README.md', stateReadme(readme)],
    ['package.json', packageJson(sluiceVersion)],
    ['.npmrc', NPMRC],
    ['.gitattributes', GITATTRIBUTES],
    ['.gitignore', GITIGNORE],
    [CODEOWNERS, codeownersOf(loaded) ?? codeowners(team)],
    ...(o.github === undefined ? [] : hosted()),
    ...policies,
    ['policies/keys/README.md', keysReadme(upstreams)],
    ...[...(o.keyFiles ?? [])].map(([name, text]) => [`policies/keys/${name}`, text] as const),
    ['examples/nginx.conf', nginxConf()],
    ...systemdUnits(team),
    ...(o.tool ? ([[toolPath(sluiceVersion), o.tool]] as const) : []),
  ]);
}

function hosted(): [string, string][] {
  return [...workflows(), ['.github/actionlint.yaml', ACTIONLINT], ['docs/ruleset.json', ruleset()]];
}

/** A team of the organisation, which is to be there and to have write access; on no host, a name. */
function ownerOf({ github, team }: InitOptions): string {
  if (github === undefined) return `@${team}`;
  const [, organisation] = /^([A-Za-z0-9][A-Za-z0-9-]{0,38})\/[A-Za-z0-9._-]{1,100}$/.exec(github) ?? [];
  if (organisation === undefined) throw malformed('repository on GitHub (OWNER/REPO)', github, '--github');
  return `@${organisation}/${team}`;
}

function policyFiles(o: InitOptions, upstreams: readonly NewUpstream[], owner: string): Map<string, string> {
  const { team } = o;
  const repositories = upstreams.map(({ id }) => id);
  const until = new Date(o.now);
  until.setUTCFullYear(until.getUTCFullYear() + 1);
  const day = until.toISOString().slice(0, 10);
  return new Map([
    [
      'policies/site.yaml',
      sitePolicy(o.mirrorUrl, o.github === undefined ? undefined : { owner, github: o.github }),
    ],
    [
      `policies/teams/${team}.yaml`,
      teamPolicy({ team, repositories, owner, until: day, hosted: o.github !== undefined }),
    ],
    ...upstreams.map(
      (u) => [`policies/upstreams/${u.id}.yaml`, upstreamPolicy(u, o.content ?? 'full')] as const,
    ),
  ]);
}

/** USAGE unless nothing is there, or an empty folder. */
async function mustBeFree(dir: string): Promise<void> {
  let found: string[];
  try {
    found = await readdir(dir);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return;
    if (codeOf(cause) !== 'ENOTDIR') throw cause;
    throw new Fault('USAGE', `${dir} is not a folder`, { hint: 'Name a new folder.', at: dir, cause });
  }
  if (found.length === 0) return;
  throw new Fault('USAGE', `${dir} is not empty`, { hint: 'Name a new folder.', at: dir });
}

async function clone(bare: string, root: string): Promise<void> {
  const parent = dirname(root);
  await mkdir(parent, { recursive: true });
  const args = ['clone', '--quiet', '--template=', '--branch=main', '--', bare, basename(root)];
  const outcome = await withLocks(openGit(parent), args);
  if (outcome.status === 0) return;
  throw new Fault('GIT', `${bare} cannot be cloned: ${outcome.stderr.trim().slice(0, 300)}`, {
    hint: 'See what git says.',
    at: root,
  });
}
