import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { codeOf, Fault } from '../base/fault.ts';
import type { Incoming } from '../pool/incoming.ts';
import { type DownloadOptions, forget, type Read, type Transport, tooLarge } from './transfer.ts';

/** Folders of this machine. */
export const LOCAL: Transport = { read: readLocal, download: copyLocal };

async function readLocal(url: URL, o: { maxBytes: number }): Promise<Read> {
  await using file = await openLocal(url);
  const { size } = await file.stat();
  if (size > o.maxBytes) throw tooLarge(url, o.maxBytes);
  return { kind: 'bytes', bytes: await file.readFile(), validators: {}, html: false };
}

async function copyLocal(url: URL, incoming: Incoming, o: DownloadOptions): Promise<void> {
  await using file = await openLocal(url);
  const { size } = await file.stat();
  if (size > o.maxBytes) throw tooLarge(url, o.maxBytes);
  if (incoming.received > 0) await forget(incoming, o); // reading again is cheap, and nothing was promised of then
  for await (const chunk of createReadStream(fileURLToPath(url), { highWaterMark: 1 << 20 })) {
    await incoming.write(chunk as Buffer);
    o.advance((chunk as Buffer).length);
  }
  await incoming.verify();
}

/** A regular file; a folder, a pipe or a device in its place is refused before it is opened. */
async function openLocal(url: URL) {
  const path = fileURLToPath(url);
  try {
    if ((await stat(path)).isFile()) return await open(path, 'r');
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT' && codeOf(cause) !== 'ENOTDIR') throw cause;
    throw new Fault('NOT_FOUND', 'no such file', {
      hint: 'Check the base URL in the policy.',
      at: url.href,
      cause,
    });
  }
  throw new Fault('NOT_FOUND', 'not a regular file', {
    hint: 'Check the base URL in the policy.',
    at: url.href,
  });
}
