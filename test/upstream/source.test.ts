import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Checksum } from '../../src/base/checksum.ts';
import { openIncoming } from '../../src/pool/incoming.ts';
import type { Timing } from '../../src/upstream/attempt.ts';
import { openSource } from '../../src/upstream/source.ts';
import { answerFile, type Handler, serve } from '../fixtures/server.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { sha256 } from '../fixtures/upstreamRepository.ts';

const BODY = Buffer.from('0123456789abcdef'.repeat(16_384)); // 256 KiB
const sum: Checksum = { type: 'sha256', hex: sha256(BODY) };
const QUICK: Partial<Timing> = {
  attempts: 3,
  backoff: 5,
  longestWait: 100,
  connect: 500,
  idle: 1_000,
  slow: 300,
};

/** Downloads BODY from a server that answers like this. */
async function download(
  handler: Handler,
  o: { mirror?: string; timing?: Partial<Timing>; size?: number | undefined } = {},
) {
  const server = await serve(handler);
  const mirror = o.mirror ?? (await tempDir());
  const url = new URL('file.rpm', server.url);
  await using source = await openSource({ bases: [url], timing: { ...QUICK, ...o.timing } });
  const size = 'size' in o ? o.size : BODY.length;
  let advanced = 0;
  const target = join(mirror, 'done');
  const outcome = await (async () => {
    await using incoming = await openIncoming(
      mirror,
      { checksum: sum, size },
      { at: url.href, resumable: true },
    );
    await source.download(url, incoming, {
      size,
      maxBytes: 1 << 20,
      advance: (bytes) => {
        advanced += bytes;
      },
    });
    await incoming.commit(target);
  })().then(
    () => 'done',
    (error) => error.code,
  );
  if (outcome === 'done') expect(await readFile(target)).toEqual(BODY);
  else expect(await filesBelow(mirror)).not.toContain('done');
  return { outcome, server, mirror, advanced };
}

/** Each request in turn gets the next answer; the last one stays. */
function inTurn(...handlers: Handler[]): Handler {
  let n = 0;
  return (request, response) => handlers[Math.min(n++, handlers.length - 1)]?.(request, response);
}

const good: Handler = (request, response) => answerFile(request, response, BODY, '"one"');
const cutAt =
  (bytes: number): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-length': BODY.length, etag: '"one"' });
    response.write(BODY.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
  };
const status =
  (code: number, headers = {}): Handler =>
  (_request, response) =>
    void response.writeHead(code, headers).end('no');
const redirect = (to: string): Handler => status(302, { location: to });

