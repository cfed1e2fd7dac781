import { Fault } from '../base/fault.ts';
import { openGit } from './git.ts';

/** `2.39.5`; undefined where there is no git. */
export async function gitVersion(): Promise<string | undefined> {
  try {
    return /(\d+(?:\.\d+)+)/.exec(await openGit('.').text(['version']))?.[1];
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
