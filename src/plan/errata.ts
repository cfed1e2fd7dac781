import { packagePreset } from '../manifest/presets.ts';
import { compareNevra, formatNevra, type Nevra, nameArch } from '../rpm/nevra.ts';

export interface ErrataChoice {
  /** Module streams of a build: the builds of one stream are never compared with those of another. */
  readonly streams: (nevra: string) => readonly string[];
  readonly kernels: boolean;
}

/** What a dated set names, in the order of manifests, and how many names of kernel space it leaves out. */
export interface Chosen {
  readonly builds: readonly Nevra[];
  readonly kernels: number;
}

/** The newest build of each name.arch and module stream, wherever it stands; sources are nothing that a host installs. */
export function chooseErrata(builds: Iterable<Nevra>, { streams, kernels }: ErrataChoice): Chosen {
  const kernelSpace = packagePreset('kernel-space');
  const newest = new Map<string, Nevra>();
  const left = new Set<string>();
  for (const build of builds) {
    if (build.arch === 'src' || build.arch === 'nosrc') continue;
    if (!kernels && kernelSpace.matches(build.name)) {
      left.add(nameArch(build));
      continue;
    }
    const key = [nameArch(build), ...streams(formatNevra(build))].join(' ');
    const known = newest.get(key);
    if (!known || compareNevra(known, build) < 0) newest.set(key, build);
  }
  const chosen = new Map([...newest.values()].map((build) => [formatNevra(build), build]));
  return { builds: [...chosen.values()].sort(compareNevra), kernels: left.size };
}
