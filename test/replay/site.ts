import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { SILENT } from '../../src/base/progress.ts';
import type { World } from '../../src/flows/context.ts';
import { envOf } from '../fixtures/githubForge.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { beginMain, testForge } from '../fixtures/testForge.ts';
import type { TestForge } from '../testforge/server.ts';

export const UPSTREAM = 'corpus-1-x86_64-main';

/** A state repository on the test forge, as docs/github.md sets it up, with the bot's clone and mirror, and one clock for all. */
export interface Site {
  readonly forge: TestForge;
  readonly clone: string;
  readonly mirrorDir: string;
  now: Date;
  /** One command of the bot's, with an hour's token of its own. */
  world(o?: Partial<World>): World;
}

export interface SiteOptions {
  readonly start: Date;
  readonly baseurl: string;
  /** Of the upstream's policy. */
  readonly policy: Readonly<Record<string, unknown>>;
  readonly tiers: Readonly<Record<string, unknown>>;
}

export async function replaySite(o: SiteOptions): Promise<Site> {
  const forge = await testForge({ now: () => site.now });
  // what docs/ruleset.json asks for, as far as the test forge knows rules
  forge.settings.rules = {
    ...{ approvals: 1, dismissStale: true, upToDate: false },
    checks: [{ context: 'sluice/plan' }],
  };
  forge.settings.mergeMethods = ['merge'];
  const [clone, mirrorDir] = [join(await tempDir(), 'state'), join(await tempDir(), 'mirror')];
  const site: Site = {
    ...{ forge, clone, mirrorDir, now: o.start },
    world: (more) => ({
      ...{ repoDir: clone, mirrorDir, now: site.now, by: 'sluice', json: false },
      env: { ...envOf('app', forge.tokenOf('app')), SLUICE_GITHUB_THROTTLE: 'off' },
      ...{ progress: SILENT, print: () => undefined },
      ...more,
    }),
  };
  await beginMain(forge, policies(o, forge), o.start.toISOString());
  execFileSync('git', ['clone', '-q', forge.dir, clone]); // not by http: the server is in this very process
  execFileSync('git', ['-C', clone, 'remote', 'set-url', 'origin', forge.gitUrl]);
  return site;
}

function policies({ baseurl, policy, tiers }: SiteOptions, forge: TestForge): Record<string, string> {
  const none = { signatures: 'none', reason: 'a test' };
  const head = { apiVersion: 'sluice/v1' };
  const text = (data: object) => stringify(data, { aliasDuplicateObjects: false });
  const place = { github: `${forge.owner}/${forge.repo}`, api: forge.url };
  const upstream = { id: UPSTREAM, baseurl: [baseurl], packages: none, metadata: none, ...policy };
  const team = { team: 'infra', repositories: [UPSTREAM], complete: false, tiers };
  return {
    'policies/site.yaml': text({ ...head, kind: 'Site', forge: place }),
    [`policies/upstreams/${UPSTREAM}.yaml`]: text({ ...head, kind: 'Upstream', ...upstream }),
    'policies/teams/infra.yaml': text({ ...head, kind: 'Team', ...team }),
  };
}
