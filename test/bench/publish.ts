/**
 * Publishing AppStream (17,649 builds) after one changed pin, beside `createrepo_c --update --skip-stat` on the same
 * metadata: `node test/bench/publish.ts`. Needs the corpus, git and createrepo_c. Nothing is left behind.
 *
 * The corpus has this repository's primary only; filelists and other are made up in their usual size (81 MB and 20 MB
 * open). RPM files are sparse: neither side reads any but the changed one.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { openHistory } from '../../src/forge/history.ts';
import { lockPath, parseRepositoryId, snapshotPath } from '../../src/manifest/ids.ts';
import { makeSnapshot, type Pin, renderSnapshot } from '../../src/manifest/snapshot.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { openPool } from '../../src/pool/pool.ts';
import { publish } from '../../src/publish/publish.ts';
import { decompress } from '../../src/repodata/compression.ts';
import { cutElements } from '../../src/repodata/elements.ts';
import { filelistsDocument } from '../../src/repodata/filelists.ts';
import { otherDocument } from '../../src/repodata/other.ts';
import { identify, primaryDocument } from '../../src/repodata/primary.ts';
import { type PackageRecord, recordId } from '../../src/repodata/record.ts';
import { writeRepomd } from '../../src/repodata/repomd.ts';
import { gitWith } from '../fixtures/gitHistory.ts';
import { CORPUS } from '../fixtures/oracle.ts';

const REPOSITORY = parseRepositoryId('vendor-live-centos-9-x86_64-appstream');
const FILELISTS_BYTES = 81_000_000;
const OTHER_BYTES = 20_000_000;

interface Row {
  readonly pin: Pin;
  readonly href: string;
  readonly record: PackageRecord;
}

async function readCorpus(folder: string): Promise<Row[]> {
  const repodata = join(folder, 'centos-9-appstream-2025-01/repodata');
  const name = (await readdir(repodata)).find((n) => n.includes('primary')) ?? '';
  const source = createReadStream(join(repodata, name)) as AsyncIterable<Buffer>;
  const rows: Row[] = [];
  for await (const batch of cutElements(decompress(source, { maxBytes: 1 << 30, at: name }), 'package', {
    at: name,
  })) {
    for (const element of batch) rows.push(rowOf(Buffer.from(element), rows.length));
  }
  return rows;
}

/** Its own share of made-up files and changes: long for one build in ten, short for the others. */
function rowOf(primary: Buffer, n: number): Row {
  const { nevra, checksum, size, href } = identify(primary, 'the corpus');
  const { epoch, version, release } = nevra.evr;
  const head = `<package pkgid="${checksum.hex}" name="${nevra.name}" arch="${nevra.arch}">
  <version epoch="${epoch}" ver="${version}" rel="${release}"/>\n`;
  const fill = (bytes: number, line: (i: number) => string) => {
    const share = (bytes / 17_649) * (n % 10 === 0 ? 6.4 : 0.4) - head.length;
    let text = '';
    for (let i = 0; text.length < share; i++) text += line(i);
    return Buffer.from(`${head}${text}</package>`);
  };
  const word = (i: number) => createHash('md5').update(`${nevra.name} ${i}`).digest('hex').slice(0, 12);
  const record: PackageRecord = {
    primary,
    filelists: fill(
      FILELISTS_BYTES,
      (i) => `  <file>/usr/share/doc/${nevra.name}/html/section-${i}/${word(i)}.html</file>\n`,
    ),
    other: fill(
      OTHER_BYTES,
      (i) =>
        `  <changelog author="A Packager &lt;a@example.org&gt; - ${version}-${i}" date="${1_600_000_000 + i}">- Fix ${word(i)} (rhbz#${i})</changelog>\n`,
    ),
  };
  return { pin: { nevra, checksum, size, record: recordId(record), withdrawn: false }, href, record };
}

