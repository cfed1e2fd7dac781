/** A growing list of 32-bit numbers. */
export class Numbers {
  length = 0;
  private values = new Int32Array(1 << 10);

  at(i: number): number {
    return i < this.length ? (this.values[i] as number) : 0;
  }

  push(value: number): void {
    if (this.length === this.values.length) this.grow(this.length + 1);
    this.values[this.length] = value;
    this.length += 1;
  }

  pushAll(values: Int32Array): void {
    if (this.length + values.length > this.values.length) this.grow(this.length + values.length);
    this.values.set(values, this.length);
    this.length += values.length;
  }

  /** A view: what is pushed later may move the list away from it. */
  between(from: number, to: number): Int32Array {
    return this.values.subarray(from, to);
  }

  truncate(length: number): void {
    this.length = length;
  }

  private grow(needed: number): void {
    const larger = new Int32Array(Math.max(this.values.length * 2, needed));
    larger.set(this.values);
    this.values = larger;
  }
}

/** Where the members of each group begin, one more for the end of the last; in the order in which they were told. */
export interface Groups {
  readonly starts: Int32Array;
  readonly members: Int32Array;
}

/**
 * Sorts members into groups by counting: `tell` is run twice, and tells each time the same pairs of a group's number (below
 * `groups`) and a member.
 */
export function groupNumbers(
  groups: number,
  tell: (note: (group: number, member: number) => void) => void,
): Groups {
  const starts = new Int32Array(groups + 1);
  tell((group) => {
    starts[group + 1] = (starts[group + 1] as number) + 1;
  });
  for (let i = 0; i < groups; i += 1) starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number);
  const members = new Int32Array(starts[groups] as number);
  const next = starts.slice();
  tell((group, member) => {
    const place = next[group] as number;
    members[place] = member;
    next[group] = place + 1;
  });
  return { starts, members };
}
