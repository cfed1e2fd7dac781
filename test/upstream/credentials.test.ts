import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Auth, Secret } from '../../src/manifest/policy.ts';
import { openSource } from '../../src/upstream/source.ts';
import { serve } from '../fixtures/server.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { QUICK } from './mirrorOf.ts';

const TOKEN: Secret = { kind: 'env', variable: 'TOKEN' };
const env = { TOKEN: 'z-yIbVKP~AIwIiQW&x=1' };

/** What a server saw of one GET. */
async function asked(auth: Auth, path = 'a.rpm', o: { env?: Record<string, string> } = {}) {
  const server = await serve((_request, response) => void response.end('content'));
  const url = new URL(path, server.url);
  await using source = await openSource({
    bases: [new URL(server.url)],
    auth,
    env: o.env ?? env,
    timing: QUICK,
  });
  await source.read(url, { maxBytes: 100 });
  const [request] = server.requests;
  return { path: request?.path, authorization: request?.headers.authorization };
}

async function fileOf(text: string, mode = 0o600): Promise<Secret> {
  const path = join(await tempDir(), 'secret');
  await writeFile(path, text);
  await chmod(path, mode);
  return { kind: 'path', path };
}

describe('credentials as a server sees them', () => {
  it('a user and a password, from a file whose line ends', async () => {
    const auth: Auth = { kind: 'basic', user: 'ann@example.org', password: await fileOf('a: b"\u007e\r\n') };
    const authorization = `Basic ${Buffer.from('ann@example.org:a: b"~').toString('base64')}`;
    expect(await asked(auth)).toEqual({ path: '/a.rpm', authorization });
  });

  it('a user that is a secret, too', async () => {
    const auth: Auth = { kind: 'basic', user: { kind: 'env', variable: 'USER_NAME' }, password: TOKEN };
    const given = { USER_NAME: 'ann', TOKEN: 'p:w\n' };
    const authorization = `Basic ${Buffer.from('ann:p:w').toString('base64')}`;
    expect(await asked(auth, 'a', { env: given })).toEqual({ path: '/a', authorization });
  });

  it('a bearer token', async () => {
    expect(await asked({ kind: 'bearer', token: TOKEN })).toEqual({
      path: '/a.rpm',
      authorization: `Bearer ${env.TOKEN}`,
    });
  });

  it('a query, behind the one that the policy has', async () => {
    const auth: Auth = { kind: 'query', token: TOKEN };
    expect(await asked(auth)).toEqual({ path: `/a.rpm?${env.TOKEN}`, authorization: undefined });
    expect((await asked(auth, 'list?repo=base')).path).toBe(`/list?repo=base&${env.TOKEN}`);
  });
});

describe('what is no secret', () => {
  const refused = async (
    token: Secret,
    given: Record<string, string> = {},
    kind: 'query' | 'bearer' = 'bearer',
  ) => {
    const server = await serve((_request, response) => void response.end());
    const auth: Auth = { kind, token };
    const opened = openSource({ bases: [new URL(server.url)], auth, env: given, timing: QUICK });
    const fault = await opened.then(
      () => undefined,
      (error) => error,
    );
    expect(server.requests).toEqual([]);
    expect(`${fault?.message} ${fault?.hint} ${fault?.at}`).not.toMatch(/hunter|2hunt/);
    return `${fault?.code} ${fault?.message}`;
  };

  it.each([
    ['a line break', 'hunter\n2hunt', 'USAGE $TOKEN has characters that no token has'],
    ['a header of its own', 'hunter\r\nHost: x', 'USAGE $TOKEN has characters that no token has'],
    ['two line ends', 'hunter2\n\n', 'USAGE $TOKEN has characters that no token has'],
    ['a zero', 'hunter\0', 'USAGE $TOKEN has characters that no token has'],
    ['a letter beyond ASCII', 'hünter', 'USAGE $TOKEN has characters that no token has'],
    ['nothing', '', 'USAGE $TOKEN is empty'],
    ['a line end alone', '\n', 'USAGE $TOKEN is empty'],
    ['too much', 'hunter'.repeat(9_000), 'USAGE $TOKEN has too many characters'],
  ])('%s', async (_what, value, message) => {
    expect(await refused(TOKEN, { TOKEN: value })).toContain(message);
  });

  it('a variable that is not set', async () => {
    expect(await refused(TOKEN)).toMatch(/^USAGE \$TOKEN is not set/);
  });

  it('a query with its question mark, or with a fragment', async () => {
    for (const value of ['?hunter2', 'hunter2#x', 'hunter 2'])
      expect(await refused(TOKEN, { TOKEN: value }, 'query')).toMatch(
        /^USAGE \$TOKEN has characters that no query has/,
      );
  });

  it('a file that is not there, or that others can open, or that is none', async () => {
    const folder = await tempDir();
    const path = (name: string): Secret => ({ kind: 'path', path: join(folder, name) });
    expect(await refused(path('none'))).toMatch(/^NOT_FOUND cannot read the secret in .*none \(ENOENT\)/);
    for (const mode of [0o604, 0o602, 0o644, 0o666])
      expect(await refused(await fileOf('hunter2', mode))).toMatch(
        /^UNSAFE_PATH everybody on this machine can open/,
      );
    await mkdir(join(folder, 'dir'), { mode: 0o700 });
    expect(await refused(path('dir'))).toMatch(/^UNSAFE_PATH .*dir is not a regular file/);
    expect(await refused(await fileOf('hunter2'.repeat(9_000)))).toMatch(/^UNSAFE_PATH .* has 63000 bytes/);
    expect(await refused(await fileOf('h\u00fcnter2'))).toMatch(/^USAGE .* has characters that no token has/);
  });
});

