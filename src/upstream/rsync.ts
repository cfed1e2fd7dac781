import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, open, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Fault } from '../base/fault.ts';
import { temporaryPath } from '../pool/disk.ts';
import { onDisk } from '../pool/disk-fault.ts';
import type { Incoming } from '../pool/incoming.ts';
import type { AddressGuard } from './address.ts';
import { attempts, connectionError, type Timing } from './attempt.ts';
import type { Credentials } from './credentials.ts';
import { runRsync } from './rsync-program.ts';
import { type DownloadOptions, type Read, type Transport, tooLarge } from './transfer.ts';
import { unsafe } from './url.ts';

export interface RsyncContext {
  readonly guard: AddressGuard;
  readonly credentials: Credentials;
  readonly timing: Timing;
  /** The policy's URLs: their servers are told the password, others are not. */
  readonly named: readonly URL[];
  readonly mirrorRoot: string | undefined;
}

/**
 * rsync://host/module/path, by the program rsync: one named file a run, into an empty folder of its own, where nothing else than a
 * regular file of that name is looked at (CVE-2024-12087, CVE-2024-12088: servers have written beside it). No links, no recursion.
 * What it brought is then taken in as from anywhere else. rsync has no conditional request: an unchanged upstream costs repomd.xml.
 */
export function rsyncTransport(context: RsyncContext): Transport {
  const { timing } = context;
  return {
    read: (url, { maxBytes }) => attempts(timing, () => read(context, url, maxBytes)),
    download: (url, incoming, o) => download(context, url, incoming, o),
  };
}

async function read(context: RsyncContext, url: URL, maxBytes: number): Promise<Read> {
  const chunks: Buffer[] = [];
  await transfer(context, url, {
    maxBytes,
    received: 0,
    seen: () => undefined,
    take: async (chunk) => void chunks.push(chunk),
    isSmall: true,
  });
  return { kind: 'bytes', bytes: Buffer.concat(chunks), validators: {}, html: false };
}

async function download(
  context: RsyncContext,
  url: URL,
  incoming: Incoming,
  o: DownloadOptions,
): Promise<void> {
  let appended = false;
  let mark = incoming.received;
  let told = incoming.received;
  const tell = (bytes: number) => {
    o.advance(bytes - told);
    told = bytes;
  };
  const attempt = async () => {
    const { received } = incoming;
    if (received === o.size) return; // an earlier run had it all
    appended ||= received > 0;
    try {
      await transfer(context, url, {
        maxBytes: o.maxBytes,
        received,
        beginning: received > 0 ? incoming.path : undefined,
        seen: tell,
        take: (chunk) => incoming.write(chunk),
      });
    } finally {
      tell(incoming.received);
    }
  };
  const progressed = () => {
    const further = incoming.received > mark;
    mark = incoming.received;
    return further;
  };
  appended ||= incoming.received > 0;
  await attempts(context.timing, attempt, progressed);
  try {
    await incoming.verify();
  } catch (cause) {
    if (!(appended && cause instanceof Fault)) throw cause;
    await incoming.restart(); // the beginning may have been another file's
    tell(0);
    await attempts(context.timing, attempt, progressed);
    await incoming.verify();
  }
}

interface Transfer {
  readonly maxBytes: number;
  /** Bytes that are there already, in the file `beginning`. */
  readonly received: number;
  readonly beginning?: string | undefined;
  /** How many bytes there are so far. */
  readonly seen: (bytes: number) => void;
  readonly take: (chunk: Buffer) => Promise<void>;
  /** What came before a failure is worth nothing. */
  readonly isSmall?: boolean;
}

async function transfer(context: RsyncContext, url: URL, o: Transfer): Promise<void> {
  const { module, path, name } = partsOf(url);
  if (context.mirrorRoot === undefined) throw unsafe('rsync has no place here', url.href);
  const folder = resolve(await temporaryPath(context.mirrorRoot));
  const target = join(folder, name);
  try {
    await onDisk('creating', folder, () => mkdir(folder, { mode: 0o700 }));
    if (o.beginning !== undefined) {
      const from = o.beginning;
      await onDisk('copying', target, () => copyFile(from, target, constants.COPYFILE_FICLONE));
    }
    const { credentials, guard, timing } = context;
    const isNamed = context.named.some((base) => base.protocol === url.protocol && base.host === url.host);
    try {
      const address = await guard.addressOf(url).catch((cause: unknown) => {
        throw connectionError(cause, url.href);
      });
      const host = address.includes(':') ? `[${address}]` : address;
      await runRsync({
        from: `rsync://${host}${url.port === '' ? '' : `:${url.port}`}/${module}/`,
        path,
        folder,
        size: () => sizeOf(target),
        seen: o.seen,
        maxBytes: o.maxBytes,
        append: o.beginning !== undefined,
        basic: isNamed ? credentials.basic : undefined,
        timing,
        url,
      });
    } catch (error) {
      if (!o.isSmall) await takeIn(target, url, o).catch(() => undefined); // to be taken up there
      throw error;
    }
    if (!(await takeIn(target, url, o))) throw nothing(url);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where the file is for the daemon. Its name is ours on disk, so it is one segment and no other. */
function partsOf(url: URL): { module: string; path: string; name: string } {
  const [module = '', ...rest] = url.pathname.slice(1).split('/').map(decoded);
  const name = rest.at(-1) ?? '';
  const isPlain = (segment: string) => !/^\.{0,2}$|[/\0\n\r]/.test(segment);
  if (!/^\w[\w.+@=,~-]*$/.test(module) || rest.length === 0 || !rest.every(isPlain))
    throw unsafe('no file of an rsync module', url.href);
  return { module, path: rest.join('/'), name };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

async function sizeOf(path: string): Promise<number> {
  return await lstat(path).then(
    (found) => (found.isFile() ? found.size : 0),
    () => 0,
  );
}

/** Everything behind what is there already. False where there is no regular file. */
async function takeIn(path: string, url: URL, o: Transfer): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isFile()) return false;
  if (found.size > o.maxBytes) throw tooLarge(url, o.maxBytes);
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const buffer = Buffer.allocUnsafe(Math.min(1 << 20, Math.max(1, found.size)));
  for (let at = o.received; at < found.size; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    await o.take(Buffer.from(buffer.subarray(0, bytesRead)));
    at += bytesRead;
  }
  return true;
}

function nothing(url: URL): Fault {
  return new Fault('NOT_FOUND', 'not a regular file: links and folders are not taken', {
    hint: 'Ask whoever runs this upstream, or name another URL.',
    at: url.href,
  });
}
