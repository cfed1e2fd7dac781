/**
 * Distinct byte strings, numbered from 0 in order of first appearance: the same name stands in primary.xml thousands
 * of times, and comparing bytes is cheaper than making a string of each. Open addressing, load at most 1/2.
 */
export class InternTable {
  private slots = new Int32Array(1 << 12);
  private hashes = new Int32Array(1 << 11);
  /** Where each one begins in `arena`; one more for the end of the last. */
  private starts = new Int32Array((1 << 11) + 1);
  private arena = Buffer.allocUnsafeSlow(1 << 16);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** The number of `bytes[from, to)`, whose hash is `hash`; `size` was one less before if it is new. */
  intern(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const mask = this.slots.length - 1;
    const length = to - from;
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const id = (this.slots[slot] as number) - 1;
      if (id < 0) return this.add(bytes, from, to, hash, slot);
      if (this.hashes[id] === hash && this.sameBytes(id, bytes, from, length)) return id;
    }
  }

  /** The number of `bytes[from, to)`; -1 where it has none. */
  find(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const mask = this.slots.length - 1;
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const id = (this.slots[slot] as number) - 1;
      if (id < 0 || (this.hashes[id] === hash && this.sameBytes(id, bytes, from, to - from))) return id;
    }
  }

  /** As `intern`, of a text. */
  internText(text: string): number {
    const bytes = Buffer.from(text);
    return this.intern(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
  }

  /** As `find`, of a text. */
  findText(text: string): number {
    const bytes = Buffer.from(text);
    return this.find(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
  }

  bytes(id: number): Buffer {
    return this.arena.subarray(this.starts[id] ?? 0, this.starts[id + 1] ?? 0);
  }

  /** All of them one after the other, and where one begins: for loops to which `bytes` is too dear. Void after `intern`. */
  get all(): Buffer {
    return this.arena;
  }
  startOf(id: number): number {
    return this.starts[id] as number;
  }

  private sameBytes(id: number, bytes: Uint8Array, from: number, length: number): boolean {
    const start = this.starts[id] as number;
    if ((this.starts[id + 1] as number) - start !== length) return false;
    const { arena } = this;
    for (let i = 0; i < length; i += 1) if (arena[start + i] !== bytes[from + i]) return false;
    return true;
  }

  private add(bytes: Uint8Array, from: number, to: number, hash: number, slot: number): number {
    const id = this.count;
    const start = this.starts[id] as number;
    const end = start + to - from;
    if (end > this.arena.length) this.arena = grown(this.arena, end);
    const { arena } = this;
    for (let i = from; i < to; i += 1) arena[start + i - from] = bytes[i] as number; // a view and its copy cost more
    this.starts[id + 1] = end;
    this.hashes[id] = hash;
    this.slots[slot] = id + 1;
    this.count += 1;
    if (this.count === this.hashes.length) this.rehash();
    return id;
  }

  private rehash(): void {
    const hashes = new Int32Array(this.hashes.length * 2);
    hashes.set(this.hashes);
    const starts = new Int32Array(hashes.length + 1);
    starts.set(this.starts);
    const slots = new Int32Array(hashes.length * 2);
    const mask = slots.length - 1;
    for (let id = 0; id < this.count; id += 1) {
      let slot = spread(hashes[id] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.hashes = hashes;
    this.starts = starts;
    this.slots = slots;
  }
}

/** FNV-1a, 32 bits: `hash` of the bytes before, HASH_START for none. Scanners inline it. */
export const HASH_START = 0x811c9dc5 | 0;
export const HASH_PRIME = 0x01000193;

export function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = HASH_START;
  for (let i = from; i < to; i += 1) hash = Math.imul(hash ^ (bytes[i] as number), HASH_PRIME);
  return hash;
}

function spread(hash: number): number {
  return hash ^ (hash >>> 15); // FNV's low bits alone are weak
}

function grown(arena: Buffer, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(arena.length * 2, needed));
  larger.set(arena);
  return larger;
}
