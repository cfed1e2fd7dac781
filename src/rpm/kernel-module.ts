import type { Nevra } from './nevra.ts';

/** Fewer parts may be anybody's version: `kmod-foo-5.14.0` is taken for a name like any other. */
const MIN_PARTS = 4;
/** What every name that carries a version has: quick to ask first. */
export const MAY_CARRY = /[0-9][._-][0-9]+[._-][0-9]+[._-][0-9]/;
const ARCH = /[.](?:x86_64|aarch64|ppc64le|s390x|i[3-6]86)$/;
const FLAVOUR = /(?:smp|PAE|xen|debug|hugemem|largesmp)$/;

/**
 * Names that end with the version of a kernel, as far as they say it: `kmod-lustre-client-5.14.0_427` is for every 5.14.0-427,
 * `kmod-nvidia-570.1-5.14.0-503.11.1` for that one. What stands before it is the module's own name.
 */
export function moduleOf(name: string, kernel: Nevra): string | undefined {
  if (!MAY_CARRY.test(name)) return undefined;
  const said = name.replace(ARCH, '').replace(FLAVOUR, '');
  const own = said.split(/[._-]/);
  const version = `${kernel.evr.version}-${kernel.evr.release}`.split(/[._-]/);
  for (let parts = Math.min(version.length, own.length - 1); parts >= MIN_PARTS; parts -= 1) {
    const tail = own.slice(-parts);
    if (tail.every((part, i) => part === version[i])) return said.slice(0, -tail.join('-').length - 1);
  }
  return undefined;
}
