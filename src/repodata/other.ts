import { type Frame, frame } from './canonical.ts';

export { pkgidOf } from './filelists.ts';

/** createrepo_c's frame of other.xml. */
export function otherDocument(count: number): Frame {
  return frame('otherdata', `xmlns="http://linux.duke.edu/metadata/other" packages="${count}"`);
}
