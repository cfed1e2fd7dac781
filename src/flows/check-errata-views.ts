import { Fault } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { errataPath } from '../manifest/errata.ts';
import { errataPartPath, parseErrataPartPath } from '../manifest/errata-parts.ts';
import { type ErrataChosen, namedErrata } from '../manifest/errata-policy.ts';
import { upstreamId } from '../manifest/ids.ts';
import { errataSnapshots, liveOfSet, noSet } from '../publish/errata-set.ts';
import type { Mirror } from './context.ts';
import { unservable } from './servable.ts';
import type { State } from './state.ts';

/** What a state says of its errata sets by itself: sets that are named are there, and nothing is said of others. */
export function checkErrataNames(state: State): Fault[] {
  const { errata, site } = state.policies;
  const groups = errata ? [errata.defaults, ...errata.groups.values()] : [];
  const named = groups.flatMap((sets) => [...sets.values()]);
  const faults = named.filter((chosen) => !state.files.has(errataPath(chosen))).map(noSet);
  const sets = new Set(named.map(({ set }) => set));
  for (const [set, { at }] of [...site.kernels, ...(errata?.kernels ?? [])]) {
    if (sets.has(set)) continue;
    const hint = 'Correct the name, or name a set for it in policies/errata.yaml.';
    faults.push(new Fault('POLICY_INVALID', `no errata set of ${set} is published`, { hint, at }));
  }
  for (const path of state.files.keys()) {
    const part = parseErrataPartPath(path);
    if (!part || state.files.has(errataPath(part))) continue;
    const message = `${errataPath(part)}, which it is a part of, is not there`;
    faults.push(new Fault('NOT_FOUND', message, { hint: 'Write the set, or remove the part.', at: path }));
  }
  return faults;
}

/**
 * Every set that a change could have touched is made as it would be published, and the mirror is asked whether it could serve it. Live
 * cannot take a set away: what it drops is found in its history.
 */
export async function checkErrataViews(
  main: State,
  merged: State,
  mirror: Mirror | undefined,
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const chosen of touched(main, merged)) {
    try {
      const live = liveOfSet(merged.files.keys(), chosen.set).filter(
        (name) => merged.policies.upstreams.get(upstreamId(name))?.alone !== true,
      );
      const { snapshots } = await errataSnapshots(textsOf(merged), merged.policies, chosen, live);
      const said = mirror ? await unservable(merged, mirror, snapshots) : [];
      if (said.length > 0) faults.push(cannotServe(chosen, said));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { code, message, hint } = error;
      faults.push(error.at ? error : new Fault(code, message, { hint, at: chosen.at, cause: error }));
    }
  }
  return faults;
}

function textsOf(state: State) {
  const { files, history } = state;
  return {
    readMany: async (paths: readonly string[]) =>
      new Map(paths.flatMap((path) => (files.has(path) ? [[path, files.get(path) ?? '']] : []))),
    readAt: (paths: readonly string[], commit: string) => history.readMany(paths, commit),
    changes: (paths: readonly string[]) => history.pathChanges(paths),
  };
}

/**
 * Sets that are named, and sets that have parts: all of them where policies changed, else those whose own files did. A recall only takes
 * away, and is kept from merging by nothing here.
 */
function touched(main: State, merged: State): ErrataChosen[] {
  const all = new Map(namedErrata(merged.policies.errata).map((chosen) => [errataPath(chosen), chosen]));
  for (const path of [...merged.files.keys()].sort(byCodeUnit)) {
    const part = parseErrataPartPath(path);
    if (part && !all.has(errataPath(part)))
      all.set(errataPath(part), { set: part.set, date: part.date, at: path });
  }
  const sets = [...all.values()].filter((chosen) => merged.files.has(errataPath(chosen)));
  const changed = (path: string) => main.files.get(path) !== merged.files.get(path);
  const policies = [...new Set([...main.files.keys(), ...merged.files.keys()])].filter((path) =>
    /^policies\/(errata\.yaml|site\.yaml|upstreams\/)/.test(path),
  );
  if (policies.some(changed)) return sets;
  return sets.filter((chosen) =>
    [errataPath(chosen), errataPartPath(chosen, 'init'), errataPartPath(chosen, 'fix')].some(changed),
  );
}

const MOST = 20;

function cannotServe({ set, date, at }: ErrataChosen, said: readonly string[]): Fault {
  const more = said.length > MOST ? `; and ${said.length - MOST} more` : '';
  const message = `the mirror cannot serve the set ${set} of ${date}: ${said.slice(0, MOST).join('; ')}${more}`;
  return new Fault('POOL_MISSING', message, {
    hint: 'Name a later set, take the builds out of this one (its .fix.yaml), or bring the files back from a backup.',
    at,
  });
}
