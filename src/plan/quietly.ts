import { Fault } from '../base/fault.ts';

/** Undefined where it throws a Fault: somebody else says what is wrong. */
export function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
