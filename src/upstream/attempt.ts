import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, Fault } from '../base/fault.ts';

/** How patient we are. Milliseconds, but for `minBytesPerSecond`. */
export interface Timing {
  readonly attempts: number;
  /** Before the second attempt; doubled before each further one. */
  readonly backoff: number;
  /** The longest wait, also when a server's Retry-After asks for more. */
  readonly longestWait: number;
  readonly connect: number;
  /** Without a byte. */
  readonly idle: number;
  /** A body that is slower than `minBytesPerSecond` over this long is given up. */
  readonly slow: number;
  readonly minBytesPerSecond: number;
}

export const TIMING: Timing = {
  attempts: 4,
  backoff: 1_000,
  longestWait: 60_000,
  connect: 10_000,
  idle: 30_000,
  slow: 60_000,
  minBytesPerSecond: 1_024,
};

/** An attempt that may succeed when it is made again. */
export class TryAgain extends Error {
  readonly fault: Fault;
  /** What the server asked for with Retry-After. */
  readonly after: number | undefined;

  constructor(fault: Fault, after?: number) {
    super(fault.message, { cause: fault });
    this.fault = fault;
    this.after = after;
  }
}

/** Makes attempts until one succeeds or cannot. `progressed` tells whether the last one got further: then it counts anew. */
export async function attempts<T>(
  timing: Timing,
  attempt: () => Promise<T>,
  progressed: () => boolean = () => false,
): Promise<T> {
  for (let failed = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TryAgain)) throw error;
      failed = progressed() ? 1 : failed + 1;
      if (failed >= timing.attempts) throw error.fault;
      const backoff = timing.backoff * 2 ** (failed - 1) * (0.75 + Math.random() / 2); // apart from everyone else's
      await sleep(Math.min(Math.max(backoff, error.after ?? 0), timing.longestWait));
    }
  }
}

/** An error of the connection as what comes next: TryAgain, or a Fault where trying again is of no use. */
export function connectionError(cause: unknown, url: string): unknown {
  const inner = innermost(cause);
  if (inner instanceof Fault) return inner; // our own guard, through undici
  const code = codeOf(inner) ?? codeOf(cause);
  const fault = new Fault('NETWORK', `no answer, or a cut one: ${textOf(inner)}`, {
    hint: 'Try again later, or name another mirror in the policy.',
    at: url,
    cause,
  });
  if (code === undefined && !(cause instanceof Error)) return cause;
  const hopeless =
    code === 'ENOTFOUND' || /^(CERT_|ERR_TLS|DEPTH_|SELF_SIGNED|UNABLE_TO_|ERR_SSL)/.test(code ?? '');
  return hopeless ? fault : new TryAgain(fault);
}

function innermost(error: unknown): unknown {
  for (let at = error; ; at = at.cause) {
    if (at instanceof AggregateError && at.errors[0] !== undefined) return at.errors[0];
    if (!(at instanceof Error) || at.cause === undefined || at instanceof Fault) return at;
  }
}

function textOf(error: unknown): string {
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  return code === undefined || text.includes(code) ? text : `${text} (${code})`;
}

/** Seconds, or a date (RFC 9110, 10.2.3), in milliseconds from now. */
export function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
