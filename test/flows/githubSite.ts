import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { World } from '../../src/flows/context.ts';
import { testForge } from '../fixtures/testForge.ts';
import type { TestForge } from '../testforge/server.ts';
import type { ActorKind } from '../testforge/state.ts';
import type { Site } from './site.ts';

export interface GithubSite {
  readonly site: Site;
  readonly forge: TestForge;
  /** A command's world: each has asked GitHub for nothing yet. */
  world(): World;
  /** What a person writes below a pull request or an issue; the number of the comment. */
  say(on: number, text: string, by?: string): number;
  /** What the bot wrote there. */
  said(on: number): string[];
  pullOn(branch: string): number | undefined;
}

/** The site's main, as it is, on a GitHub of its own. Its clock is the site's. */
export async function onGithub(site: Site, kind: ActorKind = 'app'): Promise<GithubSite> {
  const forge = await testForge({ now: () => site.now });
  const git = (...args: string[]) =>
    execFileSync(
      'git',
      ['-C', site.repoDir, '-c', 'user.name=Ben', '-c', 'user.email=b@example.org', ...args],
      {
        env: { ...process.env, GIT_COMMITTER_DATE: site.now.toISOString() },
      },
    );
  const path = join(site.repoDir, 'policies/site.yaml');
  git('fetch', '-q', 'origin');
  git('reset', '-q', '--hard', 'origin/main');
  const place = { github: `${forge.owner}/${forge.repo}`, api: forge.url };
  writeFileSync(path, stringify({ ...parse(readFileSync(path, 'utf8')), forge: place }));
  git('commit', '-qam', 'To GitHub');
  git('push', '-q', forge.dir, 'HEAD:refs/heads/main'); // not by http: the server is in this very process
  await forge.refresh();
  git('remote', 'set-url', 'origin', forge.gitUrl);
  git('update-ref', 'refs/remotes/origin/main', 'HEAD');
  return {
    site,
    forge,
    world: () => ({
      ...site.world(),
      env: {
        PATH: process.env['PATH'] ?? '',
        SLUICE_GITHUB_THROTTLE: 'off',
        SLUICE_GITHUB_TOKEN: forge.tokenOf(kind),
      },
    }),
    say(issue, body, by = 'anna') {
      const { state } = forge;
      const id = state.id();
      const at = state.now();
      state.comments.push({
        id,
        issue,
        by: state.actor(by),
        body,
        createdAt: at,
        updatedAt: at,
        reactions: [],
      });
      return id;
    },
    said: (on) =>
      forge.state.comments
        .filter(({ issue, by }) => issue === on && by.type === 'Bot')
        .map(({ body }) => body),
    pullOn: (branch) => forge.state.openPulls.find(({ pull }) => pull.branch === branch)?.number,
  };
}
