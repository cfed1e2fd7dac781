import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Checksum } from '../../src/base/checksum.ts';
import { formatRepositoryId } from '../../src/manifest/ids.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { readModules } from '../../src/repodata/modules.ts';
import { readRepomd } from '../../src/repodata/repomd.ts';
import {
  files,
  ID,
  LIVE,
  liveFiles,
  makeWorld,
  sample,
  sha256Hex,
  siteFile,
  UNSTABLE,
  upstreamFile,
  type World,
} from './world.ts';

const A = sample('a-1.0-1.x86_64');
const B = sample('b-1.0-1.x86_64');
const LIVE_ID = formatRepositoryId(LIVE);
const BASICS = { ...siteFile(), ...upstreamFile() };

const COMPS = `<?xml version="1.0" encoding="UTF-8"?>
<comps>
  <group>
    <id>g</id>
    <packagelist>
      <packagereq type="mandatory">a</packagereq>
      <packagereq type="default">b</packagereq>
      <packagereq type="optional">of-another-repository</packagereq>
    </packagelist>
  </group>
</comps>
`;

const UPDATEINFO = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
${['a', 'b']
  .map(
    (name) => `  <update from="x@example.org" status="final" type="security" version="1">
    <id>ADV-${name}</id>
    <title>${name} &amp; more</title>
    <severity>Critical</severity>
    <issued date="2026-01-01 00:00:00"/>
    <pkglist>
      <collection short="x">
        <name>x</name>
        <package name="${name}" version="1.0" release="1" epoch="0" arch="x86_64">
          <filename>${name}-1.0-1.x86_64.rpm</filename>
        </package>
      </collection>
    </pkglist>
  </update>`,
  )
  .join('\n')}
</updates>
`;

function stream(name: string, version: string, build: string): string {
  return `document: modulemd
version: 2
data:
  name: ${name}
  stream: "1.10"
  version: ${version}
  context: c
  arch: x86_64
  summary: ${name}
  description: ${name}
  license: { module: [MIT] }
  artifacts:
    rpms:
    - ${build}
`;
}

const DEFAULTS = (name: string) => `document: modulemd-defaults
version: 1
data:
  module: ${name}
  stream: "1.10"
