import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { freePort, serveMirror } from '../fixtures/nginx.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { sha256 } from '../fixtures/upstreamRepository.ts';
import { Actions } from '../testforge/actions/engine.ts';
import { machine } from '../testforge/machine.ts';
import { startTestForge, type TestForge } from '../testforge/server.ts';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const DAY = 86_400_000;

/** Everything that `docs/github.md` needs: GitHub, the mirror's host with its web server, and a vendor. */
export interface Setting {
  readonly forge: TestForge;
  readonly actions: Actions;
  /** The vendor's server, whose folder is laid by `layDemoUpstream`. */
  readonly vendor: string;
  readonly state: string;
  readonly mirror: string;
  /** Of nginx. */
  readonly url: string;
  readonly now: () => Date;
  /** To that time, or so many days on. */
  forward(to: Date | number): void;
  /** A shell on the mirror's host, which keeps its folder and its exported variables from one block to the next. */
  shell(block: string, o?: { readonly fails?: boolean }): Promise<string>;
  /** A block of the page, with what is here for its example names. */
  asHere(block: string): string;
  /** A file of main on GitHub. */
  onMain(path: string): Promise<string>;
  stop(): Promise<void>;
}

export async function makeSetting(start: string): Promise<Setting> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-story-'));
  const [vendorDir, state, mirror, checkout] = ['vendor', 'state', 'mirror', 'sluice'].map((name) =>
    join(dir, name),
  ) as [string, string, string, string];
  let ahead = Date.parse(start) - Date.now();
  const now = (): Date => new Date(Date.now() + ahead); // it goes on while things are done
  await layDemoUpstream(vendorDir, 'before');
  const vendor = await startServer(async (request, response) => {
    const bytes = await readFile(join(vendorDir, request.url ?? '')).catch(() => undefined);
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  const port = await freePort();
  const nginx = await serveMirror(mirror, port);
  const forge = await startTestForge({ now, owner: 'acme', repo: 'rpm-state' });
  const env = machine(now);
  mkdirSync(join(dir, 'work'));
  const actions = new Actions(forge, { dir: join(dir, 'work'), machineEnv: env });
  layCheckout(checkout);
  const home = join(dir, 'home');
  mkdirSync(home);
  const kept = join(dir, 'shell');
  writeFileSync(kept, `cd ${checkout}\n`);
  const token = forge.tokenOf('user', 'anna');
  const basic = Buffer.from(`anna:${token}`).toString('base64');
  const credential = `[http "${forge.url}/"]\n\textraheader = Authorization: Basic ${basic}\n`; // as a helper of git would give it
  writeFileSync(join(home, '.gitconfig'), `[user]\n\tname = Anna\n\temail = anna@example.org\n${credential}`);
  return {
    ...{ forge, actions, state, mirror, now, asHere, vendor: vendorDir, url: `http://127.0.0.1:${port}` },
    forward(to) {
      const ms = typeof to === 'number' ? to * DAY : to.getTime() - now().getTime();
      if (ms < 0) throw new Error('time does not go back');
      ahead += ms;
    },
    shell(block, { fails = false } = {}) {
      const script = `. ${kept}\nset -e\n${asHere(block)}\nset +e\n{ echo "cd '$PWD'"; export -p | grep ' SLUICE_' || true; } > ${kept}\n`;
      const date = now().toISOString();
      return new Promise((resolve, reject) => {
        const dates = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
        const all = { ...env(), ...dates, HOME: home, USER: 'anna' };
        execFile('bash', ['-c', script], { env: all, cwd: dir }, (error, out, words) => {
          if ((error !== null) !== fails) reject(new Error(`${block}\n${out}${words}`));
          else resolve(`${out}${words}`);
        });
      });
    },
    async onMain(path) {
      const [item] = await forge.world.git.listTree('refs/heads/main', false, path);
      return (item && (await forge.world.git.bytes(item.sha))?.toString('utf8')) ?? '';
    },
    async stop() {
      await nginx.stop();
      await vendor.close();
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
      await forge.stop();
    },
  };

  /** What the page calls example names is here; everything else of a command is the page's. */
  function asHere(block: string): string {
    const distro = ['base', 'apps'].map((r) => `--distro harbor-9-x86_64-${r}=${vendor.url}${r}`).join(' ');
    return block
      .replaceAll('=github_pat_…', `=${token}`)
      .replaceAll('--distro rocky-9', `${distro} --key ${join(vendorDir, 'RPM-GPG-KEY-harbor-9')}`)
      .replaceAll('/srv/sluice/state', state)
      .replaceAll('/srv/sluice/mirror', mirror)
      .replaceAll('https://mirror.example.com', `http://127.0.0.1:${port}`)
      .replaceAll('https://github.com/acme/rpm-state.git', forge.gitUrl);
  }
}

/** A checkout of the project, where `npm pack` may write. */
function layCheckout(dir: string): void {
  mkdirSync(dir);
  for (const part of ['bin', 'src', 'package.json', 'node_modules']) {
    symlinkSync(join(CHECKOUT, part), join(dir, part));
  }
}
