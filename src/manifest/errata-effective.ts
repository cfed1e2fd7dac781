import { Fault, quote } from '../base/fault.ts';
import { compareEvr, type Evr, formatEvr } from '../rpm/evr.ts';
import { moduleOf } from '../rpm/kernel-module.ts';
import { compareNevra, formatNevra, type Nevra } from '../rpm/nevra.ts';
import type { ErrataRemoval } from './errata-parts.ts';
import type { KernelChoice } from './errata-policy.ts';
import { packagePreset } from './presets.ts';

/** Who may choose the kernel of a set, the strongest first. */
export interface KernelLayers {
  readonly site: KernelChoice | undefined;
  readonly errata: KernelChoice | undefined;
  readonly os: KernelChoice | undefined;
}

/** Site before errata before operating system; undefined: the set says what it says. */
export function chosenKernel({ site, errata, os }: KernelLayers): KernelChoice | undefined {
  return site ?? errata ?? os;
}

/** What a set is made from, and in this order: the kernel, the set, the removals. */
export interface ErrataSource {
  readonly kernel: KernelChoice | undefined;
  readonly builds: readonly Nevra[];
  /** Where kernels are taken from. */
  readonly available: readonly Nevra[];
  readonly remove: readonly ErrataRemoval[];
  /** Kernels, the chosen one included. */
  readonly keep: number;
}

/** What a kernel's package is called that has the image, or stands for the one that has. */
const IMAGE = /^kernel(-(rt|64k|uek|lt|ml|default|azure|debug|rt-debug|64k-debug|rt-64k))?(-core)?$/;

/** Whether one of these builds is this kernel. */
export function hasKernel(builds: readonly Nevra[], { evr }: KernelChoice): boolean {
  return builds.some((build) => isImage(build) && sameEvr(build.evr, evr));
}

/**
 * The set as hosts get it, in the order of manifests. Pure: equal sources give equal sets, in whatever order they were read. A Fault
 * for a kernel that is not there, a removal that matches nothing, and one that takes the chosen kernel.
 */
export function effectiveErrata(source: ErrataSource): Nevra[] {
  const { kernel, remove } = source;
  const whole = kernel ? withKernel(source, kernel) : source.builds;
  const { builds, unused } = removeFrom(whole, remove);
  if (unused[0]) {
    const { pattern, at } = unused[0];
    throw new Fault('MANIFEST_INVALID', `${quote(pattern.text)} matches nothing in the set`, {
      hint: 'Correct the pattern, or drop the removal.',
      at,
    });
  }
  if (kernel && !hasKernel(builds, kernel)) {
    const lost = whole.filter((build) => isImage(build) && sameEvr(build.evr, kernel.evr));
    const by = remove.find(({ pattern }) => lost.some(({ name }) => pattern.matches(name)));
    throw new Fault('MANIFEST_INVALID', `it takes away the chosen kernel ${formatEvr(kernel.evr)}`, {
      hint: `Choose another kernel instead (${kernel.at}).`,
      at: by?.at,
    });
  }
  return [...new Map(builds.map((build) => [formatNevra(build), build])).values()].sort(compareNevra);
}

/** Applied again it changes nothing more. `unused`: what nothing matched. */
export function removeFrom(
  builds: readonly Nevra[],
  remove: readonly ErrataRemoval[],
): { builds: Nevra[]; unused: ErrataRemoval[] } {
  const meets = ({ pattern }: ErrataRemoval) => builds.some(({ name }) => pattern.matches(name));
  return {
    builds: builds.filter(({ name }) => !remove.some(({ pattern }) => pattern.matches(name))),
    unused: remove.filter((removal) => !meets(removal)),
  };
}

/** The chosen kernel in place of every other, and behind it those before it, each with all that has its version. */
function withKernel({ builds, available, keep }: ErrataSource, choice: KernelChoice): Nevra[] {
  const images = [...available, ...builds].filter(isImage);
  const chosen = images.filter(({ evr }) => sameEvr(evr, choice.evr));
  if (chosen.length === 0) throw unknownKernel(images, choice);
  const names = new Set(chosen.map(({ name }) => name));
  const kinds = new Set(chosen.map(({ arch }) => arch));
  const older = images
    .filter(({ name, arch, evr }) => names.has(name) && kinds.has(arch) && compareEvr(evr, choice.evr) < 0)
    .sort((a, b) => compareEvr(b.evr, a.evr));
  const kept = [...new Map([...chosen, ...older].map((image) => [formatEvr(image.evr), image])).values()];
  const wanted = kept.slice(0, keep);
  const others = builds.filter(
    (build) => !isKernelSpace(build.name) || !images.some((image) => isOf(build, image)),
  );
  const family = [...available, ...builds].filter(
    (build) => isKernelSpace(build.name) && wanted.some((image) => isOf(build, image)),
  );
  return [...others, ...newestModules(family)];
}

/** Of a module that is named after its kernel, one build; of a kernel's own packages, the version says which. */
function newestModules(family: readonly Nevra[]): Nevra[] {
  const found = new Map<string, Nevra>();
  for (const build of family) {
    const known = found.get(keyOf(build));
    if (!known || compareNevra(known, build) < 0) found.set(keyOf(build), build);
  }
  return [...found.values()];
}

function keyOf({ name, arch, evr }: Nevra): string {
  return isOwn(name) ? `${name}.${arch} ${formatEvr(evr)}` : `${name}.${arch}`;
}

/** Whether a build of kernel space has the version of this kernel: as its own, or in its name. */
function isOf(build: Nevra, image: Nevra): boolean {
  return isOwn(build.name) ? sameEvr(build.evr, image.evr) : moduleOf(build.name, image) !== undefined;
}

/** Of the kernel's own source package, and so of its version. */
function isOwn(name: string): boolean {
  return name === 'kernel' || name.startsWith('kernel-');
}

/** What the kernel-space preset knows of. */
export function isKernelSpace(name: string): boolean {
  return packagePreset('kernel-space').matches(name);
}

function isImage({ name }: Nevra): boolean {
  return IMAGE.test(name);
}

function sameEvr(a: Evr, b: Evr): boolean {
  return a.epoch === b.epoch && a.version === b.version && a.release === b.release;
}

const MOST_NAMED = 8;

function unknownKernel(images: readonly Nevra[], { evr, at }: KernelChoice): Fault {
  const known = [...images].sort((a, b) => compareEvr(b.evr, a.evr)).map((image) => formatEvr(image.evr));
  const named = [...new Set(known)].slice(0, MOST_NAMED).join(', ') || 'none';
  const message = `there is no kernel ${formatEvr(evr)}: not where the set is from, and live never had it`;
  return new Fault('NOT_FOUND', message, { hint: `Name one of: ${named}.`, at });
}
