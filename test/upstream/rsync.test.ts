import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Checksum } from '../../src/base/checksum.ts';
import type { Auth } from '../../src/manifest/policy.ts';
import { openIncoming } from '../../src/pool/incoming.ts';
import { openSource, type SourceOptions } from '../../src/upstream/source.ts';
import { oracle } from '../fixtures/oracle.ts';
import { PASSWORD, serveRsync } from '../fixtures/rsync.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { sha256 } from '../fixtures/upstreamRepository.ts';

const BODY = Buffer.from('0123456789abcdef'.repeat(16_384)); // 256 KiB
const TIMING = { attempts: 2, backoff: 5, longestWait: 50, connect: 1_000, idle: 1_000, slow: 1_000 };
const rsync = oracle('rsync');

/** Downloads a path of the module `open` into a mirror; what is there afterwards. */
async function get(
  base: string,
  path: string,
  o: Partial<SourceOptions> & { size?: number; sum?: string } = {},
) {
  const mirrorRoot = o.mirrorRoot ?? (await tempDir());
  const bases = [new URL(base)];
  const url = new URL(path, base);
  const size = o.size ?? BODY.length;
  const checksum: Checksum = { type: 'sha256', hex: o.sum ?? sha256(BODY) };
  let advanced = 0;
  const target = join(mirrorRoot, 'done');
  const advance = (bytes: number) => {
    advanced += bytes;
  };
  const work = async () => {
    await using source = await openSource({ bases, timing: TIMING, ...o, mirrorRoot });
    await using incoming = await openIncoming(
      mirrorRoot,
      { checksum, size },
      { at: url.href, resumable: true },
    );
    await source.download(url, incoming, { size, maxBytes: size, advance });
    await incoming.commit(target);
  };
  const fault = await work().then(
    () => undefined,
    (error) => error,
  );
  const left = (await filesBelow(mirrorRoot)).filter((name) => name !== 'done');
  return { fault, advanced, left, mirrorRoot, bytes: fault ? undefined : await readFile(target) };
}

async function text(base: string, path: string, o: Partial<SourceOptions> & { maxBytes?: number } = {}) {
  const bases = [new URL(base)];
  await using source = await openSource({ bases, timing: TIMING, mirrorRoot: await tempDir(), ...o });
  const read = await source.read(new URL(path, base), { maxBytes: o.maxBytes ?? 1_000 });
  return read.kind === 'bytes' ? read.bytes.toString() : read.kind;
}

