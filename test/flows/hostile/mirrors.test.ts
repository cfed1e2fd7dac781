import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRepository } from '../../../src/forge/repository.ts';
import { TIMING } from '../../../src/upstream/attempt.ts';
import { answerFile, startServer, type TestServer } from '../../fixtures/server.ts';
import { makeSigner, type Signer, signedRpm } from '../../fixtures/signer.ts';
import { type Files, makeRepository, sha256 } from '../../fixtures/upstreamRepository.ts';
import { makeSite, type Site, siteAgain } from '../site.ts';
import { expectRefused, ID, type Refusal } from './attack.ts';

/**
 * The Update Framework's attacks (specification 1.5.2) by a mirror of a vendor who signs packages and repomd.xml: by one of three, which
 * is asked first, then by all three. One is passed over, and live is what the vendor says; three stop the sync, and nothing changes.
 */
type Hostile = (path: string, request: IncomingMessage, response: ServerResponse) => boolean;

const DAY = 86_400;
const START = Date.parse('2026-01-01T00:00:00Z') / 1000;

let vendor: Signer;
let stranger: Signer;
/** What the vendor published, oldest first. */
let states: Files[];

async function signed(files: Files, signer: Signer): Promise<Files> {
  const repomd = files.get('repodata/repomd.xml') ?? Buffer.alloc(0);
  return new Map(files).set('repodata/repomd.xml.asc', await signer.armored(repomd));
}

const made = new Map<string, Promise<Buffer>>();

/** Made once: a second signature of the same is another file. */
function packageOf(name: string, signer: Signer): Promise<Buffer> {
  const key = `${name} ${signer.fingerprint}`;
  const known = made.get(key) ?? signedRpm(name, '1.0', signer);
  made.set(key, known);
  return known;
}

async function stateOf(day: number, names: readonly string[], signer = vendor): Promise<Files> {
  const builds = await Promise.all(
    names.map(async (name) => ({ name, bytes: await packageOf(name, signer) })),
  );
  return await signed(makeRepository({ builds, timestamp: START + day * DAY }), signer);
}

beforeAll(async () => {
  Object.assign(TIMING, { attempts: 2, backoff: 5, longestWait: 50, connect: 500, idle: 500, slow: 500 });
  [vendor, stranger] = await Promise.all([makeSigner('vendor'), makeSigner('stranger')]);
  states = [
    await stateOf(-2, ['alpha']),
    await stateOf(0, ['alpha', 'beta']),
    await stateOf(9, ['alpha', 'beta', 'gamma']),
  ];
});

