/** Reads what `git cat-file` prints of many objects: a line, then so many bytes. */
export class BatchReader {
  #chunks: Buffer[] = [];
  #length = 0;
  readonly #source: AsyncGenerator<Buffer>;

  constructor(source: AsyncGenerator<Buffer>) {
    this.#source = source;
  }

  async line(): Promise<string> {
    for (;;) {
      const joined = this.#join();
      const end = joined.indexOf(10);
      if (end >= 0) return (await this.bytes(end + 1)).toString('latin1', 0, end);
      await this.#more();
    }
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#length < count) await this.#more();
    const joined = this.#join();
    this.#chunks = [joined.subarray(count)];
    this.#length -= count;
    return joined.subarray(0, count);
  }

  async end(): Promise<void> {
    await this.#source.return(undefined);
  }

  #join(): Buffer {
    const [first] = this.#chunks;
    const joined = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#source.next();
    if (done) throw new Error('cat-file ended early');
    this.#chunks.push(value);
    this.#length += value.length;
  }
}
