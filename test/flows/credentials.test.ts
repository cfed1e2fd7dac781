import { lstat, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { beforeAll, expect, it } from 'vitest';
import { faultLine } from '../../src/flows/main.ts';
import { TIMING } from '../../src/upstream/attempt.ts';
import { answerFile, serve } from '../fixtures/server.ts';
import { filesBelow, tempDir } from '../fixtures/tempDir.ts';
import { type Files, makeRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { faultOf, GOOD, git, later, sluice } from './hostile/attack.ts';
import { makeSite, type Site } from './site.ts';

beforeAll(() => {
  Object.assign(TIMING, { attempts: 2, backoff: 5, longestWait: 50, connect: 500, idle: 500, slow: 500 });
});

const USER = 'ann@example.org';
const PASSWORD = 'hunter2: "correct" %&horse?';
const TOKEN = 'z-yIbVKP~AIwIiQW=staple&k=$1';

/** What must occur nowhere: as it is, as a URL has it, and as a header has it. */
const TRACES = [PASSWORD, TOKEN].flatMap((secret) => {
  const bytes = Buffer.from(secret);
  const both = Buffer.from(`${USER}:${secret}`);
  return [
    secret,
    encodeURIComponent(secret),
    encodeURI(secret),
    JSON.stringify(secret).slice(1, -1),
    new URL(`http://x/?${secret}`).search.slice(1),
    ...[bytes, both].flatMap((b) => [b.toString('base64'), b.toString('base64url'), b.toString('hex')]),
  ];
});

function tracesIn(text: string): string[] {
  return TRACES.filter((trace) => text.includes(trace));
}

type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

interface Kind {
  readonly name: string;
  readonly auth: Readonly<Record<string, unknown>>;
  readonly opens: (request: IncomingMessage) => boolean;
}

const KINDS: readonly Kind[] = [
  {
    name: 'basic',
    auth: { basic: { user: USER, password: '$PASSWORD' } },
    opens: ({ headers }) =>
      headers.authorization === `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`,
  },
  {
    name: 'bearer',
    auth: { bearer: 'FILE' },
    opens: ({ headers }) => headers.authorization === `Bearer ${TOKEN}`,
  },
  { name: 'query', auth: { query: '$TOKEN' }, opens: ({ url }) => url?.split('?')[1] === TOKEN },
];

const idOf = (kind: Kind): string => `test-9-x86_64-${kind.name}`;
const pathOf = (kind: Kind): string => `policies/upstreams/${idOf(kind)}.yaml`;

/** A vendor that serves nobody without the secret of its kind, each below a folder of its own; a server of somebody else's; a site. */
async function vendor() {
  let files: Files = makeRepository({ builds: GOOD });
  let answer: Answer = () => false;
  const away = await serve((_request, response) => void response.writeHead(401).end());
  const server = await serve((request, response) => {
    const [, name = '', path = ''] = /^\/(\w+)\/([^?]*)/.exec(request.url ?? '') ?? [];
    if (!KINDS.find((kind) => kind.name === name)?.opens(request)) return void response.writeHead(401).end();
    if (answer(request, response)) return;
    const bytes = files.get(decodeURIComponent(path));
    // A validator that says the secret back is not kept to ask again with.
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''} ${said(request)}"`);
  });
  const upstreams = Object.fromEntries(KINDS.map((k) => [idOf(k), { baseurl: [`${server.url}${k.name}/`] }]));
  const site = await makeSite({ upstreams, env: { PASSWORD, TOKEN } });
  const turn = (hostile: Answer, next: Files = files): void => {
    answer = hostile;
    files = next;
  };
  return { server, away, site, turn };
}

/** Every byte below the site: what the tool wrote, unpacked where it is packed, and every object of both repositories. */
async function everything(site: Site): Promise<string> {
  const parts: string[] = [];
  for (const path of await filesBelow(site.dir)) {
    parts.push(path);
    const full = join(site.dir, path);
    if (!(await lstat(full)).isFile()) continue;
    const bytes = await readFile(full);
    parts.push(bytes.toString('latin1'));
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) parts.push(gunzipSync(bytes).toString('latin1'));
    if (bytes.subarray(0, 4).toString('hex') === '28b52ffd')
      parts.push(zstdDecompressSync(bytes).toString('latin1'));
  }
  for (const repository of [site.repoDir, `${site.repoDir}.git`])
    parts.push(await git(repository, 'cat-file', '--batch-all-objects', '--batch', '--unordered'));
  return parts.join('\n');
}

