/** Besides `noarch`, what the machines of an arch run (rpm's rpmrc: arch_compat), the least of them first. */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['i386', 'i486', 'i586', 'i686', 'athlon', 'amd64', 'x86_64_v2', 'x86_64_v3', 'x86_64_v4'],
  i686: ['i386', 'i486', 'i586'],
  i386: ['i486', 'i586', 'i686', 'athlon', 'geode'], // as repositories are named, for all of the family
  ppc64: ['ppc'],
  s390x: ['s390'],
  armv7hl: ['armv5tel', 'armv6hl'],
};

const WORDS =
  /^(noarch|src|nosrc|i[3-6]86|x86_64(_v[2-4])?|amd64|athlon|geode|ia64|aarch64|arm(v[5-8][a-z]*)?|ppc(64(le|p7)?)?|s390x?|riscv64|loongarch64|mips(64)?(el)?|sparc(v9|64)?|alpha)$/;

/** Whether a word is an arch of packages: names may have dots too (`python3.11`). */
export function isArch(text: string): boolean {
  return WORDS.test(text);
}

/** Arches of packages that clients of this arch can install, the arch itself first. */
export function archesFor(arch: string): readonly string[] {
  return [arch, 'noarch', ...(RUNS[arch] ?? [])];
}

/**
 * How good a build's arch is for clients of another: 0 is their own, more is worse; noarch is as good as any. Undefined where
 * they cannot install it.
 */
export function archRank(arch: string, client: string): number | undefined {
  if (arch === client || arch === 'noarch') return 0;
  const runs = RUNS[client] ?? [];
  const place = runs.indexOf(arch);
  return place < 0 ? undefined : runs.length - place;
}

/** Whether files of two arches may stand beside each other (rpm's colors): libraries of 32 and of 64 bits. */
export function sharesColor(a: string, b: string): boolean {
  const wide = (arch: string): boolean => arch === 's390x' || arch.includes('64');
  return a === b || a === 'noarch' || b === 'noarch' || wide(a) === wide(b);
}
