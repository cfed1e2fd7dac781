export declare function readCompsNames(bytes: Buffer, at: string): string[];
export declare function projectComps(
  bytes: Buffer,
  keep: (packageName: string) => boolean,
  at?: string,
): Buffer;