/** What the vendor does wrong, and what a person then reads. */
const FAILURES: readonly (readonly [what: string, answer: (away: string) => Answer, says: RegExp])[] = [
  [
    'refuses it',
    () => (_request, response) => !!response.writeHead(401).end(),
    /HTTP_STATUS: the server answers 401\. Renew what `auth` refers to/,
  ],
  [
    'forbids it, in words of its own',
    () => (request, response) => !!response.writeHead(403, { 'x-url': request.url }).end(`no ${request.url}`),
    /answers 403/,
  ],
  [
    'sends us elsewhere, with our own query',
    (away) => (request, response) => {
      const location = `${away.slice(0, -1)}${request.url}`;
      return !!response.writeHead(302, { location }).end();
    },
    /answers 401\. Name this server in the policy/,
  ],
  [
    'sends us to a login, with our own address in it',
    (away) => (request, response) => {
      const location = `${away}login/${encodeURIComponent(said(request))}`;
      return !!response.writeHead(302, { location }).end();
    },
    /answers 401|credentials back/,
  ],
  [
    'sends us where nobody goes, with what we said',
    () => (request, response) => !!response.writeHead(302, { location: `ftp://x/${said(request)}` }).end(),
    /UNSAFE_URL: (?:redirected to|the server says our credentials back)/,
  ],
  ['has nothing', () => (_request, response) => !!response.writeHead(404).end(), /answers 404/],
  ['hangs up', () => (request) => !!request.socket.destroy(), /NETWORK: no answer, or a cut one/],
  [
    'hangs up in the middle',
    () => (request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('x');
      setTimeout(() => request.socket.destroy(), 5);
      return true;
    },
    /NETWORK/,
  ],
  [
    'talks no HTTP',
    () => (request) => {
      request.socket.end(`HTTP/9.9 ${said(request)}\r\n\r\n`);
      return true;
    },
    /NETWORK/,
  ],
];

/** All that we told the server, as a careless one writes it into an address. */
function said({ url, headers }: IncomingMessage): string {
  return `${url} ${headers.authorization}`;
}

it('nothing that is printed or written has a secret, whatever the vendor does', async () => {
  const { server, away, site, turn } = await vendor();
  const file = join(await tempDir(), 'token');
  await writeFile(file, `${TOKEN}\n`, { mode: 0o600 });
  const told: string[] = [];
  const failing = async (kind: Kind, says: RegExp) => {
    const fault = await faultOf(() => site.sync({ upstreams: [idOf(kind)] }));
    expect(faultLine(fault, false)).toMatch(says);
    told.push(
      faultLine(fault, false),
      inspect(fault, { depth: Infinity }),
      JSON.stringify(fault),
      site.output(),
    );
  };

  for (const kind of KINDS)
    await failing(kind, /answers 401\. Check whether this upstream asks for a password/);
  const auth = (kind: Kind) => JSON.stringify(kind.auth).replace('FILE', file);
  await site.change(
    Object.fromEntries(KINDS.map((kind) => [pathOf(kind), (text) => `${text}auth: ${auth(kind)}\n`])),
  );
  for (const [, answer, says] of FAILURES) {
    turn(answer(away.url));
    for (const kind of KINDS) await failing(kind, says);
  }
  turn(() => false);
  await site.merge(await site.sync());
  await site.merge(await site.promote('unstable'));
  await site.publish();
  // A day later a package cannot be had, where all else can.
  for (const [, answer, says] of FAILURES.slice(0, 6)) {
    const hostile = answer(away.url);
    turn((request, response) => !!request.url?.includes('gamma') && hostile(request, response), later({}));
    for (const kind of KINDS) await failing(kind, says);
  }
  // As a process of its own: what it prints, also as JSON, and what it leaves behind.
  turn((request, response) => !!request.url?.includes('repomd') && !!response.writeHead(403).end());
  told.push(...Object.values(await sluice(site, 'sync')).map(String));
  turn(() => false);
  const done = await sluice(site, 'sync', '--propose', '--json');
  expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('gamma') });
  told.push(done.stdout, done.stderr, site.output());

  const kept = await everything(site);
  expect(tracesIn(told.join('\n'))).toEqual([]);
  expect(tracesIn(kept)).toEqual([]);
  for (const here of [USER, file, '$TOKEN', 'gamma', server.url]) expect(kept).toContain(here); // the search finds what is there
  expect(told.join('\n')).toContain(away.url);
  expect(away.requests.length).toBeGreaterThan(6);
  expect(away.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
});

it('a host without the secret checks pull requests, and is told which one a sync needs', async () => {
  const { site } = await vendor();
  const [kind] = KINDS as [Kind];
  await site.change({ [pathOf(kind)]: (text) => `${text}auth: { bearer: $NOWHERE }\n` });
  expect(await sluice(site, 'check')).toMatchObject({ code: 0 });
  const fault = await faultOf(() => site.sync({ upstreams: [idOf(kind)] }));
  expect(faultLine(fault, false)).toMatch(
    /USAGE: \$NOWHERE is not set: auth of an upstream names it\. Set it to the/,
  );
});
