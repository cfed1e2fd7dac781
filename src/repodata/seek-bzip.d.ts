declare module 'seek-bzip' {
  interface ByteSource {
    readByte(): number;
    read(into: Uint8Array, offset: number, length: number): number;
    seek(pos: number): void;
  }
  interface ByteSink {
    writeByte(byte: number): void;
  }
  const bzip: { decode(input: ByteSource, output: ByteSink, multistream?: boolean): void };
  export = bzip;
}
