import { Fault } from '../../src/base/fault.ts';

/** The code of the Fault that is thrown; whatever else is thrown passes, and nothing thrown is `none`. */
export function fault(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
  return 'none';
}

/** As `fault`, of a promise. */
export async function rejected(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
  return 'none';
}
