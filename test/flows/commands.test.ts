import { expect, it } from 'vitest';
import { obey } from '../../src/flows/commands.ts';
import { promote } from '../../src/flows/promote.ts';
import { onGithub } from './githubSite.ts';
import { siteAgain } from './site.ts';
import { makeWaveSite } from './waveSite.ts';

const wave = siteAgain(async (dir) => {
  const site = await makeWaveSite(dir);
  site.days(3);
  return site;
});
const BRANCH = 'sluice/promote/infra/unstable/harbor-9-x86_64';

async function start() {
  const g = await onGithub(await wave());
  await promote(g.world(), { packages: [], team: 'infra', to: 'unstable', how: 'propose', all: false });
  const number = g.pullOn(BRANCH) as number;
  expect(number).toBeDefined();
  return { ...g, number, pull: () => g.forge.state.issue(number) };
}

it('explores', async () => {
  const g = await start();
  console.log(g.pull()?.body);
  for (const text of [
    '/sluice explain harbor-shell',
    '/sluice drop harbor-libc',
    '/sluice hold harbor-tls* until 60d because `rm -rf` **x** @all',
    '/sluice promote harbor-cron',
    '/sluice nonsense',
    '/sluice split',
  ]) {
    g.say(g.number, text);
    const before = g.forge.requests.length;
    const t = performance.now();
    await obey(g.world());
    console.log(g.site.output(), g.forge.requests.length - before, performance.now() - t);
    console.log(g.said(g.number).at(-1));
  }
  console.log(g.forge.state.openPulls.map((p) => `${p.number} ${p.title} ${p.pull.branch}`));
  const before = g.forge.requests.length;
  await obey(g.world());
  console.log(g.forge.requests.slice(before));
});
