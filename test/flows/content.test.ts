import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openLocalForge } from '../../src/forge/local.ts';
import { decompressAll } from '../../src/repodata/compression.ts';
import { readRepomd } from '../../src/repodata/repomd.ts';
import { defaults, stream } from '../fixtures/clientSets.ts';
import { type Files, makeRepository, serveRepository } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from './site.ts';

const ID = 'vendor-9-x86_64-apps';
const nevra = (name: string, version: string) => `${name}-3:${version}-1.el9.x86_64`;

function advisory(id: string, names: readonly string[], severity = 'Low '): string {
  const listed = names.map(
    (name) =>
      `<package name="${name}" epoch="3" version="2.0" release="1.el9" arch="${name === 'src-only' ? 'src' : 'x86_64'}"><filename>${name}.rpm</filename><reboot_suggested>True</reboot_suggested></package>`,
  );
  return `<update from="x" status="final" type="security" version="1"><id>${id}</id><title>Fixes of ${id}</title>
<severity>${severity}</severity><issued date="2026-01-01 00:00:00"/><references><reference href="https://x.example/1" type="cve" id="CVE-2026-0001"/></references>
<pkglist><collection short="x"><name>X</name><module name="web" stream="2.10" version="1" context="c0ffee" arch="x86_64"/>${listed.join('')}</collection></pkglist></update>`;
}

const updates = (...all: string[]) =>
  gzipSync(`<?xml version="1.0"?>\n<updates>\n${all.join('\n')}\n</updates>\n`);

/** A site of one upstream whose files the test exchanges. */
async function siteOf(first: Files): Promise<{ site: Site; show(files: Files): void }> {
  let files = first;
  const server = await serveRepository(() => files);
  const site = await makeSite({
    upstreams: { [ID]: { baseurl: [server.url] } },
    team: { complete: false, tiers: { unstable: { from: 'live' } }, deny: [{ match: '^db$' }] },
  });
  return {
    site,
    show: (next) => {
      files = next;
    },
  };
}

async function served(site: Site, type: string): Promise<string> {
  const folder = join(site.mirrorDir, 'public', `infra-unstable-${ID}`);
  const repomd = readRepomd(readFileSync(join(folder, 'repodata/repomd.xml')), folder);
  const record = repomd.records.find((r) => r.type === type);
  const bytes = record ? readFileSync(join(folder, record.href)) : Buffer.alloc(0);
  return (await decompressAll(bytes, { maxBytes: 1 << 24, at: type })).toString();
}

/** What a sync and a promotion say in their pull requests. */
async function taken(site: Site): Promise<{ sync: string; promotion: string }> {
  const forge = await openLocalForge(`${site.repoDir}.git`);
  const merged = async (number: number | undefined): Promise<string> => {
    const { state, body } = await forge.get(number ?? 0);
    if (state === 'open') await site.merge(number); // live follows by itself
    return body;
  };
  const sync = await merged(await site.sync());
  const promotion = await merged(await site.promote('unstable'));
  await site.publish();
  return { sync, promotion };
}

const FUTURE = '---\ndocument: modulemd-future\nversion: 7\ndata: {whatever: [2.10, "x"]}   # kept\n...\n';
const OBSOLETES =
  '---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {modified: 2026-01-01T00:00Z, module: web, stream: "2.1", message: gone}\n...\n';
const PRODUCT = gzipSync('-----BEGIN CERTIFICATE-----\nMIIG\n');

/** What the stream's document lists is the test's to say. */
function repository(names: readonly string[], artifacts: readonly string[]): Files {
  const modules =
    web(artifacts) + stream('db:1', [nevra('db', '2.0')]) + defaults('web:2.10') + OBSOLETES + FUTURE;
  const updateinfo = updates(
    advisory('SA-1', [...names, 'src-only', 'other']),
    advisory('SA-2', ['web']),
    advisory('SA-2', ['web-libs'], 'IMPORTANT'),
    advisory('', ['web']),
    advisory('SA-3', ['elsewhere']),
  );
  const builds = names.map((name) => ({ name, version: '2.0' }));
  return makeRepository({
    builds,
    documents: { updateinfo, modules: gzipSync(modules), productid: PRODUCT },
  });
}

function web(artifacts: readonly string[]): string {
  return stream(
    'web:2.10',
    artifacts.map((name) => nevra(name, '2.0')),
  );
}

describe('what stands beside the packages of an upstream', () => {
  it('is projected to the pins; what vendors got wrong is noted; a document moves with its builds', async () => {
    const names = ['web', 'web-libs', 'db'];
    const { site, show } = await siteOf(repository(names, ['web', 'web-libs']));
    const first = await taken(site);
    expect(first.sync).toMatch(/ids that occur more than once.*: 1: SA-2/);
    expect(first.sync).toMatch(/left out: 1: Fixes of/);
    expect(first.promotion).toMatch(/SA-1\]?.{0,60} \(2 of 4 present\)/);
    expect(first.promotion.match(/SA-2\]?.{0,60} \(2 of 2 present\)/g)).toHaveLength(1);

    const updateinfo = await served(site, 'updateinfo');
    expect(updateinfo.match(/<id>SA-2<\/id>/g)).toHaveLength(2);
    expect(updateinfo).not.toMatch(/<package name="(?:db|src-only|elsewhere)"|SA-3|<id><\/id>/);
    expect(updateinfo).toContain('<module name="web" stream="2.10"');
    expect(updateinfo).toContain('<reboot_suggested>True');
    expect(await served(site, 'modules')).toBe(
      web(['web', 'web-libs']) + defaults('web:2.10') + OBSOLETES + FUTURE,
    );
    expect(await served(site, 'productid')).toContain('MIIG');

    // The vendor issues the document anew, under its old name, with one build more.
    show(repository([...names, 'web-doc'], ['web', 'web-libs', 'web-doc']));
    site.days(1);
    const second = await taken(site);
    expect(second.sync).toMatch(/ids that occur more than once/);
    expect(await served(site, 'primary')).toContain('<name>web-doc</name>');
    expect(await served(site, 'modules')).toContain(nevra('web-doc', '2.0'));
  });
});
