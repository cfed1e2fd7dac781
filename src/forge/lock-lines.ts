/** One line of a lock, as text: `<nevra> <type:hex> <size> <record>[ withdrawn]`. */
export interface LockLine {
  readonly nevra: string;
  /** `sha256:hex` */
  readonly checksum: string;
  readonly withdrawn: boolean;
}

/**
 * Calls `visit` for every line of a lock. History is read with this and not with the manifest's parser: a lock is read
 * once per commit. A line of another form is nobody's stay, so what cannot be read has not waited.
 */
export function eachLockLine(
  lock: Buffer,
  visit: (checksum: string, withdrawn: boolean, text: string, start: number, nevraEnd: number) => void,
): void {
  const text = lock.toString('latin1');
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf('\n', start);
    if (end < 0) end = text.length; // a last line that was cut has too few fields, or too short ones
    if (end === start) continue;
    const nevraEnd = text.indexOf(' ', start);
    const sumEnd = text.indexOf(' ', nevraEnd + 1);
    const sizeEnd = text.indexOf(' ', sumEnd + 1);
    if (nevraEnd <= start || sumEnd <= nevraEnd || sizeEnd <= sumEnd || sizeEnd >= end) continue;
    const markAt = text.indexOf(' ', sizeEnd + 1);
    const marked = markAt > 0 && markAt < end;
    const recordEnd = marked ? markAt : end;
    if (recordEnd - sizeEnd !== 13) continue; // 12 digits: a line that was cut is none
    if (marked && text.slice(markAt, end) !== ' withdrawn') continue;
    visit(text.slice(nevraEnd + 1, sumEnd), marked, text, start, nevraEnd);
  }
}

/** The same as a list, for what is not read a thousand times. */
export function readLockLines(lock: Buffer): LockLine[] {
  const lines: LockLine[] = [];
  eachLockLine(lock, (checksum, withdrawn, text, start, nevraEnd) => {
    lines.push({ nevra: text.slice(start, nevraEnd), checksum, withdrawn });
  });
  return lines;
}