describe('a download', () => {
  it('arrives', async () => {
    expect(await download(good)).toMatchObject({ outcome: 'done', advanced: BODY.length });
  });

  it('goes on where it was cut at 99 %', async () => {
    const { outcome, server } = await download(inTurn(cutAt(260_000), good));
    expect(outcome).toBe('done');
    const [first, second] = server.requests;
    expect([first?.headers.range, server.requests.length]).toEqual([undefined, 2]);
    expect(second?.headers.range).toMatch(/^bytes=\d{5,6}-$/);
    expect(second?.status).toBe(206);
  });

  it('goes on in a later run', async () => {
    const first = await download(cutAt(100_000));
    expect(first.outcome).toBe('NETWORK');
    const second = await download(good, { mirror: first.mirror });
    expect([second.outcome, second.server.requests.map((r) => r.status)]).toEqual(['done', [206]]);
  });

  it('starts over when what an earlier run left is another file', async () => {
    const mirror = await tempDir();
    await mkdir(join(mirror, 'tmp', 'partial'), { recursive: true });
    await writeFile(join(mirror, 'tmp', 'partial', `sha256-${sum.hex}`), 'x'.repeat(1_000));
    const { outcome, server } = await download(good, { mirror });
    expect([outcome, server.requests.map((r) => r.status)]).toEqual(['done', [206, 200]]);
  });

  it('starts over when the file changed under it', async () => {
    const other: Handler = (request, response) => answerFile(request, response, BODY, '"two"');
    const { outcome, server } = await download(inTurn(cutAt(100_000), other));
    expect([outcome, server.requests.map((r) => r.status)]).toEqual(['done', [200, 200]]);
  });

  it('starts over from a server that knows no ranges', async () => {
    const plain: Handler = (_request, response) => void response.writeHead(200).end(BODY);
    expect((await download(inTurn(cutAt(100_000), plain))).outcome).toBe('done');
  });

  it.each([
    ['503 with Retry-After', inTurn(status(503, { 'retry-after': '0' }), good), 'done'],
    ['503 with a Retry-After of a day', inTurn(status(503, { 'retry-after': '86400' }), good), 'done'],
    ['500 once', inTurn(status(500), good), 'done'],
    ['429 for ever', status(429), 'HTTP_STATUS'],
    ['404', status(404), 'HTTP_STATUS'],
    ['a connection reset at once', inTurn((request) => void request.socket.destroy(), good), 'done'],
    ['a connection reset for ever', (request) => void request.socket.destroy(), 'NETWORK'],
    ['304 to a plain request', status(304), 'HTTP_STATUS'],
    [
      '206 to a plain request',
      (_q, r) => void r.writeHead(206, { 'content-range': 'bytes 0-9/10' }).end(BODY),
      'HTTP_STATUS',
    ],
    [
      '206 of another range',
      inTurn(
        cutAt(100_000),
        (_q, r) => void r.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('x'),
        good,
      ),
      'done',
    ],
    ['416 to a good range', inTurn(cutAt(100_000), status(416), good), 'done'],
    [
      'a page in its place',
      (_q, r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>'),
      'NETWORK',
    ],
    [
      'a page in its place, with its length',
      (_q, r) => void r.writeHead(200, { 'content-type': 'text/html', 'content-length': 4 }).end('<ht>'),
      'SIZE_MISMATCH',
    ],
    [
      'a content-length that is too small',
      (_q, r) => void r.writeHead(200, { 'content-length': 10 }).end(BODY.subarray(0, 10)),
      'SIZE_MISMATCH',
    ],
    [
      'a content-length that is too big',
      (_q, r) => void r.writeHead(200, { 'content-length': BODY.length + 1 }).end(BODY),
      'SIZE_MISMATCH',
    ],
    [
      'other bytes of that length',
      (_q, r) => void r.writeHead(200).end(Buffer.alloc(BODY.length)),
      'CHECKSUM_MISMATCH',
    ],
  ] as [string, Handler, string][])('%s: %s', async (_what, handler, expected) => {
    const { outcome, server } = await download(handler);
    expect(outcome).toBe(expected);
    expect(server.requests.length).toBeLessThanOrEqual(4);
  });

  it('from a body that never ends stops at the size that was promised', async () => {
    let sent = 0;
    const endless: Handler = (_request, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(BODY)) sent += BODY.length;
      };
      response.on('drain', more);
      more();
    };
    expect((await download(endless)).outcome).toBe('SIZE_MISMATCH');
    expect((await download(endless, { size: undefined })).outcome).toBe('TOO_LARGE');
    expect(sent).toBeLessThan(64 << 20);
  });

  it('at one byte a second is given up', async () => {
    const drip: Handler = (_request, response) => {
      response.writeHead(200, { 'content-length': BODY.length });
      const timer = setInterval(() => response.write('0'), 50);
      response.on('close', () => clearInterval(timer));
    };
    expect((await download(drip, { timing: { attempts: 1 } })).outcome).toBe('NETWORK');
  });

  it.each([
    ['before the status', () => {}],
    ['within the body', (_request, response) => void response.writeHead(200).write('0')],
  ] as [string, Handler][])('that falls silent %s is given up', async (_what, handler) => {
    const began = Date.now();
    expect((await download(handler, { timing: { attempts: 1 } })).outcome).toBe('NETWORK');
    expect(Date.now() - began).toBeLessThan(5_000);
  });

  it('follows redirects, to another server too', async () => {
    const target = await serve(good);
    expect((await download(redirect(`${target.url}file.rpm`))).outcome).toBe('done');
    expect((await download(inTurn(redirect('/elsewhere'), good))).outcome).toBe('done');
  });

  it.each([
    ['in a loop', '/file.rpm', 'HTTP_STATUS'],
    ['to the metadata service of a cloud', 'http://169.254.169.254/latest/meta-data', 'UNSAFE_URL'],
    ['to a private address', 'http://10.255.255.1/x', 'UNSAFE_URL'],
    ['to a file', 'file:///etc/passwd', 'UNSAFE_URL'],
    ['to nowhere', 'http://[', 'UNSAFE_URL'],
    ['with credentials', 'http://u:p@127.0.0.1/', 'UNSAFE_URL'],
  ])('does not follow a redirect %s', async (_what, to, expected) => {
    expect((await download(redirect(to))).outcome).toBe(expected);
  });

  it('from a name that leads home is refused when the base is public', async () => {
    const inside = await serve(good);
    const { port } = new URL(inside.url);
    const outside = await serve(redirect(`http://inside.example:${port}/file.rpm`));
    const addresses: Record<string, string> = { 'mirror.example': '8.8.8.8', 'inside.example': '127.0.0.1' };
    const resolve = async (host: string) => [{ address: addresses[host] ?? '', family: 4 }];
    const base = new URL('http://mirror.example/');
    await using source = await openSource({ bases: [base], timing: QUICK, resolve });
    const read = source.read(new URL(`http://inside.example:${port}/file.rpm`), { maxBytes: 1 << 20 });
    await expect(read).rejects.toMatchObject({ code: 'UNSAFE_URL' });
    await expect(source.read(new URL(outside.url), { maxBytes: 1 << 20 })).rejects.toMatchObject({
      code: 'UNSAFE_URL',
    });
    expect([inside.connections(), outside.connections()]).toEqual([0, 0]);
  });
});

