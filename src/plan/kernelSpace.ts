/** What of the `kernel-…` names runs in user space, and moves like any other package. */
const USER_SPACE =
  /^kernel-(headers|tools(-libs(-devel)?)?|cross-headers|doc|srpm-macros|rpm-macros|abi-stablelists|abi-whitelists)$/;
const MODULES = /^(kmod|akmod|dkms)-(?!libs$|devel$|compat$)|-k?modules?-kmod$|-kmod(-.*)?$|-kmp(-.*)?$/;

/** Kernels and what is built for one kernel: a bad one may leave a machine that does not boot, so they move apart from the rest. */
export function isKernelSpace(name: string): boolean {
  if (name === 'kernel' || name.startsWith('kernel-')) return !USER_SPACE.test(name);
  return MODULES.test(name);
}