/** The first build of the middle, as if rebuilt: other release, other file. */
function rebuilt(row: Row): Row {
  const text = (bytes: Buffer | undefined, hex: string) =>
    Buffer.from(
      (bytes ?? Buffer.alloc(0))
        .toString()
        .replaceAll(row.pin.checksum.hex, hex)
        .replaceAll(` rel="${row.pin.nevra.evr.release}"`, ` rel="${row.pin.nevra.evr.release}.1"`),
    );
  const hex = createHash('sha256').update(Buffer.alloc(row.pin.size)).digest('hex');
  const record = {
    primary: text(row.record.primary, hex),
    filelists: text(row.record.filelists, hex),
    other: text(row.record.other, hex),
  };
  const release = `${row.pin.nevra.evr.release}.1`;
  const nevra = { ...row.pin.nevra, evr: { ...row.pin.nevra.evr, release } };
  return {
    ...row,
    record,
    pin: { ...row.pin, nevra, checksum: { type: 'sha256', hex }, record: recordId(record) },
  };
}

async function sparse(path: string, size: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await using file = await open(path, 'w', 0o444);
  await file.truncate(size);
}

function commit(git: string, time: number, files: Readonly<Record<string, string>>): void {
  const env = { GIT_COMMITTER_DATE: `${time} +0000`, GIT_AUTHOR_DATE: `${time} +0000` };
  let stream = `commit refs/heads/main\ncommitter a <a@example.org> ${time} +0000\ndata 1\nx\n`;
  if (time > 1_000_000) stream += 'from refs/heads/main^0\n';
  for (const [path, text] of Object.entries(files)) {
    stream += `M 100644 inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}\n`;
  }
  execFileSync('git', ['-C', git, 'fast-import', '--quiet'], {
    input: stream,
    env: { ...process.env, ...env },
  });
}

function filesOf(rows: readonly Row[]): Record<string, string> {
  const upstream = {
    timestamp: 1,
    repomd: { type: 'sha256', hex: '0'.repeat(64) } as const,
    documents: new Map(),
  };
  const snapshot = makeSnapshot({
    repository: REPOSITORY,
    from: 'centos-9-x86_64-appstream',
    pins: rows.map((r) => r.pin),
    upstream,
  });
  const { yaml, lock } = renderSnapshot(snapshot);
  return { [snapshotPath(REPOSITORY)]: yaml, [lockPath(REPOSITORY)]: lock };
}

const POLICIES = {
  'policies/site.yaml': 'apiVersion: sluice/v1\nkind: Site\nmirrorUrl: https://mirror.example/\n',
  'policies/upstreams/centos-9-x86_64-appstream.yaml': `apiVersion: sluice/v1
kind: Upstream
id: centos-9-x86_64-appstream
baseurl: [https://upstream.example/]
packages: { signatures: none, reason: "a measurement" }
metadata: { signatures: none, reason: "a measurement" }
`,
};

/** In a process of its own, so that nothing is warm: one run of `publish`, its time and its peak. */
async function measure(mirror: string, git: string): Promise<void> {
  const began = performance.now();
  const history = await openHistory(git, 'main');
  const opened = performance.now();
  const before = process.cpuUsage();
  const done = await publish({
    mirror,
    history,
    catalog: openCatalog(mirror),
    pool: openPool(mirror),
    now: new Date(),
  });
  const ended = performance.now();
  const cpu = process.cpuUsage(before);
  const [failure] = done.failed;
  if (failure) throw failure.fault;
  const said = {
    publish: ended - opened,
    history: opened - began,
    cpu: (cpu.user + cpu.system) / 1e6,
    peak: process.resourceUsage().maxRSS / 1024,
    done,
  };
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

function inProcess(mirror: string, git: string, label: string): number {
  const began = performance.now();
  const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url), 'measure', mirror, git], {
    encoding: 'utf8',
    env: { ...process.env, NODE_COMPILE_CACHE: join(mirror, '..', 'compiled') }, // users run compiled files
  });
  const whole = performance.now() - began;
  if (run.status !== 0) throw new Error(run.stderr);
  const said = JSON.parse(run.stdout);
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  const [{ outcome, linked }] = said.done.repositories;
  console.log(
    `${label}: publish ${seconds(said.publish)} s (cpu ${said.cpu.toFixed(2)} s), whole process ${seconds(whole)} s, peak ${said.peak.toFixed(0)} MB (${outcome}, ${linked} links)`,
  );
  return whole;
}

