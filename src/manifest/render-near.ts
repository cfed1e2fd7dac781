import { compareNevra } from '../rpm/nevra.ts';
import { lockLine, packageLines, renderHead } from './render.ts';
import { type Pin, renderSnapshot, type Snapshot, type SnapshotFiles } from './snapshot.ts';

/** A pair of files in canonical form, and what it says. */
export interface Known {
  readonly files: SnapshotFiles;
  readonly snapshot: Snapshot;
}

const PACKAGES = '\npackages:\n\n';

/**
 * What `renderSnapshot` gives, for a tenth of the time where a near one is known: the lines of pins that both have (the very same
 * objects) are copied in one piece from there.
 */
export function renderNear(s: Snapshot, { files, snapshot }: Known): SnapshotFiles {
  const start = files.yaml.indexOf(PACKAGES);
  if (s.pins.length === 0 || start < 0) return renderSnapshot(s);
  const yaml = new Splice(files.yaml, start + PACKAGES.length);
  const lock = new Splice(files.lock, 0);
  const drop = (group: readonly Pin[]) => {
    yaml.drop(1);
    lock.drop(group.length);
  };
  const known = groups(snapshot.pins);
  let next = known.next();
  for (const group of groups(s.pins)) {
    while (!next.done && comesBefore(next.value, group)) {
      drop(next.value);
      next = known.next();
    }
    if (!next.done && isSame(next.value, group)) {
      yaml.keep(1);
      lock.keep(group.length);
      next = known.next();
      continue;
    }
    yaml.put(packageLines(group));
    lock.put(group.map((pin) => `${lockLine(pin)}\n\n`).join(''));
    if (!next.done && isOfOneName(next.value[0], group[0])) {
      drop(next.value);
      next = known.next();
    }
  }
  return { yaml: `${renderHead(s)}${PACKAGES.slice(1)}${yaml.end()}`, lock: lock.end() };
}

/** Builds of one name.arch, in order. */
function* groups(pins: readonly Pin[]): Generator<readonly Pin[], undefined> {
  for (let from = 0; from < pins.length; ) {
    let to = from + 1;
    while (to < pins.length && isOfOneName(pins[from], pins[to])) to += 1;
    yield pins.slice(from, to);
    from = to;
  }
}

function isOfOneName(a: Pin | undefined, b: Pin | undefined): boolean {
  return a?.nevra.name === b?.nevra.name && a?.nevra.arch === b?.nevra.arch;
}

function isSame(a: readonly Pin[], b: readonly Pin[]): boolean {
  return a.length === b.length && a.every((pin, i) => pin === b[i]);
}

function comesBefore([a]: readonly Pin[], [b]: readonly Pin[]): boolean {
  if (!a || !b || a === b || isOfOneName(a, b)) return false;
  return compareNevra(a.nevra, b.nevra) < 0;
}

/** A text made from another one, line by line, each with an empty line after it. */
class Splice {
  readonly #text: string;
  readonly #pieces: string[] = [];
  /** What is between them is to be copied. */
  #from: number;
  #to: number;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#from = start;
    this.#to = start;
  }

  keep(lines: number): void {
    for (let n = 0; n < lines; n += 1) this.#to = this.#text.indexOf('\n', this.#to) + 2;
  }

  drop(lines: number): void {
    this.#copy();
    this.keep(lines);
    this.#from = this.#to;
  }

  put(text: string): void {
    this.#copy();
    this.#pieces.push(text);
  }

  /** What was not looked at is left out. */
  end(): string {
    this.#copy();
    return this.#pieces.join('');
  }

  #copy(): void {
    if (this.#to > this.#from) this.#pieces.push(this.#text.slice(this.#from, this.#to));
    this.#from = this.#to;
  }
}
