import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../src/pool/disk.ts';
import { serve } from '../fixtures/server.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { type Files, makeRepository, serveRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { emptyMirror } from './mirrorOf.ts';
import { policyOf } from './policyOf.ts';

const older = makeRepository({ builds: [{ name: 'a' }], timestamp: 1_600_000_000 });
const repository = makeRepository({ builds: [{ name: 'a' }, { name: 'b' }] });
const newer = makeRepository({
  builds: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
  timestamp: 1_800_000_000,
});
const hrefs = (files: Files) => [...files.keys()].filter((path) => /^repodata\/[0-9a-f]/.test(path));
const hrefOf = (files: Files, type: string) =>
  hrefs(files).find((path) => path.includes(`-${type}.`)) ?? type;

describe('an upstream', () => {
  it('is fetched whole, each document under its checksum', async () => {
    const server = await serveRepository(() => repository);
    const mirror = await emptyMirror();
    const { state, base, skipped } = await mirror.fetched(policyOf(server.url));
    expect([base, skipped, state.timestamp]).toEqual([server.url, [], 1_700_000_000]);
    expect([...state.documents.keys()]).toEqual(['filelists', 'other', 'primary']);
    expect(state.repomd.hex).toBe(sha256(repository.get('repodata/repomd.xml') ?? ''));
    for (const [type, sum] of state.documents) {
      expect(await readFile(mirror.catalog.documentPath(sum))).toEqual(
        repository.get(hrefOf(repository, type)),
      );
    }
    const left = (await filesBelow(mirror.mirrorRoot)).filter(
      (path) => !path.startsWith('catalog/documents/'),
    );
    expect(left).toEqual(['state/upstream/test-9-x86_64-main.json']);
  });

  it('that did not change costs one conditional request and changes no byte', async () => {
    const server = await serveRepository(() => repository);
    const mirror = await emptyMirror();
    const { state } = await mirror.fetched(policyOf(server.url));
    const files = await filesBelow(mirror.mirrorRoot);
    const times = await Promise.all(
      files.map(async (path) => (await stat(join(mirror.mirrorRoot, path))).ctimeMs),
    );
    const before = server.requests.length;
    expect(await mirror.fetch(policyOf(server.url), { accepted: state })).toMatchObject({
      kind: 'unchanged',
    });
    expect(server.requests.slice(before).map((r) => [r.path, r.status])).toEqual([
      ['/repodata/repomd.xml', 304],
    ]);
    expect(await filesBelow(mirror.mirrorRoot)).toEqual(files);
    const after = await Promise.all(
      files.map(async (path) => (await stat(join(mirror.mirrorRoot, path))).ctimeMs),
    );
    expect(after).toEqual(times);
  });

  it('that was fetched and not accepted yet is fetched again without a download', async () => {
    const server = await serveRepository(() => repository);
    const mirror = await emptyMirror();
    const first = await mirror.fetched(policyOf(server.url));
    const before = server.requests.length;
    expect(await mirror.fetched(policyOf(server.url))).toEqual(first);
    expect(server.requests.slice(before).map((r) => r.status)).toEqual([304]);
  });

  it('that is accepted, on a mirror that lost its catalog, is fetched again', async () => {
    const server = await serveRepository(() => repository);
    const { state } = await (await emptyMirror()).fetched(policyOf(server.url));
    const mirror = await emptyMirror();
    expect((await mirror.fetched(policyOf(server.url), { accepted: state })).state).toEqual(state);
    const other = state.documents.get('other');
    if (!other) throw new Error('no other');
    await mirror.catalog.removeDocument(other);
    expect((await mirror.fetched(policyOf(server.url), { accepted: state })).state).toEqual(state);
    expect(await mirror.catalog.hasDocument(other)).toBe(true);
  });

  it('without ETag and dates still costs one request when nothing changed', async () => {
    const server = await serve(
      (request, response) => void response.end(repository.get((request.url ?? '').slice(1))),
    );
    const mirror = await emptyMirror();
    const { state } = await mirror.fetched(policyOf(server.url));
    const before = server.requests.length;
    expect(await mirror.fetch(policyOf(server.url), { accepted: state })).toMatchObject({
      kind: 'unchanged',
    });
    expect(server.requests.length - before).toBe(1);
  });

  it('may be a folder', async () => {
    const folder = await tempDir();
    for (const [path, bytes] of repository) await writeFileAtomic(join(folder, path), bytes);
    const mirror = await emptyMirror();
    const policy = policyOf(pathToFileURL(folder).href);
    const { state } = await mirror.fetched(policy);
    expect(await mirror.fetch(policy, { accepted: state })).toMatchObject({ kind: 'unchanged' });
  });

  it('is asked for at most eight documents at once', async () => {
    const documents = Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [`product${n}`, Buffer.from(`<p>${n}</p>`)]),
    );
    const files = makeRepository({ builds: [{ name: 'a' }], documents });
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    await mirror.fetched(policyOf(server.url));
    expect(server.atOnce()).toBeLessThanOrEqual(8);
    expect(server.connections()).toBeLessThanOrEqual(9);
  });
});

