import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it, onTestFinished, vi } from 'vitest';
import type { World } from '../../src/flows/context.ts';
import { verifyMirror } from '../../src/flows/publish.ts';
import { watchMain } from '../../src/flows/watch.ts';
import { CLI } from '../fixtures/cli.ts';
import { startGpg } from '../fixtures/gpg.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeRepository, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site, siteAgain } from './site.ts';

const ID = 'test-9-x86_64-main';
const LIVE = `vendor-live-${ID}`;
const SITE = 'policies/site.yaml';

const cleaning: (() => unknown)[] = [];
afterAll(async () => {
  for (const clean of cleaning.reverse()) await clean();
});

/** A site whose live has a build; `infra` has nothing yet. */
const site = siteAgain(async (dir) => {
  const gpg = startGpg((clean) => cleaning.push(clean));
  const files = makeRepository({ builds: [{ name: 'alpha' }] });
  const server = await startServer((request, response) => {
    const bytes = files.get((request.url ?? '').slice(1));
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  cleaning.push(() => server.close());
  const made = await makeSite({ dir, upstreams: { [ID]: { baseurl: [server.url] } }, env: gpg.env });
  await made.merge(await made.sync());
  return Object.assign(made, { gpg, keys: [gpg.makeKey('first'), gpg.makeKey('second')] as const });
});

type Given = Awaited<ReturnType<typeof site>>;

/** A code host's bare repository, a person's clone of it, and the clone that the mirror's host has. */
async function host(given: Given) {
  const dir = await tempDir();
  const [bare, desk, repoDir] = [join(dir, 'main.git'), join(dir, 'desk'), join(dir, 'state')];
  execFileSync('git', ['clone', '-q', '--bare', '--template=', `${given.repoDir}.git`, bare]);
  for (const clone of [desk, repoDir]) execFileSync('git', ['clone', '-q', `file://${bare}`, clone]);
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', desk, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...args], {
      env: { ...process.env, ...given.gpg.env },
      encoding: 'utf8',
    }).trim();
  /** A commit on main, signed by whom; its id. */
  const commit = (change: (site: string) => string, key?: { fingerprint: string }): string => {
    const file = join(desk, SITE);
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    git('add', '-A');
    git('commit', '-qm', 'A change', ...(key ? [`-S${key.fingerprint}`] : []));
    git('push', '-q', 'origin', 'main');
    return git('rev-parse', 'HEAD');
  };
  return { bare, desk, repoDir, git, commit };
}

interface Watching {
  report(): {
    main: string;
    published: string;
    lagSeconds: number;
    asked: string;
    fault: { code: string } | null;
  };
  /** Waits for a report that is so. */
  until(
    is: Partial<{ main: string; published: string; fault: string | null }>,
  ): Promise<ReturnType<Watching['report']>>;
  readonly said: string[];
  stop(): Promise<boolean>;
}

function watch(given: Site, repoDir: string, o: Partial<World> = {}): Watching {
  const said: string[] = [];
  const stop = new AbortController();
  const base = given.world();
  const world: World = {
    ...base,
    repoDir,
    clock: () => given.now,
    print: () => {},
    progress: { ...base.progress, say: (line) => said.push(line) },
    ...o,
  };
  const running = watchMain(world, { interval: 50, stop: stop.signal });
  const ended = async () => {
    stop.abort();
    return await running;
  };
  onTestFinished(async () => void (await ended()));
  const path = join(given.mirrorDir, 'state', 'watch.json');
  const report = () => JSON.parse(readFileSync(path, 'utf8'));
  return {
    report,
    said,
    stop: ended,
    async until(is) {
      for (let tries = 0; tries < 800; tries += 1) {
        const seen = existsSync(path) ? report() : undefined;
        const got = { ...seen, fault: seen?.fault?.code ?? null };
        if (seen && Object.entries(is).every(([key, value]) => got[key] === value)) return seen;
        await sleep(25);
      }
      throw new Error(
        `never: ${JSON.stringify(is)}, but ${existsSync(path) ? readFileSync(path, 'utf8') : 'nothing'}`,
      );
    },
  };
}

const compressed = (text: string) => `${text}compression: gzip\n`;
const documents = (given: Site) => readdirSync(join(given.mirrorDir, 'public', LIVE, 'repodata')).join(' ');

it('what is merged is published by the next look; the report says how far behind the mirror is', async () => {
  const given = await site();
  const { repoDir, commit, git } = await host(given);
  const first = git('rev-parse', 'HEAD');
  const watching = watch(given, repoDir);
  expect(await watching.until({ published: first })).toMatchObject({
    main: first,
    lagSeconds: 0,
    fault: null,
  });
  expect(documents(given)).toMatch(/\.zst/);
  const second = commit(compressed);
  expect(await watching.until({ published: second })).toMatchObject({
    main: second,
    lagSeconds: 0,
    fault: null,
  });
  expect(documents(given)).not.toMatch(/\.zst/);
  expect(await watching.stop()).toBe(true);
});

