import { Fault } from '../base/fault.ts';
import type { TeamPolicy } from '../manifest/policy.ts';
import type { PackageIndex } from '../repodata/packageIndex.ts';
import { type Installed, readInstalled, withoutEpoch } from '../rpm/installed.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { State } from './state.ts';

/** What one host has installed, as a team lists it. */
export interface HostProfile {
  /** `profiles/web.txt` */
  readonly file: string;
  readonly installed: readonly Installed[];
}

/** What of a profile the universe knows. */
export interface MatchedProfile {
  readonly file: string;
  /** 1 at the builds that the host has. */
  readonly builds: Uint8Array;
  /** Of other repositories, or long gone: nothing can be said of them. */
  readonly unmatched: readonly Installed[];
}

/**
 * A team's profiles for one client set (all of them where none is named), from the texts of the commit that the state was read at.
 * NOT_FOUND where a file is not there; MALFORMED and TOO_LARGE as readInstalled.
 */
export function readProfiles(state: State, team: TeamPolicy, set?: string): HostProfile[] {
  return team.profiles
    .filter((profile) => set === undefined || (profile.for?.includes(set) ?? true))
    .map(({ file, at }) => {
      const text = state.files.get(file);
      if (text !== undefined) return { file, installed: readInstalled(text, file) };
      throw new Fault('NOT_FOUND', `${file} is not in the state repository`, {
        hint: 'Commit what `rpm -qa` prints on such a host under that name, or drop the line.',
        at,
      });
    });
}

/**
 * Finds the builds of a profile among those of `within` (1 = in): by name, arch, version and release, and by epoch where the
 * profile says one. Where several builds differ in nothing else the newest is meant; a re-rolled one stands for the other.
 */
export function matchProfile(profile: HostProfile, index: PackageIndex, within: Uint8Array): MatchedProfile {
  const byText = new Map<string, number>();
  within.forEach((isIn, build) => {
    if (!isIn) return;
    const nevra = index.nevra(build);
    for (const text of [`exact ${formatNevra(nevra)}`, `any ${withoutEpoch(nevra)}`]) {
      const known = byText.get(text);
      if (known === undefined || index.nevra(known).evr.epoch <= nevra.evr.epoch) byText.set(text, build);
    }
  });
  const builds = new Uint8Array(index.size);
  const unmatched = profile.installed.filter(({ nevra, epochKnown }) => {
    const build = byText.get(`${epochKnown ? 'exact' : 'any'} ${formatNevra(nevra)}`);
    if (build !== undefined) builds[build] = 1;
    return build === undefined;
  });
  return { file: profile.file, builds, unmatched };
}

/** In a sentence, for the report; undefined where all was found. */
export function unmatchedNote({ file, unmatched }: MatchedProfile, total: number): string | undefined {
  const [first] = unmatched;
  if (!first) return undefined;
  const more = unmatched.length > 1 ? ` and ${unmatched.length - 1} more` : '';
  return `${file}: ${unmatched.length} of ${total} packages are in none of its repositories, and nothing is said of them: ${formatNevra(first.nevra)}${more}`;
}
