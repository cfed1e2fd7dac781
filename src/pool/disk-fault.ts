import { codeOf, Fault } from '../base/fault.ts';

const DISK: Readonly<Record<string, { what: string; hint: string }>> = {
  ENOSPC: { what: 'the disk is full', hint: 'Free space on the mirror (sluice gc), then run it again.' },
  EDQUOT: { what: 'the quota is used up', hint: 'Free space or raise the quota, then run it again.' },
  EROFS: { what: 'the file system is read-only', hint: 'Mount it writable, then run it again.' },
  EXDEV: { what: 'the two are on different devices', hint: 'Keep the whole mirror root on one file system.' },
  EMFILE: { what: 'too many files are open', hint: 'Raise the limit (ulimit -n), then run it again.' },
  ENFILE: { what: 'too many files are open', hint: 'Raise the limit of the system, then run it again.' },
  EIO: { what: 'the disk reports an error', hint: 'Check the disk (dmesg), then run sluice verify.' },
  ENOTDIR: { what: 'a file stands where a folder must be', hint: 'Move it away, then run it again.' },
  EEXIST: { what: 'something else stands in its place', hint: 'Move it away, then run it again.' },
  EACCES: { what: 'permission denied', hint: 'Run as the user that owns the mirror.' },
  EPERM: { what: 'not permitted', hint: 'Run as the user that owns the mirror.' },
};

/** libuv has no name for EDQUOT: Node says `Unknown system error -122` (Linux). */
const EDQUOT = -122;

function diskCode(cause: unknown): string | undefined {
  const unnamed = typeof cause === 'object' && cause !== null && 'errno' in cause && cause.errno === EDQUOT;
  return unnamed ? 'EDQUOT' : codeOf(cause);
}

/** A DISK fault, where the system's error is about the disk; anything else comes back as it was. */
export function diskFault(cause: unknown, doing: string, at?: string): unknown {
  const code = diskCode(cause);
  const known = DISK[code ?? ''];
  if (!known || cause instanceof Fault) return cause;
  return new Fault('DISK', `${doing}: ${known.what} (${code})`, { hint: known.hint, at, cause });
}

/** Runs `work`; the disk's errors become DISK faults that say what was being done. */
export async function onDisk<T>(doing: string, at: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw diskFault(cause, doing, at);
  }
}