describe('where credentials go', () => {
  const auth: Auth = { kind: 'bearer', token: TOKEN };

  it('not along a redirect to another server, nor back from there', async () => {
    const home = await serve((request, response) => {
      if (request.url === '/back') response.writeHead(401).end();
      else if (request.url === '/moved') response.end('content');
      else response.writeHead(302, { location: request.url === '/here' ? '/moved' : away.url }).end();
    });
    const away = await serve((_request, response) => {
      response.writeHead(307, { location: `${home.url}back` }).end();
    });
    const bases = [new URL(home.url), new URL(away.url)]; // the policy names both: a redirect still ends them
    await using source = await openSource({ bases, auth, env, timing: QUICK });
    const read = (path: string) => source.read(new URL(path, home.url), { maxBytes: 100 });
    expect(await read('here')).toMatchObject({ kind: 'bytes' });
    expect(home.requests.map((r) => r.headers.authorization)).toEqual([
      `Bearer ${env.TOKEN}`,
      `Bearer ${env.TOKEN}`,
    ]);
    await expect(read('away')).rejects.toMatchObject({
      code: 'HTTP_STATUS',
      hint: expect.stringMatching(/Name this server/),
    });
    expect(away.requests.map((r) => r.headers.authorization)).toEqual([undefined]);
    expect(home.requests.at(-1)?.headers.authorization).toBeUndefined();
  });

  it('not to a server that the policy does not name', async () => {
    const mirror = await serve((_request, response) => void response.writeHead(401).end());
    await using source = await openSource({
      bases: [new URL('https://vendor.invalid/')],
      auth,
      env,
      timing: QUICK,
    });
    const read = source.read(new URL(mirror.url), { maxBytes: 100 });
    // Not even its address is allowed here: the base is no address of this machine.
    await expect(read).rejects.toMatchObject({ code: 'UNSAFE_URL' });
    const bases = [new URL(mirror.url.replace('127.0.0.1', 'localhost'))];
    await using local = await openSource({ bases, auth, env, timing: QUICK });
    await expect(local.read(new URL(mirror.url), { maxBytes: 100 })).rejects.toMatchObject({
      hint: expect.stringMatching(/Name this/),
    });
    expect(mirror.requests.map((r) => r.headers.authorization)).toEqual([undefined]);
  });

  it('not in the open, whatever handed them down', async () => {
    const seen: unknown[] = [];
    const server = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    });
    const open = new URL(server.url.replace('127.0.0.1', 'mirror.test'));
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    await using source = await openSource({ bases: [open], auth, env, timing: QUICK, resolve });
    await source.read(open, { maxBytes: 100 });
    expect(seen).toEqual([undefined]);
  });

  it('401 says what to do', async () => {
    const server = await serve((_request, response) => void response.writeHead(401).end());
    const bases = [new URL(server.url)];
    const hint = async (o: { auth?: Auth }) => {
      await using source = await openSource({ bases, ...o, env, timing: QUICK });
      return await source.read(new URL(server.url), { maxBytes: 100 }).catch((error) => error.hint);
    };
    expect(await hint({ auth })).toBe(
      'Renew what `auth` refers to, and check whether a certificate (`client`) is asked for, too.',
    );
    expect(await hint({})).toMatch(/`auth`.*`client`/);
    expect(server.requests).toHaveLength(2); // neither is asked again
  });
});