`;

async function published(
  world: World,
  documents: Record<string, Checksum>,
  modules = new Map<string, Checksum>(),
) {
  await world.take(A, B);
  world.main.commit(1_000, {
    ...BASICS,
    ...liveFiles([A, B], documents),
    ...files(UNSTABLE, [A], { modules }),
  });
  const done = await world.publish();
  return done.failed.map(({ fault }) => fault);
}

async function recordOf(world: World, type: string, id = ID) {
  const folder = join(world.mirror, 'public', id);
  const { records } = readRepomd(await readFile(join(folder, 'repodata/repomd.xml')), folder);
  const record = records.find((r) => r.type === type);
  const bytes = record && (await readFile(join(folder, record.href)));
  return {
    records,
    record,
    bytes: bytes ?? Buffer.alloc(0),
    open: bytes ? (await open(bytes)).toString() : undefined,
  };
}

const open = (bytes: Buffer) => decompressAll(bytes, { maxBytes: 1 << 20, at: 'a test' });

describe('comps', () => {
  it('lose a name that live has and this repository does not; what is another repository’s stays', async () => {
    const world = await makeWorld();
    expect(await published(world, { group: await world.document(COMPS) })).toEqual([]);
    const { open: text, record } = await recordOf(world, 'group');
    expect(text).toContain('>a<');
    expect(text).not.toContain('>b<');
    expect(text).toContain('>of-another-repository<');
    expect(record?.href).toMatch(/-comps\.xml$/); // plain: every dnf and yum reads it
    expect((await recordOf(world, 'group', LIVE_ID)).open).toBe(COMPS);
  });

  it('are read in whichever compression the upstream has', async () => {
    const world = await makeWorld();
    expect(await published(world, { group_gz: await world.document(gzipSync(COMPS)) })).toEqual([]);
    expect((await recordOf(world, 'group', LIVE_ID)).open).toBe(COMPS);
  });
});

describe('updateinfo', () => {
  it('says only what is about builds that are here', async () => {
    const world = await makeWorld();
    expect(await published(world, { updateinfo: await world.document(gzipSync(UPDATEINFO)) })).toEqual([]);
    const { open: text } = await recordOf(world, 'updateinfo');
    expect(text).toContain('ADV-a');
    expect(text).toContain('a &amp; more');
    expect(text).not.toContain('ADV-b');
  });

  it('makes no new revision where live’s newer one says nothing new about these builds', async () => {
    const world = await makeWorld();
    await published(world, { updateinfo: await world.document(UPDATEINFO) });
    const newer = await world.document(UPDATEINFO.replace('ADV-b', 'ADV-b2'));
    world.main.commit(2_000, liveFiles([A, B], { updateinfo: newer }));
    const said = (await world.publish()).repositories.map((r) => [r.id, r.outcome]);
    expect(said).toEqual([
      [ID, 'unchanged'],
      [LIVE_ID, 'published'],
    ]);
    const about = await world.document(UPDATEINFO.replace('ADV-a', 'ADV-a2'));
    world.main.commit(3_000, liveFiles([A, B], { updateinfo: about }));
    expect((await world.publish()).repositories.map((r) => r.outcome)).toEqual(['published', 'published']);
  });

  it('that is nobody’s any more leaves the repository without one', async () => {
    const world = await makeWorld();
    await published(world, {
      updateinfo: await world.document(
        UPDATEINFO.replaceAll('version="1.0" release', 'version="0.9" release'),
      ),
    });
    expect((await recordOf(world, 'updateinfo')).record).toBeUndefined();
  });
});

describe('module documents', () => {
  const one = stream('one', '1', 'a-0:1.0-1.x86_64');
  const other = stream('two', '1', 'b-0:1.0-1.x86_64');
  const listed = `---\n${one}...\n---\n${other}...\n---\n${DEFAULTS('one')}...\n---\n${DEFAULTS('two')}...\n`;
  const digestOf = (nsvca: string, text: string): [string, Checksum] => {
    const found = readModules(Buffer.from(text), 'a test').find((d) => d.nsvca === nsvca);
    if (!found) throw new Error(`no ${nsvca}`);
    return [nsvca, found.digest];
  };

  it('are those that are pinned, as they were written, and what live says beside them', async () => {
    const world = await makeWorld();
    const modules = new Map([digestOf('one:1.10:1:c:x86_64', listed)]);
    expect(await published(world, { modules: await world.document(listed) }, modules)).toEqual([]);
    const { open: text } = await recordOf(world, 'modules');
    expect(text).toContain(one);
    expect(text).toContain(DEFAULTS('one'));
    expect(text).not.toContain('two');
  });

  it('stay when live’s newest document no longer has them', async () => {
    const world = await makeWorld();
    const modules = new Map([digestOf('one:1.10:1:c:x86_64', listed)]);
    const stored = readModules(Buffer.from(listed), 'a test').find((d) => d.name === 'one');
    await world.document(stored?.bytes ?? Buffer.alloc(0));
    const newer = `---\n${stream('one', '2', 'a-0:2-1.x86_64')}...\n`;
    expect(await published(world, { modules: await world.document(newer) }, modules)).toEqual([]);
    const { open: text } = await recordOf(world, 'modules');
    expect(text).toContain('version: 1\n');
    expect(text).not.toContain('version: 2\n  context');
  });

  it('that are nowhere stop the repository: without its document dnf would take any stream', async () => {
    const world = await makeWorld();
    const modules = new Map([['one:1.10:1:c:x86_64', { type: 'sha256', hex: sha256Hex('gone') } as const]]);
    const faults = await published(world, {}, modules);
    expect(faults.map((f) => f.code)).toEqual(['CATALOG_MISSING']);
  });
});

describe('other documents', () => {
  it('are carried as they are where they name no packages, and not where they would bring builds back', async () => {
    const world = await makeWorld();
    const productid = gzipSync('-----BEGIN CERTIFICATE-----\n');
    const never = [
      'primary_db',
      'filelists_zck',
      'prestodelta',
      'susedata',
      'susedata.de',
      'deltainfo',
      'pkgtags',
    ];
    const documents: Record<string, Checksum> = { productid: await world.document(productid) };
    for (const type of never) documents[type] = await world.document(`${type} names builds`);
    expect(await published(world, documents)).toEqual([]);
    const { records, record, bytes, open: text } = await recordOf(world, 'productid');
    expect(records.map((r) => r.type)).toEqual(['primary', 'filelists', 'other', 'productid']);
    expect(bytes).toEqual(productid);
    expect(text).toContain('CERTIFICATE');
    expect(record?.href).toMatch(/-productid\.gz$/);
    expect(record?.openSize).toBe(text?.length);
  });

  it('that the catalog lost, or that are damaged, stop the publication', async () => {
    const world = await makeWorld();
    const gone = { type: 'sha256', hex: sha256Hex('gone') } as const;
    expect((await published(world, { productid: gone })).map((f) => f.code)).toEqual([
      'CATALOG_MISSING',
      'CATALOG_MISSING',
    ]);
    const other = await makeWorld();
    const broken = await other.document(gzipSync(UPDATEINFO).subarray(0, 100));
    expect((await published(other, { updateinfo: broken })).map((f) => f.code)).toEqual([
      'METADATA_INVALID',
      'METADATA_INVALID',
    ]);
    expect(await readdir(join(other.mirror, 'public')).catch(() => [])).toEqual([]);
  });
});
