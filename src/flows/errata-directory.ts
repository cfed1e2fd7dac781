import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, Fault } from '../base/fault.ts';
import { readChunks } from '../pool/disk.ts';
import { decompress } from '../repodata/compression.ts';
import { cutElements } from '../repodata/elements.ts';
import { readModules } from '../repodata/modules.ts';
import { identify } from '../repodata/primary.ts';
import { type Repomd, readRepomd } from '../repodata/repomd.ts';
import { textOf } from '../rpm/blob.ts';
import { openRpm } from '../rpm/header.ts';
import { formatNevra, type Nevra, parseNevra } from '../rpm/nevra.ts';

/** Builds of a folder, and the module streams that it says they belong to. */
export interface FolderBuilds {
  readonly builds: readonly Nevra[];
  readonly streams: (nevra: string) => readonly string[];
  readonly files: number;
}

const MAX_REPOMD = 16 << 20;
const MAX_DOCUMENT = 4 * 2 ** 30;
const MAX_MODULES = 256 << 20;
const MAX_FILES = 300_000;
/** `name:stream:version:context` of a modular build, in its own header. */
const MODULARITY_LABEL = 5096;

/** A repository by its metadata, any other folder by the RPM files in it and below it. */
export async function readFolder(dir: string): Promise<FolderBuilds> {
  const found = await stat(dir).catch((cause: unknown) => {
    if (codeOf(cause) !== 'ENOENT' && codeOf(cause) !== 'ENOTDIR') throw cause;
    return undefined;
  });
  if (!found?.isDirectory()) {
    const hint = 'Name a folder of RPM files, or a repository (the folder that has repodata/).';
    throw new Fault('NOT_FOUND', 'there is no such folder', { hint, at: dir });
  }
  const repomd = await readIfThere(join(dir, 'repodata/repomd.xml'));
  return repomd ? readRepository(dir, readRepomd(repomd, join(dir, 'repodata/repomd.xml'))) : readFiles(dir);
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  const found = await stat(path).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return undefined;
    throw cause;
  });
  if (!found) return undefined;
  if (found.isFile() && found.size <= MAX_REPOMD) return readFile(path);
  throw new Fault('TOO_LARGE', 'it is no plain file of a sensible size', { hint: 'Look at it.', at: path });
}

async function readRepository(dir: string, repomd: Repomd): Promise<FolderBuilds> {
  const open = (type: string, maxBytes: number) => {
    const record = repomd.records.find((r) => r.type === type);
    if (!record) return undefined;
    const at = join(dir, record.href);
    return { at, chunks: decompress(createReadStream(at) as AsyncIterable<Buffer>, { maxBytes, at }) };
  };
  const primary = open('primary', MAX_DOCUMENT);
  if (!primary) {
    const hint = 'Run createrepo_c in it, or name a folder of RPM files.';
    throw new Fault('METADATA_INVALID', 'its repomd.xml names no primary', { hint, at: dir });
  }
  const builds: Nevra[] = [];
  for await (const elements of cutElements(primary.chunks, 'package', { at: primary.at })) {
    for (const element of elements) builds.push(identify(element, primary.at, { parentHref: true }).nevra);
  }
  const streams = new Map<string, string[]>();
  const modules = open('modules', MAX_MODULES);
  if (modules) {
    const chunks: Buffer[] = [];
    for await (const chunk of modules.chunks) chunks.push(chunk);
    for (const { nsvca, name, stream, artifacts } of readModules(Buffer.concat(chunks), modules.at)) {
      if (nsvca === undefined) continue;
      for (const artifact of artifacts) {
        const build = formatNevra(parseNevra(artifact, modules.at));
        const known = streams.get(build) ?? [];
        if (!known.includes(`${name}:${stream}`)) streams.set(build, [...known, `${name}:${stream}`].sort());
      }
    }
  }
  return { builds, streams: (build) => streams.get(build) ?? [], files: builds.length };
}

async function readFiles(dir: string): Promise<FolderBuilds> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.name.endsWith('.rpm') && !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (paths.length === 0 || paths.length > MAX_FILES) {
    const message = `it has ${paths.length} RPM files`;
    const hint = 'Name a folder of RPM files, or a repository (the folder that has repodata/).';
    throw new Fault(paths.length === 0 ? 'NOT_FOUND' : 'TOO_LARGE', message, { hint, at: dir });
  }
  const builds: Nevra[] = [];
  const streams = new Map<string, string[]>();
  for (const path of paths) {
    if (!(await stat(path)).isFile()) {
      const what = (await lstat(path)).isSymbolicLink() ? 'a link to no file' : 'no file';
      throw new Fault('RPM_INVALID', `it is ${what}`, {
        hint: 'Remove it, or name another folder.',
        at: path,
      });
    }
    const rpm = await openRpm(readChunks(path), path);
    await rpm.close();
    const { nevra } = rpm.file;
    builds.push(nevra);
    const [name, stream] = textOf(rpm.header, MODULARITY_LABEL, path)?.split(':') ?? [];
    if (name && stream) streams.set(formatNevra(nevra), [`${name}:${stream}`]);
  }
  return { builds, streams: (build) => streams.get(build) ?? [], files: paths.length };
}
