/** Besides `noarch`, what the machines of an arch run (rpm's rpmrc: arch_compat). */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['i386', 'i486', 'i586', 'i686', 'athlon', 'amd64', 'x86_64_v2', 'x86_64_v3', 'x86_64_v4'],
  i686: ['i386', 'i486', 'i586'],
  i386: ['i486', 'i586', 'i686', 'athlon', 'geode'], // as repositories are named, for all of the family
  ppc64: ['ppc'],
  s390x: ['s390'],
  armv7hl: ['armv6hl', 'armv5tel'],
};

/** Arches of packages that clients of this arch can install, the arch itself first. */
export function archesFor(arch: string): readonly string[] {
  return [arch, 'noarch', ...(RUNS[arch] ?? [])];
}