describe.skipIf(!rsync)('rsync', () => {
  it('brings one file, whatever its name, and leaves nothing else', async () => {
    const daemon = await serveRsync();
    const names = ['a.rpm', '-rf.rpm', '#c;.rpm', 'lib~1^2+c.rpm', 'x*?[a].rpm', 'with space.rpm', 'ü.rpm'];
    await daemon.lay(new Map(names.map((name) => [`Packages/${name}`, BODY])));
    for (const name of names) {
      const got = await get(`${daemon.url}open/`, `Packages/${encodeURIComponent(name)}`);
      expect([name, got.fault, got.bytes?.equals(BODY), got.advanced, got.left]).toEqual([
        name,
        undefined,
        true,
        BODY.length,
        [],
      ]);
    }
    expect(await daemon.sent()).toEqual(names.map((name) => `Packages/${name}`).sort());
  });

  it('expands nothing at the server, and does not leave the module', async () => {
    const daemon = await serveRsync();
    await daemon.lay(new Map([['Packages/a.rpm', BODY]]));
    for (const path of [
      'Packages/*.rpm',
      'Packages/%2A',
      'Packages/..%2f..%2fsecrets',
      'Packages/',
      'Packages/a%00b',
    ])
      expect((await get(`${daemon.url}open/`, path)).fault?.code).toMatch(/NOT_FOUND|UNSAFE_URL/);
    expect(await daemon.sent()).toEqual([]);
  });

  it('takes what is no regular file for nothing at all', async () => {
    const daemon = await serveRsync('munge symlinks = no');
    await daemon.lay(new Map([['Packages/a.rpm', BODY]]));
    const at = (name: string) => join(daemon.folder, 'Packages', name);
    await symlink('/etc/passwd', at('link.rpm'));
    await symlink('a.rpm', at('near.rpm'));
    await mkdir(at('folder.rpm'));
    await writeFile(join(at('folder.rpm'), 'inside'), BODY);
    execFileSync('mkfifo', [at('pipe.rpm')]);
    for (const name of ['link.rpm', 'near.rpm', 'folder.rpm', 'pipe.rpm']) {
      const { fault, left } = await get(`${daemon.url}open/`, `Packages/${name}`);
      expect([name, fault?.code, fault?.message]).toEqual([
        name,
        'NOT_FOUND',
        'not a regular file: links and folders are not taken',
      ]);
      expect(left).toEqual([]);
    }
    expect(await daemon.sent()).toEqual([]);
  });

  it('bounds what it takes', async () => {
    const daemon = await serveRsync();
    await daemon.lay(new Map([['a.rpm', BODY]]));
    const base = `${daemon.url}open/`;
    const larger = await get(base, 'a.rpm', { size: 100 });
    expect([larger.fault?.code, larger.fault?.at, larger.left]).toEqual(['TOO_LARGE', `${base}a.rpm`, []]);
    const smaller = await get(base, 'a.rpm', { size: BODY.length + 1 });
    expect([smaller.fault?.code, smaller.left]).toEqual(['SIZE_MISMATCH', []]);
    const other = await get(base, 'a.rpm', { sum: sha256(Buffer.from('x')) });
    expect([other.fault?.code, other.left]).toEqual(['CHECKSUM_MISMATCH', []]);
    await expect(text(base, 'a.rpm', { maxBytes: 100 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(await daemon.sent()).toHaveLength(2);
  });

  it('takes up what was cut, and begins anew where that was another file', async () => {
    const daemon = await serveRsync();
    await daemon.lay(new Map([['a.rpm', BODY]]));
    const checksum: Checksum = { type: 'sha256', hex: sha256(BODY) };
    for (const beginning of [BODY.subarray(0, 200_000), Buffer.alloc(200_000, 'x')]) {
      const mirrorRoot = await tempDir();
      {
        await using incoming = await openIncoming(
          mirrorRoot,
          { checksum, size: BODY.length },
          { at: 'x', resumable: true },
        );
        await incoming.write(beginning);
      }
      const got = await get(`${daemon.url}open/`, 'a.rpm', { mirrorRoot });
      expect([got.fault, got.bytes?.equals(BODY), got.left]).toEqual([undefined, true, []]);
      expect(got.advanced).toBe(BODY.length - 200_000);
    }
  });

  it('says what a daemon refuses, in a line', async () => {
    const daemon = await serveRsync();
    await daemon.lay(new Map([['a.rpm', BODY]]));
    const { fault: module } = await get(`${daemon.url}nowhere/`, 'a.rpm');
    expect(`${module?.code} ${module?.message}`).toMatch(
      /^NOT_FOUND the server has no such module for us: "@ERROR: Unknown/,
    );
    const { fault: file } = await get(`${daemon.url}open/`, 'none.rpm');
    expect(`${file?.code} ${file?.message}`).toMatch(
      /^NOT_FOUND the server does not give this file: "rsync: .*none/,
    );
  });

  it('tells the password to a server that the policy names', async () => {
    const daemon = await serveRsync();
    await daemon.lay(new Map([['a.txt', Buffer.from('content')]]));
    const auth: Auth = { kind: 'basic', user: 'ann', password: { kind: 'env', variable: 'P' } };
    const base = `${daemon.url}closed/`;
    expect(await text(base, 'a.txt', { auth, env: { P: PASSWORD } })).toBe('content');
    for (const [o, hint] of [
      [{ auth, env: { P: 'something else' } }, /^Renew what `auth`/],
      [{}, /^Name a user and a password/],
    ] as const) {
      const fault = await text(base, 'a.txt', o).catch((error) => error);
      expect([fault.code, fault.hint]).toEqual(['NOT_FOUND', expect.stringMatching(hint)]);
      expect(fault.message).not.toContain('something else');
    }
  });

  it('goes where the guard of addresses lets it', async () => {
    const daemon = await serveRsync();
    await daemon.lay(new Map([['a.txt', Buffer.from('content')]]));
    const { port } = new URL(daemon.url);
    const resolve = async (host: string) => [
      { address: host === 'vendor.test' ? '192.0.2.1' : '127.0.0.1', family: 4 },
    ];
    const there = `rsync://inside.test:${port}/open/`;
    const bases = [new URL('rsync://vendor.test/open/')];
    await expect(text(there, 'a.txt', { bases, resolve })).rejects.toMatchObject({ code: 'UNSAFE_URL' });
    expect(await text(there, 'a.txt', { resolve })).toBe('content');
  });

  it.each([
    ['says nothing', () => undefined],
    ['says the beginning', (write: (text: string) => void) => write('@RSYNCD: 31.0\n')],
    [
      'says a line for ever',
      (write: (text: string) => void) => {
        const timer = setInterval(() => write('@RSYNCD'.repeat(1_000)), 20);
        onTestFinished(() => clearInterval(timer));
      },
    ],
    ['talks no rsync', (write: (text: string) => void) => write('HTTP/1.1 200 OK\r\n\u001b[2Jx\r\n\r\n')],
  ])('gives up a server that %s', async (_what, answer) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      answer((text) => void socket.write(text));
      onTestFinished(() => void socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const base = `rsync://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/open/`;
    const { fault, left } = await get(base, 'a.rpm', { timing: { ...TIMING, attempts: 1, slow: 100 } });
    expect([fault?.code, left]).toEqual(['NETWORK', []]);
    expect(fault?.message).not.toMatch(/[\0-\x1f]/);
  });

  it('that is not installed is said so', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = await tempDir();
    try {
      await expect(text('rsync://127.0.0.1:1/open/', 'a.txt')).rejects.toMatchObject({
        code: 'USAGE',
        message: 'the program rsync is not installed, and an upstream has an rsync:// URL',
      });
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('a daemon that goes away in the middle leaves the beginning for the next run', async () => {
    const daemon = await serveRsync();
    const body = Buffer.alloc(16 << 20, 'abcdefgh');
    await daemon.lay(new Map([['a.rpm', body]]));
    const mirrorRoot = await tempDir();
    const relay = await relayTo(Number(new URL(daemon.url).port), 4 << 20);
    const o = { mirrorRoot, size: body.length, sum: sha256(body), timing: { ...TIMING, attempts: 1 } };
    const cut = await get(`rsync://127.0.0.1:${relay.port}/open/`, 'a.rpm', o);
    expect([cut.fault?.code, cut.left]).toEqual(['NETWORK', [`tmp/partial/sha256-${o.sum}`]]);
    expect(cut.advanced).toBeGreaterThan(1 << 20);
    const rest = await get(`${daemon.url}open/`, 'a.rpm', o);
    expect([rest.fault, rest.bytes?.equals(body), rest.left]).toEqual([undefined, true, []]);
    expect(rest.advanced + cut.advanced).toBe(body.length);
    expect(await readdir(join(mirrorRoot, 'tmp'))).toEqual(['partial']);
    await rm(mirrorRoot, { recursive: true });
  });
});

/** Passes on so many bytes of an answer, and hangs up. */
async function relayTo(port: number, bytes: number): Promise<{ port: number }> {
  const { connect } = await import('node:net');
  const server = createServer((socket) => {
    const to = connect(port, '127.0.0.1');
    let left = bytes;
    socket.on('error', () => to.destroy()).on('data', (chunk) => to.write(chunk));
    to.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    to.on('data', (chunk) => {
      socket.write(chunk);
      left -= chunk.length;
      if (left < 0) socket.end(() => to.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : 0 };
}
