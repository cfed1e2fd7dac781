import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Checksum } from '../../src/base/checksum.ts';
import {
  formatRepositoryId,
  lockPath,
  parseRepositoryId,
  type RepositoryName,
  snapshotPath,
  upstreamId,
} from '../../src/manifest/ids.ts';
import {
  makeSnapshot,
  type Pin,
  renderSnapshot,
  type Snapshot,
  type SnapshotFields,
} from '../../src/manifest/snapshot.ts';
import { type Catalog, openCatalog } from '../../src/pool/catalog.ts';
import { openPool, type Pool } from '../../src/pool/pool.ts';
import type { CommitHistory, Moment } from '../../src/publish/history.ts';
import { type Published, type PublishOptions, publish } from '../../src/publish/publish.ts';
import { type PackageRecord, recordId } from '../../src/repodata/record.ts';
import { formatNevra, parseNevra } from '../../src/rpm/nevra.ts';

/** The ids that most tests use: one upstream, one team with two tiers. */
export const LIVE = parseRepositoryId('vendor-live-harbor-9-x86_64-base');
export const UNSTABLE = parseRepositoryId('infra-unstable-harbor-9-x86_64-base');
export const STABLE = parseRepositoryId('infra-stable-harbor-9-x86_64-base');
export const ID = formatRepositoryId(UNSTABLE);

export interface Sample {
  readonly pin: Pin;
  readonly record: PackageRecord;
  readonly bytes: Buffer;
}

export interface SampleOptions {
  readonly content?: string;
  readonly href?: string;
  readonly base?: string;
  readonly filelists?: boolean;
  readonly other?: boolean;
}

/** A build that is no RPM, with a metadata record as createrepo_c would write it. */
export function sample(nevra: string, o: SampleOptions = {}): Sample {
  const n = parseNevra(nevra);
  const bytes = Buffer.from(`${nevra} ${o.content ?? ''}\n`);
  const hex = sha256Hex(bytes);
  const { epoch, version, release } = n.evr;
  const evr = `epoch="${epoch}" ver="${version}" rel="${release}"`;
  const base = o.base === undefined ? '' : ` xml:base="${o.base}"`;
  const href = o.href ?? `Packages/${n.name}-${version}-${release}.${n.arch}.rpm`;
  const primary = `<package type="rpm">
  <name>${n.name}</name>
  <arch>${n.arch}</arch>
  <version ${evr}/>
  <checksum type="sha256" pkgid="YES">${hex}</checksum>
  <summary>${n.name} &amp; more</summary>
  <description>About ${n.name}</description>
  <packager></packager>
  <url></url>
  <time file="1700000001" build="1700000000"/>
  <size package="${bytes.length}" installed="1000" archive="1200"/>
  <location${base} href="${href}"/>
  <format>
    <rpm:license>MIT</rpm:license>
    <rpm:vendor></rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>localhost</rpm:buildhost>
    <rpm:sourcerpm>${n.name}-${version}-${release}.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="100" end="200"/>
    <rpm:provides>
      <rpm:entry name="${n.name}" flags="EQ" ${evr}/>
    </rpm:provides>
  </format>
</package>`;
  const side = (inner: string) =>
    Buffer.from(
      `<package pkgid="${hex}" name="${n.name}" arch="${n.arch}">\n  <version ${evr}/>\n  ${inner}\n</package>`,
    );
  const record: PackageRecord = {
    primary: Buffer.from(primary),
    ...(o.filelists === false ? {} : { filelists: side(`<file>/usr/share/${n.name}</file>`) }),
    ...(o.other === false ? {} : { other: side(`<changelog author="a" date="1">b</changelog>`) }),
  };
  const checksum: Checksum = { type: 'sha256', hex };
  return {
    pin: { nevra: n, checksum, size: bytes.length, record: recordId(record), withdrawn: false },
    record,
    bytes,
  };
}

/** A made-up main: each commit is all of its files. */
export class Main {
  readonly commits: {
    readonly id: string;
    readonly time: Date;
    readonly files: ReadonlyMap<string, string>;
  }[] = [];

  /** What is not said stays as it was; `undefined` takes a file away. The commit's id. */
  commit(time: number, change: Readonly<Record<string, string | undefined>>): string {
    const files = new Map(this.commits.at(-1)?.files);
    for (const [path, text] of Object.entries(change)) {
      if (text === undefined) files.delete(path);
      else files.set(path, text);
    }
    const id = createHash('sha1')
      .update(`${this.commits.length} ${time} ${this.commits.at(-1)?.id}`)
      .digest('hex');
    this.commits.push({ id, time: new Date(time * 1000), files });
    return id;
  }

