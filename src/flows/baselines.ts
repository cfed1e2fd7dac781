import { Fault } from '../base/fault.ts';
import { type Baseline, readBaseline } from '../manifest/baseline.ts';
import type { TierPolicy } from '../manifest/policy.ts';
import type { State } from './state.ts';

/** A tier's baseline for one client set; undefined where the policy names none. NOT_FOUND, and as readBaseline. */
export function baselineOf(state: State, tier: TierPolicy, set: string): Baseline | undefined {
  const named = tier.baseline?.find((b) => b.set === undefined || b.set === set);
  return named && readNamed(state, named);
}

/** All that can be said of the baselines that policies name. */
export function checkBaselines(state: State): Fault[] {
  const tiers = [...state.policies.teams.values()].flatMap((team) => team.tiers);
  return tiers
    .flatMap((tier) => tier.baseline ?? [])
    .flatMap((named) => {
      try {
        readNamed(state, named);
        return [];
      } catch (error) {
        if (error instanceof Fault) return [error];
        throw error;
      }
    });
}

function readNamed(state: State, { file, at }: { readonly file: string; readonly at: string }): Baseline {
  const text = state.files.get(file);
  if (text !== undefined) return readBaseline(text, file);
  throw new Fault('NOT_FOUND', `${file} is not in the state repository`, {
    hint: 'Commit there what `rpm -qa` prints on a fresh host, or a kickstart file, or drop the line.',
    at,
  });
}
