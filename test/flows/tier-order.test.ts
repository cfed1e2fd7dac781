import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { openState } from '../../src/flows/context.ts';
import { readState } from '../../src/flows/state.ts';
import { lockPath, snapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, type Pin, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeRepository } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from './site.ts';

const ID = 'harbor-9-x86_64-base';

/** A site with these tiers, and a vendor whose builds are what the test says. */
async function tiersOf(tiers: Readonly<Record<string, object>>) {
  const vendor = await tempDir();
  const release = (builds: readonly (readonly [string, string])[], timestamp: number) => {
    const files = makeRepository({ builds: builds.map(([name, version]) => ({ name, version })), timestamp });
    for (const [path, bytes] of files) {
      mkdirSync(dirname(join(vendor, path)), { recursive: true });
      writeFileSync(join(vendor, path), bytes);
    }
  };
  release([['foo', '1.0']], 1);
  const site = await makeSite({
    upstreams: { [ID]: { baseurl: [`${pathToFileURL(vendor).href}/`] } },
    team: { tiers },
  });
  return { site, release };
}

async function pinsOf(site: Site, tier: string): Promise<readonly Pin[]> {
  const { repo, main } = await openState(site.world());
  const state = await readState(repo, main);
  const name = state.repositories.find((r) => r.tier === tier);
  return name ? (state.snapshot(name)?.pins ?? []) : [];
}

/** Writes a tier's manifest by hand, in a pull request of a person, and merges it. */
async function write(site: Site, tier: string, pins: readonly Pin[]): Promise<void> {
  const { repo, main } = await openState(site.world());
  const state = await readState(repo, main);
  const name = state.repositories.find((r) => r.tier === tier);
  const snapshot = name && state.snapshot(name);
  if (!snapshot) throw new Error(`no manifest of ${tier}`);
  const { yaml, lock } = renderSnapshot(makeSnapshot({ ...snapshot, pins }));
  await site.change({ [snapshotPath(snapshot.repository)]: yaml, [lockPath(snapshot.repository)]: lock });
}

const LONG = 240_000; // some twenty steps of git, on a machine that may have more to do

it('what goes from a to b does not go on to c the same day: its wait begins with the merge', {
  timeout: LONG,
}, async () => {
  const wait = { inParent: '2d' };
  const { site } = await tiersOf({ a: { from: 'live' }, b: { from: 'a', wait }, c: { from: 'b', wait } });
  await site.merge(await site.sync());
  await site.merge(await site.promote('a'));
  site.days(2);
  expect(await site.promote('c')).toBeUndefined(); // asked before b has it: there is nothing
  await site.merge(await site.promote('b'));
  site.output();
  expect(await site.promote('c')).toBeUndefined();
  expect(site.output()).toContain('0 of 2 days in b');
  site.days(1.99);
  expect(await site.promote('c')).toBeUndefined();
  site.days(0.01);
  await site.merge(await site.promote('c'));
  expect((await pinsOf(site, 'c')).map((pin) => formatNevra(pin.nevra))).toEqual(['foo-3:1.0-1.el9.x86_64']);
});

it('by hand a tier takes what its parent once had, and nothing that it never had', {
  timeout: LONG,
}, async () => {
  const { site, release } = await tiersOf({ a: { from: 'live' }, b: { from: 'a' } });
  release(
    [
      ['foo', '1.0'],
      ['bar', '1.0'],
    ],
    2,
  );
  await site.merge(await site.sync());
  await site.merge(await site.promote('a'));
  await site.merge(await site.promote('b'));
  const both = await pinsOf(site, 'b');
  const foo = both.filter((pin) => pin.nevra.name === 'foo');
  expect(both.map((pin) => pin.nevra.name)).toEqual(['bar', 'foo']);
  await write(site, 'b', foo);
  await write(site, 'a', foo);
  await write(site, 'b', both); // a has no bar now, and had it once
  expect(await pinsOf(site, 'b')).toEqual(both);

  release(
    [
      ['foo', '1.0'],
      ['bar', '1.0'],
      ['new', '1.0'],
    ],
    3,
  );
  await site.sync(); // merges itself
  const fresh = (await pinsOf(site, 'live')).filter((pin) => pin.nevra.name === 'new');
  expect(fresh).toHaveLength(1);
  await expect(write(site, 'b', [...both, ...fresh])).rejects.toThrow(
    `${formatNevra((fresh[0] as Pin).nevra)} is not in infra-a-${ID}, and never was`,
  );
});
