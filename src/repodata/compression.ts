export type Compression = 'plain' | 'gzip' | 'bzip2' | 'xz' | 'zstd';
export interface DecompressOptions {
  /** Ceiling of the decompressed bytes; above it TOO_LARGE. */
  readonly maxBytes: number;
  /** Where the bytes come from, for messages. */
  readonly at: string;
}
export declare function sniff(firstBytes: Buffer): Compression;
export declare function decompress(
  source: AsyncIterable<Buffer>,
  o: DecompressOptions,
): AsyncIterable<Buffer>;
export declare function decompressAll(bytes: Buffer, o: DecompressOptions): Promise<Buffer>;
export declare function compress(bytes: Buffer, how: 'gzip' | 'zstd'): Buffer;
