import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { decompressAll } from '../../../src/repodata/compression.ts';
import { compareEvr, parseEvr } from '../../../src/rpm/evr.ts';
import { answerFile, serve } from '../../fixtures/server.ts';
import { filesBelow, tempDir } from '../../fixtures/tempDir.ts';

/** An HTTP server of one upstream, whose folder is exchanged for that of the next version. */
export async function serveUpstream(): Promise<{
  readonly url: string;
  /** False: it is that folder already. */
  show(folder: string): boolean;
}> {
  let root = '';
  const server = await serve(async (request, response) => {
    const path = normalize(decodeURIComponent(request.url ?? '/'));
    const bytes = await readFile(join(root, path)).catch(() => undefined);
    const etag = bytes ? `"${createHash('sha256').update(bytes).digest('hex')}"` : '';
    answerFile(request, response, bytes, etag);
  });
  return {
    url: server.url,
    show(folder) {
      const isOther = folder !== root;
      root = folder;
      return isOther;
    },
  };
}

/** What a repository lists: NEVRA (the epoch always written) to checksum, cut from the text by no reader of ours. */
export async function listedBy(folder: string): Promise<Map<string, string>> {
  const repomd = readFileSync(join(folder, 'repodata/repomd.xml'), 'utf8');
  const href = /type="primary"[\s\S]*?href="([^"]+)"/.exec(repomd)?.[1] ?? '';
  const open = await decompressAll(readFileSync(join(folder, href)), { maxBytes: 1 << 30, at: href });
  const listed = new Map<string, string>();
  for (const element of open.toString('utf8').split('<package ').slice(1)) {
    const text = (pattern: RegExp) => pattern.exec(element)?.[1] ?? '';
    const name = text(/<name>([^<]+)/);
    const evr = `${text(/epoch="(\d+)"/)}:${text(/ ver="([^"]+)"/)}-${text(/ rel="([^"]+)"/)}`;
    const type = text(/<checksum [^>]*type="([^"]+)"/).replace(/^sha$/, 'sha1');
    listed.set(`${name}-${evr}.${text(/<arch>([^<]+)/)}`, `${type}:${text(/<checksum [^>]*>(\w+)/)}`);
  }
  return listed;
}

/** A repository of the RPM files that are in a folder, by createrepo_c. */
export async function relisted(folder: string): Promise<string> {
  const target = await tempDir();
  for (const path of await filesBelow(folder)) {
    if (!path.endsWith('.rpm')) continue;
    await mkdir(dirname(join(target, path)), { recursive: true });
    await copyFile(join(folder, path), join(target, path));
  }
  execFileSync('createrepo_c', ['-q', target]);
  return target;
}

/** `name-epoch:version-release.arch` in two: what is compared with each other, and by what. */
export function splitNevra(text: string): { readonly nameArch: string; readonly evr: string } {
  const [, name, evr, arch] = /^(.+)-(\d+:[^-]+-[^-]+)\.([^.]+)$/.exec(text) ?? [];
  if (!name || !evr || !arch) throw new Error(`${text} is no NEVRA with an epoch`);
  return { nameArch: `${name}.${arch}`, evr };
}

/** The newest EVR of each name.arch. */
export function newestOf(builds: Iterable<{ readonly nevra: string }>): Map<string, string> {
  const newest = new Map<string, string>();
  for (const { nevra } of builds) {
    const { nameArch, evr } = splitNevra(nevra);
    const known = newest.get(nameArch);
    if (known === undefined || isNewer(evr, known)) newest.set(nameArch, evr);
  }
  return newest;
}

export function isNewer(a: string, b: string): boolean {
  return compareEvr(parseEvr(a), parseEvr(b)) > 0;
}
