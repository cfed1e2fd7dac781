import { describe, expect, it } from 'vitest';
import { sync } from '../../../src/flows/sync.ts';
import { answerFile, serve } from '../../fixtures/server.ts';
import { tempDir } from '../../fixtures/tempDir.ts';
import { type Files, makeRepository, rpmOf, sha256 } from '../../fixtures/upstreamRepository.ts';
import { makeSite } from '../site.ts';
import { expectLine, expectRefused, GOOD, ID, later, sharedTarget } from './attack.ts';

const target = sharedTarget();
const REPOMD = /repodata\/repomd\.xml$/;

describe('group 7: metadata that is not the upstream’s present', () => {
  it('a replay: an older state that is whole in itself', async () => {
    await target().lay(makeRepository({ builds: GOOD.slice(0, 1), timestamp: 1_600_000_000 }));
    const fault = await expectRefused(target(), target().sync, {
      code: 'UPSTREAM_ROLLBACK',
      at: REPOMD,
      says: /older than what was accepted \(2023-11-14/,
    });
    expect(fault.hint).toContain(`sluice accept ${ID} --older --reason`);
  });

  it('no timestamps at all, where there were some', async () => {
    const record = (_type: string, xml: string) => xml.replace(/<timestamp>.*?<\/timestamp>/, '');
    await target().lay(later({}, { record }));
    await expectRefused(target(), target().sync, { code: 'UPSTREAM_ROLLBACK', at: REPOMD });
  });

  it.each([
    ['9e15', '9000000000000000'],
    ['2^53', '9007199254740992'],
    ['a second past all dates', '8640000000001'],
  ])('a fast-forward to %s', async (_what, seconds) => {
    const record = (_type: string, xml: string) => xml.replace(/<timestamp>\d+/, `<timestamp>${seconds}`);
    await target().lay(later({}, { record }));
    await expectRefused(target(), target().sync, {
      code: ['METADATA_INVALID', 'MALFORMED', 'UPSTREAM_INCONSISTENT'],
      at: /repomd\.xml/,
    });
  });

  it('other bytes under the same name and version', async () => {
    await target().lay(
      makeRepository({
        builds: [{ name: 'alpha', bytes: rpmOf('alpha', '1.0', 9) }, { name: 'beta' }],
        timestamp: 1_700_086_400,
      }),
    );
    const fault = await expectRefused(target(), target().sync, {
      code: 'UPSTREAM_REROLLED',
      at: new RegExp(ID),
      says: /changed the bytes of alpha-3:1\.0/,
    });
    expect(fault.hint).toContain('--rerolled alpha-3:1.0-1.el9.x86_64');
  });

  it('primary of one day and filelists of another', async () => {
    const old = makeRepository({ builds: GOOD });
    const filelists = [...old].find(([path]) => path.includes('filelists'))?.[1];
    await target().lay(later({}, { documents: { filelists } }));
    await expectRefused(target(), target().sync, { code: 'UPSTREAM_INCONSISTENT', at: /filelists/ });
  });

  it('a file that was swapped under the repomd.xml of another day', async () => {
    const files = new Map(later({ bytes: rpmOf('gamma', '1.0', 77) })); // whose primary the catalog does not have yet
    const primary = [...files.keys()].find((path) => path.includes('primary')) ?? '';
    const old = [...makeRepository({ builds: GOOD })].find(([path]) => path.includes('primary'))?.[1];
    await target().lay(new Map([...files, [primary, old ?? Buffer.alloc(0)]]));
    await expectRefused(target(), target().sync, { code: 'UPSTREAM_INCONSISTENT', at: /primary/ });
  });

  it('as it is typed', async () => {
    await target().lay(makeRepository({ builds: GOOD.slice(0, 1), timestamp: 1_600_000_000 }));
    await expectLine(
      target(),
      ['sync', '--propose'],
      /^file:\S+repodata\/repomd\.xml: UPSTREAM_ROLLBACK: .* Wait for the mirror/,
    );
  });
});

it('group 7: changes in mid-sync, at every look', async () => {
  let look = 0;
  let files: Files = makeRepository({ builds: GOOD });
  let moving = false;
  const server = await serve((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1));
    if (moving && path === 'repodata/repomd.xml') {
      look += 1;
      files = new Map([...files, ...later({ bytes: rpmOf('gamma', '1.0', look) })]);
    }
    const bytes = files.get(path);
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  const site = await makeSite({ dir: await tempDir(), upstreams: { [ID]: { baseurl: [server.url] } } });
  await site.merge(await site.sync());
  moving = true;
  await expectRefused({ site }, () => site.sync(), {
    code: 'UPSTREAM_INCONSISTENT',
    at: REPOMD,
    says: /changed twice/,
  });
});

it('group 7, by design: an upstream that stands still for 30 days is unchanged, not an error', async () => {
  const { site, lay } = target();
  await lay(makeRepository({ builds: GOOD }));
  const then = site.now;
  site.days(30);
  try {
    expect(await sync(site.world(), { upstreams: [], how: 'show', all: false })).toEqual([]);
    expect(site.output()).toContain(`${ID}: unchanged`);
  } finally {
    site.now = then;
  }
});
