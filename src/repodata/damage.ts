import { Fault } from '../base/fault.ts';

export interface DecompressOptions {
  /** Ceiling of the decompressed bytes; above it TOO_LARGE. */
  readonly maxBytes: number;
  /** Where the bytes come from, for messages. */
  readonly at: string;
}

export function damaged(what: string, o: DecompressOptions, cause: unknown): Fault {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Fault('METADATA_INVALID', `the ${what} stream is damaged or truncated: ${why}`, {
    hint: 'Fetch the document again; if it stays so, tell the upstream.',
    at: o.at,
    cause,
  });
}

export function tooLarge(o: DecompressOptions): Fault {
  return new Fault('TOO_LARGE', `it has more than ${o.maxBytes} bytes when it is decompressed`, {
    hint: 'Check that the document is genuine; raise the ceiling only if it is.',
    at: o.at,
  });
}
