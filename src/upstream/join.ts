import { Fault } from '../base/fault.ts';
import { pkgidOf } from '../repodata/filelists.ts';

/**
 * The elements of filelists or other, asked for in primary's order. Vendors write the three in one order, so little is
 * held; where they do not, what comes early waits here. UPSTREAM_INCONSISTENT when the two do not list the same.
 */
export class SideDocument {
  readonly #type: string;
  readonly #at: string;
  readonly #batches: AsyncIterator<Buffer[]>;
  readonly #early = new Map<string, Buffer[]>();
  #batch: Buffer[] = [];
  #next = 0;

  constructor(type: string, batches: AsyncIterable<Buffer[]>, at: string) {
    this.#type = type;
    this.#at = at;
    this.#batches = batches[Symbol.asyncIterator]();
  }

  async take(pkgid: string): Promise<Buffer> {
    const early = this.#early.get(pkgid);
    const waited = early?.shift();
    if (early?.length === 0) this.#early.delete(pkgid);
    if (waited) return waited;
    for (;;) {
      const element = await this.#advance();
      if (!element) throw this.#inconsistent(`primary lists ${pkgid}, ${this.#type} does not`);
      const id = pkgidOf(element, this.#at);
      if (id === pkgid) return element;
      const others = this.#early.get(id);
      if (others) others.push(element);
      else this.#early.set(id, [element]);
    }
  }

  /** Everything must have been asked for. */
  async finish(): Promise<void> {
    const [left] = this.#early.keys();
    const element = left === undefined ? await this.#advance() : undefined;
    const id = left ?? (element && pkgidOf(element, this.#at));
    if (id !== undefined) throw this.#inconsistent(`${this.#type} lists ${id}, primary does not`);
  }

  async close(): Promise<void> {
    await this.#batches.return?.();
  }

  async #advance(): Promise<Buffer | undefined> {
    while (this.#next === this.#batch.length) {
      const { done, value } = await this.#batches.next();
      if (done) return undefined;
      this.#batch = value;
      this.#next = 0;
    }
    const element = this.#batch[this.#next];
    this.#next += 1;
    return element;
  }

  #inconsistent(message: string): Fault {
    return new Fault('UPSTREAM_INCONSISTENT', `documents that do not belong together: ${message}`, {
      hint: `Try again later; if it stays so, name ${this.#type} under absent: in the upstream's policy.`,
      at: this.#at,
    });
  }
}
