import { Fault } from '../base/fault.ts';
import type { Incoming } from '../pool/incoming.ts';
import type { Validators } from './http.ts';

export type Read =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'bytes';
      readonly bytes: Buffer;
      readonly validators: Validators;
      readonly html: boolean;
    };

export interface ReadOptions {
  readonly maxBytes: number;
  readonly validators?: Validators | undefined;
}

export interface DownloadOptions {
  /** What the metadata promises; absent in old metadata, then `maxBytes` alone bounds it. */
  readonly size: number | undefined;
  readonly maxBytes: number;
  /** Bytes as they come; negative when bytes turn out worthless. */
  readonly advance: (bytes: number) => void;
}

/** How the files of one scheme are had. */
export interface Transport {
  /** A small document, whole in memory; with validators, one conditional request where the scheme has such. */
  read(url: URL, o: ReadOptions): Promise<Read>;
  /** Into a file that knows what it must become: taken up where it was cut, and verified at the end. */
  download(url: URL, incoming: Incoming, o: DownloadOptions): Promise<void>;
}

export async function forget(incoming: Incoming, o: DownloadOptions): Promise<void> {
  o.advance(-incoming.received);
  await incoming.restart();
}

export function tooLarge(url: URL, ceiling: number): Fault {
  return new Fault('TOO_LARGE', `more than ${ceiling} bytes`, {
    hint: 'Check the URL, or ask whoever runs it.',
    at: url.href,
  });
}