describe('reading a small document', () => {
  it('is conditional with what the last answer said', async () => {
    const server = await serve(good);
    const url = new URL(server.url);
    await using source = await openSource({ bases: [url], timing: QUICK });
    const first = await source.read(url, { maxBytes: 1 << 20 });
    if (first.kind !== 'bytes') throw new Error('unchanged at first');
    await setImmediate(); // the connection is free again one turn after the body ended
    expect(await source.read(url, { maxBytes: 1 << 20, validators: first.validators })).toEqual({
      kind: 'unchanged',
    });
    expect([server.requests.map((r) => r.status), server.connections()]).toEqual([[200, 304], 1]);
  });

  it('has a ceiling', async () => {
    const server = await serve(good);
    await using source = await openSource({ bases: [new URL(server.url)], timing: QUICK });
    await expect(source.read(new URL(server.url), { maxBytes: 1_000 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
  });

  it('says so when nobody listens', async () => {
    const url = new URL('http://127.0.0.1:9/');
    await using source = await openSource({ bases: [url], timing: QUICK });
    await expect(source.read(url, { maxBytes: 1 })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(/ECONNREFUSED/),
    });
  });
});

describe('file:', () => {
  it('reads regular files, and nothing else in their place', async () => {
    const folder = await tempDir();
    await writeFile(join(folder, 'a'), 'a');
    await mkdir(join(folder, 'folder'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    await using source = await openSource({ bases: [pathToFileURL(`${folder}/`)] });
    const read = (name: string) => source.read(pathToFileURL(join(folder, name)), { maxBytes: 10 });
    expect(await read('a')).toMatchObject({ kind: 'bytes', bytes: Buffer.from('a') });
    for (const name of ['none', 'folder', 'fifo', 'a/b']) {
      await expect(read(name)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });
});

it('asks for a client certificate by a path or a variable, and says which is missing', async () => {
  const secret = { kind: 'env', variable: 'RHEL_CERT' } as const;
  const bases = [new URL('https://cdn.example/')];
  await expect(openSource({ bases, client: { cert: secret, key: secret }, env: {} })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/RHEL_CERT/),
  });
  const env = { RHEL_CERT: '/nowhere' };
  await expect(openSource({ bases, client: { cert: secret, key: secret }, env })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});
