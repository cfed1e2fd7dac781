import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { openSource } from '../../src/upstream/source.ts';
import { oracle } from '../fixtures/oracle.ts';
import { serve } from '../fixtures/server.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { QUICK } from './mirrorOf.ts';

/** A server that only serves clients with the certificate, as a vendor's content network does. */
async function contentNetwork(redirect?: string) {
  const folder = await tempDir();
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore', cwd: folder });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=ca',
    '-days',
    '2',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  );
  await writeFile(file('san'), 'subjectAltName=DNS:localhost\n');
  for (const name of ['server', 'client']) {
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'san',
      '-out',
      `${name}.pem`,
    );
  }
  const [ca, key, cert] = await Promise.all(
    ['ca.pem', 'server.key', 'server.pem'].map((name) => readFile(file(name))),
  );
  let attempts = 0;
  const listen = async (to?: string): Promise<URL> => {
    const server = createServer(
      { ca: ca ?? '', key: key ?? '', cert: cert ?? '', requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        const known = (request.socket as TLSSocket).authorized;
        if (to) response.writeHead(302, { location: to }).end();
        else response.writeHead(known ? 200 : 403).end(known ? 'content' : '');
      },
    );
    server.on('connection', () => {
      attempts += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    onTestFinished(() => void server.close());
    return new URL(`https://localhost:${(server.address() as AddressInfo).port}/`);
  };
  const url = await listen(redirect);
  const path = (name: string) => ({ kind: 'path', path: file(name) }) as const;
  const client = { cert: path('client.pem'), key: path('client.key'), ca: path('ca.pem') };
  return { url, client, file, listen, attempts: () => attempts };
}

it.skipIf(!oracle('openssl'))('a client certificate opens a content network', async () => {
  const { url, client, file } = await contentNetwork();
  const read = async (o: Partial<Parameters<typeof openSource>[0]>) => {
    await using source = await openSource({ bases: [url], timing: QUICK, ...o });
    const answer = await source.read(url, { maxBytes: 100 });
    return answer.kind === 'bytes' ? answer.bytes.toString() : answer.kind;
  };
  expect(await read({ client })).toBe('content');
  const byVariable = { ...client, key: { kind: 'env', variable: 'CLIENT_KEY' } as const };
  expect(await read({ client: byVariable, env: { CLIENT_KEY: file('client.key') } })).toBe('content');
  const other = await contentNetwork();
  const stranger = { ...other.client, ca: client.ca };
  await expect(read({ client: stranger })).rejects.toMatchObject({
    code: 'HTTP_STATUS',
    message: expect.stringMatching(/403/),
  });
});

it.skipIf(!oracle('openssl'))('a server whose certificate is unknown is not asked twice', async () => {
  const { url, attempts } = await contentNetwork();
  await using source = await openSource({ bases: [url], timing: QUICK });
  await expect(source.read(url, { maxBytes: 100 })).rejects.toMatchObject({ code: 'NETWORK' });
  expect(attempts()).toBe(1);
});

it.skipIf(!oracle('openssl'))(
  'a certificate is shown to the server that the policy names, and to no other',
  async () => {
    const { url, client, listen } = await contentNetwork();
    const away = await listen(url.href);
    const read = async (bases: readonly URL[], at: URL) => {
      await using source = await openSource({ bases, client, timing: QUICK });
      return await source.read(at, { maxBytes: 100 });
    };
    expect(await read([url], url)).toMatchObject({ kind: 'bytes' });
    const stranger = {
      code: 'HTTP_STATUS',
      message: expect.stringMatching(/403/),
      hint: expect.stringMatching(/Name this server in the policy/),
    };
    await expect(read([away], away)).rejects.toMatchObject(stranger); // along a redirect
    await expect(read([away], url)).rejects.toMatchObject(stranger); // a mirror of a list
  },
);

it.skipIf(!oracle('openssl'))('https never leads to http', async () => {
  const plain = await serve((_request, response) => void response.end('content'));
  const { url, client } = await contentNetwork(plain.url);
  await using source = await openSource({ bases: [url], client, timing: QUICK });
  await expect(source.read(url, { maxBytes: 100 })).rejects.toMatchObject({ code: 'UNSAFE_URL' });
  expect(plain.requests).toEqual([]);
});
