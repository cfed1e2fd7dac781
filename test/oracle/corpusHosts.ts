import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { fill } from '../../src/flows/promote.ts';
import { writeRepofile } from '../../src/flows/publish.ts';
import { openLocalForge } from '../../src/forge/local.ts';
import { type Advisory, CorpusVendor, type Time } from '../fixtures/corpusVendor.ts';
import { type Dnf, DnfHost, type How } from '../fixtures/dnfHost.ts';
import { ALL } from '../fixtures/sample.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { makeSite, type Site } from '../flows/site.ts';
import { type Row, rowOf } from './verbTable.ts';

const REPOSITORIES = ['baseos', 'appstream'];
const PLATFORM = 'platform:el9';

/** CentOS Stream publishes no advisories: these are ours. */
const ADVISORIES: readonly Advisory[] = [
  {
    id: 'SLSA-2024:0001',
    type: 'security',
    severity: 'Critical',
    cve: 'CVE-2024-40001',
    builds: ({ source, evr }) => source === 'nginx' && evr === '2:1.20.1-20.el9',
  },
  {
    id: 'SLSA-2024:0002',
    type: 'security',
    severity: 'Low',
    cve: 'CVE-2024-40002',
    builds: ({ source, evr }) => source === 'httpd' && evr === '2.4.62-1.el9',
  },
  {
    id: 'SLBA-2024:0003',
    type: 'bugfix',
    severity: 'None',
    builds: ({ source, evr }) => source === 'vim' && evr === '2:8.2.2637-21.el9',
  },
];

/** A site whose vendor is AppStream and BaseOS of the corpus, and hosts that follow its tiers. */
export class CorpusSite {
  readonly rows: Row[] = [];
  readonly site: Site;
  readonly vendor: CorpusVendor;
  readonly #dir: string;
  readonly #dnf: Dnf;
  readonly close: () => Promise<void>;

  private constructor(dir: string, dnf: Dnf, vendor: CorpusVendor, site: Site, close: () => Promise<void>) {
    this.close = close;
    this.#dir = dir;
    this.#dnf = dnf;
    this.vendor = vendor;
    this.site = site;
  }

  /** Everything is as it was in the middle of 2024, published. `sources`: a part of it, by source packages. */
  static async open(dir: string, dnf: Dnf, sources: ReadonlySet<string> | undefined): Promise<CorpusSite> {
    const vendor = await CorpusVendor.of(ADVISORIES, sources);
    const served = join(dir, 'vendor');
    await fillGaps(dnf, vendor, dir);
    await vendor.lay(served, 'early');
    const absent = Object.fromEntries(['filelists', 'other'].map((type) => [type, 'the corpus lacks it']));
    const { url, close } = await startServer(async (request, response) => {
      const path = join(served, normalize(decodeURIComponent(request.url ?? '/')));
      const bytes = await readFile(path).catch(() => undefined);
      const etag = bytes ? `"${createHash('sha256').update(bytes).digest('hex')}"` : '';
      answerFile(request, response, bytes, etag);
    });
    const upstream = (repo: string) => ({ baseurl: [`${url}${repo}`], content: 'thin', absent });
    mkdirSync(join(dir, 'site'));
    const site = await makeSite({
      dir: join(dir, 'site'),
      start: '2024-07-01T06:00:00Z',
      upstreams: Object.fromEntries(REPOSITORIES.map((repo) => [`centos-9-x86_64-${repo}`, upstream(repo)])),
      team: {
        tiers: {
          unstable: { from: 'live' },
          stable: { from: 'unstable' },
          certified: { from: 'live', mode: 'frozen' },
        },
      },
    });
    const self = new CorpusSite(dir, dnf, vendor, site, close);
    await self.follow();
    await self.promote();
    if (ALL) {
      const first = { team: 'infra', tier: 'certified', how: 'propose', all: false } as const;
      await site.merge((await fill(site.world(), first))[0]?.pull?.number);
    }
    await site.publish();
    return self;
  }

  git(...args: string[]): string {
    return execFileSync('git', ['-C', `${this.site.repoDir}.git`, ...args], { encoding: 'utf8' }).trim();
  }

  /** The vendor as it is at that time, in live. */
  async move(time: Time): Promise<void> {
    await this.vendor.lay(join(this.#dir, 'vendor'), time);
    await this.follow();
  }

  async follow(): Promise<void> {
    const number = await this.site.sync();
    if (number === undefined) throw new Error(`nothing to follow: ${this.site.output()}`);
    const { state } = await (await openLocalForge(`${this.site.repoDir}.git`)).get(number);
    if (state === 'open') await this.site.merge(number);
  }

  /** Whatever may move, moves. */
  async promote(): Promise<void> {
    for (const tier of ['unstable', 'stable']) await this.site.merge(await this.site.promote(tier));
  }

  async hostOf(tier: string, name = tier): Promise<DnfHost> {
    this.site.output();
    await writeRepofile(this.site.world(), { team: 'infra', tier, at: undefined });
    return DnfHost.of(this.#dnf, join(this.#dir, `host-${name}`), this.site.output(), PLATFORM);
  }

  /** The same host, straight from the vendor. */
  original(host: DnfHost): Promise<DnfHost> {
    return host.with(repofileOf(join(this.#dir, 'vendor')), 'vendor');
  }

  /** What this host's dnf says before and after it, with all of it merged and published. */
  async row(verb: string, host: DnfHost, asked: readonly How[], act: () => Promise<void>): Promise<Row> {
    const before = await host.look(...asked);
    await act();
    await this.site.publish();
    const row = rowOf(verb, before, await host.look(...asked));
    this.rows.push(row);
    return row;
  }
}

function repofileOf(folder: string): string {
  return REPOSITORIES.map((repo) => `[${repo}]\nname=${repo}\nbaseurl=file://${folder}/${repo}\n`).join('');
}

/** The BaseOS of the corpus lacks much of what both need: dnf says what, and one more package has it. */
async function fillGaps(dnf: Dnf, vendor: CorpusVendor, dir: string): Promise<void> {
  const gaps: string[] = [];
  for (const time of ['early', 'late'] as const) {
    const folder = join(dir, `gaps-${time}`);
    await vendor.lay(folder, time);
    const host = await DnfHost.of(dnf, join(dir, `gaps-host-${time}`), repofileOf(folder), PLATFORM);
    gaps.push(...(await host.unmet()));
  }
  vendor.filler = gaps;
}
