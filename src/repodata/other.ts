import { type Frame, frame } from './canonical.ts';
import { utf8Text, XmlReader } from './xml.ts';

export { pkgidOf } from './filelists.ts';

/** createrepo_c's frame of other.xml. */
export function otherDocument(count: number): Frame {
  return frame('otherdata', `xmlns="http://linux.duke.edu/metadata/other" packages="${count}"`);
}

/** One entry of a package's changelog, in the packager's words. */
export interface ChangelogEntry {
  readonly author: string;
  /** Seconds since 1970; undefined where it is no number. */
  readonly date: number | undefined;
  readonly text: string;
}

/** A build's changelog, the newest entry first. createrepo_c writes the last ten and the oldest first, others in other orders. */
export function changelogOf(element: Buffer, at = 'a <package>'): ChangelogEntry[] {
  const reader = new XmlReader(utf8Text(element, at), at);
  const entries: ChangelogEntry[] = [];
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token !== 'open' || reader.name !== 'changelog' || reader.depth !== 2) continue;
    const date = reader.attribute('date') ?? '';
    const author = reader.attribute('author') ?? '';
    const seconds = /^\d{1,12}$/.test(date) ? Number(date) : undefined;
    entries.push({ author, date: seconds, text: reader.textContent() });
  }
  return entries.reverse().sort((a, b) => (b.date ?? 0) - (a.date ?? 0));
}
