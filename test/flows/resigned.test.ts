import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkPull, pullShow } from '../../src/flows/pull.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { openRepository } from '../../src/forge/repository.ts';
import { makeSigner, type Signer } from '../fixtures/signer.ts';
import { filesBelow } from '../fixtures/tempDir.ts';
import { type Build, makeRepository } from '../fixtures/upstreamRepository.ts';
import { build, ID, live, type SignedSite, signedSite, signedSiteAgain } from './signedSite.ts';

let vendor: Signer;
let next: Signer;
let third: Signer;

beforeAll(async () => {
  [vendor, next, third] = await Promise.all([makeSigner('vendor'), makeSigner('next'), makeSigner('third')]);
});

const FIRST = 1_700_000_000;
const LOCK = 'snapshots/infra/unstable/test-9-x86_64-main.lock';

const KEEP_ONE = { keep: 1 };

/** `alpha` as the vendor signed it, taken in, promoted and published. */
async function takeIn({ site, serve }: SignedSite): Promise<void> {
  serve(makeRepository({ builds: [await build('alpha', vendor)], timestamp: FIRST }));
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  await site.publish();
}

const takenIn = signedSiteAgain(KEEP_ONE, () => [vendor, next, third], takeIn);

/** A site that has taken `alpha` in; then upstream lists what `now` gives. */
async function later(now: readonly Build[], from: () => Promise<SignedSite> = takenIn) {
  const made = await from();
  made.site.output();
  made.site.days(1);
  made.serve(makeRepository({ builds: now, timestamp: FIRST + 86_400 }));
  return made;
}

describe('the same NEVRA with other bytes', () => {
  it('signed anew by the same key: a change of its own, which asks for nobody', async () => {
    const { site } = await later([await build('alpha', vendor, { signedAt: new Date('2025-07-01') })]);
    await site.sync();
    const said = site.output();
    expect(said).toMatch(/Upstream of test 9 x86_64: 1 signed anew: 1 build/);
    expect(said).toMatch(/hello +3:1\.0-1\.el9, signed anew/);
    expect(said).toMatch(/merged #3/);
    expect(await live(site)).toMatch(
      /resigned:\n\n {2}- build: "alpha-3:1\.0-1\.el9\.x86_64"\n {4}was: "sha256:[0-9a-f]{64}"\n {4}now: "sha256:[0-9a-f]{64}"\n {4}content: "sha256:[0-9a-f]{64}"/,
    );
    const number = await site.promote('unstable');
    await pullShow(site.world(), number ?? 0, { diff: false });
    expect(site.output()).toMatch(/### Signed anew\n\nThe same versions under new signatures/);
    await site.merge(number);
    await site.publish();
    const [lock] = (await readFile(join(site.repoDir, LOCK), 'utf8')).split('\n');
    const [, sum = ''] = /sha256:([0-9a-f]{8})/.exec(lock ?? '') ?? [];
    const served = await filesBelow(
      join(site.mirrorDir, 'public', 'packages', 'infra-unstable-test-9-x86_64-main'),
    );
    expect(served.filter((path) => path.includes(sum))).toHaveLength(1);
  });

  it('signed anew by another key of the policy: named, and left to a person', async () => {
    const { site } = await later([await build('alpha', next)]);
    const number = await site.sync();
    const said = site.output();
    expect(said).toMatch(/1 signed anew/);
    expect(said).toContain(`alpha: signed by ${next.fingerprint}, the one before by ${vendor.fingerprint}`);
    expect(said).not.toMatch(/merged/);
    await site.merge(number);
    expect(await live(site)).toMatch(/resigned:/);
  });

  it('twice: a tier that has the first bytes is still told what the third ones are', async () => {
    const days = ['2025-07-01', '2025-08-01'].map((day) => new Date(day));
    const [second, last] = await Promise.all(days.map((signedAt) => build('alpha', vendor, { signedAt })));
    if (!second || !last) throw new Error('two builds');
    const { site, serve } = await later([second]);
    await site.sync();
    serve(makeRepository({ builds: [last], timestamp: FIRST + 2 * 86_400 }));
    site.days(1);
    await site.sync();
    site.output();
    const number = await site.promote('unstable');
    await pullShow(site.world(), number ?? 0, { diff: false });
    expect(site.output()).toMatch(/### Signed anew/);
  });

  it('re-rolled: a stop that names both, and changes nothing', async () => {
    const { site } = await later([await build('alpha', vendor, { payload: 'another archive' })]);
    const before = await live(site);
    await expect(site.sync()).rejects.toMatchObject({
      code: 'UPSTREAM_REROLLED',
      message: expect.stringMatching(
        /alpha-3:1\.0-1\.el9\.x86_64 \(was sha256:[0-9a-f]{64}, is sha256:[0-9a-f]{64}; not only its signature: without it sha256:[0-9a-f]{64}, now sha256:[0-9a-f]{64}\)/,
      ),
      hint: expect.stringContaining(`sluice accept ${ID} --rerolled alpha-3:1.0-1.el9.x86_64`),
    });
    expect(await live(site)).toBe(before);
  });

  it('only shown, nothing is fetched; and what cannot be compared is said', async () => {
    const { site } = await later([await build('alpha', next)]);
    const pool = join(site.mirrorDir, 'pool');
    const stored = await filesBelow(pool);
    await expect(site.sync({ how: 'show' })).rejects.toMatchObject({
      code: 'UPSTREAM_REROLLED',
      hint: expect.stringMatching(/^Not compared yet: with --propose they are fetched/),
    });
    expect(await filesBelow(pool)).toEqual(stored);
    await rm(join(pool, stored[0] ?? ''), { force: true });
    await expect(site.sync()).rejects.toMatchObject({
      code: 'UPSTREAM_REROLLED',
      message: expect.stringMatching(/not compared: the file that live has is not on this mirror/),
    });
  });

  it('signed by a stranger: kept out, and the build that live has stays as it was', async () => {
    const { site } = await later([await build('alpha', third)], async () => {
      const made = await signedSite(KEEP_ONE, [vendor, next]);
      await takeIn(made);
      return made;
    });
    const lines = (text: string) => text.slice(text.indexOf('packages:'));
    const before = lines(await live(site));
    const number = await site.sync();
    expect(site.output()).toMatch(/quarantined: it is signed by [0-9A-F]+, which is not a key of the policy/);
    await site.merge(number);
    const after = await live(site);
    expect(lines(after)).toBe(before);
    expect(after).not.toMatch(/withdrawn/);
  });

  it('a head that calls other content signed anew is not believed where the files are at hand', async () => {
    const { site } = await later([await build('alpha', vendor, { payload: 'another archive' })]);
    const done = await site.sync({
      rerolled: ['alpha-3:1.0-1.el9.x86_64'],
      reason: 'a test',
    });
    const repo = await openRepository(`${site.repoDir}.git`);
    const pull = await (await openLocalForge(`${site.repoDir}.git`)).get(done ?? 0);
    const honest = await checkPull(site.world(), repo, pull);
    expect(honest.differences).toEqual([]);
    const claimed = { ...pull, trailers: pull.trailers.filter(([key]) => key !== 'Sluice-Rerolled') };
    await expect(checkPull(site.world(), repo, claimed)).rejects.toMatchObject({ code: 'UPSTREAM_REROLLED' });
  });
});
