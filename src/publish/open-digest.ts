import { createHash, type Hash } from 'node:crypto';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SitePolicy } from '../manifest/policy.ts';
import { type Frame, openFrame } from './frame.ts';

/** The sha256 of a document's open text, from its frames in order. */
export interface OpenDigest {
  /** `open`: the frame's text, where it is at hand. */
  update(frame: Frame, open?: Buffer): void;
  digest(): Promise<string>;
  /** Ends it, finished or not. */
  close(): Promise<void>;
}

/** What the worker is told: a frame, or that there is no more. */
export type Told =
  | { readonly kind: 'frame'; readonly bytes: Uint8Array; readonly openLength: number }
  | { readonly kind: 'end' };

export function inlineDigest(how: SitePolicy['compression']): OpenDigest {
  const hash: Hash = createHash('sha256');
  return {
    update: (frame, open) => {
      hash.update(open ?? openFrame(frame, how));
    },
    digest: async () => hash.digest('hex'),
    close: async () => {},
  };
}

/** Of frames that were opened before. */
function knownDigest(hex: string): OpenDigest {
  return { update: () => {}, digest: async () => hex, close: async () => {} };
}

const known = new Map<string, string>();
const MOST_KNOWN = 24;

/**
 * `key`: the keys of all frames in order, which say what text they hold: tiers with the same builds have the same documents, and each
 * is opened once. Without a key, each is.
 */
export function digestOnce(
  key: string | undefined,
  how: SitePolicy['compression'],
  apart: boolean,
): OpenDigest {
  const before = key === undefined ? undefined : known.get(key);
  if (before !== undefined) return knownDigest(before);
  const digest = apart ? workerDigest(how) : inlineDigest(how);
  if (key === undefined) return digest;
  return {
    ...digest,
    digest: async () => {
      const hex = await digest.digest();
      known.set(key, hex);
      const [oldest] = known.keys();
      if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest);
      return hex;
    },
  };
}

/** On another core: opening and hashing 82 MB of filelists takes as long as primary and other together. */
export function workerDigest(how: SitePolicy['compression']): OpenDigest {
  // The same folder and ending as this file, whether it runs as TypeScript or was built.
  const url = new URL(`./open-digest-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(url, { workerData: how });
  const answer = new Promise<string>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the digest's worker ended with ${code}`)));
  });
  answer.catch(() => {}); // whoever asks for the digest hears of it
  return {
    // Never the text, also where it is at hand: on its way to a worker that is behind, it would fill the memory.
    update: (frame) => {
      const bytes = new Uint8Array(frame.bytes); // its own memory, to be handed over
      worker.postMessage({ kind: 'frame', bytes, openLength: frame.openLength } satisfies Told, [
        bytes.buffer,
      ]);
    },
    digest: () => {
      worker.postMessage({ kind: 'end' } satisfies Told);
      return answer;
    },
    close: async () => {
      await worker.terminate();
    },
  };
}