describe('base URLs', () => {
  it('are tried in turn: one that does not answer, one that is broken, one that is behind', async () => {
    const page = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>');
    });
    const incomplete = new Map(repository);
    incomplete.delete(hrefOf(repository, 'primary'));
    const broken = await serveRepository(() => incomplete);
    const behind = await serveRepository(() => older);
    const fine = await serveRepository(() => repository);
    const mirror = await emptyMirror();
    const policy = policyOf(['http://127.0.0.1:9/', page.url, broken.url, behind.url, fine.url]);
    const accepted = {
      timestamp: 1_650_000_000,
      repomd: { type: 'sha256', hex: '0'.repeat(64) },
      documents: new Map(),
    } as const;
    expect((await mirror.fetched(policy, { accepted })).base).toBe(fine.url);
    expect(mirror.said.filter((line) => line.includes('passed over'))).toHaveLength(4);
  });

  it('that are all behind are a rollback, whatever else failed', async () => {
    const fine = await serveRepository(() => repository);
    const behind = await serveRepository(() => older);
    const mirror = await emptyMirror();
    const { state } = await mirror.fetched(policyOf(fine.url));
    const run = mirror.fetch(policyOf(['http://127.0.0.1:9/', behind.url]), { accepted: state });
    await expect(run).rejects.toMatchObject({ code: 'UPSTREAM_ROLLBACK' });
  });
});

describe('group 7: an upstream that is not what it was', () => {
  it('replayed: older than what was accepted, says how it is accepted all the same', async () => {
    const fine = await serveRepository(() => repository);
    const behind = await serveRepository(() => older);
    const mirror = await emptyMirror();
    const { state } = await mirror.fetched(policyOf(fine.url));
    const before = (await filesBelow(mirror.mirrorRoot)).filter((path) => path.startsWith('catalog'));
    await expect(mirror.fetch(policyOf(behind.url), { accepted: state })).rejects.toMatchObject({
      code: 'UPSTREAM_ROLLBACK',
      hint: expect.stringContaining('sluice accept test-9-x86_64-main --older --reason'),
    });
    expect((await filesBelow(mirror.mirrorRoot)).filter((path) => path.startsWith('catalog'))).toHaveLength(
      before.length + 1,
    );
    const accepted = await mirror.fetched(policyOf(behind.url), { accepted: state, allowOlder: true });
    expect(accepted.state.timestamp).toBe(1_600_000_000);
  });

  it('mixed: a document of another day under the name of today', async () => {
    const mixed = new Map(repository).set(
      hrefOf(repository, 'filelists'),
      newer.get(hrefOf(newer, 'filelists')) ?? Buffer.alloc(0),
    );
    const server = await serveRepository(() => mixed);
    const mirror = await emptyMirror();
    await expect(mirror.fetch(policyOf(server.url))).rejects.toMatchObject({
      code: 'UPSTREAM_INCONSISTENT',
      message: expect.stringMatching(/filelists/),
    });
  });

  it('changing while it is read: starts over once and takes the new state whole', async () => {
    let files = repository;
    const server = await serveRepository(
      () => files,
      (request) => {
        if (request.url?.includes('-other.')) files = newer;
        return false;
      },
    );
    const mirror = await emptyMirror();
    const { state } = await mirror.fetched(policyOf(server.url));
    expect(state.timestamp).toBe(1_800_000_000);
    expect(state.repomd.hex).toBe(sha256(newer.get('repodata/repomd.xml') ?? ''));
    expect(mirror.said).toContainEqual(expect.stringContaining('starting over'));
  });

  it('changing while it is read, all documents still there: starts over too', async () => {
    let reads = 0;
    const both = new Map([...repository, ...newer]);
    const server = await serveRepository(() => {
      const repomd = (reads === 0 ? repository : newer).get('repodata/repomd.xml') ?? Buffer.alloc(0);
      reads += 1;
      return new Map(both).set('repodata/repomd.xml', repomd);
    });
    const mirror = await emptyMirror();
    expect((await mirror.fetched(policyOf(server.url))).state.timestamp).toBe(1_800_000_000);
  });

  it('changing all the time: stops', async () => {
    let n = 0;
    const server = await serveRepository(() => {
      n += 1;
      return makeRepository({ builds: [{ name: 'a', version: `${n}` }], timestamp: 1_700_000_000 + n });
    });
    const mirror = await emptyMirror();
    await expect(mirror.fetch(policyOf(server.url))).rejects.toMatchObject({
      code: 'UPSTREAM_INCONSISTENT',
      message: expect.stringMatching(/twice/),
    });
  });
});

