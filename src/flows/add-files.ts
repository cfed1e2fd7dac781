import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { codeOf, Fault } from '../base/fault.ts';
import type { UpstreamPolicy } from '../manifest/policy.ts';
import { examinePackage } from '../openpgp/package.ts';
import type { Trust } from '../openpgp/trust.ts';
import { type AddedBuild, addedHref } from '../pool/added.ts';
import { readChunks } from '../pool/disk.ts';
import { headerElements } from '../repodata/headerElements.ts';
import { archesFor } from '../rpm/arches.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { judgePackage } from '../upstream/judgePackage.ts';

/** A file that may be added: the build that it is, and who signed it. */
export interface Candidate {
  readonly path: string;
  readonly build: AddedBuild;
  /** Fingerprints; empty where the policy asks for none. */
  readonly by: readonly string[];
}

/** Reads a file once, and holds it against all that a fetched package is held against. A Fault names the file. */
export async function readCandidate(
  path: string,
  upstream: UpstreamPolicy,
  trust: Trust,
): Promise<Candidate> {
  const { size } = await regularFile(path);
  const hash = createHash('sha256');
  const examined = await asBuild(path, () =>
    examinePackage(hashed(readChunks(path), hash), trust.keys, path),
  );
  const { file } = examined.rpm;
  const allowed = archesOf(upstream);
  if (!allowed.includes(file.nevra.arch)) {
    const what = `${formatNevra(file.nevra)} is not for ${upstream.id}, which takes ${allowed.join(', ')}`;
    throw new Fault('USAGE', what, { hint: 'Add it to the upstream of its own arch.', at: path });
  }
  const checksum = { type: 'sha256', hex: hash.digest('hex') } as const;
  // The build's own time, so that one file has one record, wherever and whenever it is added.
  const facts = { checksum, size, fileTime: file.buildTime ?? 0, href: addedHref(checksum) };
  const record = await asBuild(path, async () => headerElements(examined.rpm, facts, path));
  const verdict = await asBuild(path, async () => judgePackage(examined, record.primary, trust, path));
  if (verdict.refused !== undefined) {
    const code = examined.broken.length > 0 ? 'RPM_INVALID' : 'SIGNATURE_INVALID';
    const hint =
      code === 'RPM_INVALID'
        ? 'Copy it again from where it was built.'
        : `Sign it (rpmsign --addsign) with a key that ${upstream.path} names.`;
    throw new Fault(code, `${formatNevra(file.nevra)}: ${verdict.refused}`, { hint, at: path });
  }
  return { path, build: { nevra: file.nevra, checksum, size, record }, by: verdict.by };
}

/** What its clients can install; where it stands alone (sources), its sources too. */
function archesOf({ arches, name, alone }: UpstreamPolicy): readonly string[] {
  if (arches.length > 0) return arches;
  return alone ? [...archesFor(name.arch), 'src'] : archesFor(name.arch);
}

/** A link could show another file at each look, a pipe can be read only once. */
async function regularFile(path: string): Promise<Stats> {
  const refuse = (what: string, cause?: unknown) =>
    new Fault(cause === undefined ? 'USAGE' : 'NOT_FOUND', what, {
      hint: 'Name the RPM file itself.',
      at: path,
      cause,
    });
  let found: Stats;
  try {
    found = await lstat(path);
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT' && codeOf(cause) !== 'ENOTDIR') throw cause;
    throw refuse('there is no such file', cause);
  }
  if (found.isSymbolicLink()) throw refuse('it is a symlink, not a file');
  if (found.isDirectory()) throw refuse('it is a folder, not a file');
  if (!found.isFile()) throw refuse('it is a pipe, a socket or a device, not a file');
  return found;
}

async function* hashed(
  chunks: AsyncIterable<Buffer>,
  hash: { update(bytes: Buffer): unknown },
): AsyncIterable<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

/** There is no other mirror to fetch it from: whoever built it must act. */
async function asBuild<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Fault) || (cause.code !== 'RPM_INVALID' && cause.code !== 'MALFORMED'))
      throw cause;
    throw new Fault('RPM_INVALID', cause.message, { hint: 'Build it again.', at: path, cause });
  }
}
