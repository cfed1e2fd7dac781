import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { initStateRepository } from '../../src/flows/init.ts';
import { VERBS } from '../../src/flows/verbs.ts';
import { has, oracle } from '../fixtures/oracle.ts';
import { tempDir } from '../fixtures/tempDir.ts';

/** The `examples/` of a new state repository. */
async function examples(): Promise<{ folder: string; files: string[] }> {
  const { root, files } = await initStateRepository({
    dir: join(await tempDir(), 'state'),
    distros: ['rocky-9'],
    team: 'infra',
    now: new Date('2026-03-01T00:00:00Z'),
    by: 'Anna',
    sluiceVersion: '0.1.0',
  });
  return { folder: join(root, 'examples'), files: files.filter((f) => f.startsWith('examples/')) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}

/** A mirror with one repository of one tree, served by nginx as the example says. */
async function serve(conf: string): Promise<string> {
  const dir = await tempDir();
  const id = 'infra-stable-rocky-9-x86_64-baseos';
  const open = join(dir, 'mirror', 'public');
  await mkdir(join(open, 'tree', id, 'a'.repeat(40), 'repodata'), { recursive: true });
  await mkdir(join(open, 'packages', id), { recursive: true });
  await mkdir(join(dir, 'mirror', 'catalog', 'documents', 'sha256'), { recursive: true });
  await writeFile(join(open, 'tree', id, 'a'.repeat(40), 'repodata', 'repomd.xml'), '<repomd/>');
  await writeFile(join(open, 'tree', id, 'a'.repeat(40), 'mirrorlist'), 'http://example.com/\n');
  await writeFile(join(open, 'packages', id, 'a-1-1.noarch.rpm'), 'rpm');
  await writeFile(join(dir, 'mirror', 'catalog', 'documents', 'sha256', 'b'), 'document');
  await symlink(`tree/${id}/${'a'.repeat(40)}`, join(open, id));
  const port = await freePort();
  const server = conf
    .replaceAll('/srv/sluice/mirror', join(dir, 'mirror'))
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('listen [::]:80;', '');
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((t) => `${t}_temp_path ${dir}/${t};`);
  const head = process.getuid?.() === 0 ? 'user root;' : ''; // the test's folder is open to nobody else
  await writeFile(
    join(dir, 'nginx.conf'),
    `${head} daemon off; pid ${dir}/pid; error_log ${dir}/error.log; events {}
     http { access_log off; ${temp.join(' ')} ${server} }`,
  );
  const path = `${process.env['PATH']}:/usr/sbin`;
  const nginx = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')], {
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(async () => {
    const ended = once(nginx, 'exit');
    nginx.kill('SIGTERM');
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    if (await fetch(url).catch(() => undefined)) return url;
    await sleep(50);
  }
  throw new Error('nginx does not answer');
}

it.skipIf(!(has('nginx') || oracle('/usr/sbin/nginx')))(
  'nginx: what never changes is cached for ever, what names the present is not',
  async () => {
    const { folder } = await examples();
    const url = await serve(await readFile(join(folder, 'nginx.conf'), 'utf8'));
    const id = 'infra-stable-rocky-9-x86_64-baseos';
    const ask = async (path: string) => {
      const response = await fetch(`${url}/${path}`);
      return [response.status, response.headers.get('cache-control'), response.headers.get('content-type')];
    };
    const forEver = expect.stringMatching(/max-age=31536000.*immutable/);
    const tree = `tree/${id}/${'a'.repeat(40)}`;
    expect(await ask(`${tree}/repodata/repomd.xml`)).toEqual([200, forEver, 'text/xml']);
    expect(await ask(`packages/${id}/a-1-1.noarch.rpm`)).toEqual([200, forEver, 'application/x-rpm']);
    expect(await ask('catalog/documents/sha256/b')).toEqual([200, forEver, 'application/octet-stream']);
    expect(await ask(`${id}/mirrorlist`)).toEqual([200, 'no-cache', 'text/plain']);
    expect((await ask(`${id}/repodata/repomd.xml`)).slice(0, 2)).toEqual([200, 'no-cache']);
  },
);

/** `Key=value` lines of a unit, by section. */
function unit(text: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) entries.set(name, value);
  }
  return entries;
}

it('systemd: each service has a timer, runs a verb that exists, and may write only where the mirror is', async () => {
  const { folder, files } = await examples();
  const services = files.filter((f) => f.endsWith('.service'));
  expect(services.length).toBe(8);
  for (const path of services) {
    const stays = path.endsWith('/sluice-watch.service');
    if (!stays) expect(files).toContain(path.replace(/service$/, 'timer'));
    const service = unit(await readFile(join(folder, '..', path), 'utf8'));
    const [program, name, ...args] = (service.get('ExecStart') ?? '').split(' ');
    expect(program).toBe('/srv/sluice/state/node_modules/.bin/sluice');
    const verb = VERBS.find((v) => v.name === name);
    for (const arg of args.filter((a) => a.startsWith('--'))) {
      expect(['repo', ...Object.keys(verb?.options ?? {})]).toContain(arg.slice(2));
    }
    expect(service.get('Type')).toBe(stays ? 'notify' : 'oneshot');
    expect(service.get('ReadWritePaths')).toBe('/srv/sluice');
    expect(service.get('MemoryDenyWriteExecute')).toBeUndefined(); // Node compiles while it runs
  }
});

it.skipIf(!has('systemd-analyze'))('systemd itself takes the units', async () => {
  const { folder, files } = await examples();
  const out = join(await tempDir(), 'units');
  await mkdir(out);
  const paths: string[] = [];
  for (const path of files.filter((f) => /\.(service|timer)$/.test(f))) {
    const text = await readFile(join(folder, '..', path), 'utf8');
    const name = join(out, path.slice('examples/'.length));
    await writeFile(name, text.replaceAll('/srv/sluice/state/node_modules/.bin/sluice', '/bin/true'));
    paths.push(name);
  }
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], {
    encoding: 'utf8',
  });
  expect([status, stdout, stderr.split('\n').filter((line) => line.includes(out))]).toEqual([0, '', []]);
});