it('a network that fails, and a main that cannot be published, leave what is served, are said once, and pass', async () => {
  const given = await site();
  const { bare, repoDir, commit, git } = await host(given);
  const first = git('rev-parse', 'HEAD');
  const watching = watch(given, repoDir);
  await watching.until({ published: first });
  renameSync(bare, `${bare}.away`);
  expect(await watching.until({ fault: 'GIT' })).toMatchObject({ published: first });
  await sleep(200); // more looks, and no more words
  expect(watching.said.filter((line) => line.includes('GIT')).length).toBe(1);
  renameSync(`${bare}.away`, bare);
  await watching.until({ fault: null });

  given.now = new Date(Date.now() + 3_600_000);
  const bad = commit((text) => `${text}keep: forever\n`);
  const { published, lagSeconds } = await watching.until({ main: bad, fault: 'POLICY_INVALID' });
  expect([published, lagSeconds > 3_000]).toEqual([first, true]);
  expect(documents(given)).toMatch(/\.zst/);
  const good = commit((text) => compressed(text.replace('keep: forever\n', '')));
  await watching.until({ published: good, fault: null });
  await vi.waitFor(() => expect(watching.said.at(-1)).toBe('main is published again')); // the report comes first
});

it('where the policy names who signs main, no other tip is published', async () => {
  const given = await site();
  const [ours, theirs] = given.keys;
  const { desk, repoDir, commit, git } = await host(given);
  const named = (key: typeof ours, file: string) => (text: string) =>
    `${text.replace(/^mainSignedBy:.*\n/m, '')}mainSignedBy: [{ file: keys/${file}, fingerprint: ${key.fingerprint} }]\n`;
  execFileSync('mkdir', ['-p', join(desk, 'policies/keys')]);
  writeFileSync(join(desk, 'policies/keys/ours'), ours.publicKey);
  writeFileSync(join(desk, 'policies/keys/theirs'), theirs.publicKey);
  const first = commit(named(ours, 'ours'), ours);
  git('verify-commit', 'HEAD'); // git, with gpg, agrees
  const watching = watch(given, repoDir);
  await watching.until({ published: first, fault: null });

  const refused = async (tip: string, why: RegExp) => {
    const { published } = await watching.until({ main: tip, fault: 'SIGNATURE_INVALID' });
    expect(published).toBe(first);
    expect(watching.report().fault).toMatchObject({ message: expect.stringMatching(why) });
  };
  await refused(commit(compressed), /is not signed/);
  await refused(
    commit((text) => `${text}# again\n`, theirs),
    /not accepted/,
  );
  await refused(commit(named(theirs, 'theirs'), theirs), /not accepted/); // whoever moves main names a key of their own
  const signed = git('cat-file', 'commit', first);
  const moved = signed.replace(/^parent .*$/m, `parent ${git('rev-parse', 'HEAD')}`);
  const forged = execFileSync('git', ['-C', desk, 'hash-object', '-t', 'commit', '-w', '--stdin'], {
    input: `${moved}\n`,
    encoding: 'utf8',
  }).trim();
  git('push', '-q', '-f', 'origin', `${forged}:refs/heads/main`);
  await refused(forged, /does not hold/);
  git('reset', '-q', '--hard', forged);
  const last = commit(compressed, ours);
  await watching.until({ published: last, fault: null });
});

it('SIGTERM in the middle: the publication is finished, and the process ends well', async () => {
  const given = await site();
  const [key] = given.keys;
  const { desk, repoDir, commit } = await host(given);
  const signer = join(given.dir, 'signer');
  const begun = join(given.dir, 'begun');
  await writeFile(
    signer,
    `#!/bin/sh\ntouch ${begun}\nsleep 1\nexec gpg --batch --detach-sign --local-user "$1"\n`,
  );
  await chmod(signer, 0o755);
  execFileSync('mkdir', ['-p', join(desk, 'policies/keys')]);
  writeFileSync(join(desk, 'policies/keys/ours'), key.publicKey);
  const tip = commit((text) => `${text}signing: [{ file: keys/ours, fingerprint: ${key.fingerprint} }]\n`);
  const heard = join(given.dir, 'heard');
  const socket = await listen(heard);
  const env = { ...process.env, ...given.gpg.env, SLUICE_SIGNER: signer, NOTIFY_SOCKET: socket };
  const args = [
    CLI,
    'publish',
    '--watch',
    '--interval',
    '60s',
    '--repo',
    repoDir,
    '--mirror',
    given.mirrorDir,
  ];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const exit = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
  for (let tries = 0; tries < 400 && !existsSync(begun); tries += 1) await sleep(25);
  child.kill('SIGTERM');
  expect([await exit, Buffer.concat(said).toString()]).toEqual([0, '']);
  const tipFile = JSON.parse(await readFile(join(given.mirrorDir, 'state', 'published.json'), 'utf8'));
  expect(tipFile.commit).toBe(tip);
  expect(readdirSync(join(given.mirrorDir, 'locks'))).toEqual([]);
  expect(await verifyMirror({ ...given.world(), repoDir })).toBe(true);
  const words = (await readFile(heard, 'utf8'))
    .split('\n')
    .filter((line) => /^(READY|WATCHDOG|STOPPING)=1$/.test(line));
  expect(words).toEqual(['READY=1', 'WATCHDOG=1', 'STOPPING=1']);
});

/** systemd's side of sd_notify(3): a datagram socket, whose messages go to a file. */
async function listen(into: string): Promise<string> {
  const path = `${into}.socket`;
  const program = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("ready",flush=True)
while True:
    open(sys.argv[2],"a").write(s.recv(4096).decode()+"\\n")`;
  const listener = spawn('python3', ['-c', program, path, into], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void listener.kill());
  await new Promise((resolve) => listener.stdout.once('data', resolve));
  return path;
}