/** A site that took in the second state, ten days ago; three mirrors that now have the third. */
async function threeMirrors(list: 'mirrorlist' | 'metalink', folder?: string) {
  let latest = states[1] as Files;
  const hostile = new Map<number, Hostile>();
  const dir = folder ?? (await mkdtemp(join(tmpdir(), 'sluice-mirrors-')));
  const servers: (TestServer & { close(): Promise<void> })[] = [];
  for (const n of [0, 1, 2]) {
    servers.push(
      await startServer((request, response) => {
        const path = decodeURIComponent((request.url ?? '').slice(1));
        if (hostile.get(n)?.(path, request, response)) return;
        serve(latest, path, request, response);
      }),
    );
  }
  const lists = await startServer((request, response) => {
    const text =
      list === 'mirrorlist'
        ? `# three\n${servers.map(({ url }) => url).join('\n')}\nrsync://mirror.example.org/x/\n`
        : metalink(latest, servers.map(({ url }) => url)); // biome-ignore format: one call
    answerFile(request, response, Buffer.from(text), `"${sha256(Buffer.from(text)).slice(0, 16)}"`);
  });
  const site = await makeSite({
    dir,
    upstreams: {
      [ID]: {
        [list]: `${lists.url}list?repo=main`,
        maxAge: '7d',
        keys: [{ file: 'keys/vendor', fingerprint: vendor.fingerprint }],
        packages: { signatures: 'required' },
        metadata: { signatures: 'required' },
      },
    },
    files: { 'policies/keys/vendor': vendor.publicKey },
  });
  await site.merge(await site.sync());
  site.days(10);
  latest = states[2] as Files;
  site.output();
  return {
    site,
    attack(by: readonly number[], how: Hostile) {
      hostile.clear();
      for (const n of by) hostile.set(n, how);
    },
    async close() {
      await Promise.all([...servers, lists].map((server) => server.close()));
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** The same made once for the tests of a suite, whose mirrors are honest at first. */
function mirrorsAgain(list: 'mirrorlist' | 'metalink') {
  let close: (() => Promise<void>) | undefined;
  const again = siteAgain(async (dir) => {
    const made = await threeMirrors(list, dir);
    close = made.close;
    return Object.assign(made.site, { attack: made.attack });
  });
  afterAll(() => close?.());
  return async () => {
    const site = await again();
    site.attack([], () => false);
    return site;
  };
}

function serve(files: Files, path: string, request: IncomingMessage, response: ServerResponse): true {
  const bytes = files.get(path);
  answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  return true;
}

function metalink(files: Files, urls: readonly string[]): string {
  const repomd = files.get('repodata/repomd.xml') ?? Buffer.alloc(0);
  const before = states[1]?.get('repodata/repomd.xml') ?? Buffer.alloc(0);
  const hash = (bytes: Buffer) =>
    `<verification><hash type="md5">0</hash><hash type="sha256">${sha256(bytes)}</hash></verification>`;
  return `<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files><file name="repomd.xml"><mm0:timestamp>1</mm0:timestamp><size>${repomd.length}</size>${hash(repomd)}
  <mm0:alternates><mm0:alternate><size>${before.length}</size>${hash(before)}</mm0:alternate></mm0:alternates>
  <resources maxconnections="1">${urls.map((url, n) => `<url protocol="http" type="http" preference="${100 - n}">${url}repodata/repomd.xml</url>`).join('')}
   <url protocol="rsync" preference="99">rsync://mirror.example.org/x/repodata/repomd.xml</url></resources></file></files></metalink>`;
}

async function live(site: Site): Promise<string> {
  const repo = await openRepository(`${site.repoDir}.git`);
  const { commit } = await repo.history('main');
  return (await repo.readCommitted(commit)).get('snapshots/vendor/live/test-9-x86_64-main.yaml')?.text ?? '';
}

const from =
  (files: () => Files, only = /./): Hostile =>
  (path, request, response) =>
    only.test(path) && serve(files(), path, request, response);
const state = (n: number) => states[n] as Files;
const hrefOf = (files: Files, type: string) =>
  [...files.keys()].find((path) => path.includes(`-${type}.`)) ?? '';

let forged: Files;
let dependent: Files;
let forward: Files;
beforeAll(async () => {
  forged = await stateOf(10, ['alpha', 'beta', 'gamma', 'trojan'], stranger);
  const primary = gunzipSync(state(2).get(hrefOf(state(2), 'primary')) ?? Buffer.alloc(0)).toString();
  const pulls = primary.replaceAll(
    '</rpm:provides>',
    '</rpm:provides><rpm:requires><rpm:entry name="trojan"/></rpm:requires>',
  );
  const builds = await Promise.all(
    ['alpha', 'beta', 'gamma'].map(async (name) => ({ name, bytes: await packageOf(name, vendor) })),
  );
  dependent = makeRepository({
    builds,
    timestamp: START + 10 * DAY,
    documents: { primary: gzipSync(pulls) },
  });
  dependent.set('repodata/repomd.xml.asc', state(2).get('repodata/repomd.xml.asc') ?? Buffer.alloc(0));
  forward = makeRepository({ builds, timestamp: 9_000_000_000 });
});

const ATTACKS: readonly (readonly [string, () => Hostile, Refusal['code']])[] = [
  // first: once the right documents were read, those of another day are not asked for
  [
    'mix-and-match: today’s repomd.xml, with the documents of another day',
    () => (path, request, response) => {
      const type = /-(primary|filelists|other)\./.exec(path)?.[1];
      return (
        type !== undefined &&
        serve(
          new Map([[path, state(1).get(hrefOf(state(1), type)) ?? Buffer.alloc(0)]]),
          path,
          request,
          response,
        )
      );
    },
    ['UPSTREAM_INCONSISTENT', 'SIZE_MISMATCH', 'CHECKSUM_MISMATCH'],
  ],
  [
    'arbitrary installation: everything is the stranger’s, and signed by him',
    () => from(() => forged),
    'SIGNATURE_INVALID',
  ],
  [
    'arbitrary installation: a package has other bytes',
    () => (path, _request, response) => {
      if (!path.endsWith('.rpm')) return false;
      const bytes = Buffer.from(state(2).get(path) ?? Buffer.alloc(1));
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
      response.end(bytes);
      return true;
    },
    'CHECKSUM_MISMATCH',
  ],
  [
    'endless data',
    () => (path, _request, response) => {
      if (!path.startsWith('repodata/')) return false;
      const chunk = Buffer.alloc(1 << 20, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
      return true;
    },
    ['TOO_LARGE', 'NETWORK'],
  ],
  [
    'extraneous dependencies: primary asks for what nobody has',
    () => from(() => dependent),
    'SIGNATURE_INVALID',
  ],
  ['fast-forward: a state of the year 2255, unsigned', () => from(() => forward), 'SIGNATURE_INVALID'],
  [
    'indefinite freeze: validly signed, and the same for ten days',
    () => from(() => state(1)),
    ['UPSTREAM_FROZEN', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    'a mirror that prevents updates',
    () => (_path, _request, response) => {
      response.writeHead(404).end();
      return true;
    },
    'HTTP_STATUS',
  ],
  [
    'rollback: validly signed, and older than what was accepted',
    () => from(() => state(0)),
    ['UPSTREAM_ROLLBACK', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    'slow retrieval',
    () => (path, _request, response) => {
      if (path !== 'repodata/repomd.xml') return false;
      const timer = setInterval(() => response.write('x'), 100);
      response.on('close', () => clearInterval(timer));
      return true;
    },
    'NETWORK',
  ],
  [
    'wrong software: the right signature on another package',
    () => (path, request, response) => {
      const other = [...state(2)].find(([name]) => name.includes('alpha'))?.[1];
      return (
        path.includes('gamma') && serve(new Map([[path, other ?? Buffer.alloc(0)]]), path, request, response)
      );
    },
    ['CHECKSUM_MISMATCH', 'SIZE_MISMATCH', 'TOO_LARGE'], // signatures differ in length by a byte now and then
  ],
];

const WHEN = /freeze|rollback|fast-forward/;

/** A metalink says which repomd.xml is today's, and nothing else. */
const LISTS = [
  ['mirrorlist', ATTACKS],
  ['metalink', ATTACKS.filter(([what]) => WHEN.test(what))],
] as const;

describe.each(LISTS)('by %s', (list, attacks) => {
  let mirrors: Awaited<ReturnType<typeof threeMirrors>>;
  beforeAll(async () => {
    mirrors = await threeMirrors(list);
  }, 60_000);
  afterAll(() => mirrors.close());

  it.each(attacks)('all three: %s', async (_what, how, code) => {
    mirrors.attack([0, 1, 2], how());
    await expectRefused({ site: mirrors.site }, () => mirrors.site.sync(), {
      code,
      at: /^http:|^test-9-x86_64-main/,
    });
  });
});

describe.each(LISTS)('by %s', (list, attacks) => {
  const mirrors = mirrorsAgain(list);

  it.each(attacks)('one of three: %s', async (_what, how) => {
    const site = await mirrors();
    site.attack([0], how());
    await site.sync();
    expect(await live(site)).toMatch(/gamma\.x86_64:/);
    expect(await live(site)).not.toMatch(/trojan/);
  });
});

it('a mirror that failed is asked last for a day', async () => {
  const { site, attack, close } = await threeMirrors('mirrorlist');
  try {
    attack([0], (_path, _request, response) => {
      response.writeHead(404).end();
      return true;
    });
    await site.sync();
    expect(site.output()).toMatch(/is passed over: the server answers 404/);
    await site.sync();
    expect(site.output()).not.toMatch(/is passed over/);
  } finally {
    await close();
  }
});
