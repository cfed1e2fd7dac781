import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { indexAdvisories } from '../../src/flows/advisories.ts';
import { decompress, once } from '../../src/repodata/compression.ts';
import { type Advisory, readUpdateinfo } from '../../src/repodata/updateinfo.ts';
import { formatNevra } from '../../src/rpm/nevra.ts';
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

describe('advisories by build and by package', () => {
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
    for (const name of ['a', 'b', 'c']) expect(index.onPackage(`${name}.x86_64`)).toEqual([one]);
    for (const none of ['a', 'a.i686', 'd.x86_64', '__proto__']) expect(index.onPackage(none)).toEqual([]);
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
  });

  it('of a package are those of all its builds, each once', async () => {
    const later = update('SA-2', ['a'], { title: 'u' }).replace('version="1"', 'version="2"');
    const index = indexAdvisories(await read(update('SA-1', ['a']), later, update('SA-3', ['b'])));
    expect(index.onPackage('a.x86_64').map(({ id }) => id)).toEqual(['SA-1', 'SA-2']);
  });

  it('of another order say the same', async () => {
    const pieces = [
      update('A', ['a'], { date: '2026-03-01 00:00:00' }),
      update('A', ['b']),
      update('B', ['a']),
    ];
    const said = (index: ReturnType<typeof indexAdvisories>) =>
      index.onPackage('b.x86_64').map(({ builds, severity }) => [severity, [...builds].sort()]);
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
    const ids = new Map(advisories.map((a) => [a.id, a.packages.map((p) => formatNevra(p.nevra))]));
    expect([advisories.length, ids.size]).toEqual([2494, 2413]);
    for (const id of ids.keys()) {
      const [text] = ids.get(id) ?? [];
      const found = index.ofBuild(text ?? '').map((a) => a.id);
      expect(new Set(found).size).toBe(found.length);
      expect(found).toContain(id);
    }
  });
});
