import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TIMING } from '../../../src/upstream/attempt.ts';
import { sampled } from '../../fixtures/sample.ts';
import { answerFile, startServer, type TestServer } from '../../fixtures/server.ts';
import { type Files, makeRepository, rpmOf, sha256 } from '../../fixtures/upstreamRepository.ts';
import { makeSite, type Site } from '../site.ts';
import { expectRefused, GOOD, ID, later, photograph, type Refusal, sluice } from './attack.ts';

beforeAll(() => {
  // What takes a minute against a real vendor takes a second here. The times are the tool's own, scaled.
  Object.assign(TIMING, {
    attempts: 2,
    backoff: 5,
    longestWait: 50,
    connect: 500,
    idle: 500,
    slow: 500,
  });
});

type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A server that is good until a test turns it, and one site for all: no refusal leaves a trace. */
function sharedServer() {
  let files: Files = new Map();
  let answer: Answer = () => false;
  let made: { site: Site; server: TestServer & { close(): Promise<void> } } | undefined;
  let dir: string | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-server-'));
    const server = await startServer((request, response) => {
      if (answer(request, response)) return;
      const bytes = files.get(decodeURIComponent((request.url ?? '').slice(1)));
      answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
    });
    const site = await makeSite({ dir, upstreams: { [ID]: { baseurl: [server.url] } } });
    made = { site, server };
    files = makeRepository({ builds: GOOD });
    await site.merge(await site.sync());
    await site.merge(await site.promote('unstable'));
    await site.publish();
  });
  afterAll(async () => {
    await made?.server.close();
    if (dir) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  });
  return () => {
    if (!made) throw new Error('the site is not there yet');
    const turn = (hostile: Answer, next: Files = later({})): void => {
      files = next;
      answer = hostile;
    };
    return { ...made, turn };
  };
}

const hostileServer = sharedServer();

const BOTH = ['repodata/repomd.xml', '-primary.xml.gz', 'gamma'] as const;