describe('a document that is listed', () => {
  const missing = (type: string) => {
    const files = new Map(repository);
    files.delete(hrefOf(repository, type));
    return files;
  };
  const damaged = (type: string) => new Map(repository).set(hrefOf(repository, type), Buffer.from('damaged'));

  it.each([
    ['missing', missing],
    ['damaged', damaged],
  ])('and %s is a fault, unless the policy names it: then it is skipped and said', async (_what, broken) => {
    const server = await serveRepository(() => broken('other'));
    const mirror = await emptyMirror();
    await expect(mirror.fetch(policyOf(server.url))).rejects.toMatchObject({
      code: 'UPSTREAM_INCONSISTENT',
      hint: expect.stringContaining('absent: { other:'),
    });
    const policy = policyOf(server.url, { absent: new Map([['other', 'never published']]) });
    const { state, skipped } = await mirror.fetched(policy);
    expect([...state.documents.keys()]).toEqual(['filelists', 'primary']);
    expect(skipped).toEqual([{ type: 'other', reason: expect.stringMatching(/^never published \(/) }]);
    expect(await mirror.fetch(policy, { accepted: state })).toMatchObject({ kind: 'unchanged' });
    await expect(mirror.fetch(policyOf(server.url), { accepted: state })).rejects.toMatchObject({
      code: 'UPSTREAM_INCONSISTENT',
    });
  });

  it('as primary is never dispensable', async () => {
    const server = await serveRepository(() => missing('primary'));
    const policy = policyOf(server.url, { absent: new Map([['primary', 'no']]) });
    await expect((await emptyMirror()).fetch(policy)).rejects.toMatchObject({
      code: 'UPSTREAM_INCONSISTENT',
    });
  });

  it('and behind a server that fails is not absent, but a network that fails', async () => {
    const server = await serveRepository(
      () => repository,
      (request) => {
        if (!request.url?.includes('-other.')) return false;
        request.socket.destroy();
        return true;
      },
    );
    await expect((await emptyMirror()).fetch(policyOf(server.url))).rejects.toMatchObject({
      code: 'NETWORK',
    });
  });

  it('in several compressions is taken once, as group, from the first that is there', async () => {
    const comps = Buffer.from('<comps/>');
    const documents = { group: comps, group_gz: gzipSync(comps), group_xz: Buffer.from('lost') };
    const files = makeRepository({ builds: [{ name: 'a' }], documents });
    files.delete(hrefOf(files, 'group_xz'));
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    const { state, skipped } = await mirror.fetched(policyOf(server.url));
    expect(state.documents.get('group')?.hex).toBe(sha256(documents.group_gz));
    expect(skipped.map((s) => s.type)).toEqual(['group', 'group_xz']);
    expect(await mirror.fetch(policyOf(server.url), { accepted: state })).toMatchObject({
      kind: 'unchanged',
    });
    files.delete(hrefOf(files, 'group_gz'));
    files.delete(hrefOf(files, 'group'));
    await expect((await emptyMirror()).fetch(policyOf(server.url))).rejects.toMatchObject({
      message: expect.stringMatching(/lists group/),
    });
  });

  it('is never carried when clients would prefer it to primary; what is opaque is', async () => {
    const comps = Buffer.from('<comps/>');
    const files = makeRepository({
      builds: [{ name: 'a' }],
      documents: {
        primary_db: Buffer.from('sqlite'),
        filelists_db: Buffer.from('sqlite'),
        other_db: Buffer.from('sqlite'),
        primary_zck: Buffer.from('zck'),
        prestodelta: Buffer.from('<prestodelta/>'),
        deltainfo: Buffer.from('<deltainfo/>'),
        susedata: Buffer.from('<susedata/>'),
        'susedata.de': Buffer.from('<susedata/>'),
        'filelists-ext': Buffer.from('<filelists-ext><package pkgid="a"/></filelists-ext>'),
        patterns: gzipSync('<pattern><package name="a"/></pattern>'),
        group: comps,
        group_gz: gzipSync(comps),
        productid: Buffer.from('-----BEGIN'),
      },
    });
    const server = await serveRepository(() => files);
    const mirror = await emptyMirror();
    const { state, skipped } = await mirror.fetched(policyOf(server.url));
    expect([...state.documents.keys()]).toEqual(['filelists', 'group', 'other', 'primary', 'productid']);
    expect(skipped.map((s) => s.type)).toEqual([
      'deltainfo',
      'filelists-ext',
      'filelists_db',
      'group',
      'other_db',
      'patterns',
      'prestodelta',
      'primary_db',
      'primary_zck',
      'susedata',
      'susedata.de',
    ]);
    expect(await mirror.fetch(policyOf(server.url), { accepted: state })).toMatchObject({
      kind: 'unchanged',
    });
    for (const never of ['_db', '_zck', 'delta', 'susedata', '-group.']) {
      expect(server.requests.filter((r) => r.path.includes(never))).toEqual([]);
    }
  });
});