  /** The history up to a commit; the newest where none is named. `git` counts what was asked of it. */
  history(upTo = this.commits.length - 1): CommitHistory & { asked: string[] } {
    const chain = this.commits.slice(0, upTo + 1).reverse();
    const asked: string[] = [];
    const filesOf = (commit = chain[0]?.id) => {
      const found = this.commits.find(({ id }) => id === commit);
      if (!found) throw new Error(`no commit ${commit}`);
      return found.files;
    };
    const moment = ({ id, time }: Moment): Moment => ({ id, time });
    return {
      asked,
      commit: chain[0]?.id ?? '',
      chain: chain.map(moment),
      read: async (path, commit) => {
        asked.push(`read ${path}`);
        return filesOf(commit).get(path);
      },
      readMany: async (paths, commit) => {
        asked.push(...paths.map((path) => `read ${path}`));
        const files = filesOf(commit);
        return new Map(paths.flatMap((path) => (files.has(path) ? [[path, files.get(path) as string]] : [])));
      },
      entries: async (prefix, commit) =>
        new Map(
          [...filesOf(commit)].flatMap(([path, text]) =>
            prefix === '' || path === prefix || path.startsWith(`${prefix}/`)
              ? [[path, { id: sha256Hex(text) }]]
              : [],
          ),
        ),
      pathChanges: async (paths, o = {}) => {
        asked.push('pathChanges');
        const from = o.at === undefined ? 0 : chain.findIndex(({ id }) => id === o.at);
        const touched = chain.filter((commit, i) => {
          const before = chain[i + 1]?.files;
          const known = new Set([...commit.files.keys(), ...(before?.keys() ?? [])]);
          const changed = [...known].filter((path) => commit.files.get(path) !== before?.get(path));
          const isOf = (path: string) => paths.some((p) => path === p || path.startsWith(`${p}/`));
          return i >= from && changed.some(isOf);
        });
        return touched.slice(0, o.limit ?? touched.length).map(moment);
      },
    };
  }
}

export interface World {
  readonly mirror: string;
  readonly pool: Pool;
  readonly catalog: Catalog;
  readonly main: Main;
  /** Takes builds in, as a sync does. */
  take(...samples: readonly Sample[]): Promise<void>;
  /** Takes a document in; its checksum. */
  document(text: string | Buffer): Promise<Checksum>;
  publish(o?: Partial<PublishOptions>): Promise<Published>;
}

/** An empty mirror in a folder of its own, gone after the test, beside an empty main. */
export async function makeWorld(main = new Main()): Promise<World> {
  const mirror = await mkdtemp(join(tmpdir(), 'sluice-publish-'));
  onTestFinished(() => rm(mirror, { recursive: true, force: true, maxRetries: 3 }));
  return openWorld(mirror, main);
}

export function openWorld(mirror: string, main: Main): World {
  const [pool, catalog] = [openPool(mirror), openCatalog(mirror)];
  return {
    mirror,
    pool,
    catalog,
    main,
    take: async (...samples) => {
      for (const { pin, bytes } of samples) await pool.put(once(bytes), pin);
      await openCatalog(mirror).putRecords(samples.map(({ record }) => record));
    },
    document: async (content) => {
      const bytes = Buffer.from(content);
      const checksum: Checksum = { type: 'sha256', hex: sha256Hex(bytes) };
      await catalog.putDocument(once(bytes), { checksum, size: bytes.length });
      return checksum;
    },
    publish: (o = {}) =>
      publish({
        mirror,
        pool,
        catalog,
        history: main.history(),
        now: new Date('2026-01-01T00:00:00Z'),
        ...o,
      }),
  };
}

/** The two files of a snapshot, to be committed. */
export function files(
  repository: RepositoryName,
  samples: readonly Sample[],
  more: Partial<SnapshotFields> = {},
): Record<string, string> {
  return filesOf(snapshotOf(repository, samples, more));
}

export function filesOf(snapshot: Snapshot): Record<string, string> {
  const { yaml, lock } = renderSnapshot(snapshot);
  return { [snapshotPath(snapshot.repository)]: yaml, [lockPath(snapshot.repository)]: lock };
}

export function snapshotOf(
  repository: RepositoryName,
  samples: readonly Sample[],
  more: Partial<SnapshotFields> = {},
): Snapshot {
  const live = repository.team === 'vendor';
  const from = live
    ? upstreamId(repository)
    : formatRepositoryId({ ...repository, team: 'vendor', tier: 'live' });
  return makeSnapshot({ repository, from, pins: samples.map(({ pin }) => pin), ...more });
}

/** Live's files: the same, and the documents that were last accepted. */
export function liveFiles(
  samples: readonly Sample[],
  documents: Readonly<Record<string, Checksum>> = {},
  more: Partial<SnapshotFields> = {},
  repository = LIVE,
): Record<string, string> {
  const upstream = {
    timestamp: 1_700_000_000,
    repomd: { type: 'sha256', hex: sha256Hex('repomd') } as const,
    documents: new Map(Object.entries(documents)),
  };
  return files(repository, samples, { upstream, ...more });
}

export function siteFile(lines = 'mirrorUrl: https://mirror.example/public\n'): Record<string, string> {
  return { 'policies/site.yaml': `apiVersion: sluice/v1\nkind: Site\n${lines}` };
}

export function upstreamFile(lines = '', repository = LIVE): Record<string, string> {
  const id = upstreamId(repository);
  return {
    [`policies/upstreams/${id}.yaml`]: `apiVersion: sluice/v1
kind: Upstream
id: ${id}
baseurl: [https://upstream.example/9/base/x86_64/os/]
packages: { signatures: none, reason: "a test" }
metadata: { signatures: none, reason: "a test" }
${lines}`,
  };
}

export function sha256Hex(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function nevraOf({ pin }: Sample): string {
  return formatNevra(pin.nevra);
}

async function* once(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes;
}