const CASES: readonly (readonly [
  what: string,
  answer: (path: string, request: IncomingMessage, response: ServerResponse) => void,
  code: Refusal['code'],
])[] = [
  [
    'a body that never ends',
    (_path, _request, response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1 << 20, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    },
    ['TOO_LARGE', 'NETWORK', 'UPSTREAM_INCONSISTENT', 'SIZE_MISMATCH', 'METADATA_INVALID'],
  ],
  [
    'a byte a second',
    (_path, _request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 300);
      response.on('close', () => clearInterval(timer));
    },
    ['NETWORK', 'UPSTREAM_INCONSISTENT'],
  ],
  ['no answer at all', () => undefined, ['NETWORK', 'UPSTREAM_INCONSISTENT']],
  [
    'a redirect to itself, for ever',
    (path, _request, response) => void response.writeHead(301, { location: `/${path}` }).end(),
    ['HTTP_STATUS', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    'a redirect to 169.254.169.254',
    (_path, _request, response) =>
      void response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end(),
    'UNSAFE_URL',
  ],
  [
    'a redirect into a private network',
    (_path, _request, response) => void response.writeHead(302, { location: 'http://10.0.0.1/' }).end(),
    'UNSAFE_URL',
  ],
  [
    'a redirect to a file',
    (_path, _request, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    'UNSAFE_URL',
  ],
  [
    'a redirect with credentials',
    (_path, _request, response) => void response.writeHead(302, { location: 'http://u:p@127.0.0.1/' }).end(),
    'UNSAFE_URL',
  ],
  [
    'a redirect to nowhere',
    (_path, _request, response) => void response.writeHead(302).end(),
    ['UNSAFE_URL', 'HTTP_STATUS', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    '200 with an HTML login page',
    (_path, _request, response) =>
      void response
        .writeHead(200, { 'content-type': 'text/html' })
        .end('<!doctype html><title>Log in</title>'),
    ['METADATA_INVALID', 'UPSTREAM_INCONSISTENT', 'SIZE_MISMATCH', 'NETWORK', 'CHECKSUM_MISMATCH'],
  ],
  [
    '206 for a plain GET',
    (_path, _request, response) =>
      void response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('hello'),
    ['HTTP_STATUS', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    'a content-length that is too long',
    (_path, _request, response) => {
      response.writeHead(200, { 'content-length': 1_000 }).write('short');
      setTimeout(() => response.destroy(), 20);
    },
    ['NETWORK', 'UPSTREAM_INCONSISTENT', 'SIZE_MISMATCH', 'TOO_LARGE'],
  ],
  [
    'a content-length of 2^53',
    (_path, _request, response) =>
      void response.writeHead(200, { 'content-length': '9007199254740993' }).flushHeaders(),
    ['TOO_LARGE', 'NETWORK', 'UPSTREAM_INCONSISTENT', 'SIZE_MISMATCH'],
  ],
  [
    '503 with Retry-After of a year',
    (_path, _request, response) => void response.writeHead(503, { 'retry-after': '31536000' }).end(),
    ['HTTP_STATUS', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    '404',
    (_path, _request, response) => void response.writeHead(404).end(),
    ['HTTP_STATUS', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    'a connection that is reset',
    (_path, request) => void request.socket.resetAndDestroy(),
    ['NETWORK', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    'a header that is no HTTP',
    (_path, request) => void request.socket.end('NONSENSE\r\n\r\n'),
    ['NETWORK', 'UPSTREAM_INCONSISTENT'],
  ],
  [
    'a megabyte of headers',
    (_path, request) => void request.socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`),
    ['NETWORK', 'UPSTREAM_INCONSISTENT'],
  ],
];

/** Of repomd.xml the request is conditional: there 304 says that nothing is new. */
const PLAIN_ONLY: typeof CASES = [
  [
    '304 to a plain request',
    (_path, _request, response) => void response.writeHead(304).end(),
    ['HTTP_STATUS', 'UPSTREAM_INCONSISTENT'],
  ],
];

describe.each(BOTH)('group 8: the server of %s', (which) => {
  it.each(sampled(which === 'repodata/repomd.xml' ? CASES : [...CASES, ...PLAIN_ONLY]))(
    '%s',
    async (_what, answer, code) => {
      const { site, turn } = hostileServer();
      turn((request, response) => {
        const path = (request.url ?? '').slice(1);
        if (!path.includes(which)) return false;
        answer(path, request, response);
        return true;
      });
      await expectRefused({ site }, () => site.sync(), {
        code,
        at: /^http:|^test-9-x86_64-main|^\d+\.\d+|:\d+$/,
      });
    },
    30_000,
  );
});

it('group 8: 304 to the conditional request of repomd.xml is no news', async () => {
  const { site, turn } = hostileServer();
  turn(() => false, makeRepository({ builds: GOOD })); // else 304 is of what a case before this one half fetched
  expect(await site.sync()).toBeUndefined();
  turn((_request, response) => {
    response.writeHead(304).end();
    return true;
  });
  const before = await photograph({ site });
  expect(await site.sync()).toBeUndefined();
  expect(await photograph({ site })).toEqual(before);
});

it('group 8: https to http', async () => {
  const { redirected } = await import('../../../src/upstream/url.ts'); // a TLS server of our own: test/upstream/tls.test.ts
  expect(() => redirected(new URL('https://example.org/a'), 'http://example.org/a')).toThrow(/from https/);
});

it('group 8, as it is typed', async () => {
  const { site, turn } = hostileServer();
  turn((_request, response) => {
    response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end();
    return true;
  });
  const { code, stderr } = await sluice(site as Site, 'sync', '--propose');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^\S*169\.254\.169\.254\S*: UNSAFE_URL: .* link-local address\. .+\.$/m);
  expect(stderr).not.toMatch(/^ {4}at /m);
});

it('group 8: reset at 99 % of a package, twice: the third run needs only the rest', async () => {
  const { site, turn, server } = hostileServer();
  const files = makeRepository({
    builds: [...GOOD, { name: 'gamma', bytes: rpmOf('gamma', '1.0', 400_000) }],
    timestamp: 1_700_086_400,
  });
  turn((request, response) => {
    const bytes =
      request.url?.includes('gamma') && !request.headers.range ? files.get(request.url.slice(1)) : undefined;
    if (!bytes) return false;
    response.writeHead(200, { 'content-length': bytes.length, etag: `"${sha256(bytes).slice(0, 16)}"` });
    response.write(bytes.subarray(0, Math.floor(bytes.length * 0.99)), () =>
      setTimeout(() => response.destroy(), 50),
    );
    return true;
  }, files);
  const asked = server.requests.length;
  await site.sync();
  const ranges = server.requests
    .slice(asked)
    .flatMap((r) => (r.path.includes('gamma') ? [r.headers.range] : []));
  expect(ranges[0]).toBeUndefined();
  expect(Number(/^bytes=(\d+)-$/.exec(ranges[1] ?? '')?.[1])).toBeGreaterThan(390_000);
});
