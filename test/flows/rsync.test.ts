import { execFileSync } from 'node:child_process';
import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { TIMING } from '../../src/upstream/attempt.ts';
import { oracle } from '../fixtures/oracle.ts';
import { PASSWORD, serveRsync } from '../fixtures/rsync.ts';
import { filesBelow } from '../fixtures/tempDir.ts';
import { makeRepository } from '../fixtures/upstreamRepository.ts';
import {
  expectFault,
  expectRefused,
  faultOf,
  GOOD,
  ID,
  later,
  photograph,
  sluice,
} from './hostile/attack.ts';
import { makeSite } from './site.ts';

beforeAll(() => {
  Object.assign(TIMING, { attempts: 2, backoff: 5, longestWait: 50, connect: 1_000, idle: 1_000, slow: 500 });
});

it.skipIf(!oracle('rsync'))('an upstream over rsync, and all that can lie in a package’s place', async () => {
  const daemon = await serveRsync();
  await daemon.lay(makeRepository({ builds: GOOD }));
  const env = { PASSWORD };
  const policy = {
    baseurl: [`${daemon.url}closed/`],
    auth: { basic: { user: 'ann', password: '$PASSWORD' } },
  };
  const site = await makeSite({ upstreams: { [ID]: policy }, env });
  const target = { site };
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  await site.publish();
  const published = await filesBelow(join(site.mirrorDir, 'public'));
  for (const { name } of GOOD) expect(published.some((path) => path.includes(`/${name}-1.0`))).toBe(true);
  expect((await daemon.sent()).filter((path) => path.startsWith('Packages/'))).toHaveLength(GOOD.length);

  const before = await photograph(target);
  expect(await site.sync()).toBeUndefined();
  expect(await photograph(target)).toEqual(before);
  expect(await daemon.sent()).toEqual(['repodata/repomd.xml']); // unchanged: one small file

  await daemon.lay(later({}));
  const gamma = join(daemon.folder, 'Packages/gamma-3-1.0.rpm');
  const instead = async (put: () => Promise<unknown>, code: 'NOT_FOUND' | 'TOO_LARGE') => {
    await rm(gamma, { recursive: true });
    await put();
    await expectRefused(target, () => site.sync(), { code, at: /^rsync:\/\/.*\/gamma-3-1\.0\.rpm$/ });
  };
  await instead(() => symlink('/etc/passwd', gamma), 'NOT_FOUND');
  await instead(async () => execFileSync('mkfifo', [gamma]), 'NOT_FOUND');
  await instead(async () => execFileSync('mkdir', [gamma]), 'NOT_FOUND');
  await instead(() => writeFile(gamma, Buffer.alloc(1 << 20)), 'TOO_LARGE');
  await daemon.lay(later({}));
  const { stdout, stderr, code } = await sluice(site, 'sync', '--propose', '--json');
  expect([code, stdout]).toEqual([0, expect.stringContaining('gamma')]);
  expect(stdout + stderr + site.output()).not.toContain(PASSWORD);

  await daemon.stop();
  const away = await expectRefused(target, () => site.sync(), { code: 'NETWORK', at: /repomd\.xml$/ });
  expect(away.message).toMatch(/^no answer, or a cut one \(rsync: 1[02]\)/);
  expect(
    (await filesBelow(join(site.mirrorDir, 'tmp'))).filter((path) => !path.startsWith('partial')),
  ).toEqual([]);
});

it.skipIf(!oracle('rsync'))('a password that the daemon does not take', async () => {
  const daemon = await serveRsync();
  await daemon.lay(makeRepository({ builds: GOOD }));
  const policy = {
    baseurl: [`${daemon.url}closed/`],
    auth: { basic: { user: 'ann', password: '$PASSWORD' } },
  };
  const site = await makeSite({ upstreams: { [ID]: policy }, env: { PASSWORD: 'correct horse' } });
  const fault = await faultOf(() => site.sync());
  expectFault(fault, {
    code: 'NOT_FOUND',
    at: /repomd\.xml$/,
    says: /^the server does not let us in: "@ERROR: auth failed on module closed"/,
  });
  expect(`${fault.message} ${fault.hint} ${site.output()}`).not.toContain('correct horse');
});