/** What createrepo_c is given: the same documents, empty files for the builds that stay, and one real RPM that is new. */
async function besides(root: string, rows: readonly Row[], rpm: string): Promise<void> {
  const repodata = join(root, 'repodata');
  await mkdir(repodata, { recursive: true });
  const documents = { primary: primaryDocument, filelists: filelistsDocument, other: otherDocument } as const;
  const records = [];
  for (const [type, frame] of Object.entries(documents) as [
    keyof typeof documents,
    typeof primaryDocument,
  ][]) {
    const { head, tail } = frame(rows.length);
    const text = Buffer.concat([
      head,
      ...rows.flatMap((row) => [row.record[type] as Buffer, Buffer.from('\n')]),
      tail,
    ]);
    const bytes = gzipSync(text);
    const hex = createHash('sha256').update(bytes).digest('hex');
    const href = `repodata/${hex}-${type}.xml.gz`;
    await writeFile(join(root, href), bytes);
    const openChecksum = { type: 'sha256', hex: createHash('sha256').update(text).digest('hex') } as const;
    records.push({
      type,
      href,
      checksum: { type: 'sha256', hex } as const,
      size: bytes.length,
      openChecksum,
      openSize: text.length,
      timestamp: 1,
    });
  }
  const tags = { content: [], repo: [], distro: [] };
  await writeFile(join(repodata, 'repomd.xml'), writeRepomd({ revision: '1', tags, records }));
  for (const { href } of rows.slice(1)) await sparse(join(root, href), 0);
  await copyFile(rpm, join(root, 'Packages', basename(rpm)));
}

async function main(): Promise<void> {
  if (CORPUS === undefined) throw new Error('the corpus is not there');
  const work = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  try {
    const [mirror, git, peer] = ['mirror', 'git', 'peer'].map((name) => join(work, name)) as [
      string,
      string,
      string,
    ];
    const rows = await readCorpus(CORPUS);
    const open = (list: 'primary' | 'filelists' | 'other') =>
      (rows.reduce((sum, { record }) => sum + (record[list]?.length ?? 0), 0) / 1e6).toFixed(0);
    console.log(
      `${rows.length} builds; open MB: primary ${open('primary')}, filelists ${open('filelists')}, other ${open('other')}`,
    );
    await openCatalog(mirror).putRecords(rows.map(({ record }) => record));
    const pool = openPool(mirror);
    for (const { pin } of rows) await sparse(pool.path(pin.checksum), pin.size);
    await mkdir(git);
    gitWith({}, git, 'init', '-q', '--bare', '-b', 'main');
    commit(git, 1_000_000, { ...POLICIES, ...filesOf(rows) });
    inProcess(mirror, git, 'everything new      ');
    inProcess(mirror, git, 'nothing changed     ');

    const series = join(CORPUS, 'rpms-al2023');
    const rpm = (await readdir(series, { recursive: true })).find((name) => name.endsWith('.rpm'));
    if (rpm === undefined) throw new Error('no RPM in the corpus');
    await besides(peer, rows, join(series, rpm));
    const middle = Math.floor(rows.length / 2);
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (const round of [1, 2, 3, 4, 5]) {
      const at = middle + round * 100;
      const row = rebuilt(rows[at] as Row);
      rows[at] = row;
      await openCatalog(mirror).putRecords([row.record]);
      await sparse(pool.path(row.pin.checksum), row.pin.size);
      commit(git, 1_000_000 + round, filesOf(rows));
      ours.push(inProcess(mirror, git, `one pin changed (${round}) `));
      const began = performance.now();
      const command = `TIMEFORMAT='%U + %S'; time createrepo_c --quiet --update --skip-stat --no-database "$0"`;
      const { stderr } = spawnSync('bash', ['-c', command, peer], { encoding: 'utf8' });
      const took = performance.now() - began;
      theirs.push(took);
      console.log(`createrepo_c --update (${round}): ${(took / 1000).toFixed(2)} s (cpu ${stderr.trim()} s)`);
    }
    const middleOf = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
    console.log(
      `medians: the whole process takes 1/${(middleOf(theirs) / middleOf(ours)).toFixed(1)} of createrepo_c's`,
    );
    const repomd = await readFile(join(peer, 'repodata/repomd.xml'), 'utf8');
    const sizes = [...repomd.matchAll(/<open-size>(\d+)/g)].map(([, size]) => Number(size) / 1e6);
    console.log(`  which wrote ${sizes.map((size) => size.toFixed(0)).join(', ')} MB (open)`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const [mode, mirror, git] = process.argv.slice(2);
if (mode === 'measure' && mirror && git) await measure(mirror, git);
else await main();
