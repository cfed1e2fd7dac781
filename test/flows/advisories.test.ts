import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { indexAdvisories } from '../../src/flows/advisories.ts';
import { advisoriesFor, factsOf } from '../../src/flows/facts.ts';
import { decompress, once } from '../../src/repodata/compression.ts';
import { type Advisory, readUpdateinfo } from '../../src/repodata/updateinfo.ts';
import { CORPUS } from '../fixtures/oracle.ts';

interface Said {
  readonly title?: string;
  readonly date?: string;
  readonly severity?: string;
  readonly cve?: string;
}

function update(id: string, packages: readonly string[], o: Said = {}): string {
  const listed = packages.map(
    (name) => `<package name="${name}" epoch="0" version="1" release="1" arch="x86_64"/>`,
  );
  return `<update type="security"><id>${id}</id><title>${o.title ?? 't'}</title>
<severity>${o.severity ?? 'Low'}</severity><issued date="${o.date ?? '2026-01-01 00:00:00'}"/>
<references><reference type="cve" id="${o.cve ?? 'CVE-2026-0001'}"/></references>
<pkglist><collection>${listed.join('')}</collection></pkglist></update>`;
}

const read = (...updates: string[]): Promise<Advisory[]> =>
  readUpdateinfo(once(Buffer.from(`<updates>${updates.join('\n')}</updates>`)), 'updateinfo');
const build = (name: string) => `${name}-1-1.x86_64`;

describe('advisories by build and by name', () => {
  it('of one id and one title are one, in the words of the newest', async () => {
    const index = indexAdvisories(
      await read(
        update('SA-1', ['a', 'b'], { severity: 'Critical', date: '2026-02-01 00:00:00' }),
        update('SA-1', ['b', 'c'], { cve: 'CVE-2026-0002' }),
      ),
    );
    const [one, ...others] = index.ofBuild(build('c'));
    expect(others).toEqual([]);
    expect(one).toMatchObject({ severity: 'critical', cves: ['CVE-2026-0001', 'CVE-2026-0002'] });
    expect(one?.builds).toEqual(['a', 'b', 'c'].map(build));
    for (const name of ['sa-1', 'CVE-2026-0001', 'cve-2026-0002']) expect(index.named(name)).toEqual([one]);
  });

  it('of one id and two titles are two; a build that both name has the newer one', async () => {
    const index = indexAdvisories(
      await read(
        update('opera', ['new', 'both'], { title: '9.6', date: '1224172789' }),
        update('opera', ['old', 'both'], { title: '9.5', date: '1213637994' }),
      ),
    );
    expect(index.ofBuild(build('both')).map(({ title }) => title)).toEqual(['9.6']);
    expect(index.ofBuild(build('old')).map(({ title }) => title)).toEqual(['9.5']);
    expect(index.named('opera')).toHaveLength(2);
  });

  it('are looked up by the whole word', async () => {
    const facts = factsOf(new Map(), [], await read(update('SA-2026:1', ['a']), update('SA-2026:12', ['b'])));
    expect(advisoriesFor(facts, 'sa-2026:1').map(({ id }) => id)).toEqual(['SA-2026:1']);
    for (const none of ['SA-2026', 'CVE-2026-000', 'CVE-2026-00011', '', '__proto__'])
      expect(advisoriesFor(facts, none)).toEqual([]);
  });

  it('of another order say the same', async () => {
    const pieces = [
      update('A', ['a'], { date: '2026-03-01 00:00:00' }),
      update('A', ['b']),
      update('B', ['a']),
    ];
    const said = (index: ReturnType<typeof indexAdvisories>) =>
      index.named('A').map(({ builds, severity }) => [severity, [...builds].sort()]);
    const there = indexAdvisories(await read(...pieces));
    const back = indexAdvisories(await read(...[...pieces].reverse()));
    expect(said(back)).toEqual(said(there));
  });
});

describe.skipIf(CORPUS === undefined)('of Oracle Linux', () => {
  it('2,494 advisories are 2,413, and each build has each id once', async () => {
    const path = join(CORPUS ?? '', 'advisories/oracle-linux-updateinfo.xml.gz');
    const bytes = once(readFileSync(path));
    const advisories = await readUpdateinfo(decompress(bytes, { maxBytes: 1 << 30, at: path }), path);
    const index = indexAdvisories(advisories);
    const ids = new Set(advisories.map(({ id }) => id));
    expect([advisories.length, ids.size]).toEqual([2494, 2413]);
    for (const id of ids) {
      const named = index.named(id);
      expect(named.length).toBe(new Set(advisories.filter((a) => a.id === id).map((a) => a.title)).size);
      const [text] = named[0]?.builds ?? [];
      const found = index.ofBuild(text ?? '').map((a) => a.id);
      expect(new Set(found).size).toBe(found.length);
      expect(found).toContain(id);
    }
  });
});
