import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Forge } from '../../src/forge/forge.ts';
import { checksOn, githubOf } from '../fixtures/githubForge.ts';
import { PATH, pins } from '../fixtures/localForge.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { beginMain, testForge } from '../fixtures/testForge.ts';
import type { TestForge } from '../testforge/server.ts';
import type { ActorKind } from '../testforge/state.ts';
import { type ForgeHost, forgeContract } from './contract.ts';

const FIRST = { [PATH]: pins(), 'policies/site.yaml': 'grace: 72h\n', README: 'state\n' };

async function start(kind: ActorKind): Promise<ForgeHost> {
  const forge = await testForge();
  if (kind === 'user') Object.assign(forge.settings.access, { robot: 'write' });
  await beginMain(forge, FIRST);
  const bot = await githubOf(forge, kind, kind === 'user' ? { login: 'robot' } : {});
  const person = await githubOf(forge, 'user', { login: 'anna' });
  const clone = join(await tempDir(), 'anna');
  const { state, dir } = forge;
  execFileSync('git', ['clone', '-q', dir, clone]); // the contract's pushes block this process, which is the server's
  return {
    forge: noticing(forge, bot.forge),
    person: noticing(forge, person.forge),
    by: 'anna',
    clone,
    async written() {
      const refs = execFileSync('git', ['--git-dir', dir, 'for-each-ref', '--', 'refs/heads'], {
        encoding: 'utf8',
      });
      const known = (key: string, value: unknown) => (key === 'mergeable' ? undefined : value); // reading finds it out
      const { issues, comments, reviews, checks, statuses } = state;
      return JSON.stringify([refs, issues, comments, reviews, checks, statuses], known);
    },
    checksOf: async (_number, head) => checksOn(forge, head),
    open: async (branch, title) =>
      (await person.forge.open({ branch, title, by: 'anna', now: new Date() })).number,
  };
}

/** What was pushed into its folder is noticed as GitHub notices a push. */
function noticing(test: TestForge, forge: Forge): Forge {
  return new Proxy(forge, {
    get:
      (of, name: keyof Forge) =>
      async (...args: never[]) => {
        await test.refresh();
        return (of[name] as (...args: never[]) => unknown).apply(of, args);
      },
  });
}

forgeContract('GitHub, as an App', () => start('app'));
if (process.env['SLUICE_TESTS'] === 'all')
  forgeContract('GitHub, with a personal token', () => start('user'));
